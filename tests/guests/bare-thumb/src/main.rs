//! Test guest: everything a bare guest does, in Thumb code with long descriptors. The sources are those of `bare-arm`.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
#[path = "../../bare-arm/src/checks.rs"]
mod checks;
#[cfg(target_os = "none")]
#[path = "../../bare-arm/src/forms.rs"]
mod forms;
#[cfg(target_os = "none")]
#[path = "../../bare-arm/src/storm.rs"]
mod storm;

guest_kit::start!(thumb, checks::main, "../../bare-arm/src/forms.s");
