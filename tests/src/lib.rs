//! What the tests of the whole share.
#![forbid(unsafe_code)]

pub mod golden;
pub mod harness;
pub mod monitor;
pub mod tidy;
