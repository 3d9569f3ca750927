//! Switching the machine off, and resetting it.

use crate::board::{POWER, Power};
use crate::mmio::Registers;
use crate::sysreg::smc;

const PSCI_SYSTEM_OFF: u32 = 0x8400_0008;
const PSCI_SYSTEM_RESET: u32 = 0x8400_0009;

/// SYS_CFGDATA, SYS_CFGCTRL and SYS_CFGSTAT of a Versatile Express motherboard (ARM DUI 0447 4.3).
mod vexpress {
    pub const CFGDATA: u32 = 0xa0;
    pub const CFGCTRL: u32 = 0xa4;
    pub const CFGSTAT: u32 = 0xa8;
    /// Start, write.
    pub const START: u32 = 1 << 31 | 1 << 30;
    pub const SHUTDOWN: u32 = 8;
    pub const REBOOT: u32 = 9;
}

/// Switches off. Returns where the board can't.
pub fn off() {
    request(PSCI_SYSTEM_OFF, vexpress::SHUTDOWN);
}

/// Resets. Returns where the board can't.
pub fn reset() {
    request(PSCI_SYSTEM_RESET, vexpress::REBOOT);
}

fn request(psci: u32, function: u32) {
    match POWER {
        Power::PsciSmc => {
            smc(psci, 0);
        }
        Power::Vexpress { sysreg } => {
            let registers = Registers::at(sysreg);
            registers.write(vexpress::CFGDATA, 0);
            registers.write(vexpress::CFGSTAT, 0);
            registers.write(vexpress::CFGCTRL, vexpress::START | function << 20);
            // It takes effect at once, or the board can't.
            for _ in 0..1_000_000 {
                registers.read(vexpress::CFGSTAT);
            }
        }
    }
}
