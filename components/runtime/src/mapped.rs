//! Vault: memory that someone else can see or change: shared pages, guest RAM, device registers, the IPC buffer.
//!
//! There is never a reference into such memory, only volatile accesses through [`Mapped`], each checked
//! against its bounds. What is read may be anything: the peer is not trusted.
#![allow(unsafe_code, reason = "volatile access to memory at addresses that the composer chose")]

#[cfg(not(target_os = "none"))]
use crate::host::place::Place;
#[cfg(target_os = "none")]
use crate::place::Place;
use core::sync::atomic::{Ordering, fence};

/// A piece of memory that is mapped as long as the component lives. Copies name the same memory. Offsets are in bytes; one that
/// reaches past the end is the component's own mistake and panics, but for the `try_` functions.
#[derive(Clone, Copy, Debug)]
pub struct Mapped {
    base: Place,
    bytes: usize,
}

/// What one access moves: a byte, a half word or a word.
pub(crate) trait Word: Copy + Into<u32> {
    /// The low bits of a word.
    #[cfg(not(target_os = "none"))]
    fn of(word: u32) -> Self;
}

macro_rules! words {
    ($($word:ty),*) => { $(
        impl Word for $word {
            #[cfg(not(target_os = "none"))]
            fn of(word: u32) -> Self {
                word as Self
            }
        }
    )* };
}
words!(u8, u16, u32);

impl Mapped {
    /// Memory at a fixed address.
    ///
    /// # Safety
    /// M: from now on, `bytes` bytes at `address` are mapped for good, hold no Rust object, and `address` is a multiple of 4.
    pub(crate) const unsafe fn at(address: u32, bytes: u32) -> Self {
        Self { base: Place::fixed(address), bytes: bytes as usize }
    }

    /// Memory that outlives the program, zeroed: shared memory for tests.
    #[cfg(not(target_os = "none"))]
    pub fn allocate(bytes: usize) -> Self {
        Self { base: Place::allocate(bytes), bytes }
    }

    /// Length in bytes.
    #[inline(always)]
    pub const fn len(&self) -> usize {
        self.bytes
    }

    /// Whether there is nothing in it.
    pub const fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// `bytes` bytes of it from `offset` on, or `None` if they are not all inside. `offset` must be a multiple of 4.
    pub const fn part(&self, offset: usize, bytes: usize) -> Option<Self> {
        if !offset.is_multiple_of(4) || offset > self.bytes || bytes > self.bytes - offset {
            return None;
        }
        Some(Self { base: self.base.plus(offset), bytes })
    }

    #[inline(always)]
    fn place<T>(&self, offset: usize) -> Option<Place> {
        let size = size_of::<T>();
        let inside = self.bytes >= size && offset <= self.bytes - size && offset.is_multiple_of(size);
        inside.then(|| self.base.plus(offset))
    }

    #[inline(always)]
    fn must<T>(&self, offset: usize) -> Place {
        match self.place::<T>(offset) {
            Some(place) => place,
            None => panic!("access outside of shared memory"),
        }
    }

    /// Reads a byte.
    #[inline(always)]
    pub fn read_u8(&self, offset: usize) -> u8 {
        // SAFETY: M: `must` checked bounds and alignment.
        unsafe { self.must::<u8>(offset).load() }
    }

    /// Writes a byte.
    #[inline(always)]
    pub fn write_u8(&self, offset: usize, value: u8) {
        // SAFETY: M: `must` checked bounds and alignment.
        unsafe { self.must::<u8>(offset).store(value) }
    }

    /// Reads a word; for device registers, too.
    #[inline(always)]
    pub fn read_u32(&self, offset: usize) -> u32 {
        // SAFETY: M: `must` checked bounds and alignment.
        unsafe { self.must::<u32>(offset).load() }
    }

    /// Writes a word; for device registers, too.
    #[inline(always)]
    pub fn write_u32(&self, offset: usize, value: u32) {
        // SAFETY: M: `must` checked bounds and alignment.
        unsafe { self.must::<u32>(offset).store(value) }
    }

    /// Reads a word that another side publishes: what it wrote before is seen after.
    #[inline(always)]
    pub fn acquire(&self, offset: usize) -> u32 {
        // SAFETY: M: bounds and alignment are checked.
        unsafe { self.must::<u32>(offset).acquire() }
    }

    /// Publishes a word: what was written before is seen by whoever acquires it.
    #[inline(always)]
    pub fn release(&self, offset: usize, value: u32) {
        // SAFETY: M: bounds and alignment are checked.
        unsafe { self.must::<u32>(offset).release(value) }
    }

