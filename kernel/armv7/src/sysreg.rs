//! The vault of system registers: one named accessor for each (ARM DDI 0406C B3.17, B4).
//!
//! Invariants that its blocks lean on:
//!
//! - **R (register)**: every register named here exists in Hyp mode on an ARMv7-A processor with Virtualization
//!   Extensions, and reading it has no effect on memory.
//! - **G (guest's)**: registers of the PL1&0 regime, of its timer and of stage 2 do not change what the kernel's own
//!   loads, stores and fetches do. Those that do (HTTBR, HSCTLR, HVBAR) are written by boot alone, through
//!   functions that are `unsafe` themselves.

#![allow(unsafe_code, reason = "the vault of system registers")]

use core::arch::asm;
use kernel_core::kernel::CORES_MAX;

/// The core that this is, from 0.
#[inline(always)]
pub(crate) fn core() -> usize {
    if CORES_MAX == 1 { 0 } else { mpidr::read() as usize % CORES_MAX }
}

/// 32-bit coprocessor registers.
macro_rules! registers {
    ($($(#[$doc:meta])* $name:ident: $cp:ident, $op1:literal, $crn:ident, $crm:ident, $op2:literal;)*) => {
        $($(#[$doc])*
        #[allow(dead_code, reason = "one row gives reading and writing")]
        pub(crate) mod $name {
            use core::arch::asm;
            #[inline(always)]
            pub fn read() -> u32 {
                let value: u32;
                // SAFETY: R.
                unsafe {
                    asm!(concat!("mrc ", stringify!($cp), ", ", $op1, ", {}, ", stringify!($crn), ", ", stringify!($crm), ", ", $op2),
                         out(reg) value, options(nomem, nostack, preserves_flags));
                }
                value
            }
            #[inline(always)]
            pub fn write(value: u32) {
                // SAFETY: R, G.
                unsafe {
                    asm!(concat!("mcr ", stringify!($cp), ", ", $op1, ", {}, ", stringify!($crn), ", ", stringify!($crm), ", ", $op2),
                         in(reg) value, options(nostack, preserves_flags));
                }
            }
        })*
    };
}

/// 64-bit coprocessor registers.
macro_rules! wide_registers {
    ($($(#[$doc:meta])* $name:ident: $cp:ident, $op1:literal, $crm:ident;)*) => {
        $($(#[$doc])*
        #[allow(dead_code, reason = "one row gives reading and writing")]
        pub(crate) mod $name {
            use core::arch::asm;
            #[inline(always)]
            pub fn read() -> u64 {
                let (low, high): (u32, u32);
                // SAFETY: R.
                unsafe {
                    asm!(concat!("mrrc ", stringify!($cp), ", ", $op1, ", {}, {}, ", stringify!($crm)),
                         out(reg) low, out(reg) high, options(nomem, nostack, preserves_flags));
                }
                u64::from(high) << 32 | u64::from(low)
            }
            #[inline(always)]
            pub fn write(value: u64) {
                // SAFETY: R, G.
                unsafe {
                    asm!(concat!("mcrr ", stringify!($cp), ", ", $op1, ", {}, {}, ", stringify!($crm)),
                         in(reg) value as u32, in(reg) (value >> 32) as u32, options(nostack, preserves_flags));
                }
            }
        })*
    };
}

registers! {
    /// Main ID.
    midr: p15, 0, c0, c0, 0;
    /// Virtualization processor ID.
    vpidr: p15, 4, c0, c0, 0;
    /// Virtualization multiprocessor ID.
    vmpidr: p15, 4, c0, c0, 5;
    /// Hyp configuration.
    hcr: p15, 4, c1, c1, 0;
    /// Hyp debug configuration.
    hdcr: p15, 4, c1, c1, 1;
    /// Hyp coprocessor trap.
    hcptr: p15, 4, c1, c1, 2;
    /// Hyp system trap.
    hstr: p15, 4, c1, c1, 3;
    /// Virtualization translation control.
    vtcr: p15, 4, c2, c1, 2;
    /// Hyp syndrome.
    hsr: p15, 4, c5, c2, 0;
    /// Hyp data fault address.
    hdfar: p15, 4, c6, c0, 0;
    /// Hyp instruction fault address.
    hifar: p15, 4, c6, c0, 2;
    /// Hyp intermediate physical fault address.
    hpfar: p15, 4, c6, c0, 4;
    /// System control of the guest, or its constant for components.
    sctlr: p15, 0, c1, c0, 0;
    /// Multiprocessor affinity: which core this is.
    mpidr: p15, 0, c0, c0, 5;
    /// Interrupt status: what is pending, physically, seen from Hyp.
    isr: p15, 0, c12, c1, 0;
    /// Address translation, PL1 read of the current stage 1.
    ats1cpr: p15, 0, c7, c8, 0;
    /// Timer kernel control.
    cntkctl: p15, 0, c14, c1, 0;
    /// Virtual timer control.
    cntv_ctl: p15, 0, c14, c3, 1;
    /// Timer Hyp control.
    cnthctl: p15, 4, c14, c1, 0;
    /// Hyp timer control.
    cnthp_ctl: p15, 4, c14, c2, 1;
    /// Counter frequency.
    cntfrq: p15, 0, c14, c0, 0;
    /// Instruction caches of all cores, to the point of unification.
    icialluis: p15, 0, c7, c1, 0;
    /// Clean by address, to the point of coherency.
    dccmvac: p15, 0, c7, c10, 1;
    /// Clean and invalidate by address, to the point of coherency.
    dccimvac: p15, 0, c7, c14, 1;
    /// Invalidate by address, to the point of coherency.
    dcimvac: p15, 0, c7, c6, 1;
    /// Clean by address, to the point of unification.
    dccmvau: p15, 0, c7, c11, 1;
    /// Forget the current VMID's translations, on all cores.
    tlballis: p15, 0, c8, c3, 0;
    /// Forget all of PL1&0, on all cores.
    tlballnsnhis: p15, 4, c8, c3, 4;
}

wide_registers! {
    /// Virtualization translation table base, with the VMID.
    vttbr: p15, 6, c2;
    /// Physical address of an address translation.
    par: p15, 0, c7;
    /// Physical counter.
    cntpct: p15, 0, c14;
    /// Virtual offset.
    cntvoff: p15, 4, c14;
    /// Hyp timer, compare value.
    cnthp_cval: p15, 6, c14;
}

/// Context synchronization.
#[inline(always)]
pub fn isb() {
    // SAFETY: a barrier.
    unsafe { asm!("isb", options(nostack, preserves_flags)) }
}

/// Waits until memory accesses and maintenance are complete, inner shareable.
#[inline(always)]
pub fn dsb_ish() {
    // SAFETY: a barrier.
    unsafe { asm!("dsb ish", options(nostack, preserves_flags)) }
}

/// Waits until stores are seen, inner shareable.
#[inline(always)]
pub fn dsb_ishst() {
    // SAFETY: a barrier.
    unsafe { asm!("dsb ishst", options(nostack, preserves_flags)) }
}

/// Waits until everything is complete, everywhere.
#[inline(always)]
pub fn dsb_sy() {
    // SAFETY: a barrier.
    unsafe { asm!("dsb sy", options(nostack, preserves_flags)) }
}

/// Lets go of an exclusive access that another thread began.
#[inline(always)]
pub fn clrex() {
    // SAFETY: the kernel holds no exclusive access over a switch of thread.
    unsafe { asm!("clrex", options(nostack, preserves_flags)) }
}

/// Sleeps until an interrupt waits.
#[inline(always)]
pub fn wfi() {
    // SAFETY: changes nothing but time.
    unsafe { asm!("dsb sy", "wfi", options(nostack, preserves_flags)) }
}

/// Wakes cores that wait for an event.
pub fn sev() {
    // SAFETY: a hint (ARM DDI 0406C A8.8.158).
    unsafe { asm!("dsb sy", "sev", options(nostack, preserves_flags)) }
}

/// Calls the firmware (PSCI, SMC calling convention).
pub fn smc(function: u32, argument: u32) -> u32 {
    smc3(function, argument, 0, 0)
}

/// The same with three arguments.
pub fn smc3(function: u32, first: u32, second: u32, third: u32) -> u32 {
    let result;
    // SAFETY: r0-r3 are the convention's to change; r4-r11 and memory are the caller's.
    unsafe {
        asm!(".arch_extension sec", "smc #0",
             inout("r0") function => result, inout("r1") first => _, inout("r2") second => _, inout("r3") third => _,
             out("r12") _, options(nostack));
    }
    result
}

/// Switches Hyp mode's MMU and caches on, with vectors.
///
/// # Safety
/// `root` is the physical address of a level-1 table that maps the running code, its data and its stack
/// to themselves; `vectors` is that of the vector table.
pub unsafe fn start_hyp(root: u32, vectors: u32, hmair0: u32, htcr: u32, hsctlr: u32) {
    // SAFETY: the caller's promise: after HSCTLR is written, everything stays where it is.
    unsafe {
        asm!(
            "mcr p15, 4, {vectors}, c12, c0, 0", // HVBAR
            "mcr p15, 4, {hmair0}, c10, c2, 0",  // HMAIR0
            "mcr p15, 4, {zero}, c10, c2, 1",    // HMAIR1
            "mcr p15, 4, {htcr}, c2, c0, 2",     // HTCR
            "mcrr p15, 4, {root}, {zero}, c2",   // HTTBR
            "dsb sy",
            "isb",
            "mcr p15, 4, {zero}, c8, c7, 0",     // TLBIALLH
            "mcr p15, 0, {zero}, c7, c5, 0",     // ICIALLU
            "mcr p15, 0, {zero}, c7, c5, 6",     // BPIALL
            "dsb sy",
            "isb",
            "mcr p15, 4, {hsctlr}, c1, c0, 0",   // HSCTLR
            "isb",
            vectors = in(reg) vectors, hmair0 = in(reg) hmair0, htcr = in(reg) htcr, root = in(reg) root,
            hsctlr = in(reg) hsctlr, zero = in(reg) 0, options(nostack),
        );
    }
}
