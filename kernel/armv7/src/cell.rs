//! The vault of the kernel's one instance.
//!
//! Invariant **E (entered)**: the kernel runs on one core with interrupts masked, and each entry ends in an ERET that
//! forgets its stack: [`enter`] is called once for an entry, by its outermost function, so the reference it
//! returns is the only one in use. [`peek`] is for the epitaph, after which no entry follows.

#![allow(unsafe_code, reason = "the vault of the kernel's one instance")]

use crate::platform::Armv7;
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use kernel_core::Kernel;

struct Cell(UnsafeCell<MaybeUninit<Kernel<Armv7>>>);
// SAFETY: E: never used by two at once.
unsafe impl Sync for Cell {}

static KERNEL: Cell = Cell(UnsafeCell::new(MaybeUninit::uninit()));

/// Puts the kernel into its place, and enters it.
///
/// # Safety
/// E; called once, before any trap can come.
pub unsafe fn install(kernel: Kernel<Armv7>) -> &'static mut Kernel<Armv7> {
    // SAFETY: E.
    unsafe { (*KERNEL.0.get()).write(kernel) }
}

/// The kernel.
///
/// # Safety
/// E; [`install`] has been called.
#[inline(always)]
pub unsafe fn enter() -> &'static mut Kernel<Armv7> {
    // SAFETY: E; `install` came first, since nothing runs that could trap before it.
    unsafe { (*KERNEL.0.get()).assume_init_mut() }
}

/// Addresses of the current thread and of the vCPU whose guest runs, 0 for none; for an epitaph.
pub fn peek() -> (u32, u32) {
    // SAFETY: E; the static is zero before `install`, which is a `Live` with nothing in it; nothing is kept.
    unsafe {
        let live = &raw const (*(*KERNEL.0.get()).as_ptr()).platform.live;
        let tcb = (&raw const (*live).tcb).read_volatile();
        let vcpu = (&raw const (*live).eager).read_volatile();
        (tcb.map_or(0, |tcb| tcb.address()), vcpu.map_or(0, |vcpu| vcpu.address()))
    }
}
