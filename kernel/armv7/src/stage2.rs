//! Stage-2 translation: descriptors, VTCR and VTTBR (ARM DDI 0406C B3.6.1, B3.6.2, B4.1.159).

use abi::rights::MapFlags;
use bitflags::bitflags;

bitflags! {
    /// Attributes of a stage-2 block or page (B3.6.2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Stage2: u64 {
        /// The entry counts.
        const VALID = 1;
        /// At level 3: a page; above: a table rather than a block.
        const PAGE_OR_TABLE = 2;
        /// Memory attribute: device.
        const DEVICE = 0b0001 << 2;
        /// Memory attribute: normal, not cached, inside and outside.
        const UNCACHED = 0b0101 << 2;
        /// Memory attribute: normal, write-back, inside and outside.
        const WRITE_BACK = 0b1111 << 2;
        /// Readable (HAP).
        const READ = 1 << 6;
        /// Writable (HAP).
        const WRITE = 1 << 7;
        /// Inner shareable.
        const INNER_SHAREABLE = 3 << 8;
        /// Access flag.
        const AF = 1 << 10;
        /// Execute never.
        const XN = 1 << 54;
    }
}

/// VTCR: 32 bits of intermediate address, walks start at level 1, through write-back inner-shareable memory (B4.1.158).
pub const VTCR: u32 = 0x8000_3540;

/// Descriptor of a 2 MiB block (level 2) or a page (level 3) for the physical page number `page`.
pub fn leaf(level: u8, page: u32, flags: MapFlags) -> u64 {
    let mut bits = Stage2::VALID | Stage2::AF | Stage2::INNER_SHAREABLE;
    if level == 3 {
        bits |= Stage2::PAGE_OR_TABLE;
    }
    bits |= if flags.contains(MapFlags::DEVICE) {
        Stage2::DEVICE
    } else if flags.contains(MapFlags::UNCACHED) {
        Stage2::UNCACHED
    } else {
        Stage2::WRITE_BACK
    };
    bits.set(Stage2::READ, flags.contains(MapFlags::READ));
    bits.set(Stage2::WRITE, flags.contains(MapFlags::WRITE));
    bits.set(Stage2::XN, !flags.contains(MapFlags::EXECUTE));
    u64::from(page & 0x0fff_ffff) << 12 | bits.bits()
}

/// Descriptor of a next-level table at the physical address `table`.
pub fn table(table: u32) -> u64 {
    u64::from(table & 0xffff_f000) | (Stage2::VALID | Stage2::PAGE_OR_TABLE).bits()
}

/// VTTBR for a table and a VMID (B4.1.159).
pub const fn vttbr(table: u64, vmid: u8) -> u64 {
    (vmid as u64) << 48 | table & 0xff_ffff_ffe0
}

#[cfg(test)]
mod tests {
    use super::*;

    const RW: MapFlags = MapFlags::READ.union(MapFlags::WRITE);

    #[test]
    fn a_guest_block_is_what_the_hardware_accepted() {
        let rwx = RW | MapFlags::EXECUTE;
        assert_eq!(leaf(2, 0x40000, rwx), 0x4000_07fd);
        assert_eq!(leaf(3, 0x40001, rwx), 0x4000_17ff);
    }

    #[test]
    fn rights_and_types_stand_in_their_bits() {
        assert_eq!(leaf(3, 1, MapFlags::READ), 1 << 54 | 0x177f);
        assert_eq!(leaf(3, 1, MapFlags::READ | MapFlags::EXECUTE), 0x177f);
        assert_eq!(leaf(3, 0x9000, RW | MapFlags::DEVICE), 1 << 54 | 0x900_07c7);
        assert_eq!(leaf(3, 0x9000, RW | MapFlags::UNCACHED), 1 << 54 | 0x900_07d7);
        assert_eq!(leaf(3, 0xfff_ffff, RW) >> 12 & 0xfff_ffff, 0xfff_ffff);
        assert_eq!(leaf(3, u32::MAX, RW), 1 << 54 | 0xff_ffff_f7ff, "no page number reaches the attributes");
        assert_eq!(leaf(3, 1, MapFlags::empty()) & 0xc0, 0);
    }

    #[test]
    fn tables_and_vttbr() {
        assert_eq!(table(0x4030_0000), 0x4030_0003);
        assert_eq!(vttbr(0x4030_0020, 7), 0x0007_0000_4030_0020);
    }
}
