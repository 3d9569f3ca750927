//! The gate of the kernel: one core is inside, the others wait in the order in which they came.
//!
//! A ticket lock, so that nobody waits for more turns than there are cores; and for each core a box, in which the core inside
//! leaves an [`Errand`](crate::cores::Errand) for one that is outside or waits. Who waits looks into its box at every turn of
//! its loop, so the core inside never waits for more than that, and two cores can't wait for each other.
//!
//! There is nothing of an architecture here but the assumption that a store that releases is seen by a load that acquires.
//! `tests/gate.rs` tries all orders of it.

use core::sync::atomic::{AtomicU32, Ordering};

/// A word that cores share.
pub trait Word {
    /// Zero.
    #[allow(clippy::declare_interior_mutable_const, reason = "it is copied, never changed")]
    const ZERO: Self;
    /// What it holds; what was written before it was stored is seen from then on.
    fn acquire(&self) -> u32;
    /// Stores; what was written before is seen by who acquires it.
    fn release(&self, value: u32);
    /// Adds one; what it held.
    fn take(&self) -> u32;
}

impl Word for AtomicU32 {
    #[allow(clippy::declare_interior_mutable_const, reason = "it is copied, never changed")]
    const ZERO: Self = AtomicU32::new(0);
    #[inline(always)]
    fn acquire(&self) -> u32 {
        self.load(Ordering::Acquire)
    }
    #[inline(always)]
    fn release(&self, value: u32) {
        self.store(value, Ordering::Release);
    }
    #[inline(always)]
    fn take(&self) -> u32 {
        self.fetch_add(1, Ordering::AcqRel)
    }
}

/// An errand of a core, in two words, so that it can be left in a box. 0: there is none.
pub type Note = (u32, u32);

/// A core's box.
struct Box<W> {
    what: W,
    whom: W,
}

/// The gate, for so many cores.
pub struct Gate<W, const N: usize> {
    next: W,
    serving: W,
    boxes: [Box<W>; N],
}

impl<W: Word, const N: usize> Gate<W, N> {
    /// Nobody is inside.
    pub const OPEN: Self =
        Self { next: W::ZERO, serving: W::ZERO, boxes: [const { Box { what: W::ZERO, whom: W::ZERO } }; N] };

    /// Of words that can't be made in a constant: all zero.
    pub fn of(mut zero: impl FnMut() -> W) -> Self {
        Self { next: zero(), serving: zero(), boxes: core::array::from_fn(|_| Box { what: zero(), whom: zero() }) }
    }

    /// Goes in, when it is this core's turn. Until then, `errand` is called for each note in its box, and `wait` at every turn.
    #[inline(always)]
    pub fn enter(&self, core: usize, mut errand: impl FnMut(Note), mut wait: impl FnMut()) {
        let ticket = self.next.take();
        while self.serving.acquire() != ticket {
            let note = &self.boxes[core % N];
            let what = note.what.acquire();
            if what != 0 {
                errand((what, note.whom.acquire()));
                note.what.release(0);
            }
            wait();
        }
    }

    /// Goes out. Only who is inside may.
    #[inline(always)]
    pub fn leave(&self) {
        self.serving.release(self.serving.acquire().wrapping_add(1));
    }

    /// Leaves a note for another core, calls `kick`, which makes that core come to the gate, and waits until it is done. Only who
    /// is inside may; `note.0` is not 0.
    #[inline(always)]
    pub fn send(&self, core: usize, note: Note, kick: impl FnOnce(), mut wait: impl FnMut()) {
        let place = &self.boxes[core % N];
        place.whom.release(note.1);
        place.what.release(note.0);
        kick();
        while place.what.acquire() != 0 {
            wait();
        }
    }
}
