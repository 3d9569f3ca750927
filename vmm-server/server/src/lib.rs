//! The VMM of one VM: it answers the exits of its guest with the device models of `vmm-devices`, and its only authority is
//! its VM's capabilities.
//!
//! One passive thread for each vCPU answers exits on that vCPU's own time; thread 0 starts the guest and then
//! serves events. Device state stands behind one short lock, which is never held over IPC.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

pub mod cpus;
pub mod epitaph;
pub mod exit;
pub mod flush;
pub mod load;
pub mod machine;
pub mod parts;
pub mod port;
pub mod power;
pub mod progress;
pub mod ram;
pub mod registers;
pub mod stage1;
pub mod start;
pub mod trace;
pub mod undecoded;

#[cfg(test)]
mod tests;

pub use exit::Verdict;
pub use machine::Machine;
pub use parts::Parts;
