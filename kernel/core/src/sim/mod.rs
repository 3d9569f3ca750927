//! The kernel on the desk: a simulated machine, invariants, and traces of what programs do.
//!
//! Compiled for tests and with the feature `sim`. The machine keeps what real hardware keeps and QEMU
//! forgets: see [`machine`].

mod act;
pub mod check;
pub mod explore;
pub mod fresh;
mod identity;
pub mod isolation;
pub mod machine;
pub mod maker;
pub mod memory;
pub mod random;
#[cfg(test)]
mod sabotage;
pub mod scene;
pub mod shrink;
pub mod snapshot;
pub mod stage;
pub mod step;
pub mod trace;
pub mod witness;
pub mod world;

pub use check::{Violation, check_all};
pub use fresh::Fresh;
pub use machine::Machine;
pub use memory::Ram;
pub use snapshot::Snapshot;
pub use trace::replay;
pub use world::World;
