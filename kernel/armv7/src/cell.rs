//! The vault of the kernel's one instance, and of the gate through which one core at a time comes to it.
//!
//! Invariant **E (entered)**: a core runs the kernel with interrupts masked, between [`enter`] and [`leave`], or, in an image
//! for one core, all the time; each entry ends in an ERET that forgets its stack: `enter` is called once for an entry, by
//! its outermost function, so the reference it returns is the only one in use. [`peek`] is for the epitaph, after which no entry
//! follows.
//!
//! Invariant **L (lent)**: while a core inside waits in [`send`], it uses neither the arena nor what it is told of, and what an
//! errand touches is only that and the other core's hardware: for so long both are the other core's.

#![allow(unsafe_code, reason = "the vault of the kernel's one instance")]

use crate::platform::Armv7;
use crate::{gic, sysreg, trap};
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::AtomicU32;
use kernel_core::cores::Errand;
use kernel_core::gate::{Gate, Note};
use kernel_core::kernel::CORES_MAX;
use kernel_core::{Context, Handle, Kernel, Platform};

struct Cell(UnsafeCell<MaybeUninit<Kernel<Armv7>>>);
// SAFETY: E: never used by two at once.
unsafe impl Sync for Cell {}

static KERNEL: Cell = Cell(UnsafeCell::new(MaybeUninit::uninit()));
static GATE: Gate<AtomicU32, CORES_MAX> = Gate::OPEN;

/// Puts the kernel into its place, and enters it.
///
/// # Safety
/// E; called once, before any trap can come.
pub unsafe fn install(kernel: Kernel<Armv7>) -> &'static mut Kernel<Armv7> {
    if CORES_MAX > 1 {
        GATE.enter(0, |_| (), || ());
    }
    // SAFETY: E.
    unsafe { (*KERNEL.0.get()).write(kernel) }
}

/// The kernel, and whether whoever made this entry is to be forgotten: another core has taken it out of the hardware.
///
/// # Safety
/// E; [`install`] has been called. `call`: the context of a thread that has made a system call, which is then made again.
#[inline(always)]
unsafe fn pass(call: Option<u32>) -> (&'static mut Kernel<Armv7>, bool) {
    let mut forgotten = false;
    if CORES_MAX > 1 {
        GATE.enter(sysreg::core(), |note| run(note, call, &mut forgotten), core::hint::spin_loop);
    }
    // SAFETY: E; `install` came first, since nothing runs that could trap before it.
    (unsafe { (*KERNEL.0.get()).assume_init_mut() }, forgotten)
}

/// Does an errand of the core that is inside.
#[cold]
fn run(note: Note, call: Option<u32>, forgotten: &mut bool) {
    if let (Some(context), false) = (call, *forgotten) {
        // SAFETY: L: entry has just stored it, and its thread is not touched by who waits for this.
        let context = unsafe { &mut *core::ptr::with_exposed_provenance_mut::<Context>(context as usize) };
        Armv7::restart_syscall(context);
    }
    *forgotten = true;
    // SAFETY: L; the address is that of a live vCPU's handle, as the other core says.
    let (platform, arena, errand) = unsafe {
        let kernel = (*KERNEL.0.get()).as_mut_ptr();
        (&mut (*kernel).platform, &mut (*kernel).arena, Errand::of(note, |address| Handle::live(address)))
    };
    errand.run(platform, arena);
    sysreg::dsb_sy();
}

/// Has another core do an errand, and waits until it is done.
#[cold]
pub fn send(core: usize, errand: Errand) {
    GATE.send(core, errand.note(), || gic::kick(core), core::hint::spin_loop);
}

/// The kernel, after a trap that is no system call or an interrupt. If there is nothing to do but to go on, it does.
///
/// # Safety
/// E; [`install`] has been called.
#[inline(always)]
pub unsafe fn enter() -> &'static mut Kernel<Armv7> {
    // SAFETY: the caller's promise.
    let (kernel, forgotten) = unsafe { pass(None) };
    if forgotten { trap::leave(kernel) } else { kernel }
}

/// The kernel, after an interrupt.
///
/// # Safety
/// E; [`install`] has been called.
#[inline(always)]
pub unsafe fn enter_by_interrupt() -> &'static mut Kernel<Armv7> {
    // SAFETY: the caller's promise. Interrupts are nobody's in particular.
    unsafe { pass(None).0 }
}

/// The kernel, for a core that comes for the first time, after the first one has [`install`]ed it.
pub fn first_entry() -> &'static mut Kernel<Armv7> {
    // SAFETY: E: the core's first, from which it goes to its first ERET.
    unsafe { enter_by_interrupt() }
}

/// The kernel, after a system call of the thread with that context. If that thread was taken away meanwhile, whoever is to run does.
///
/// # Safety
/// E; [`install`] has been called; the context is that of the thread that made this entry.
#[inline(always)]
pub unsafe fn enter_by_call(context: u32) -> &'static mut Kernel<Armv7> {
    // SAFETY: the caller's promise.
    let (kernel, forgotten) = unsafe { pass(Some(context)) };
    if forgotten { trap::leave(kernel) } else { kernel }
}

/// Lets the next core in: the last that an entry does, before its ERET.
#[inline(always)]
pub fn leave() {
    if CORES_MAX > 1 {
        GATE.leave();
    }
}

/// Does something while other cores may be inside. What was known of the kernel before is known no more.
pub fn outside(_kernel: &'static mut Kernel<Armv7>, what: impl FnOnce()) -> &'static mut Kernel<Armv7> {
    leave();
    what();
    // SAFETY: E: the reference from before is gone.
    unsafe { enter_by_interrupt() }
}

/// The thread whose context entry code has just stored into, on this core.
pub fn who_entered() -> u32 {
    // SAFETY: E, L: it is written by this core alone.
    unsafe {
        let live = &raw const (*(*KERNEL.0.get()).as_ptr()).platform.locals[sysreg::core()].live;
        (&raw const (*live).tcb).read().map_or(0, |tcb| tcb.address())
    }
}

/// Addresses of the current thread and of the vCPU whose guest runs, 0 for none; for an epitaph.
pub fn peek() -> (u32, u32) {
    // SAFETY: E; the static is zero before `install`, which is a `Live` with nothing in it; nothing is kept.
    unsafe {
        let live = &raw const (*(*KERNEL.0.get()).as_ptr()).platform.locals[sysreg::core()].live;
        let tcb = (&raw const (*live).tcb).read_volatile();
        let vcpu = (&raw const (*live).eager).read_volatile();
        (tcb.map_or(0, |tcb| tcb.address()), vcpu.map_or(0, |vcpu| vcpu.address()))
    }
}
