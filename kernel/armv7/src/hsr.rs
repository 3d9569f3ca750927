//! The Hyp Syndrome Register (ARM DDI 0406C B3.13.6, B4.1.66).

use bitflags::bitflags;

/// Value of the Hyp Syndrome Register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Hsr(pub u32);

/// Exception classes, HSR.EC.
pub mod class {
    /// Unknown reason: what user mode may not execute under HCR.TGE.
    pub const UNKNOWN: u32 = 0x00;
    /// WFI or WFE.
    pub const WAIT: u32 = 0x01;
    /// MRC or MCR of CP15.
    pub const CP15: u32 = 0x03;
    /// MRRC or MCRR of CP15.
    pub const CP15_WIDE: u32 = 0x04;
    /// MRC or MCR of CP14.
    pub const CP14: u32 = 0x05;
    /// LDC or STC of CP14.
    pub const CP14_MEMORY: u32 = 0x06;
    /// A coprocessor that HCPTR closes.
    pub const COPROCESSOR: u32 = 0x07;
    /// Identification registers of CP10.
    pub const CP10_ID: u32 = 0x08;
    /// Jazelle.
    pub const JAZELLE: u32 = 0x09;
    /// BXJ.
    pub const BXJ: u32 = 0x0a;
    /// MRRC of CP14.
    pub const CP14_WIDE: u32 = 0x0c;
    /// SVC under HCR.TGE.
    pub const SVC: u32 = 0x11;
    /// HVC.
    pub const HVC: u32 = 0x12;
    /// SMC.
    pub const SMC: u32 = 0x13;
    /// Prefetch abort from outside Hyp mode.
    pub const FETCH: u32 = 0x20;
    /// Prefetch abort in Hyp mode.
    pub const FETCH_HYP: u32 = 0x21;
    /// Data abort from outside Hyp mode.
    pub const DATA: u32 = 0x24;
    /// Data abort in Hyp mode.
    pub const DATA_HYP: u32 = 0x25;
}

impl Hsr {
    /// Exception class, EC.
    #[inline(always)]
    pub const fn class(self) -> u32 {
        self.0 >> 26
    }
    /// Instruction length, IL: 4 bytes. Of no meaning for aborts whose access was not decoded.
    #[inline(always)]
    pub const fn long(self) -> bool {
        self.0 & 1 << 25 != 0
    }
    /// The immediate of an SVC or HVC.
    pub const fn immediate(self) -> u32 {
        self.0 & 0xffff
    }
    /// Whether the syndrome carries the instruction's condition (CV). Only for classes below 0x10 but 0.
    const fn has_condition(self) -> bool {
        self.0 & 1 << 24 != 0
    }
    const fn condition(self) -> u32 {
        self.0 >> 20 & 0xf
    }

    /// Whether the trapped instruction would have been executed, given the CPSR it trapped with. A processor
    /// may trap an instruction whose condition failed; it must then be skipped (B1.14.4).
    pub fn condition_passed(self, cpsr: u32) -> bool {
        if self.class() == class::UNKNOWN || self.class() >= 0x10 {
            return true;
        }
        let condition = if self.has_condition() {
            self.condition()
        } else {
            // Thumb, condition unknown: it is the one of the IT block.
            match cpsr >> 8 & 0xfc | cpsr >> 25 & 3 {
                0 => return true,
                it => it >> 4,
            }
        };
        condition_holds(condition, cpsr)
    }

    /// The syndrome of a data abort.
    #[inline(always)]
    pub const fn data(self) -> DataSyndrome {
        DataSyndrome::from_bits_retain(self.0 & 0x01ff_ffff)
    }
    /// Fault status of a data or prefetch abort, DFSC or IFSC.
    #[inline(always)]
    pub const fn status(self) -> Status {
        Status::from_bits(self.0 & 0x3f)
    }
    /// Whether an abort came of a walk of the guest's stage-1 tables, S1PTW.
    #[inline(always)]
    pub const fn walk(self) -> bool {
        self.0 & 1 << 7 != 0
    }
    /// For a closed coprocessor: whether it is the floating-point unit (CP10, CP11, or Advanced SIMD, TA).
    pub const fn is_float(self) -> bool {
        self.0 & 1 << 5 != 0 || self.0 & 0xe == 0xa
    }
}

/// Whether a condition field holds under those flags (A8.3).
pub const fn condition_holds(condition: u32, cpsr: u32) -> bool {
    let (n, z) = (cpsr >> 31 & 1 != 0, cpsr >> 30 & 1 != 0);
    let (c, v) = (cpsr >> 29 & 1 != 0, cpsr >> 28 & 1 != 0);
    let holds = match condition >> 1 & 7 {
        0 => z,
        1 => c,
        2 => n,
        3 => v,
        4 => c && !z,
        5 => n == v,
        6 => n == v && !z,
        _ => return true,
    };
    holds != (condition & 1 != 0)
}