    /// Copies out of it; `false`, and nothing is copied, if the bytes are not all inside. Two bytes at an even address are
    /// one access, and so are aligned words of longer pieces.
    #[inline]
    pub fn try_read(&self, offset: usize, to: &mut [u8]) -> bool {
        if offset > self.bytes || to.len() > self.bytes - offset {
            return false;
        }
        let from = self.base.plus(offset);
        if let ([low, high], true) = (&mut *to, from.is_multiple_of(2)) {
            // SAFETY: M: the whole range was checked, and it is aligned.
            [*low, *high] = unsafe { from.load::<u16>() }.to_le_bytes();
            return true;
        }
        let words = if from.is_multiple_of(4) { to.len() / 4 } else { 0 };
        let (head, tail) = to.split_at_mut(words * 4);
        for (index, bytes) in head.chunks_exact_mut(4).enumerate() {
            // SAFETY: M: the whole range was checked, and it is aligned.
            let word = unsafe { from.plus(index * 4).load::<u32>() };
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        for (index, byte) in tail.iter_mut().enumerate() {
            // SAFETY: M: the whole range was checked.
            *byte = unsafe { from.plus(words * 4 + index).load() };
        }
        true
    }

    /// Copies into it; `false`, and nothing is copied, if the bytes are not all inside. Accesses as with [`try_read`](Self::try_read).
    #[inline]
    pub fn try_write(&self, offset: usize, from: &[u8]) -> bool {
        if offset > self.bytes || from.len() > self.bytes - offset {
            return false;
        }
        let to = self.base.plus(offset);
        if let (&[low, high], true) = (from, to.is_multiple_of(2)) {
            // SAFETY: M: the whole range was checked, and it is aligned.
            unsafe { to.store(u16::from_le_bytes([low, high])) };
            return true;
        }
        let words = if to.is_multiple_of(4) { from.len() / 4 } else { 0 };
        let (head, tail) = from.split_at(words * 4);
        for (index, bytes) in head.chunks_exact(4).enumerate() {
            let word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            // SAFETY: M: the whole range was checked, and it is aligned.
            unsafe { to.plus(index * 4).store(word) };
        }
        for (index, byte) in tail.iter().enumerate() {
            // SAFETY: M: the whole range was checked.
            unsafe { to.plus(words * 4 + index).store(*byte) };
        }
        true
    }

    /// Copies `bytes` bytes from another memory, word by word where both offsets allow; `false`, and nothing is
    /// copied, if they are not all inside.
    pub fn copy_from(&self, offset: usize, source: &Mapped, source_offset: usize, bytes: usize) -> bool {
        let fits = |memory: &Mapped, at: usize| at <= memory.bytes && bytes <= memory.bytes - at;
        if !fits(self, offset) || !fits(source, source_offset) {
            return false;
        }
        let to = self.base.plus(offset);
        let from = source.base.plus(source_offset);
        let words = if to.is_multiple_of(4) && from.is_multiple_of(4) { bytes / 4 } else { 0 };
        for word in 0..words {
            // SAFETY: M: the whole range was checked, and both are aligned.
            unsafe { to.plus(word * 4).store(from.plus(word * 4).load::<u32>()) };
        }
        for byte in words * 4..bytes {
            // SAFETY: M: the whole range was checked.
            unsafe { to.plus(byte).store(from.plus(byte).load::<u8>()) };
        }
        true
    }

    /// A view of it as bytes that nobody changes: for memory that is mapped read-only and never written again. On the host it is
    /// as long as what is mapped.
    ///
    /// # Safety
    /// M, and nobody writes this memory as long as the program runs.
    pub(crate) unsafe fn as_constant(&self) -> &'static [u8] {
        // SAFETY: what the caller promised.
        unsafe { self.base.constant(self.bytes) }
    }
}

/// Orders everything before against everything after, for every core: between publishing one's own counter and
/// reading the peer's.
#[inline(always)]
pub fn full_fence() {
    fence(Ordering::SeqCst);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_can_be_touched() {
        let memory = Mapped::allocate(16);
        assert!(memory.try_write(12, &[1, 2, 3, 4]));
        assert_eq!(memory.read_u32(12), 0x0403_0201);
        assert!(!memory.try_write(13, &[1, 2, 3, 4]));
        assert!(!memory.try_write(usize::MAX, &[1]));
        assert!(!memory.try_read(16, &mut [0]));
        assert!(memory.part(8, 9).is_none() && memory.part(usize::MAX & !3, 8).is_none());
        assert_eq!(memory.part(12, 4).map(|part| part.read_u8(3)), Some(4));
        assert!(std::panic::catch_unwind(|| memory.read_u32(14)).is_err());
        assert!(std::panic::catch_unwind(|| memory.read_u8(16)).is_err());
    }

    #[test]
    fn copies_between_memories_at_any_alignment() {
        let (from, to) = (Mapped::allocate(32), Mapped::allocate(32));
        let bytes: std::vec::Vec<u8> = (0..32).collect();
        assert!(from.try_write(0, &bytes));
        for (at, source, length) in [(0, 0, 32), (1, 3, 9), (4, 8, 7)] {
            assert!(to.copy_from(at, &from, source, length));
            let mut copied = std::vec![0; length];
            assert!(to.try_read(at, &mut copied));
            assert_eq!(copied, bytes[source..source + length]);
        }
        assert!(!to.copy_from(30, &from, 0, 3));
    }
}
