//! Vault: defmt's global logger. Each frame goes as `0x00, 0x80 | wire id, rzCOBS bytes, 0x00` into the lossy ring.
//!
//! A component may have several threads, and none waits for another here: while one writes a frame, another's is
//! dropped and counted.
#![allow(unsafe_code, reason = "one static writer, guarded by an owner word; defmt's traits are unsafe")]

use crate::entry::{fixed, stack_pointer};
use crate::lossy::Writer;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU32, Ordering};
use protocol::layout;
use protocol::wire::{DEFMT, FRAME};

struct Output {
    ring: Writer,
    encoder: defmt::Encoder,
    tag: u8,
}

struct Shared(UnsafeCell<Option<Output>>);

// SAFETY: G: the output is touched by the thread alone whose number stands in `OWNER`.
unsafe impl Sync for Shared {}

static OUTPUT: Shared = Shared(UnsafeCell::new(None));
/// The thread that writes a frame, as its stack's number plus one; 0: none.
static OWNER: AtomicU32 = AtomicU32::new(0);
static DROPPED: AtomicU32 = AtomicU32::new(0);

#[defmt::global_logger]
struct Logger;

defmt::timestamp!("{=u64:us}", crate::clock::now_us());

fn me() -> u32 {
    (stack_pointer() - 1 >> layout::STACK_STRIDE_BITS) + 1
}

fn output() -> Option<&'static mut Output> {
    if OWNER.load(Ordering::Relaxed) != me() {
        return None;
    }
    // SAFETY: G: this thread is the owner; callers use the reference within one function.
    unsafe { (*OUTPUT.0.get()).as_mut() }
}

/// From now on frames are written. The ring's page is mapped.
pub(crate) fn enable(wire_id: u8) {
    let Some(ring) = Writer::new(fixed(layout::LOG_RING, 4096)) else { return };
    if OWNER.compare_exchange(0, me(), Ordering::Acquire, Ordering::Relaxed).is_err() {
        return;
    }
    // SAFETY: G: this thread has just become the owner.
    unsafe { *OUTPUT.0.get() = Some(Output { ring, encoder: defmt::Encoder::new(), tag: DEFMT | wire_id }) };
    OWNER.store(0, Ordering::Release);
}

// SAFETY: G: between `acquire` and `release` one thread owns the output; calls of others do nothing.
unsafe impl defmt::Logger for Logger {
    fn acquire() {
        if OWNER.compare_exchange(0, me(), Ordering::Acquire, Ordering::Relaxed).is_err() {
            DROPPED.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let Some(Output { ring, encoder, tag }) = output() else { return };
        ring.put(&[FRAME, *tag]);
        encoder.start_frame(|_| ());
    }

    unsafe fn flush() {}

    unsafe fn release() {
        if let Some(Output { ring, encoder, .. }) = output() {
            encoder.end_frame(|bytes| ring.put(bytes));
            ring.commit();
            let dropped = DROPPED.swap(0, Ordering::Relaxed);
            if dropped != 0 {
                ring.count_dropped(dropped);
            }
        }
        let _ = OWNER.compare_exchange(me(), 0, Ordering::Release, Ordering::Relaxed);
    }

    unsafe fn write(bytes: &[u8]) {
        if let Some(Output { ring, encoder, .. }) = output() {
            encoder.write(bytes, |bytes| ring.put(bytes));
        }
    }
}
