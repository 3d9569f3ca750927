//! Log: reads the lossy rings of the kernel and of all components, and hands their frames to the console, whole
//! or not at all.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

pub mod collector;
mod program;

pub use collector::{Collector, Note, Source};
pub use program::run;
