//! Device models of the virtual machine: plain Rust values that know nothing of the kernel, of IPC or of
//! their host. What a device needs from outside (its interrupt line, its output, the guest's memory, the
//! vCPUs) it takes as a parameter. Nothing that a guest does makes one panic or loop without bound.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
#[macro_use]
extern crate std;

pub mod bus;
pub mod cp15;
pub mod decode;
pub mod gic;
pub mod line;
pub mod pl011;
pub mod pl031;
pub mod psci;
pub mod pvpanic;
pub mod timer;
pub mod virtio;
pub mod walk;
