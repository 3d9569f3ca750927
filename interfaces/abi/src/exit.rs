//! Exits of a guest: the message that its VMM receives, and the answer.
//!
//! The label is the [`ExitKind`]; the four words are all that emulation needs. The answer's label is
//! an [`ExitReply`]. One MMIO access costs one exit and one answer.

use bitflags::bitflags;

/// Why a guest stopped: the label of an exit message.
///
/// | kind | word 0 | word 1 | word 2 | word 3 |
/// |---|---|---|---|---|
/// | `Mmio` | [`Access`] | IPA 31:0 | value of a store | pc |
/// | `Undecoded` | [`Access`] | IPA 31:0 | virtual address | pc |
/// | `Fetch` | [`Access`] | IPA 31:0 | virtual address | pc |
/// | `Hvc`, `Smc` | r0 | r1 | r2 | r3 |
/// | `Coprocessor` | [`CoprocessorAccess`] | value, or low word | high word | pc |
/// | `Undefined` | syndrome | 0 | 0 | pc |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum ExitKind {
    /// A load or store that the hardware decoded (HSR.ISV = 1).
    Mmio = 1,
    /// A load or store that it did not (ISV = 0): the VMM reads the instruction.
    Undecoded = 2,
    /// An instruction fetch from an address that is not mapped.
    Fetch = 3,
    /// HVC; the pc is already behind it.
    Hvc = 4,
    /// SMC; the pc stands at it.
    Smc = 5,
    /// A trapped MRC, MCR, MRRC or MCRR of CP14 or CP15.
    Coprocessor = 6,
    /// Any other trapped instruction (BXJ, LDC, Jazelle, coprocessors that are closed).
    Undefined = 7,
}

impl ExitKind {
    /// The kind of that label.
    pub const fn from_label(label: u16) -> Option<Self> {
        Some(match label {
            1 => Self::Mmio,
            2 => Self::Undecoded,
            3 => Self::Fetch,
            4 => Self::Hvc,
            5 => Self::Smc,
            6 => Self::Coprocessor,
            7 => Self::Undefined,
            _ => return None,
        })
    }
}

/// How memory was accessed: width in bits 1:0 (0 byte, 1 half word, 2 word), sign extension in
/// bit 2, store in bit 3, 32-bit instruction in bit 4, user mode in bit 5, translation of the guest's own tables in bit 6
/// (a stage-1 walk), permission fault in bit 7, register in bits 11:8, IPA bits 39:32 in bits 31:24.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct Access(pub u32);

impl Access {
    /// Sign extension.
    pub const SIGNED: u32 = 1 << 2;
    /// A store.
    pub const WRITE: u32 = 1 << 3;
    /// The instruction is four bytes long (HSR.IL); not valid for `Undecoded`.
    pub const LONG: u32 = 1 << 4;
    /// The guest was in user mode.
    pub const USER: u32 = 1 << 5;
    /// The access was a walk of the guest's stage-1 tables.
    pub const WALK: u32 = 1 << 6;
    /// The address is mapped, but not for this.
    pub const PERMISSION: u32 = 1 << 7;

    /// Width in bytes: 1, 2 or 4.
    pub const fn width(self) -> u32 {
        1 << (self.0 & 3)
    }
    /// Whether a load is sign-extended to 32 bits.
    pub const fn is_signed(self) -> bool {
        self.0 & Self::SIGNED != 0
    }
    /// Whether it is a store.
    pub const fn is_write(self) -> bool {
        self.0 & Self::WRITE != 0
    }
    /// Number of the register loaded or stored (0-14).
    pub const fn register(self) -> u32 {
        self.0 >> 8 & 0xf
    }
    /// The full 40-bit intermediate physical address, with the low half from word 1.
    pub const fn ipa(self, low: u32) -> u64 {
        ((self.0 >> 24) as u64) << 32 | low as u64
    }
    /// What a load of `raw` leaves in the register: masked to the width and sign-extended if asked.
    pub const fn extend(self, raw: u32) -> u32 {
        match (self.0 & 3, self.is_signed()) {
            (0, false) => raw & 0xff,
            (0, true) => raw as u8 as i8 as i32 as u32,
            (1, false) => raw & 0xffff,
            (1, true) => raw as u16 as i16 as i32 as u32,
            _ => raw,
        }
    }
}

/// A trapped coprocessor access: read in bit 0 (as in HSR), CRm in bits 4:1, Rt in bits 8:5, CRn in bits 13:10,
/// opc1 in bits 16:14, opc2 in bits 19:17, Rt2 in bits 23:20, 64-bit form in bit 24, CP14 (else CP15) in bit 25,
/// user mode in bit 26, four-byte instruction in bit 27.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct CoprocessorAccess(pub u32);

impl CoprocessorAccess {
    /// A read: MRC or MRRC.
    pub const READ: u32 = 1;
    /// MCRR or MRRC.
    pub const WIDE: u32 = 1 << 24;
    /// CP14; without it CP15.
    pub const CP14: u32 = 1 << 25;
    /// The guest was in user mode.
    pub const USER: u32 = 1 << 26;
    /// The instruction is four bytes long (always, but as the syndrome says).
    pub const LONG: u32 = 1 << 27;

    /// Whether the guest reads.
    pub const fn is_read(self) -> bool {
        self.0 & Self::READ != 0
    }
    /// CRm.
    pub const fn crm(self) -> u32 {
        self.0 >> 1 & 0xf
    }
    /// Rt.
    pub const fn rt(self) -> u32 {
        self.0 >> 5 & 0xf
    }
    /// CRn (0 in the 64-bit form).
    pub const fn crn(self) -> u32 {
        self.0 >> 10 & 0xf
    }
    /// opc1.
    pub const fn opc1(self) -> u32 {
        self.0 >> 14 & 7
    }
    /// opc2 (0 in the 64-bit form).
    pub const fn opc2(self) -> u32 {
        self.0 >> 17 & 7
    }
    /// Rt2, of the 64-bit form.
    pub const fn rt2(self) -> u32 {
        self.0 >> 20 & 0xf
    }
    /// Whether it is the 64-bit form.
    pub const fn is_wide(self) -> bool {
        self.0 & Self::WIDE != 0
    }
    /// Whether the coprocessor is CP14.
    pub const fn is_cp14(self) -> bool {
        self.0 & Self::CP14 != 0
    }
}

bitflags! {
    /// What becomes of the guest: the label of the answer to an exit. No bit: run on as it stands.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ExitReply: u16 {
        /// Step over the instruction, by its real length, with the IT state.
        const STEP = 1;
        /// Write word 0 (and word 1 into Rt2 for a 64-bit access) to the register that the exit named;
        /// for HVC and SMC that is r0.
        const WRITE = 2;
        /// Take an undefined-instruction exception, as the processor would.
        const UNDEFINED = 4;
        /// Take a data abort (synchronous external abort) at the address in word 0.
        const DATA_ABORT = 8;
        /// Take a prefetch abort (synchronous external abort) at the address in word 0.
        const PREFETCH_ABORT = 16;
        /// Leave the guest stopped: its thread becomes inactive.
        const STOP = 32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_are_extended_as_the_instruction_says() {
        assert_eq!(Access(Access::SIGNED).extend(0x80), 0xffff_ff80);
        assert_eq!(Access(0).extend(0x1ff), 0xff);
        assert_eq!(Access(1 | Access::SIGNED).extend(0x8000), 0xffff_8000);
        assert_eq!(Access(1).extend(0x1_8000), 0x8000);
        assert_eq!(Access(2).extend(0xdead_beef), 0xdead_beef);
    }
}
