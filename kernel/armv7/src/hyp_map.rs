//! The kernel's own map: Hyp mode's stage 1 in the long-descriptor format (ARM DDI 0406C B3.6). It is the
//! identity; what it does not name is not mapped.

use bitflags::bitflags;

bitflags! {
    /// Attributes of a block or page of Hyp mode (B3.6.1, B3.7.2). Bit 6, AP[1], is one in this regime.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Hyp: u64 {
        /// The entry counts.
        const VALID = 1;
        /// At level 3: a page; above: a table.
        const PAGE_OR_TABLE = 2;
        /// Attribute 1 of [`HMAIR0`]: device.
        const DEVICE = 1 << 2;
        /// AP[1], one.
        const AP1 = 1 << 6;
        /// Read-only.
        const READ_ONLY = 1 << 7;
        /// Inner shareable.
        const INNER_SHAREABLE = 3 << 8;
        /// Access flag.
        const AF = 1 << 10;
        /// Execute never.
        const XN = 1 << 54;
    }
}

impl Hyp {
    const BASE: Hyp = Hyp::VALID.union(Hyp::AP1).union(Hyp::INNER_SHAREABLE).union(Hyp::AF);
    /// The kernel's text.
    pub const TEXT: Hyp = Hyp::BASE.union(Hyp::READ_ONLY);
    /// Constants.
    pub const CONSTANTS: Hyp = Hyp::TEXT.union(Hyp::XN);
    /// Data, stacks and all other RAM.
    pub const DATA: Hyp = Hyp::BASE.union(Hyp::XN);
    /// Devices.
    pub const DEVICES: Hyp = Hyp::DATA.union(Hyp::DEVICE);
}

/// Attribute 0: normal, write-back, allocating; attribute 1: device (B4.1.67, B4.1.104).
pub const HMAIR0: u32 = 0x0000_04ff;
/// 32 bits of address, walks through write-back inner-shareable memory (B4.1.70).
pub const HTCR: u32 = 0x8080_3500;
/// The kernel's HSCTLR (B4.1.68): MMU, caches, barriers, and nothing both writable and executable.
pub const HSCTLR: u32 = 0x30c5_0818 | 1 << 0 | 1 << 2 | 1 << 5 | 1 << 12 | 1 << 19;

/// A table of level 2 or 3.
#[derive(Clone, Copy)]
#[repr(C, align(4096))]
pub struct Table(pub [u64; 512]);

/// The table of level 1.
#[derive(Clone, Copy)]
#[repr(C, align(32))]
pub struct Root(pub [u64; 4]);

/// Tables for the map. They are where the hardware walks them: `address` is that of the first in `pool`.
pub struct HypMap<'a> {
    /// Level 1.
    pub root: &'a mut Root,
    /// Levels 2 and 3, handed out in order.
    pub pool: &'a mut [Table],
    /// Physical address of the pool.
    pub address: u32,
    /// Tables handed out.
    pub used: usize,
}

/// The pool of tables is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfTables;

const PAGE: u64 = 1 << 12;
const TABLE_BYTES: u64 = 4096;

