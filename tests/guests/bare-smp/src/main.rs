//! Test guest: a processor starts others, they send each other interrupts, and leave.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod checks;
#[cfg(target_os = "none")]
mod other;

guest_kit::start!(arm, checks::main);
