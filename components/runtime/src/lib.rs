//! What every component stands on: its entry, the only SVC instruction, typed capability handles, IPC,
//! shared rings, the log, locks and the clock.
//!
//! On the host the same API runs against whatever implements [`host::Kernel`]. Unsafe code lives in the
//! files `svc`, `entry`, `interface`, `mapped`, `place`, `lock`, `clock`, `logger` and `host/place` alone.
#![cfg_attr(target_os = "none", no_std)]

pub mod clock;
pub mod entry;
pub mod fault;
pub mod handle;
#[cfg(not(target_os = "none"))]
pub mod host;
pub mod interface;
pub mod ipc;
pub mod lock;
pub mod log;
#[cfg(target_os = "none")]
mod logger;
pub mod lossy;
pub mod mapped;
pub mod object;
#[cfg(target_os = "none")]
mod place;
pub mod ring;
pub mod server;
pub mod space;
pub mod svc;
pub mod words;

pub use fault::Fault;
pub use handle::*;
pub use ipc::{CallError, Event, Received, call};
pub use lock::{Lock, Place};
pub use mapped::Mapped;
pub use object::*;
pub use server::{Answer, Handler, Incoming, serve};
