//! The firmware interface.

use crate::cpu::{hvc, wait};

/// PSCI_VERSION.
pub const VERSION: u32 = 0x8400_0000;
/// CPU_OFF.
pub const CPU_OFF: u32 = 0x8400_0002;
/// CPU_ON.
pub const CPU_ON: u32 = 0x8400_0003;
/// AFFINITY_INFO.
pub const AFFINITY_INFO: u32 = 0x8400_0004;
/// SYSTEM_OFF.
pub const SYSTEM_OFF: u32 = 0x8400_0008;
/// SYSTEM_RESET.
pub const SYSTEM_RESET: u32 = 0x8400_0009;
/// PSCI_FEATURES.
pub const FEATURES: u32 = 0x8400_000a;

/// Switches the machine off.
pub fn off() -> ! {
    hvc([SYSTEM_OFF, 0, 0, 0]);
    loop {
        wait();
    }
}

/// Starts it again.
pub fn reset() -> ! {
    hvc([SYSTEM_RESET, 0, 0, 0]);
    loop {
        wait();
    }
}
