//! Invariants of the kernel, checked from outside the code that keeps them.
//!
//! [`census`] finds everything that exists: every slot in CNodes, threads, page tables and interrupts, and every object
//! that a capability names. Then [`INVARIANTS`] are checked, each a function with its name. `planted.rs` breaks each of
//! them on purpose and sees it noticed.

mod capabilities;
mod census;
mod interrupts;
mod memory;
#[cfg(test)]
mod planted;
mod threads;
mod transition;

use super::machine::Machine;
use crate::Kernel;
use crate::arena::Handle;
use crate::objects::CNode;
pub use census::Census;
pub(crate) use census::Quick;
use std::string::String;
pub use transition::{Authority, authority_shrinks};

/// An invariant that does not hold: its name, and where.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Violation(pub &'static str, pub String);

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` does not hold: {}", self.0, self.1)
    }
}

/// What a check found: nothing, or where its invariant does not hold.
pub type Found = core::result::Result<(), String>;

/// Ends with the place where something does not hold.
macro_rules! hold {
    ($condition:expr, $($where:tt)*) => {
        if !$condition {
            return Err(format!($($where)*));
        }
    };
}
pub(super) use hold;

/// One invariant.
pub struct Invariant {
    /// What it says.
    pub name: &'static str,
    /// Whether it holds.
    pub check: fn(&Census) -> Found,
}

const fn invariant(name: &'static str, check: fn(&Census) -> Found) -> Invariant {
    Invariant { name, check }
}

/// What always holds when the kernel is left. `tools/docs/verify.md` says it at length.
pub const INVARIANTS: &[Invariant] = &[
    invariant("the derivation forest is well-formed", capabilities::derivation_forest_is_well_formed),
    invariant("what was derived has no more authority than what it came from", capabilities::derived_has_no_more),
    invariant("capabilities are counted", capabilities::capabilities_are_counted),
    invariant("no two objects overlap", capabilities::no_two_objects_overlap),
    invariant("no capability names a dead or retyped object", capabilities::no_capability_names_a_dead_object),
    invariant("what an untyped gave out lies in it", capabilities::children_lie_in_their_untyped),
    invariant("each thread is in exactly the one queue that its state says", threads::one_queue_each),
    invariant("the scheduler knows who is ready, and the most urgent runs", threads::the_most_urgent_runs),
    invariant("a caller and its reply object know each other", threads::callers_and_replies_agree),
    invariant("a context and its thread know each other", threads::contexts_and_threads_agree),
    invariant("budgets are conserved", threads::budgets_are_conserved),
    invariant("the timer is set for what is due first", threads::timeouts_are_in_order),
    invariant("every mapping is backed by a frame capability", memory::mappings_are_backed),
    invariant("every table entry is a mapping's", memory::entries_are_mappings),
    invariant("nothing is writable and executable unless so granted", memory::write_xor_execute),
    invariant("no stale translation is reachable", memory::no_stale_translation),
    invariant("a mapping can be used when the kernel is left", memory::mappings_are_seen),
    invariant("who runs, runs in its own space", memory::the_right_space_is_current),
    invariant("a VMID is never shared within a generation", memory::vmids_are_unique),
    invariant("memory that can be retyped is zero for every reader", memory::free_memory_is_zero),
    invariant("what is mapped uncached is in RAM", memory::uncached_is_in_ram),
    invariant("what is mapped executable is fetched as it was written", memory::executable_is_unified),
    invariant("every virtual interrupt is in exactly one place", interrupts::one_place_each),
    invariant("no virtual interrupt waits while there is room", interrupts::none_waits_with_room),
    invariant("the hardware holds the loaded vCPU's interrupts and nobody else's", interrupts::hardware_is_the_loaded),
    invariant("a physical interrupt that is active has somebody who ends it", interrupts::somebody_ends_it),
];

/// Checks all invariants of a kernel whose first CNode is `root`.
///
/// # Errors
/// The first that does not hold.
pub fn check_all(kernel: &Kernel<Machine>, root: Handle<CNode>) -> core::result::Result<(), Violation> {
    check_census(&Census::take(kernel, root))
}

/// The same, of what was found already.
///
/// # Errors
/// The first that does not hold.
pub fn check_census(census: &Census) -> core::result::Result<(), Violation> {
    for invariant in INVARIANTS {
        (invariant.check)(census).map_err(|place| Violation(invariant.name, place))?;
    }
    Ok(())
}
