//! The vault of entry and exit: the vectors of Hyp mode (ARM DDI 0406C B1.8.1), and the only two ERETs.
//!
//! While user mode or a guest runs, SP_hyp is the address of the running thread's context, which stands first in its
//! `Tcb`: entry stores registers straight into it, and only then takes the kernel's stack, from its top. Nothing of an
//! entry outlives it, so nothing is ever popped. Hyp mode has no LR of its own: it is that of User mode.
//!
//! Mitigations for speculative execution (ICIALLU or BPIALL, and a loop of branches, for processors whose MIDR asks for
//! them) belong between the vectors and the first branch: a second table of vectors, chosen by boot. There is none yet.
//! Behind each ERET stands a barrier.

#![allow(unsafe_code, reason = "the vault of entry and exit")]

use crate::epitaph::Record;
use crate::hsr::{Hsr, class};
use crate::{cell, epitaph, sysreg, trap};
use abi::Syscall;
use core::arch::{asm, global_asm};
use core::mem::offset_of;
use kernel_core::kernel::CORES_MAX;
use kernel_core::{Context, Handle};

/// Registers at a fault of the kernel's own. Written by the vectors, read by the epitaph.
pub(crate) static mut RECORD: Record = Record::EMPTY;

const SAVED: usize = offset_of!(Context, sp);
const _: () = assert!(
    offset_of!(Context, lr) == SAVED + 4
        && offset_of!(Context, pc) == SAVED + 8
        && offset_of!(Context, cpsr) == SAVED + 12
);

/// HSR of `SVC #0` in ARM state (ARM DDI 0406C B3.13.6): the number stands in its low bits. A Thumb one goes the longer
/// way: its IL bit differs.
const SVC_ARM: u32 = 0x11 << 26 | 1 << 25;

const _: () = assert!(Syscall::Call as u32 == 0 && Syscall::ReplyRecv as u32 == 1);

global_asm!(
    r#"
    .section .text.vectors, "ax"
    .arm
    .arch_extension virt
    .arch_extension sec
    .balign 32
    .global hyp_vectors
hyp_vectors:
    b   fault_reset
    b   fault_undefined
    b   fault_call
    b   fault_fetch
    b   fault_data
    b   hyp_trap
    b   hyp_irq
    b   fault_fiq

    @ Stores the running thread's registers; takes the kernel's stack. r0: the thread.
    .macro store_context
    stm sp, {{r0-r12}}
    mrs r2, SP_usr
    mov r3, lr
    mrs r4, ELR_hyp
    mrs r5, SPSR
    add r6, sp, #{saved}
    stm r6, {{r2-r5}}
    mov r0, sp
    movw sp, #:lower16:__stack_top
    movt sp, #:upper16:__stack_top
    .if {cores} > 1
    mrc p15, 0, r1, c0, c0, 5       @ MPIDR: each core has its own
    and r1, r1, #({cores} - 1)
    movw r2, #:lower16:__stack_stride
    mul r1, r1, r2
    add sp, sp, r1
    .endif
    .endm

    @ Loads the context at r0 and leaves SP_hyp there.
    .macro load_context
    add r1, r0, #{saved}
    ldm r1, {{r2-r5}}
    mov sp, r0
    msr SP_usr, r2
    mov lr, r3
    msr ELR_hyp, r4
    msr SPSR_cxsf, r5
    ldm sp, {{r0-r12}}
    .endm

    .balign 64
hyp_trap:
    store_context
    mrc p15, 4, r1, c5, c2, 0       @ HSR
    eor r1, r1, #{svc}              @ of an SVC in ARM state, which only a component's comes here, its number is left
dispatch:
    cmp r1, #{reply_receive_number}
    blo {call}                      @ which is 0
    beq {reply_receive}
    cmp r1, #{calls}
    blo {syscall}
    eor r0, r1, #{svc}
    bl  {trap}                      @ comes back for the other SVCs only
    cmp r1, #{calls}
    blo dispatch
    b   {syscall}

hyp_irq:
    store_context
    b   {irq}

    .balign 64
    .global exit_component
exit_component:
    load_context
    .global eret_component
eret_component:
    eret
    dsb sy
    isb

    .global exit_guest
exit_guest:
    load_context
    .global eret_guest
eret_guest:
    eret
    dsb sy
    isb

    @ A fault of the kernel's own, or what can't happen: keep everything, take another stack.
    .macro fault name, cause
\name:
    mcr p15, 4, sp, c13, c0, 2      @ HTPIDR holds SP for a moment
    movw sp, #:lower16:{record}
    movt sp, #:upper16:{record}
    stm sp, {{r0-r12}}
    mov r0, #\cause
    b   fault_common
    .endm

    fault fault_reset, 0
    fault fault_undefined, 1
    fault fault_call, 2
    fault fault_fetch, 3
    fault fault_data, 4
    fault fault_fiq, 7

fault_common:
    mrc p15, 4, r1, c13, c0, 2
    mov r2, lr
    mrs r3, ELR_hyp
    mrs r4, SPSR
    add r5, sp, #{saved}
    stm r5, {{r1-r4}}
    movw sp, #:lower16:__epitaph_stack_top
    movt sp, #:upper16:__epitaph_stack_top
    b   {fault}
    .text
    "#,
    saved = const SAVED,
    cores = const CORES_MAX,
    svc = const SVC_ARM,
    calls = const Syscall::COUNT,
    reply_receive_number = const Syscall::ReplyRecv as u32,
    call = sym call,
    reply_receive = sym reply_receive,
    syscall = sym syscall,
    trap = sym other_trap,
    irq = sym interrupt,
    fault = sym fault,
    record = sym RECORD,
);