bitflags! {
    /// ISS of a data abort (B3.13.6, "ISS encoding for Data Abort exceptions").
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct DataSyndrome: u32 {
        /// The access is decoded: SAS, SSE and SRT are valid.
        const ISV = 1 << 24;
        /// Sign extension.
        const SSE = 1 << 21;
        /// External abort type.
        const EA = 1 << 9;
        /// Cache maintenance.
        const CM = 1 << 8;
        /// A walk of stage-1 tables.
        const S1PTW = 1 << 7;
        /// A store.
        const WNR = 1 << 6;
    }
}

impl DataSyndrome {
    /// log2 of the width in bytes, SAS.
    #[inline(always)]
    pub const fn size(self) -> u32 {
        self.bits() >> 22 & 3
    }
    /// Register that is loaded or stored, SRT.
    #[inline(always)]
    pub const fn register(self) -> u32 {
        self.bits() >> 16 & 0xf
    }
}

/// What an abort's status code says (B3.13.3, Long-descriptor encoding).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nothing is mapped there.
    Translation,
    /// The access flag is clear.
    AccessFlag,
    /// Something is mapped, but not for that.
    Permission,
    /// Misaligned.
    Alignment,
    /// Breakpoint, watchpoint or vector catch.
    Debug,
    /// The bus said no, sooner or later; or parity.
    External,
    /// Anything else, with its code.
    Other(u8),
}

impl Status {
    /// The status of that code.
    #[inline(always)]
    pub const fn from_bits(code: u32) -> Self {
        match code & 0x3f {
            0x04..=0x07 => Self::Translation,
            0x08..=0x0b => Self::AccessFlag,
            0x0c..=0x0f => Self::Permission,
            0x10 | 0x11 | 0x14..=0x19 | 0x1c..=0x1f => Self::External,
            0x21 => Self::Alignment,
            0x22 => Self::Debug,
            other => Self::Other(other as u8),
        }
    }
}

/// The intermediate physical address in HPFAR, page part only (B4.1.65).
#[inline(always)]
pub const fn hpfar_page(hpfar: u32) -> u64 {
    ((hpfar >> 4) as u64) << 12
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_a_decoded_store() {
        // strh r5, [..], 32-bit instruction, translation fault at level 2
        let hsr = Hsr(0x24 << 26 | 1 << 25 | 1 << 24 | 1 << 22 | 5 << 16 | 1 << 6 | 6);
        assert_eq!(hsr.class(), class::DATA);
        assert!(hsr.long());
        let data = hsr.data();
        assert!(data.contains(DataSyndrome::ISV | DataSyndrome::WNR));
        assert_eq!((data.size(), data.register()), (1, 5));
        assert_eq!(hsr.status(), Status::Translation);
    }

    #[test]
    fn status_codes_seen_on_the_emulator() {
        assert_eq!(Hsr(0x9380_0006).status(), Status::Translation);
        assert_eq!(Hsr(0x9380_004f).status(), Status::Permission);
        assert_eq!(Hsr(0x8200_0022).status(), Status::Debug);
        assert_eq!(Status::from_bits(0x3f), Status::Other(0x3f));
        assert_eq!(Status::from_bits(0x11), Status::External);
    }

    #[test]
    fn all_conditions() {
        const N: u32 = 1 << 31;
        const Z: u32 = 1 << 30;
        const C: u32 = 1 << 29;
        const V: u32 = 1 << 28;
        for (condition, yes, no) in [
            (0, Z, 0),
            (1, 0, Z),
            (2, C, 0),
            (3, 0, C),
            (4, N, 0),
            (5, 0, N),
            (6, V, 0),
            (7, 0, V),
            (8, C, C | Z),
            (9, C | Z, C),
            (10, N | V, N),
            (11, N, N | V),
            (12, 0, Z),
            (13, Z, 0),
        ] {
            assert!(condition_holds(condition, yes), "{condition}");
            assert!(!condition_holds(condition, no), "{condition}");
        }
        assert!(condition_holds(14, 0) && condition_holds(15, 0));
    }

    #[test]
    fn a_condition_comes_from_the_syndrome_or_from_the_it_block() {
        let eq = Hsr(3 << 26 | 1 << 24);
        assert!(eq.condition_passed(1 << 30));
        assert!(!eq.condition_passed(0));
        // CV = 0 in Thumb: IT state 0x08 (EQ, one instruction left) stands in CPSR 15:10 and 26:25.
        let unknown = Hsr(3 << 26);
        let it_eq = 0x08 << 8;
        assert!(!unknown.condition_passed(it_eq));
        assert!(unknown.condition_passed(it_eq | 1 << 30));
        assert!(unknown.condition_passed(0));
        // Classes without a condition always pass, whatever the bits say.
        assert!(Hsr(0x24 << 26 | 1 << 24).condition_passed(0));
    }

    #[test]
    fn floating_point_is_cp10_cp11_and_simd() {
        assert!(Hsr(7 << 26 | 10).is_float() && Hsr(7 << 26 | 11).is_float() && Hsr(7 << 26 | 1 << 5).is_float());
        assert!(!Hsr(7 << 26 | 12).is_float() && !Hsr(7 << 26).is_float());
    }

    #[test]
    fn hpfar_holds_40_bits() {
        assert_eq!(hpfar_page(0xffff_fff0), 0xff_ffff_f000);
        assert_eq!(hpfar_page(0x0009_0000), 0x0900_0000);
    }
}
