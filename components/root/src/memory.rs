//! Root's untyped memory: what is left of each piece, as the kernel counts it (a retype takes from a watermark that
//! only rises), so that root never asks for what can't be.

use crate::failure::Cause;
use abi::ObjectType;
use abi::boot::{BootInfo, UNTYPED_MAX, UntypedInfo, root_slot};
use abi::object::{PAGE_BITS, RETYPE_COUNT_MAX, UNTYPED_BITS_MIN};
use runtime::{CNode, Untyped};

const CNODE: CNode = CNode(root_slot::CNODE);

/// One untyped of root's.
#[derive(Clone, Copy, Debug, Default)]
struct Piece {
    info: UntypedInfo,
    used_bytes: u64,
}

impl Piece {
    fn base(&self) -> u64 {
        u64::from(self.info.page) << PAGE_BITS
    }
    fn end(&self) -> u64 {
        self.base() + (1 << self.info.size_bits)
    }
    /// Where an object of that size and alignment would go.
    fn place(&self, bytes: u64) -> Option<u64> {
        let at = (self.base() + self.used_bytes).next_multiple_of(bytes);
        (at + bytes <= self.end()).then_some(at)
    }
}

/// All of root's untyped memory.
#[derive(Debug)]
pub struct Memory {
    pieces: [Piece; UNTYPED_MAX],
    count: usize,
}

impl Memory {
    /// None.
    pub const fn new() -> Self {
        let info = UntypedInfo { page: 0, size_bits: 0, device: 0, clean: 0 };
        Self { pieces: [Piece { info, used_bytes: 0 }; UNTYPED_MAX], count: 0 }
    }

    /// Takes over what the kernel gave.
    pub fn learn(&mut self, boot: &BootInfo) {
        self.count = (boot.untyped_count as usize).min(UNTYPED_MAX);
        for (piece, info) in self.pieces.iter_mut().zip(boot.untyped) {
            *piece = Piece { info, used_bytes: 0 };
        }
    }

    /// Makes an untyped of `1 << bits` bytes in slot `slot`, of the first piece of RAM that has room.
    pub fn make_untyped(&mut self, bits: u32, slot: u32) -> Result<(), Cause> {
        let bytes = 1_u64.checked_shl(bits).ok_or(Cause::NoMemory)?;
        let pieces = self.pieces[..self.count].iter_mut().enumerate();
        let (index, piece, at) = pieces
            .filter(|(_, piece)| piece.info.device == 0)
            .find_map(|(index, piece)| piece.place(bytes).map(|at| (index, piece, at)))
            .ok_or(Cause::NoMemory)?;
        let untyped = Untyped(root_slot::UNTYPED + index as u32);
        untyped.retype(ObjectType::Untyped, bits, 1, CNODE, slot)?;
        piece.used_bytes = at + bytes - piece.base();
        // What was cut from a piece that is not known to be zero is not, either: only what is used is zeroed.
        Untyped(slot).reset()?;
        Ok(())
    }

    /// Makes `count` device frames of 4 KiB from physical page `page` on, in slots from `slot` on. What lies before them
    /// in their untyped and was not taken is given up: device frames are taken in ascending order. `spare` is an empty slot.
    pub fn make_device(&mut self, page: u32, count: u32, slot: u32, spare: u32) -> Result<(), Cause> {
        let start = u64::from(page) << PAGE_BITS;
        let bytes = u64::from(count) << PAGE_BITS;
        let pieces = self.pieces[..self.count].iter_mut().enumerate();
        let (index, piece) = pieces
            .filter(|(_, piece)| piece.info.device != 0)
            .find(|(_, piece)| piece.base() + piece.used_bytes <= start && start + bytes <= piece.end())
            .ok_or(Cause::NoMemory)?;
        let untyped = Untyped(root_slot::UNTYPED + index as u32);
        while piece.base() + piece.used_bytes < start {
            // The largest untyped that begins at the watermark and ends at or before the page.
            let at = piece.base() + piece.used_bytes;
            let aligned = if at == 0 { u64::BITS - 1 } else { at.trailing_zeros() };
            let bits = aligned.min((start - at).ilog2()).max(UNTYPED_BITS_MIN);
            untyped.retype(ObjectType::Untyped, bits, 1, CNODE, spare)?;
            CNODE.delete(spare)?;
            piece.used_bytes += 1 << bits;
        }
        retype_many(untyped, ObjectType::Frame, PAGE_BITS, count, slot)?;
        piece.used_bytes += bytes;
        Ok(())
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes any number of objects in consecutive slots, in as many retypes as it takes.
pub fn retype_many(untyped: Untyped, ty: ObjectType, bits: u32, count: u32, slot: u32) -> Result<(), Cause> {
    let mut made = 0;
    while made < count {
        let now = (count - made).min(RETYPE_COUNT_MAX);
        untyped.retype(ty, bits, now, CNODE, slot + made)?;
        made += now;
    }
    Ok(())
}
