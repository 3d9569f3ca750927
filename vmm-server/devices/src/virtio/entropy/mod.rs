//! The virtio entropy device (virtio 1.2, section 5.4): one queue of buffers, each of which gets some random bytes.
//!
//! It makes up nothing itself. Its source is declared, and may take its time; without one there is no device, and the guest knows
//! that it has none.

use super::chain::ChainOf;
use super::device::{Device, Serve};
use super::memory::{Fault, GuestMemory, Misuse};
use super::queue::Queue;

#[cfg(test)]
mod tests;

/// The entropy device's type.
pub const ENTROPY_ID: u32 = 4;
/// Number of queues.
pub const ENTROPY_QUEUES: usize = 1;
/// Descriptors of the queue.
pub const ENTROPY_QUEUE_SIZE: u16 = 8;
/// Bytes that a buffer gets at most, however long it is: a driver asks again, and others share the source.
pub const REQUEST_BYTES_MAX: usize = 64;

/// Where randomness comes from.
pub trait Source {
    /// A buffer of the guest's waits for that many bytes. The device is served when there are any.
    fn want(&mut self, bytes: usize);
    /// Takes bytes that nobody else gets, up to the length of `into`; tells how many.
    fn take(&mut self, into: &mut [u8]) -> usize;
}

/// No source was declared: there can be no device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSource;

/// The entropy device.
#[derive(Clone, Debug)]
pub struct Entropy {
    /// The buffer that waits, if one does.
    chain: ChainOf<{ ENTROPY_QUEUE_SIZE as usize }>,
    is_waiting: bool,
}

impl Entropy {
    /// A device before that source.
    pub fn new<S: Source>(source: Option<&S>) -> Result<Self, NoSource> {
        source.map(|_| Self { chain: ChainOf::new(), is_waiting: false }).ok_or(NoSource)
    }

    /// Gives each buffer what there is: whether there may be more to do.
    fn fill<M: GuestMemory>(
        &mut self,
        queue: &mut Queue,
        memory: &mut M,
        source: &mut impl Source,
    ) -> Result<bool, Fault> {
        for _ in 0..ENTROPY_QUEUE_SIZE {
            let is_new = !self.is_waiting;
            if is_new && !queue.pop(&mut self.chain, memory)? {
                if queue.listen(true, memory)? {
                    continue;
                }
                return Ok(false);
            }
            self.is_waiting = true;
            let mut bytes = [0; REQUEST_BYTES_MAX];
            let room = usize::try_from(self.chain.writable().len()).unwrap_or(usize::MAX).min(REQUEST_BYTES_MAX);
            if room == 0 {
                return Err(Fault::Short);
            }
            let bytes = bytes.get_mut(..room).unwrap_or_default();
            let got = source.take(bytes).min(room);
            if got == 0 {
                if is_new {
                    source.want(room);
                }
                queue.listen(false, memory)?;
                return Ok(false);
            }
            let written = self.chain.writable().write(0, bytes.get(..got).unwrap_or_default(), memory)?;
            self.is_waiting = false;
            queue.push(self.chain.head(), written as u32, memory)?;
        }
        Ok(true)
    }
}

impl Device<ENTROPY_QUEUES> for Entropy {
    const ID: u32 = ENTROPY_ID;
    const QUEUE_SIZE: u16 = ENTROPY_QUEUE_SIZE;

    fn configuration(&self, _offset: u32) -> u8 {
        0
    }
}

impl<S: Source> Serve<S, ENTROPY_QUEUES> for Entropy {
    fn reset(&mut self, _source: &mut S) {
        self.is_waiting = false;
    }

    fn stop(&mut self, _queue: usize, _source: &mut S) {
        self.is_waiting = false;
    }

    fn serve<M: GuestMemory>(
        &mut self,
        [queue]: &mut [Queue; ENTROPY_QUEUES],
        memory: &mut M,
        source: &mut S,
    ) -> Result<bool, Misuse> {
        self.fill(queue, memory, source).map_err(|fault| queue.misuse(fault))
    }
}
