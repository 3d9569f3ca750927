//! What is left of the RAM for `root`: all but the kernel's image and the payload.

use crate::boot::MemoryRange;
use arrayvec::ArrayVec;

/// The most free ranges.
pub const FREE_RANGES_MAX: usize = 16;

const PAGE: u64 = 4096;

/// Free RAM: each of `ram` (base, bytes) without each of `taken` (first address, address behind the last; ascending,
/// apart from each other), in whole pages, as far as 32 bits reach.
pub fn free_ram(ram: &[(u64, u64)], taken: &[(u64, u64)]) -> ArrayVec<MemoryRange, FREE_RANGES_MAX> {
    let mut free = ArrayVec::new();
    for &(base, bytes) in ram {
        // The last page below 4 GiB stays out, so that the end of a range is a 32-bit address too.
        let end = (base + bytes).min((1 << 32) - PAGE) & !(PAGE - 1);
        let mut at = base.next_multiple_of(PAGE);
        for &(from, to) in taken {
            if to > at && from < end {
                push(&mut free, at, from & !(PAGE - 1));
                at = to.next_multiple_of(PAGE);
            }
        }
        push(&mut free, at, end);
    }
    free
}

fn push(free: &mut ArrayVec<MemoryRange, FREE_RANGES_MAX>, from: u64, to: u64) {
    if from < to {
        // More ranges than that no board has; RAM that is left out is only lost.
        let _ = free.try_push(MemoryRange { base: from as u32, bytes: (to - from) as u32 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(ram: &[(u64, u64)], taken: &[(u64, u64)]) -> Vec<(u32, u32)> {
        free_ram(ram, taken).iter().map(|range| (range.base, range.bytes)).collect()
    }

    #[test]
    fn the_image_splits_its_bank() {
        assert_eq!(
            plan(&[(0x4000_0000, 0x4000_0000)], &[(0x4020_0000, 0x4023_0000), (0x4040_0000, 0x4080_1001)]),
            [(0x4000_0000, 0x20_0000), (0x4023_0000, 0x1d_0000), (0x4080_2000, 0x3f7f_e000)]
        );
    }

    #[test]
    fn an_image_at_an_edge_leaves_one_piece() {
        assert_eq!(plan(&[(0x1000, 0x9000)], &[(0x1000, 0x3000)]), [(0x3000, 0x7000)]);
        assert_eq!(plan(&[(0x1000, 0x9000)], &[(0x8000, 0xa000)]), [(0x1000, 0x7000)]);
        assert_eq!(plan(&[(0x1000, 0x9000)], &[(0x1000, 0xa000)]), []);
    }

    #[test]
    fn other_banks_are_whole_and_end_below_4_gib() {
        let ram = [(0x8000_0000, 0x1000_0000), (0xc000_0000, 0x8000_0000), (0x8_8000_0000, 0x1000)];
        assert_eq!(plan(&ram, &[(0x8000_0000, 0x8040_0000)]), [(0x8040_0000, 0x0fc0_0000), (0xc000_0000, 0x3fff_f000)]);
    }

    #[test]
    fn pieces_of_pages_are_left_out() {
        assert_eq!(plan(&[(0x1800, 0x3000)], &[(0x10_0000, 0x11_0000)]), [(0x2000, 0x2000)]);
    }
}
