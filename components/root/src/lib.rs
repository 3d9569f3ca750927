//! Root: the first component. It reads the compiled system, makes every object of it out of untyped memory, gives all
//! away but what its policies need, starts the threads, and then waits for something to end.
//!
//! A compartment's memory is a few untypeds of its own, so that tearing it down is revoking these, and building it again
//! is reading its records again.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

pub mod allowance;
pub mod backoff;
pub mod build;
pub mod epitaph;
pub mod failure;
pub mod fill;
mod interrupt;
pub mod lifecycle;
pub mod memory;
mod program;
pub mod scope;
pub mod table;
mod urgency;
pub mod watch;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

pub use build::Root;
pub use failure::Failure;
pub use program::run;
