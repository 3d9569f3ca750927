//! The VMM's program: thread 0 starts the guest and serves events, thread 1 + N answers the exits of vCPU N.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod target;

#[cfg(target_os = "none")]
use target::run;

runtime::entry!(run);
