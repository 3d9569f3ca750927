//! The Bulkhead kernel's processor: ARMv7-A with Virtualization Extensions (Cortex-A15 and its kin).
//!
//! Two kinds of rooms. Formats are pure typed values, and are tested on the host: [`hsr`], [`classify`],
//! [`component_fault`], [`stage2`], [`hyp_map`], [`listreg`], [`psr`], [`inject`], [`controls`].
//! The rest touches registers and exists on the target only: there is no pretence of them on the host.
//!
//! Unsafe code stands in the vaults: `sysreg`, `mmio`, `vcpu_state`, `fpu`, `entry`, `cell`, `start`, `log`, `memory`.
#![cfg_attr(target_os = "none", no_std)]

pub mod board;
pub mod classify;
pub mod component_fault;
pub mod controls;
pub mod hsr;
pub mod hyp_map;
pub mod inject;
pub mod listreg;
pub mod psr;
pub mod stage2;

#[cfg(target_os = "none")]
pub mod boot;
#[cfg(target_os = "none")]
mod cell;
#[cfg(target_os = "none")]
mod entry;
#[cfg(target_os = "none")]
pub mod epitaph;
#[cfg(target_os = "none")]
mod fpu;
#[cfg(target_os = "none")]
mod gic;
#[cfg(target_os = "none")]
mod log;
#[cfg(target_os = "none")]
mod maintenance;
#[cfg(target_os = "none")]
mod memory;
#[cfg(target_os = "none")]
mod mmio;
#[cfg(target_os = "none")]
mod platform;
#[cfg(target_os = "none")]
mod power;
#[cfg(target_os = "none")]
pub mod secondary;
#[cfg(target_os = "none")]
mod start;
#[cfg(target_os = "none")]
mod sysreg;
#[cfg(target_os = "none")]
mod timer;
#[cfg(target_os = "none")]
mod trap;
#[cfg(target_os = "none")]
mod uart;
#[cfg(target_os = "none")]
mod vcpu_state;
#[cfg(target_os = "none")]
mod virtual_interface;
#[cfg(target_os = "none")]
mod world;
