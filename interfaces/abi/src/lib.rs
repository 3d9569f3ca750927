//! What the kernel and user mode must agree on: call numbers, register layout, object names and
//! sizes, rights, error codes, exit messages and limits. A number that two sides need stands here once.
//!
//! Nothing in this crate does anything; it has no dependency but `bitflags`, and no unsafe code.
#![no_std]
#![forbid(unsafe_code)]

pub mod boot;
pub mod describe;
pub mod error;
pub mod exit;
pub mod fault;
pub mod message;
pub mod method;
pub mod object;
pub mod rights;
pub mod ring;
pub mod syscall;
pub mod vcpu;
pub mod zimage;

pub use error::Error;
pub use message::MessageInfo;
pub use object::ObjectType;
pub use rights::Rights;
pub use syscall::Syscall;
