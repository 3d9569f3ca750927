//! The vault of the kernel's log: defmt frames into the lossy ring of [`abi::ring`], which `log` reads.
//!
//! On the wire each frame is `0x00, 0x80 | id, rzcobs bytes, 0x00`; the kernel's id is 0. The kernel never waits for a
//! reader.
//!
//! Invariant **P (page)**: the page given to [`start`] is the kernel's alone to write, for its whole life; the kernel
//! runs on one core with interrupts masked, so no two frames overlap.

#![allow(unsafe_code, reason = "the vault of the kernel's log")]

use abi::ring::{RING_BYTES, RING_HEADER_BYTES, RING_MAGIC, RingHeader};
use core::cell::UnsafeCell;

/// Writes a line to the kernel's log.
#[macro_export]
macro_rules! klog {
    ($($argument:tt)*) => { defmt::info!($($argument)*) };
}

struct State {
    /// Address of the page, 0 before [`start`].
    page: usize,
    encoder: defmt::Encoder,
}

struct Cell(UnsafeCell<State>);
// SAFETY: P: never used by two at once.
unsafe impl Sync for Cell {}

static STATE: Cell = Cell(UnsafeCell::new(State { page: 0, encoder: defmt::Encoder::new() }));

/// Sets up the ring in the page at `page`, which is zero.
///
/// # Safety
/// P, and `page` is a multiple of 4 KiB.
pub unsafe fn start(page: usize) {
    // SAFETY: P; the header is the page's first bytes.
    unsafe {
        let header = core::ptr::with_exposed_provenance_mut::<RingHeader>(page);
        header.write_volatile(RingHeader { magic: RING_MAGIC, head: 0, position: 0, dropped: 0 });
        (*STATE.0.get()).page = page;
    }
}

/// Appends bytes. Readers see `head` move after the bytes are there.
fn append(page: usize, bytes: &[u8]) {
    if page == 0 {
        return;
    }
    let header = core::ptr::with_exposed_provenance_mut::<RingHeader>(page);
    // SAFETY: P: the page is the kernel's to write; `position` stays below RING_BYTES, so all writes are inside.
    unsafe {
        let mut position = (*header).position as usize;
        for &byte in bytes {
            core::ptr::with_exposed_provenance_mut::<u8>(page + RING_HEADER_BYTES + position).write_volatile(byte);
            position = if position + 1 >= RING_BYTES { 0 } else { position + 1 };
        }
        core::sync::atomic::fence(core::sync::atomic::Ordering::Release);
        (&raw mut (*header).position).write_volatile(position as u32);
        let head = (*header).head.wrapping_add(bytes.len() as u32);
        (&raw mut (*header).head).write_volatile(head);
    }
}

#[defmt::global_logger]
struct Ring;

// SAFETY: P: frames do not overlap, so `acquire` and `release` have nothing to exclude.
unsafe impl defmt::Logger for Ring {
    fn acquire() {
        // SAFETY: P.
        let state = unsafe { &mut *STATE.0.get() };
        state.encoder = defmt::Encoder::new();
        append(state.page, &[0x00, 0x80]);
        // The encoder's own opening byte is what the two before say.
        state.encoder.start_frame(|_| {});
    }
    unsafe fn flush() {}
    unsafe fn release() {
        // SAFETY: P.
        let State { page, encoder } = unsafe { &mut *STATE.0.get() };
        encoder.end_frame(|bytes| append(*page, bytes));
    }
    unsafe fn write(bytes: &[u8]) {
        // SAFETY: P.
        let State { page, encoder } = unsafe { &mut *STATE.0.get() };
        encoder.write(bytes, |bytes| append(*page, bytes));
    }
}
