//! Whether a system fits its board: the untypeds that the kernel makes of free RAM, and the groups in them.

use super::alloc::Untyped;
use super::plan::Plan;
use crate::compose::parse::units::show_size;
use abi::object::{PAGE_BITS, SLOT_BYTES};
use boards::Board;
use std::ops::Range;

/// What the kernel takes for root's tables, thread and interrupt slots, at most.
const ROOT_OBJECTS: u64 = 128 << 10;
/// The kernel leaves RAM out that 32 bits can't name the end of.
const RAM_END: u64 = (1 << 32) - 4096;

/// A naturally aligned piece of RAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Physical address.
    pub base: u64,
    /// log2 of its bytes.
    pub bits: u32,
}

/// Where a group's untyped lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Physical address of the first byte.
    pub base: u64,
}

/// What the kernel takes of the largest free range for root, at most, when root's image and stack have `image_bytes`.
pub fn root_bytes(cnode_bits: u32, image_bytes: u64) -> u64 {
    let slots = (image_bytes >> PAGE_BITS) * u64::from(SLOT_BYTES);
    let bytes = (u64::from(SLOT_BYTES) << cnode_bits) + image_bytes + slots + ROOT_OBJECTS;
    bytes.next_multiple_of(1 << PAGE_BITS)
}

/// Free RAM as the kernel cuts it, when `taken` (kernel and payload, ascending) is not free, and root is made of the
/// start of the largest free range.
pub fn free(board: &Board, taken: &[Range<u64>], root_bytes: u64) -> Vec<Piece> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for region in &board.ram {
        let end = (region.base + region.bytes).min(RAM_END);
        let mut at = region.base;
        for taken in taken.iter().filter(|taken| taken.end > region.base && taken.start < end) {
            ranges.push(at..taken.start);
            at = taken.end.next_multiple_of(1 << PAGE_BITS);
        }
        ranges.push(at..end);
    }
    if let Some(largest) = ranges.iter_mut().max_by_key(|range| range.end.saturating_sub(range.start)) {
        largest.start += root_bytes;
    }
    let mut pieces = Vec::new();
    ranges.into_iter().for_each(|range| cut(range.start, range.end, &mut pieces));
    pieces
}

fn cut(start: u64, end: u64, pieces: &mut Vec<Piece>) {
    let mut base = start.next_multiple_of(1 << PAGE_BITS);
    while base + (1 << PAGE_BITS) <= end {
        let bits = base.trailing_zeros().min((end - base).ilog2());
        pieces.push(Piece { base, bits });
        base += 1 << bits;
    }
}

/// Finds a place for every group, as root will: in order of decreasing size, in the first piece with room. The
/// error says what does not fit, and what would help. Places are in the order of the groups' numbers.
pub fn place(plan: &Plan, pieces: &[Piece]) -> Result<Vec<Place>, (String, String)> {
    let mut untypeds: Vec<Untyped> = pieces.iter().map(|piece| Untyped::new(piece.bits)).collect();
    let mut places = Vec::new();
    for group in plan.ordered_groups() {
        let bytes = 1 << group.untyped_bits;
        let mut found = pieces.iter().zip(&mut untypeds);
        match found.find_map(|(piece, untyped)| Some(Place { base: piece.base + untyped.place(bytes, bytes)? })) {
            Some(place) => places.push(place),
            None => return Err(no_room(plan, pieces, group.untyped_bits, &group.name, group.used_bytes)),
        }
    }
    Ok(places)
}

fn no_room(plan: &Plan, pieces: &[Piece], bits: u32, name: &str, used: u64) -> (String, String) {
    let free: u64 = pieces.iter().map(|piece| 1 << piece.bits).sum();
    let groups = plan.ordered_groups();
    let all: Vec<_> =
        groups.iter().map(|group| format!("{} {}", group.name, show_size(1 << group.untyped_bits))).collect();
    let message = format!(
        "no room for `{name}`: it needs {} in one piece, and the board has {} free for: {}",
        show_size(1 << bits),
        show_size(free),
        all.join(", ")
    );
    let spare = used.saturating_sub(1 << (bits - 1)).next_multiple_of(2 << 20);
    let help = if bits > 21 && spare < 1 << (bits - 2) {
        format!(
            "a compartment's memory is a power of two: with {} less, `{name}` would need {} only",
            show_size(spare),
            show_size(1 << (bits - 1))
        )
    } else {
        "give the largest of them less memory".to_owned()
    };
    (message, help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ram_is_cut_into_naturally_aligned_pieces() {
        let mut board = boards::find("qemu-virt").unwrap();
        board.ram[0].bytes = 64 << 20;
        let pieces = free(&board, &[0x4020_0000..0x4030_0000, 0x4040_0000..0x4060_0000], 0x20_0000);
        let piece = |base, bits| Piece { base, bits };
        let expected = [(0x4000_0000, 21), (0x4030_0000, 20), (0x4080_0000, 23), (0x4100_0000, 24), (0x4200_0000, 25)];
        assert_eq!(pieces, expected.map(|(base, bits)| piece(base, bits)));
        assert!(pieces.iter().all(|piece| piece.base.is_multiple_of(1 << piece.bits)));
    }
}
