//! Descriptors of stage 2 (ARM DDI 0406C B3.6), and the tables in memory that hold them.

use crate::Arena;
use abi::rights::MapFlags;

const VALID: u64 = 1;
const TABLE_OR_PAGE: u64 = 2;
const ATTRIBUTES: u64 = 0xf << 2;
const DEVICE: u64 = 0b0001 << 2;
const UNCACHED: u64 = 0b0101 << 2;
const WRITE_BACK: u64 = 0b1111 << 2;
const READ: u64 = 1 << 6;
const WRITE: u64 = 1 << 7;
const INNER_SHAREABLE: u64 = 3 << 8;
const ACCESSED: u64 = 1 << 10;
const NEVER_EXECUTE: u64 = 1 << 54;
const ADDRESS: u64 = 0xff_ffff_f000;

/// A translation: physical page and flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Translation {
    /// Physical page number: of the page asked for, or the first of a block that was remembered.
    pub page: u32,
    /// How it is mapped.
    pub flags: MapFlags,
}

/// The descriptor of a page (level 3) or block (level 2), in the format of the long descriptors (B3.6.1, B3.6.2).
pub fn leaf(level: u8, page: u32, flags: MapFlags) -> u64 {
    let attributes = if flags.contains(MapFlags::DEVICE) {
        DEVICE
    } else if flags.contains(MapFlags::UNCACHED) {
        UNCACHED
    } else {
        WRITE_BACK
    };
    let bit = |flag, bit| if flags.contains(flag) { bit } else { 0 };
    VALID
        | if level == 3 { TABLE_OR_PAGE } else { 0 }
        | attributes
        | bit(MapFlags::READ, READ)
        | bit(MapFlags::WRITE, WRITE)
        | INNER_SHAREABLE
        | ACCESSED
        | if flags.contains(MapFlags::EXECUTE) { 0 } else { NEVER_EXECUTE }
        | u64::from(page) << 12
}

/// The descriptor of a next-level table.
pub fn table(address: u32) -> u64 {
    u64::from(address & !0xfff) | VALID | TABLE_OR_PAGE
}

/// What a descriptor says at its level (1, 2 or 3). `None`: nothing is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Descriptor {
    /// Look on in the table at that address.
    Table(u32),
    /// Memory.
    Leaf(Translation),
}

/// Decodes a descriptor. A block of level 1 is none of ours: the kernel writes none.
pub fn decode(level: u8, descriptor: u64) -> Option<Descriptor> {
    if descriptor & VALID == 0 {
        return None;
    }
    let address = (descriptor & ADDRESS) >> 12;
    if level < 3 && descriptor & TABLE_OR_PAGE != 0 {
        return Some(Descriptor::Table((address << 12) as u32));
    }
    if level == 1 || (level == 3 && descriptor & TABLE_OR_PAGE == 0) || descriptor & ACCESSED == 0 {
        return None;
    }
    let mut flags = match descriptor & ATTRIBUTES {
        WRITE_BACK => MapFlags::empty(),
        UNCACHED => MapFlags::UNCACHED,
        _ => MapFlags::DEVICE,
    };
    flags.set(MapFlags::READ, descriptor & READ != 0);
    flags.set(MapFlags::WRITE, descriptor & WRITE != 0);
    flags.set(MapFlags::EXECUTE, descriptor & NEVER_EXECUTE == 0);
    Some(Descriptor::Leaf(Translation { page: address as u32, flags }))
}

pub(super) fn read(arena: &Arena, address: u32) -> u64 {
    u64::from(arena.read_word(address)) | u64::from(arena.read_word(address + 4)) << 32
}

/// Walks a space's tables in memory, as they stand there now.
pub fn walk(arena: &Arena, root: u32, address: u32) -> Option<Translation> {
    walk_to(arena, root, address).map(|(found, _)| found)
}

/// The same; and whether it is a block's.
pub(super) fn walk_to(arena: &Arena, root: u32, address: u32) -> Option<(Translation, bool)> {
    let Descriptor::Table(level2) = decode(1, read(arena, root + 8 * (address >> 30)))? else { return None };
    match decode(2, read(arena, level2 + 8 * (address >> 21 & 511)))? {
        Descriptor::Leaf(block) => {
            Some((Translation { page: block.page + (address >> 12 & 511), flags: block.flags }, true))
        }
        Descriptor::Table(level3) => match decode(3, read(arena, level3 + 8 * (address >> 12 & 511)))? {
            Descriptor::Leaf(found) => Some((found, false)),
            Descriptor::Table(_) => None,
        },
    }
}
