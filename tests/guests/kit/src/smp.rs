//! Vault: the other processors, and where they begin.
#![allow(unsafe_code, reason = "symbols of assembly, and a function that another processor was given")]

use crate::cpu::{hvc, mpidr};
use crate::psci;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

static MAIN: AtomicU32 = AtomicU32::new(0);

unsafe extern "C" {
    fn guest_secondary();
}

/// Which processor this is.
pub fn number() -> u32 {
    mpidr::read() & 3
}

/// Where a processor begins that is to run `main`. One function for all.
pub fn entry(main: fn(u32)) -> u32 {
    MAIN.store(main as usize as u32, Relaxed);
    guest_secondary as *const () as usize as u32
}

/// Starts a processor, which calls `main` with `context` and switches itself off afterwards. What the firmware says.
pub fn start(number: u32, main: fn(u32), context: u32) -> u32 {
    hvc([psci::CPU_ON, number, entry(main), context])
}

// SAFETY: the name is the kit's alone.
#[unsafe(no_mangle)]
extern "C" fn guest_secondary_main(context: u32) {
    // SAFETY: only `entry` stores here, a function of this type.
    unsafe { core::mem::transmute::<usize, fn(u32)>(MAIN.load(Relaxed) as usize)(context) };
    hvc([psci::CPU_OFF, 0, 0, 0]);
}
