//! The receive FIFO: bytes with their error flags.

use super::spec::FIFO_BYTES;

/// Up to 16 entries, first in, first out.
#[derive(Clone, Debug)]
pub(super) struct Fifo {
    entries: [u16; FIFO_BYTES],
    first: usize,
    len: usize,
}

impl Fifo {
    pub const fn new() -> Self {
        Self { entries: [0; FIFO_BYTES], first: 0, len: 0 }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Appends an entry; one that finds no room is lost.
    pub fn push(&mut self, entry: u16) {
        if self.len < FIFO_BYTES
            && let Some(place) = self.entries.get_mut((self.first + self.len) % FIFO_BYTES)
        {
            *place = entry;
            self.len += 1;
        }
    }

    pub fn pop(&mut self) -> Option<u16> {
        self.len = self.len.checked_sub(1)?;
        let entry = self.entries.get(self.first).copied();
        self.first = (self.first + 1) % FIFO_BYTES;
        entry
    }
}
