//! Witnesses: what should happen, told without the kernel's own structures, and held against what does.
//!
//! An invariant looks at one state. A witness remembers: which interrupts a guest has coming, and how much time each
//! context has had. It belongs to a world's state, as far as it matters later.

mod interrupts;
mod time;

use super::check::Violation;
use super::step::Svc;
use super::world::World;
use crate::arena::Handle;
use crate::cap::Cap;
use crate::tcb::Tcb;
pub use interrupts::{Expected, state_of};
use std::hash::Hasher;
pub use time::Spent;

/// What has just happened.
#[derive(Clone, Copy, Debug)]
pub enum Seen {
    /// Nothing that a witness needs to be told.
    Nothing,
    /// Time has passed, from then to now.
    Time {
        /// When it was.
        from: u64,
    },
    /// A system call returned.
    Call {
        /// Who made it.
        tcb: Handle<Tcb>,
        /// Which.
        svc: Svc,
        /// What its r0 named before.
        named: Option<Cap>,
        /// The caller's r0 now, unless it will make the call again.
        status: Option<u32>,
    },
    /// The guest acknowledged an interrupt.
    Acknowledged {
        /// Which.
        intid: u16,
        /// From whom.
        source: u8,
    },
    /// The guest ended an interrupt.
    Ended {
        /// Which.
        intid: u16,
    },
    /// A physical interrupt was handled.
    Irq {
        /// Which.
        intid: u32,
    },
    /// The maintenance interrupt was handled.
    Maintenance,
    /// The virtual timer's interrupt was handled.
    VirtualTimer,
}

/// The witnesses of a world.
#[derive(Clone, Debug, Default)]
pub struct Witness {
    /// What the guest of one vCPU has coming.
    pub interrupts: Option<Expected>,
    /// What contexts have used.
    pub time: Option<Spent>,
}

impl Witness {
    /// What matters of it later.
    pub fn hash(&self, now: u64, hasher: &mut impl Hasher) {
        use std::hash::Hash;
        self.interrupts.hash(hasher);
        if let Some(time) = &self.time {
            time.hash(now, hasher);
        }
    }
}

impl World {
    /// Tells the witnesses.
    pub(super) fn witness(&mut self, seen: Seen) -> Result<(), Violation> {
        let mut witness = std::mem::take(&mut self.witness);
        let mut found = Ok(());
        if let Some(interrupts) = &mut witness.interrupts {
            found = found.and(interrupts.see(self, seen));
        }
        if let Some(time) = &mut witness.time {
            found = found.and(time.see(self, seen));
        }
        self.witness = witness;
        found
    }
}
