//! The distributor's register map, ARM IHI 0048B section 4.3 (table 4-1), as typed values.

use abi::object::VIRTUAL_INTERRUPTS;

/// Interrupts that this distributor implements: SGIs 0-15, PPIs 16-31, SPIs 32-287.
pub const INTERRUPTS: usize = VIRTUAL_INTERRUPTS;
/// Ranks of 32 interrupts; rank 0 is banked for each vCPU.
pub const RANKS: usize = INTERRUPTS / 32;
/// The most processors that GICD_TYPER.CPUNumber of this model states.
pub const VCPUS_MAX: usize = 4;
/// Software-generated interrupts: 0 to 15.
pub const SGIS: usize = 16;
/// Banked interrupts: SGIs and PPIs.
pub const PRIVATE: usize = 32;
/// Bits of a priority that exist: as many as a list register holds (section 5.3.9, LR bits 27:23).
pub const PRIORITY_MASK: u8 = 0xf8;
/// Size of the distributor's registers, in bytes.
pub const DISTRIBUTOR_BYTES: u32 = 0x1000;

/// GICD_CTLR.EnableGrp0 (section 4.3.1, an implementation without Security Extensions).
pub const CTLR_ENABLE_GROUP0: u32 = 1;
/// GICD_CTLR.EnableGrp1.
pub const CTLR_ENABLE_GROUP1: u32 = 2;
/// GICD_IIDR (section 4.3.3): product 'B', variant 0, revision 0, implementer JEP106 0x43b.
pub const IIDR: u32 = 0x4200_043b;
/// GICD_ICFGR0 (section 4.3.13): SGIs are edge-triggered and cannot be changed.
pub const SGI_CONFIGURATION: u32 = 0xaaaa_aaaa;

const _: () = assert!(INTERRUPTS.is_multiple_of(32) && INTERRUPTS <= 1020);

/// GICD_TYPER (section 4.3.2): ITLinesNumber in bits 4:0, CPUNumber in bits 7:5; no Security Extensions.
pub const fn typer(vcpus: usize) -> u32 {
    (RANKS as u32 - 1) | ((vcpus as u32).saturating_sub(1) & 7) << 5
}

/// A register of the distributor, by what it does. `rank` counts words of 32 interrupts and may exceed
/// [`RANKS`]: such words are RAZ/WI. `first` is the interrupt in the addressed byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// GICD_CTLR.
    Ctlr,
    /// GICD_TYPER, read-only.
    Typer,
    /// GICD_IIDR, read-only.
    Iidr,
    /// GICD_IGROUPRn.
    Group {
        /// Word number.
        rank: usize,
    },
    /// GICD_ISENABLERn.
    SetEnable {
        /// Word number.
        rank: usize,
    },
    /// GICD_ICENABLERn.
    ClearEnable {
        /// Word number.
        rank: usize,
    },
    /// GICD_ISPENDRn.
    SetPending {
        /// Word number.
        rank: usize,
    },
    /// GICD_ICPENDRn.
    ClearPending {
        /// Word number.
        rank: usize,
    },
    /// GICD_ISACTIVERn.
    SetActive {
        /// Word number.
        rank: usize,
    },
    /// GICD_ICACTIVERn.
    ClearActive {
        /// Word number.
        rank: usize,
    },
    /// GICD_IPRIORITYRn, a byte for each interrupt.
    Priority {
        /// Interrupt of the addressed byte.
        first: usize,
    },
    /// GICD_ITARGETSRn, a byte for each interrupt.
    Target {
        /// Interrupt of the addressed byte.
        first: usize,
    },
    /// GICD_ICFGRn, two bits for each interrupt.
    Configuration {
        /// First interrupt of the word.
        first: usize,
    },
    /// GICD_SGIR, write-only.
    Sgir,
    /// GICD_CPENDSGIRn, a byte for each SGI.
    ClearSgi {
        /// SGI of the addressed byte.
        first: usize,
    },
    /// GICD_SPENDSGIRn, a byte for each SGI.
    SetSgi {
        /// SGI of the addressed byte.
        first: usize,
    },
    /// One of the identification registers at 0xfd0-0xffc (section 4.3.18), with its value.
    Identification(u8),
    /// Reserved, implementation-defined, or GICD_NSACRn (RAZ/WI without Security Extensions, section 4.3.14).
    Reserved,
}

/// PIDR4-7, PIDR0-3 and CIDR0-3: GICv2 as ARM's own implementations say it.
const IDENTIFICATION: [u8; 12] = [0x04, 0, 0, 0, 0x90, 0xb4, 0x2b, 0, 0x0d, 0xf0, 0x05, 0xb1];

