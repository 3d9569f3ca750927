//! The logic of the Bulkhead kernel: capabilities, objects, IPC, scheduling, stage-2 tables, list
//! registers. No architecture is in it: what hardware does stands behind [`Platform`], and the same code
//! runs on the host under test.
//!
//! Unsafe code lives in `arena.rs` alone, but for the one-line declarations that a type is plain data
//! (`plain!`, defined there).
#![cfg_attr(not(any(test, feature = "sim")), no_std)]

#[macro_use]
pub mod arena;
pub mod boot;
mod budget;
pub mod cap;
mod cnode;
pub mod context;
pub mod cores;
mod delete;
mod fastpath;
mod fault;
pub mod gate;
mod guest;
mod guest_registers;
mod interrupts;
mod invoke;
mod ipc;
mod irq;
pub mod kernel;
mod lookup;
mod maintain;
mod map;
pub mod memory_plan;
pub mod objects;
pub mod platform;
mod queue;
mod ready;
mod schedule;
mod signal;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
mod syscall;
pub mod tcb;
mod timeout;
mod transfer;
mod tree;
pub mod untyped;
pub mod vcpu;
mod vgic;

pub use arena::{Arena, Handle};
pub use context::Context;
pub use kernel::{Kernel, Next, Running};
pub use platform::Platform;
