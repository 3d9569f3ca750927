//! The simulated machine's RAM: ordinary memory of the host that poses as physical memory.
//!
//! Its pages cost nothing until something is written to them, so that the RAM of a whole board can be had.

#![allow(unsafe_code, reason = "makes the arena that the simulated kernel owns; part of the arena's vault")]

use crate::Arena;
use std::alloc::{Layout, alloc_zeroed};
use std::vec::Vec;

/// RAM of a simulated machine. It must outlive the arena made from it; [`World`](super::World) keeps both.
pub struct Ram {
    /// Owns the memory, and is never looked at: all go by `start`.
    _memory: Vec<u8>,
    /// The byte at the physical address `base`.
    start: *mut u8,
    base: u32,
    bytes: usize,
}

// SAFETY: the memory is this value's own, wherever that is moved; `start` is an address of it and nothing else.
unsafe impl Send for Ram {}

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
        let mut memory = zeroed(bytes + ALIGN)?;
        let first = memory.as_mut_ptr();
        let start = first.wrapping_add(first.addr().next_multiple_of(ALIGN) - first.addr());
        Some(Self { _memory: memory, start, base, bytes })
    }

    /// Where that many bytes from a physical address on are; `None` if they are not all inside.
    fn place(&self, address: u32, bytes: usize) -> Option<*mut u8> {
        let at = address.checked_sub(self.base)? as usize;
        (at.checked_add(bytes)? <= self.bytes).then(|| self.start.wrapping_add(at))
    }

    /// Puts bytes into it, as a boot loader does, while no kernel is at work; `false`, and nothing is written, if they are
    /// not all inside.
    pub fn load(&mut self, address: u32, bytes: &[u8]) -> bool {
        let Some(place) = self.place(address, bytes.len()) else { return false };
        // SAFETY: inside the vector's memory; no reference to an object lives while the kernel stands still, and `bytes` is
        // another place, since nothing can borrow this one beside `&mut self`.
        unsafe { place.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        true
    }

    /// What is in it, while no kernel is at work.
    ///
    /// # Panics
    /// If the bytes are not all inside.
    pub(super) fn read(&self, address: u32, bytes: usize) -> &[u8] {
        let place = self.place(address, bytes).expect("inside of RAM");
        // SAFETY: inside the vector's memory, as was checked; no reference to an object lives while the kernel stands still, and
        // `&self` keeps `load` out.
        unsafe { std::slice::from_raw_parts(place, bytes) }
    }

    /// What to subtract from the host's address of a place in this RAM to get its physical one.
    pub(super) fn base(&self) -> usize {
        self.start.addr().wrapping_sub(self.base as usize)
    }

    /// The arena over this RAM. Call it once.
    pub(super) fn arena(&mut self) -> Arena {
        let base = self.start.expose_provenance();
        // SAFETY: W: the vector owns the memory and is kept, unmoved, beside the kernel that uses the arena; `load` and `read`
        // go by the same pointer, and only while the kernel stands still.
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