impl Register {
    /// The register that an access of `width` bytes at `offset` reaches. Words everywhere, bytes only where
    /// section 4.1.4 demands them; any other width, and any unaligned access, reaches [`Register::Reserved`].
    pub fn at(offset: u32, width: u32) -> Self {
        let word = width == 4 && offset.is_multiple_of(4);
        let rank = (offset as usize & 0x7f) / 4;
        match offset {
            0x400..=0x7ff if word || width == 1 => return Self::Priority { first: offset as usize - 0x400 },
            0x800..=0xbff if word || width == 1 => return Self::Target { first: offset as usize - 0x800 },
            0xf10..=0xf1f if word || width == 1 => return Self::ClearSgi { first: offset as usize - 0xf10 },
            0xf20..=0xf2f if word || width == 1 => return Self::SetSgi { first: offset as usize - 0xf20 },
            _ if !word => return Self::Reserved,
            _ => {}
        }
        match offset {
            0x000 => Self::Ctlr,
            0x004 => Self::Typer,
            0x008 => Self::Iidr,
            0x080..=0x0ff => Self::Group { rank },
            0x100..=0x17f => Self::SetEnable { rank },
            0x180..=0x1ff => Self::ClearEnable { rank },
            0x200..=0x27f => Self::SetPending { rank },
            0x280..=0x2ff => Self::ClearPending { rank },
            0x300..=0x37f => Self::SetActive { rank },
            0x380..=0x3ff => Self::ClearActive { rank },
            0xc00..=0xcff => Self::Configuration { first: (offset as usize - 0xc00) * 4 },
            0xf00 => Self::Sgir,
            0xfd0..=0xfff => match IDENTIFICATION.get((offset as usize - 0xfd0) / 4) {
                Some(&byte) => Self::Identification(byte),
                None => Self::Reserved,
            },
            _ => Self::Reserved,
        }
    }
}

/// Whom a write to GICD_SGIR names (section 4.3.15, TargetListFilter).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SgiTarget {
    /// 0b00: the processors in the mask.
    List(u8),
    /// 0b01: all but the writer.
    Others,
    /// 0b10: the writer.
    Myself,
}

/// A write to GICD_SGIR: the interrupt in bits 3:0, the list in bits 23:16, the filter in bits 25:24.
/// `None` for the reserved filter 0b11, which does nothing.
pub fn sgir(value: u32) -> Option<(usize, SgiTarget)> {
    let target = match value >> 24 & 3 {
        0 => SgiTarget::List((value >> 16) as u8),
        1 => SgiTarget::Others,
        2 => SgiTarget::Myself,
        _ => return None,
    };
    Some((value as usize & 0xf, target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_offset_and_width_has_a_meaning() {
        for offset in 0..0x2000 {
            for width in [0, 1, 2, 3, 4, 8, u32::MAX] {
                let register = Register::at(offset, width);
                if width == 2 || (width == 4 && offset % 4 != 0) {
                    assert_eq!(register, Register::Reserved, "{offset:#x}/{width}");
                }
            }
        }
        assert_eq!(Register::at(u32::MAX, 4), Register::Reserved);
    }

    #[test]
    fn the_map_is_the_manual_s() {
        for (offset, register) in [
            (0x00, Register::Ctlr),
            (0x04, Register::Typer),
            (0x08, Register::Iidr),
            (0x0c, Register::Reserved),
            (0x80, Register::Group { rank: 0 }),
            (0x104, Register::SetEnable { rank: 1 }),
            (0x1fc, Register::ClearEnable { rank: 31 }),
            (0x220, Register::SetPending { rank: 8 }),
            (0x280, Register::ClearPending { rank: 0 }),
            (0x300, Register::SetActive { rank: 0 }),
            (0x3a0, Register::ClearActive { rank: 8 }),
            (0x420, Register::Priority { first: 32 }),
            (0x81c, Register::Target { first: 28 }),
            (0xc04, Register::Configuration { first: 16 }),
            (0xd00, Register::Reserved),
            (0xe00, Register::Reserved),
            (0xf00, Register::Sgir),
            (0xf10, Register::ClearSgi { first: 0 }),
            (0xf2c, Register::SetSgi { first: 12 }),
            (0xfe8, Register::Identification(0x2b)),
            (0xffc, Register::Identification(0xb1)),
        ] {
            assert_eq!(Register::at(offset, 4), register, "{offset:#x}");
        }
        assert_eq!(Register::at(0x421, 1), Register::Priority { first: 33 });
    }

    #[test]
    fn the_type_register_tells_lines_and_processors() {
        assert_eq!(typer(1), 8);
        assert_eq!(typer(4), 8 | 3 << 5);
    }

    #[test]
    fn the_reserved_filter_is_ignored() {
        assert_eq!(sgir(0x0300_0001), None);
        assert_eq!(sgir(0xff05_8003), None);
        assert_eq!(sgir(0x0005_8003), Some((3, SgiTarget::List(5))));
        assert_eq!(sgir(0x0100_000f), Some((15, SgiTarget::Others)));
        assert_eq!(sgir(0x0200_0000), Some((0, SgiTarget::Myself)));
    }
}