impl HypMap<'_> {
    /// Maps `bytes` at `base` to themselves with the largest blocks that fit. Both are multiples of a page; nothing
    /// was mapped there.
    pub fn map(&mut self, base: u64, bytes: u64, attributes: Hyp) -> Result<(), OutOfTables> {
        let (mut at, end) = (base, (base + bytes).min(1 << 32));
        while at < end {
            let size = [1 << 30, 1 << 21, PAGE].into_iter().find(|size| at % size == 0 && end - at >= *size);
            let size = size.unwrap_or(PAGE);
            let entry = at | attributes.bits();
            match size {
                0x4000_0000 => self.root.0[(at >> 30) as usize & 3] = entry,
                0x20_0000 => self.level2(at)?.0[(at >> 21) as usize & 511] = entry,
                _ => self.level3(at)?.0[(at >> 12) as usize & 511] = entry | Hyp::PAGE_OR_TABLE.bits(),
            }
            at += size;
        }
        Ok(())
    }

    fn level2(&mut self, at: u64) -> Result<&mut Table, OutOfTables> {
        let entry = self.root.0[(at >> 30) as usize & 3];
        let index = match self.index_of(entry) {
            Some(index) => index,
            None => {
                let (index, entry) = self.allocate()?;
                self.root.0[(at >> 30) as usize & 3] = entry;
                index
            }
        };
        Ok(&mut self.pool[index])
    }

    fn level3(&mut self, at: u64) -> Result<&mut Table, OutOfTables> {
        let slot = (at >> 21) as usize & 511;
        let entry = self.level2(at)?.0[slot];
        let index = match self.index_of(entry) {
            Some(index) => index,
            None => {
                let (index, entry) = self.allocate()?;
                self.level2(at)?.0[slot] = entry;
                index
            }
        };
        Ok(&mut self.pool[index])
    }

    fn index_of(&self, entry: u64) -> Option<usize> {
        let table = Hyp::VALID | Hyp::PAGE_OR_TABLE;
        (entry & 3 == table.bits()).then(|| (((entry & 0xffff_f000) - u64::from(self.address)) / TABLE_BYTES) as usize)
    }

    fn allocate(&mut self) -> Result<(usize, u64), OutOfTables> {
        let index = self.used;
        if index >= self.pool.len() {
            return Err(OutOfTables);
        }
        self.used += 1;
        self.pool[index] = Table([0; 512]);
        let address = u64::from(self.address) + index as u64 * TABLE_BYTES;
        Ok((index, address | (Hyp::VALID | Hyp::PAGE_OR_TABLE).bits()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POOL: u32 = 0x4020_8000;

    /// What the hardware would find: the level it ends at and the descriptor.
    fn walk(map: &HypMap, at: u64) -> (u8, u64) {
        let first = map.root.0[(at >> 30) as usize];
        let Some(second) = map.index_of(first) else { return (1, first) };
        let second = map.pool[second].0[(at >> 21) as usize & 511];
        let Some(third) = map.index_of(second) else { return (2, second) };
        (3, map.pool[third].0[(at >> 12) as usize & 511])
    }

    #[test]
    fn a_whole_board() {
        let (mut root, mut pool) = (Root([0; 4]), [Table([!0; 512]); 4]);
        let mut map = HypMap { root: &mut root, pool: &mut pool, address: POOL, used: 0 };
        map.map(0x0800_0000, 0x20_0000, Hyp::DEVICES).unwrap();
        map.map(0x4000_0000, 0x20_0000, Hyp::DATA).unwrap();
        map.map(0x4020_0000, 0x8000, Hyp::TEXT).unwrap();
        map.map(0x4020_9000, 0x7fdf_7000, Hyp::DATA).unwrap();
        assert_eq!(walk(&map, 0x0801_0000), (2, 0x0800_0000 | Hyp::DEVICES.bits()));
        assert_eq!(walk(&map, 0x4000_0000), (2, 0x4000_0000 | Hyp::DATA.bits()));
        assert_eq!(walk(&map, 0x4020_7fff), (3, 0x4020_7000 | Hyp::TEXT.bits() | 2));
        assert_eq!(walk(&map, 0x4020_8000).1, 0, "a guard page");
        assert_eq!(walk(&map, 0x4020_9000), (3, 0x4020_9000 | Hyp::DATA.bits() | 2));
        assert_eq!(walk(&map, 0x4040_0000), (2, 0x4040_0000 | Hyp::DATA.bits()));
        assert_eq!(walk(&map, 0x8000_0000), (1, 0x8000_0000 | Hyp::DATA.bits()));
        assert_eq!(walk(&map, 0xc000_0000), (1, 0));
        assert_eq!(walk(&map, 0x0900_0000), (2, 0), "not named, not mapped");
        assert_eq!(map.used, 3);
    }

    #[test]
    fn an_empty_pool_is_an_error_and_the_top_of_memory_an_end() {
        let (mut root, mut pool) = (Root([0; 4]), []);
        let mut map = HypMap { root: &mut root, pool: &mut pool, address: POOL, used: 0 };
        assert_eq!(map.map(0x1000, 0x1000, Hyp::DATA), Err(OutOfTables));
        assert_eq!(map.map(0xc000_0000, 0x8000_0000, Hyp::DATA), Ok(()));
        assert_eq!(walk(&map, 0xffff_f000).0, 1);
    }

    #[test]
    fn nothing_is_writable_and_executable() {
        assert!(Hyp::TEXT.contains(Hyp::READ_ONLY) && !Hyp::TEXT.contains(Hyp::XN));
        for attributes in [Hyp::CONSTANTS, Hyp::DATA, Hyp::DEVICES] {
            assert!(attributes.contains(Hyp::XN));
        }
        assert_eq!(Hyp::TEXT.bits(), 0x7c1);
    }
}
