//! The simulated machine's RAM: ordinary memory of the host that poses as physical memory.
//!
//! Its pages cost nothing until something is written to them, so that the RAM of a whole board can be had.

#![allow(unsafe_code, reason = "makes the arena that the simulated kernel owns; part of the arena's vault")]

use crate::Arena;
use std::alloc::{Layout, alloc_zeroed};
use std::vec::Vec;

/// RAM of a simulated machine. It must outlive the arena made from it; [`World`](super::World) keeps both.
pub struct Ram {
    memory: Vec<u8>,
    /// Where the byte at physical address `base` lies in `memory`.
    offset: usize,
    base: u32,
    bytes: usize,
}

/// Physical address at which the simulated RAM of small worlds begins.
pub const RAM_BASE: u32 = 0x4000_0000;
/// Physical addresses and the host's are equal modulo this: the largest alignment of an object.
const ALIGN: usize = 1 << 21;

impl Ram {
    /// `bytes` bytes of zeroed RAM from the physical address `base` on, a multiple of 2 MiB. They end below 4 GiB.
    /// `None` if the host can't give so much address space.
    pub fn new(base: u32, bytes: usize) -> Option<Self> {
        let inside = base as usize + bytes <= 1 << 32;
        if bytes == 0 || !inside || !(base as usize).is_multiple_of(ALIGN) {
            return None;
        }
        let memory = zeroed(bytes + ALIGN)?;
        let start = memory.as_ptr().addr();
        Some(Self { offset: start.next_multiple_of(ALIGN) - start, memory, base, bytes })
    }

    /// Puts bytes into it, as a boot loader does; `false`, and nothing is written, if they are not all inside.
    pub fn load(&mut self, address: u32, bytes: &[u8]) -> bool {
        let Some(at) = address.checked_sub(self.base) else { return false };
        let ram = &mut self.memory[self.offset..][..self.bytes];
        let place = ram.get_mut(at as usize..).and_then(|rest| rest.get_mut(..bytes.len()));
        place.map(|place| place.copy_from_slice(bytes)).is_some()
    }

    /// The arena over this RAM. Call it once, and load nothing afterwards.
    pub(super) fn arena(&mut self) -> Arena {
        let base = self.memory.as_mut_ptr().expose_provenance() + self.offset;
        // SAFETY: W: the vector owns the memory and is kept, unmoved, beside the kernel that uses the arena;
        // nothing else reads or writes it meanwhile.
        unsafe { Arena::new(base.wrapping_sub(self.base as usize)) }
    }
}

/// Zeroed bytes that the host's allocator takes from fresh pages, without touching them.
fn zeroed(bytes: usize) -> Option<Vec<u8>> {
    let layout = Layout::array::<u8>(bytes).ok()?;
    // SAFETY: the layout is not empty: `bytes` is more than `ALIGN`.
    let start = unsafe { alloc_zeroed(layout) };
    if start.is_null() {
        return None;
    }
    // SAFETY: the global allocator gave it just now, for this layout, and all of its bytes are zero.
    Some(unsafe { Vec::from_raw_parts(start, bytes, bytes) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_loaded_is_where_the_arena_finds_it() {
        let mut ram = Ram::new(0x8020_0000, 1 << 22).unwrap();
        assert!(ram.load(0x8020_0004, &[1, 2, 3, 4]) && ram.load(0x805f_fffc, &[5, 6, 7, 8]));
        assert!(!ram.load(0x805f_fffd, &[9; 4]) && !ram.load(0x801f_ffff, &[9; 4]));
        let arena = ram.arena();
        let words = [0x8020_0000, 0x8020_0004, 0x805f_fffc].map(|address| arena.read_word(address));
        assert_eq!(words, [0, 0x0403_0201, 0x0807_0605]);
    }

    #[test]
    fn what_can_be_no_ram_is_refused() {
        assert!(Ram::new(0x8020_1000, 4096).is_none() && Ram::new(0, 0).is_none());
        assert!(Ram::new(0xffe0_0000, 1 << 22).is_none());
        // More than any host has.
        assert!(zeroed(1 << 60).is_none());
    }
}
