//! The distributor (emulated) and the CPU interface (the hardware's virtual one).

use crate::cpu::{read32, write8, write32};

/// Base of the distributor.
pub const DISTRIBUTOR: u32 = 0x0800_0000;
/// Base of the CPU interface.
pub const INTERFACE: u32 = 0x0801_0000;
/// What IAR reads if there is nothing.
pub const SPURIOUS: u32 = 1023;

/// Switches both on, all priorities let in.
pub fn enable() {
    write32(DISTRIBUTOR, 1);
    write32(INTERFACE + 4, 0xff);
    write32(INTERFACE, 1);
}

/// Switches an interrupt on, for this processor.
pub fn enable_intid(intid: u32, priority: u8) {
    write8(DISTRIBUTOR + 0x400 + intid, priority);
    if intid >= 32 {
        write8(DISTRIBUTOR + 0x800 + intid, 1);
    }
    write32(DISTRIBUTOR + 0x100 + intid / 32 * 4, 1 << (intid % 32));
}

/// Switches it off.
pub fn disable_intid(intid: u32) {
    write32(DISTRIBUTOR + 0x180 + intid / 32 * 4, 1 << (intid % 32));
}

/// Sends a software interrupt to this processor.
pub fn interrupt_self(intid: u32) {
    write32(DISTRIBUTOR + 0xf00, 2 << 24 | intid);
}

/// Takes the most urgent interrupt (IAR).
pub fn acknowledge() -> u32 {
    read32(INTERFACE + 0xc)
}

/// Ends it (EOIR).
pub fn end(iar: u32) {
    write32(INTERFACE + 0x10, iar);
}
