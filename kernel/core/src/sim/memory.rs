//! The simulated machine's RAM: ordinary memory of the host that poses as physical memory.

#![allow(unsafe_code, reason = "makes the arena that the simulated kernel owns; part of the arena's vault")]

use crate::Arena;
use std::vec::Vec;

/// RAM of a simulated machine. It must outlive the arena made from it; [`World`](super::World) keeps both.
pub struct Ram {
    words: Vec<u64>,
    offset: usize,
}

/// Physical address at which simulated RAM begins.
pub const RAM_BASE: u32 = 0x4000_0000;
const ALIGN: usize = 1 << 21;

impl Ram {
    /// `bytes` bytes of zeroed RAM.
    pub fn new(bytes: usize) -> Self {
        let words = vec![0u64; (bytes + ALIGN) / 8];
        let offset = (words.as_ptr() as usize).next_multiple_of(ALIGN) - words.as_ptr() as usize;
        Self { words, offset }
    }

    /// The arena over this RAM. Call it once.
    pub fn arena(&mut self) -> Arena {
        let base = self.words.as_mut_ptr() as usize + self.offset;
        // SAFETY: W: the vector owns the memory and is kept, unmoved, beside the kernel that uses the arena;
        // nothing else reads or writes it meanwhile.
        unsafe { Arena::new(base.wrapping_sub(RAM_BASE as usize)) }
    }
}
