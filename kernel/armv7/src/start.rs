//! The vault of boot: what is unsafe because it happens once, before anything else runs.
//!
//! Invariant **B (boot)**: each function here is called once, in the order in which [`crate::boot`] does, on the one
//! core that was let in, from the image's entry; the image's layout is what the linker says.

#![allow(unsafe_code, reason = "the vault of boot")]

use crate::hyp_map::{HypMap, Root, Table};
use crate::platform::Armv7;
use crate::{cell, log, sysreg};
use abi::boot::PayloadHeader;
use core::sync::atomic::{AtomicU32, Ordering};
use kernel_core::{Arena, Kernel};

/// Tables for the kernel's map: two of level 2 (RAM, devices), one of level 3 (the image), two to spare.
const TABLES: usize = 5;

static mut ROOT: Root = Root([0; 4]);
static mut POOL: [Table; TABLES] = [Table([0; 512]); TABLES];

/// Lets `fill` write the kernel's map.
pub(crate) fn with_map<R>(fill: impl FnOnce(&mut HypMap) -> R) -> R {
    // SAFETY: B: nobody else uses the tables yet, and the hardware does not walk them.
    let (root, pool) = unsafe { (&mut *(&raw mut ROOT), &mut *(&raw mut POOL)) };
    let address = (&raw const POOL).addr() as u32;
    fill(&mut HypMap { root, pool, address, used: 0 })
}

/// Switches the map on.
pub(crate) fn mmu_on(vectors: u32, hmair0: u32, htcr: u32, hsctlr: u32) {
    // SAFETY: B: the map was filled with the identity over the image and all RAM.
    unsafe { sysreg::start_hyp((&raw const ROOT).addr() as u32, vectors, hmair0, htcr, hsctlr) }
}

unsafe extern "C" {
    static __secondary: u8;
    static __unparked: AtomicU32;
}

/// Where a core begins that firmware starts.
pub(crate) fn secondary_entry() -> u32 {
    (&raw const __secondary).addr() as u32
}

/// Lets the cores go on that the image's first instructions have parked: they look past the cache.
pub(crate) fn unpark() {
    let address = (&raw const __unparked).addr() as u32;
    // SAFETY: a word of the image's data, for this alone.
    unsafe { __unparked.store(1, Ordering::Release) };
    sysreg::dccmvac::write(address);
    sysreg::sev();
}

/// Starts the log.
pub(crate) fn log(page: u32) {
    // SAFETY: B: the linker gave the page to the log alone.
    unsafe { log::start(page as usize) }
}

/// The header at the payload's place, whatever is there.
pub(crate) fn payload_header(payload: u32) -> PayloadHeader {
    // SAFETY: B: mapped RAM, page-aligned; a header is integers, valid whatever they are.
    unsafe { core::ptr::with_exposed_provenance::<PayloadHeader>(payload as usize).read() }
}

/// Makes the kernel.
pub(crate) fn kernel(platform: Armv7) -> &'static mut Kernel<Armv7> {
    // SAFETY: B: the window is the identity over all RAM, for ever; there is one arena; no trap can come yet.
    unsafe { cell::install(Kernel::new(Arena::new(0), platform)) }
}
