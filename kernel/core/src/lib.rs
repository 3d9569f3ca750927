//! The logic of the Bulkhead kernel: capabilities, objects, IPC, scheduling, stage-2 tables, list
//! registers. No architecture is in it: what hardware does stands behind [`Platform`], and the same code
//! runs on the host under test.
//!
//! Unsafe code lives in `arena.rs` alone.
#![cfg_attr(not(any(test, feature = "sim")), no_std)]

pub mod arena;
pub mod context;
pub mod platform;
pub mod tcb;
pub mod vcpu;

pub use arena::{Arena, Handle};
pub use context::Context;
pub use platform::Platform;
