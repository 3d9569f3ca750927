//! A chain of buffers, copied once from the descriptor table.

use super::memory::{Fault, GuestMemory};
use super::queue::QUEUE_SIZE_MAX;
use arrayvec::ArrayVec;

/// A buffer of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// Where it begins; `ipa + len` does not wrap.
    pub ipa: u64,
    /// Its length in bytes.
    pub len: u32,
    /// The device writes it; else the device reads it.
    pub writable: bool,
}

/// A chain of buffers: first those that the device reads, then those that it writes; 4 GiB at most in all. The
/// addresses are checked when they are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The first descriptor's number: by it the chain is given back.
    pub head: u16,
    buffers: ArrayVec<Buffer, { QUEUE_SIZE_MAX as usize }>,
}

impl Chain {
    pub(super) fn new(head: u16) -> Self {
        Self { head, buffers: ArrayVec::new() }
    }

    pub(super) fn append(&mut self, buffer: Buffer) -> Result<(), Fault> {
        if buffer.ipa.checked_add(u64::from(buffer.len)).is_none() {
            return Err(Fault::Length);
        }
        if !buffer.writable && self.buffers.last().is_some_and(|last| last.writable) {
            return Err(Fault::Order);
        }
        if self.total() + u64::from(buffer.len) > 1 << 32 {
            return Err(Fault::Length);
        }
        self.buffers.try_push(buffer).map_err(|_| Fault::Loop)
    }

    /// The buffers.
    pub fn buffers(&self) -> &[Buffer] {
        &self.buffers
    }

    fn total(&self) -> u64 {
        self.buffers.iter().map(|buffer| u64::from(buffer.len)).sum()
    }

    /// Bytes that the device reads, or those that it writes.
    pub fn len(&self, writable: bool) -> u64 {
        self.part(writable).map(|buffer| u64::from(buffer.len)).sum()
    }

    fn part(&self, writable: bool) -> impl Iterator<Item = &Buffer> {
        self.buffers.iter().filter(move |buffer| buffer.writable == writable)
    }

    /// Where byte `offset` of one part lies, and how many bytes follow it there.
    fn place(&self, writable: bool, mut offset: u64) -> Option<(u64, usize)> {
        for buffer in self.part(writable) {
            let len = u64::from(buffer.len);
            if offset < len {
                return Some((buffer.ipa + offset, usize::try_from(len - offset).unwrap_or(usize::MAX)));
            }
            offset -= len;
        }
        None
    }

    /// Copies readable bytes from `offset` on; tells how many, fewer than asked at the end of a buffer, 0 at the end of all.
    pub fn read<M: GuestMemory>(&self, offset: u64, into: &mut [u8], memory: &M) -> Result<usize, Fault> {
        let Some((ipa, rest)) = self.place(false, offset) else { return Ok(0) };
        let len = into.len().min(rest);
        let into = into.get_mut(..len).unwrap_or_default();
        memory.read(ipa, into).map_err(|_| Fault::Memory(ipa))?;
        Ok(len)
    }

    /// Copies `from` to the writable bytes from `offset` on; tells how many fitted into the buffer there.
    pub fn write<M: GuestMemory>(&self, offset: u64, from: &[u8], memory: &mut M) -> Result<usize, Fault> {
        let Some((ipa, rest)) = self.place(true, offset) else { return Ok(0) };
        let len = from.len().min(rest);
        memory.write(ipa, from.get(..len).unwrap_or_default()).map_err(|_| Fault::Memory(ipa))?;
        Ok(len)
    }
}
