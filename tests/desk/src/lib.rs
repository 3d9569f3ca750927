//! Systems on the desk: a manifest's components run on the real kernel core, on a simulated machine, inside one test.
//!
//! The composer makes the same records of the manifest as for a board, the kernel boots them, and the real root builds the system
//! and acts by its policies. Each thread of a component is a thread of the host, and one of all runs at any time: the one that the
//! kernel has chosen. Its system calls enter the kernel core, and its accesses to shared memory go through the page tables that
//! root made, with a TLB that forgets nothing by itself, to the machine's RAM and devices. After every entry to the kernel all of
//! its invariants are checked.
//!
//! Time is the machine's: it passes when the test says so, and a little with each entry to the kernel. The same system, seed and
//! test give the same run. Without a seed nothing is left to chance; a seed draws what a kernel leaves open: how long things
//! take, when interrupts arrive, and where between two accesses to shared memory a thread is preempted.
//!
//! ```no_run
//! # fn ping(_: u32) {}
//! # fn pong(_: u32) {}
//! let mut system = desk::System::read("pair.toml").program("ping", ping).program("pong", pong).start();
//! system.run();
//! assert_eq!(system.log("ping").last().unwrap(), "INFO ping is done");
//! ```
#![forbid(unsafe_code)]

mod baton;
mod bus;
mod device;
mod engine;
mod faults;
mod interrupts;
mod jitter;
mod memory;
mod port;
mod rtc;
mod setup;
mod stand_in;
mod story;
mod system;
#[cfg(test)]
mod tests;
mod uart;

pub use abi::fault::FaultKind;
pub use device::{Device, Registers};
pub use setup::Setup;
pub use system::System;