unsafe extern "C" {
    static hyp_vectors: u8;
    static __stack_bottom: u8;
    static __stack_top: u8;
    static __stack_stride: u8;
    static __boot_stack_bottom: u8;
    static __boot_stack_top: u8;
}

/// The words of the kernel's stack, or boot's, from `sp` up to its top; none if `sp` is on neither.
pub(crate) fn stack_from(sp: u32) -> &'static [u32] {
    let further = sysreg::core() as u32 * (&raw const __stack_stride).addr() as u32;
    let stacks = [
        ((&raw const __stack_bottom).addr() as u32 + further, (&raw const __stack_top).addr() as u32 + further),
        ((&raw const __boot_stack_bottom).addr() as u32, (&raw const __boot_stack_top).addr() as u32),
    ];
    let Some((_, top)) = stacks.into_iter().find(|&(bottom, top)| (bottom..top).contains(&sp)) else { return &[] };
    if !sp.is_multiple_of(4) {
        return &[];
    }
    // SAFETY: inside the stack, aligned, and whoever used it is dead.
    unsafe { core::slice::from_raw_parts(core::ptr::with_exposed_provenance(sp as usize), (top - sp) as usize / 4) }
}

/// Address of the vectors.
pub fn vectors() -> u32 {
    (&raw const hyp_vectors).addr() as u32
}

/// Leaves the kernel for the component with that context.
#[inline(always)]
pub(crate) fn leave_to_component(context: u32) -> ! {
    cell::leave();
    // SAFETY: `context` is that of a live `Tcb`, which stays until the next entry has stored into it; the world is set.
    unsafe { asm!("b exit_component", in("r0") context, options(noreturn)) }
}

/// Leaves the kernel for the guest with that context.
#[inline(always)]
pub(crate) fn leave_to_guest(context: u32) -> ! {
    cell::leave();
    // SAFETY: as in `leave_to_component`.
    unsafe { asm!("b exit_guest", in("r0") context, options(noreturn)) }
}

extern "C" fn call(context: u32) -> ! {
    // SAFETY: E: the outermost function of an entry; SP_hyp was the context of the thread that ran, with which a `Tcb` begins.
    let (kernel, tcb) = unsafe { (cell::enter_by_call(context), Handle::live(context)) };
    let direct = kernel.on_call(tcb);
    trap::leave_call(kernel, tcb, direct)
}

extern "C" fn reply_receive(context: u32) -> ! {
    // SAFETY: as in `call`.
    let (kernel, tcb) = unsafe { (cell::enter_by_call(context), Handle::live(context)) };
    let direct = kernel.on_reply_receive(tcb);
    trap::leave_call(kernel, tcb, direct)
}

extern "C" fn syscall(context: u32, number: u32) -> ! {
    // SAFETY: as in `call`.
    let (kernel, tcb) = unsafe { (cell::enter_by_call(context), Handle::live(context)) };
    let direct = kernel.on_syscall(tcb, number);
    trap::leave_call(kernel, tcb, direct)
}

/// A trap that is no system call in ARM state. Returns for what is one all the same: the thread, and above it the number.
extern "C" fn other_trap(hsr: u32) -> u64 {
    if CORES_MAX > 1 && Hsr(hsr).class() == class::SVC {
        // Only components make them. The gate is passed once.
        return u64::from(hsr & 0xffff) << 32 | u64::from(cell::who_entered());
    }
    // SAFETY: E: the outermost function of an entry.
    let kernel = unsafe { cell::enter() };
    if let Some((tcb, number)) = trap::trap(kernel, hsr) {
        return u64::from(number) << 32 | u64::from(tcb.address());
    }
    trap::leave(kernel)
}

extern "C" fn interrupt() -> ! {
    // SAFETY: E: the outermost function of an entry.
    let kernel = unsafe { cell::enter_by_interrupt() };
    trap::interrupt(kernel);
    trap::leave(kernel)
}

extern "C" fn fault(vector: u32) -> ! {
    // SAFETY: the vectors have just written it, with everything masked; this core is the only one.
    let record = unsafe { (&raw const RECORD).read() };
    epitaph::fault(vector, &record)
}

/// Takes the undefined-instruction vector, so that an epitaph has all registers.
pub(crate) fn trap_here() -> ! {
    // SAFETY: does not return.
    unsafe { asm!("udf #0", options(noreturn)) }
}
