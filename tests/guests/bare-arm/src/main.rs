//! Test guest: everything a bare guest does, in ARM code with short descriptors.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod checks;
#[cfg(target_os = "none")]
mod forms;
#[cfg(target_os = "none")]
mod storm;

guest_kit::start!(arm, checks::main, "forms.s");
