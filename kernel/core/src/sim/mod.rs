//! The kernel on the desk: a simulated machine, invariants, and random traces.
//!
//! Compiled for tests and with the feature `sim`. The machine keeps what real hardware keeps and QEMU
//! forgets: a translation stays in its TLB until the right invalidation under the right VMID.

pub mod check;
mod check_memory;
pub mod fresh;
pub mod machine;
pub mod memory;
pub mod snapshot;
pub mod trace;
pub mod world;

pub use check::{Violation, check_all};
pub use fresh::Fresh;
pub use machine::Machine;
pub use memory::Ram;
pub use snapshot::Snapshot;
pub use world::World;
