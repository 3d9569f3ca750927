//! A chain of buffers, copied once from the descriptor table.

use super::memory::{Fault, GuestMemory};
use core::ops::{Deref, DerefMut};

/// A buffer of a chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Buffer {
    /// Where it begins; `ipa + len` does not wrap.
    pub ipa: u64,
    /// Its length in bytes.
    pub len: u32,
}

/// A chain of buffers: first those that the device reads, then those that it writes; 4 GiB at most in all. The
/// addresses are checked when they are used. A device keeps a `Chain<[Buffer; N]>`, which takes chains of up to `N`
/// buffers; everything else knows it as a `Chain`, whatever `N` is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain<B: ?Sized = [Buffer]> {
    head: u16,
    readable: u16,
    count: u16,
    buffers: B,
}

/// A chain with room for `N` buffers.
pub type ChainOf<const N: usize> = Chain<[Buffer; N]>;

impl<const N: usize> ChainOf<N> {
    /// An empty chain.
    pub const fn new() -> Self {
        Self { head: 0, readable: 0, count: 0, buffers: [Buffer { ipa: 0, len: 0 }; N] }
    }
}

impl<const N: usize> Default for ChainOf<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Deref for ChainOf<N> {
    type Target = Chain;

    fn deref(&self) -> &Chain {
        self
    }
}

impl<const N: usize> DerefMut for ChainOf<N> {
    fn deref_mut(&mut self) -> &mut Chain {
        self
    }
}

impl Chain {
    /// Empties it, for the chain that begins with descriptor `head`.
    pub(super) fn begin(&mut self, head: u16) {
        (self.head, self.readable, self.count) = (head, 0, 0);
    }

    pub(super) fn append(&mut self, buffer: Buffer, writable: bool) -> Result<(), Fault> {
        if buffer.ipa.checked_add(u64::from(buffer.len)).is_none() {
            return Err(Fault::Length);
        }
        if !writable && self.count > self.readable {
            return Err(Fault::Order);
        }
        if total(self.all()) + u64::from(buffer.len) > 1 << 32 {
            return Err(Fault::Length);
        }
        *self.buffers.get_mut(usize::from(self.count)).ok_or(Fault::Segments)? = buffer;
        self.count += 1;
        self.readable += u16::from(!writable);
        Ok(())
    }

    fn all(&self) -> &[Buffer] {
        self.buffers.get(..usize::from(self.count)).unwrap_or_default()
    }

    /// The first descriptor's number: by it the chain is given back.
    pub fn head(&self) -> u16 {
        self.head
    }

    /// What the device reads.
    pub fn readable(&self) -> Readable<'_> {
        Readable(self.all().get(..usize::from(self.readable)).unwrap_or_default())
    }

    /// What the device writes.
    pub fn writable(&self) -> Writable<'_> {
        Writable(self.all().get(usize::from(self.readable)..).unwrap_or_default())
    }
}

#[inline(never)]
fn total(buffers: &[Buffer]) -> u64 {
    buffers.iter().map(|buffer| u64::from(buffer.len)).sum()
}

/// Calls `act` with the address, the place in the caller's bytes and the length of each piece of `len` bytes from `offset` on; tells
/// how many bytes there were.
fn pieces(
    buffers: &[Buffer],
    mut offset: u64,
    len: usize,
    mut act: impl FnMut(u64, usize, usize) -> Result<(), Fault>,
) -> Result<usize, Fault> {
    let mut done = 0;
    for buffer in buffers {
        let size = u64::from(buffer.len);
        if offset >= size {
            offset -= size;
            continue;
        }
        let ipa = buffer.ipa + offset;
        let piece = usize::try_from(size - offset).unwrap_or(usize::MAX).min(len - done);
        offset = 0;
        if piece == 0 {
            break;
        }
        act(ipa, done, piece)?;
        done += piece;
    }
    Ok(done)
}

/// The part of a chain that the device reads.
#[derive(Clone, Copy, Debug)]
pub struct Readable<'a>(&'a [Buffer]);

impl Readable<'_> {
    /// Its length in bytes.
    pub fn len(self) -> u64 {
        total(self.0)
    }

    /// Whether there is nothing to read.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Copies bytes from `offset` on; tells how many: fewer than asked at the end.
    pub fn read<M: GuestMemory>(self, offset: u64, into: &mut [u8], memory: &M) -> Result<usize, Fault> {
        let len = into.len();
        pieces(self.0, offset, len, |ipa, at, len| {
            let into = into.get_mut(at..at + len).unwrap_or_default();
            memory.read(ipa, into).map_err(|_| Fault::Memory(ipa))
        })
    }

    /// The `LEN` bytes from `offset` on: a structure that the device needs whole.
    pub fn array<const LEN: usize, M: GuestMemory>(self, offset: u64, memory: &M) -> Result<[u8; LEN], Fault> {
        let mut bytes = [0; LEN];
        if self.read(offset, &mut bytes, memory)? < LEN { Err(Fault::Short) } else { Ok(bytes) }
    }
}

/// The part of a chain that the device writes.
#[derive(Clone, Copy, Debug)]
pub struct Writable<'a>(&'a [Buffer]);

impl Writable<'_> {
    /// Its length in bytes.
    pub fn len(self) -> u64 {
        total(self.0)
    }

    /// Whether there is nowhere to write.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Copies `from` to `offset` and on; tells how many bytes there was room for.
    pub fn write<M: GuestMemory>(self, offset: u64, from: &[u8], memory: &mut M) -> Result<usize, Fault> {
        pieces(self.0, offset, from.len(), |ipa, at, len| {
            let from = from.get(at..at + len).unwrap_or_default();
            memory.write(ipa, from).map_err(|_| Fault::Memory(ipa))
        })
    }
}
