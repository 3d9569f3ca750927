//! The virtio block device (virtio 1.2, section 5.2): one queue, before an asynchronous disk.
//!
//! Up to `DEPTH` requests are under way at once, and end in any order. What is longer than a window of the disk goes
//! in pieces. The data is copied between the guest and the window, so nothing touches the guest's memory after the device
//! has given a request back, or lost it by a reset.
//!
//! **When a write is stable** (5.2.6.2): VIRTIO_BLK_F_FLUSH and CONFIG_WCE are offered. With a write-back cache, a write that
//! has ended is stable when a flush, begun after it, has ended. A driver that does not know FLUSH, or that sets
//! `writeback` to 0, has a write-through one: each write is handed to the disk as durable.
//!
//! After a reset nothing begins until all that was under way has ended: a new driver's reads do not race an old one's writes.

mod disk;
mod request;
pub mod spec;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use disk::{Disk, Failed, Full, Operation};
use request::{Decoded, Request};
use spec::{
    BLOCK_ID, Configuration, FEATURE_BLK_SIZE, FEATURE_CONFIG_WCE, FEATURE_DISCARD, FEATURE_FLUSH, FEATURE_RO,
    FEATURE_SEG_MAX, FEATURE_WRITE_ZEROES, NAME_BYTES, SECTOR_BYTES, Status, WRITEBACK,
};

use super::chain::ChainOf;
use super::device::{Device, Serve};
use super::memory::{GuestMemory, Misuse};
use super::queue::Queue;

/// Number of queues.
pub const BLOCK_QUEUES: usize = 1;
/// Descriptors of the queue.
pub const BLOCK_QUEUE_SIZE: u16 = 128;
/// Buffers of a request's data; a driver is told.
pub const SEGMENTS_MAX: usize = 16;
/// Bytes that one call of `serve` copies, but for the window that takes it past them.
pub const SERVE_BYTES_MAX: u32 = 0x1_0000;

/// Header, data, status.
type Segments = ChainOf<{ SEGMENTS_MAX + 2 }>;

/// What the disk is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// Its capacity, in sectors of 512 bytes.
    pub sectors: u64,
    /// Bytes of a block, in which it is read and written: a power of two, 512 at least.
    pub block_bytes: u32,
    /// It can't be written.
    pub read_only: bool,
    /// What it is called, filled up with zeroes.
    pub name: [u8; NAME_BYTES],
    /// The longest discard, in sectors; 0: there is none.
    pub discard_sectors_max: u32,
    /// The longest write of zeroes, in sectors; 0: there is none.
    pub write_zeroes_sectors_max: u32,
}

/// What the disk says of itself makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// A block is no power of two, of less than 512 bytes, or of more than 32 KiB.
    BlockSize(u32),
    /// The capacity is no multiple of a block.
    Capacity(u64),
}

/// What becomes of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    /// The disk was full.
    Ready(Operation),
    UnderWay,
    /// Under way, and its driver has gone.
    Abandoned,
}

/// A request, and the chain that it came in.
#[derive(Clone, Debug)]
struct Slot {
    state: State,
    request: Request,
    chain: Segments,
}

impl Slot {
    const FREE: Self = Self { state: State::Free, request: Request::NONE, chain: Segments::new() };

    /// Writes the status behind the data, and gives the chain back.
    fn end<M: GuestMemory>(
        &mut self,
        status: Status,
        written: u64,
        queue: &mut Queue,
        memory: &mut M,
    ) -> Result<(), Misuse> {
        self.state = State::Free;
        let last = self.chain.writable().len().saturating_sub(1);
        let place = self.chain.writable();
        place.write(last, &[status as u8], memory).map_err(|fault| queue.misuse(fault))?;
        // What is claimed to be written is so from the first byte on.
        let written = if written >= last { last + 1 } else { written };
        queue.push(self.chain.head(), u32::try_from(written).unwrap_or(u32::MAX), memory)
    }

    /// Hands the operation to the disk: false if that is full.
    fn submit(&mut self, tag: usize, operation: Operation, disk: &mut impl Disk) -> bool {
        let taken = disk.submit(tag, operation).is_ok();
        self.state = if taken { State::UnderWay } else { State::Ready(operation) };
        taken
    }

    fn is_under_way(&self) -> bool {
        matches!(self.state, State::UnderWay | State::Abandoned)
    }

    /// The driver has gone.
    fn abandon(&mut self) {
        self.state = match self.state {
            State::Free | State::Ready(_) => State::Free,
            State::UnderWay | State::Abandoned => State::Abandoned,
        };
    }
}

/// The block device.
#[derive(Clone, Debug)]
pub struct Block<const DEPTH: usize> {
    parameters: Parameters,
    agreed: u64,
    writeback: bool,
    slots: [Slot; DEPTH],
    /// Completions of what was not under way.
    strays: u32,
}

impl<const DEPTH: usize> Block<DEPTH> {
    /// A device that nothing has been asked of.
    pub const fn new(parameters: Parameters) -> Result<Self, Unfit> {
        let block = parameters.block_bytes;
        if !block.is_power_of_two() || block < SECTOR_BYTES as u32 || block > 1 << 15 {
            return Err(Unfit::BlockSize(block));
        }
        if !parameters.sectors.is_multiple_of(block as u64 / SECTOR_BYTES) {
            return Err(Unfit::Capacity(parameters.sectors));
        }
        Ok(Self { parameters, agreed: 0, writeback: true, slots: [const { Slot::FREE }; DEPTH], strays: 0 })
    }

    /// How often the disk has told of the end of something that was not under way: the disk's mistake, without effect here.
    pub fn strays(&self) -> u32 {
        self.strays
    }

    /// Whether a write must be stable when it ends.
    fn is_durable(&self) -> bool {
        match self.agreed & FEATURE_CONFIG_WCE != 0 {
            true => !self.writeback,
            false => self.agreed & FEATURE_FLUSH == 0,
        }
    }

    /// Bytes that one operation moves: whole blocks that fit a window.
    fn window(&self, disk: &impl Disk) -> u32 {
        let bytes = disk.window_bytes().min(1 << 30) as u32;
        bytes & !(self.parameters.block_bytes - 1)
    }

    /// Takes in what has ended: whether there may be more.
    fn complete<M: GuestMemory>(
        &mut self,
        queue: &mut Queue,
        memory: &mut M,
        disk: &mut impl Disk,
        budget: &mut u32,
    ) -> Result<bool, Misuse> {
        let (window, durable) = (self.window(disk), self.is_durable());
        while *budget > 0 {
            let Some((tag, result)) = disk.completed() else { return Ok(false) };
            let Some(slot) = self.slots.get_mut(tag).filter(|slot| slot.is_under_way()) else {
                // A disk that lies is not listened to further.
                self.strays = self.strays.wrapping_add(1);
                return Ok(false);
            };
            // Each completion costs something, even if it moves nothing.
            *budget = budget.saturating_sub(64);
            if core::mem::replace(&mut slot.state, State::Free) == State::Abandoned {
                continue;
            }
            if result.is_err() {
                slot.end(Status::IoError, slot.request.written(), queue, memory)?;
                continue;
            }
            let Slot { request, chain, .. } = slot;
            let moved = request.finish(chain, tag, memory, disk).map_err(|fault| queue.misuse(fault))?;
            *budget = budget.saturating_sub(moved);
            if request.is_done() {
                slot.end(Status::Ok, slot.request.written(), queue, memory)?;
                continue;
            }
            let next = request.next(chain, tag, (window, durable), memory, disk);
            slot.submit(tag, next.map_err(|fault| queue.misuse(fault))?, disk);
        }
        Ok(true)
    }

    /// Begins what the driver has made available: whether there may be more.
    fn begin<M: GuestMemory>(
        &mut self,
        queue: &mut Queue,
        memory: &mut M,
        disk: &mut impl Disk,
        budget: &mut u32,
    ) -> Result<bool, Misuse> {
        let (window, durable) = (self.window(disk), self.is_durable());
        while *budget > 0 {
            let Some((tag, slot)) = self.slots.iter_mut().enumerate().find(|(_, slot)| slot.state == State::Free)
            else {
                // It is looked at again when one has ended.
                queue.listen(false, memory)?;
                return Ok(false);
            };
            if !queue.pop(&mut slot.chain, memory)? {
                if queue.listen(true, memory)? {
                    continue;
                }
                return Ok(false);
            }
            *budget = budget.saturating_sub(64);
            let decoded = request::decode(&self.parameters, durable, &slot.chain, memory);
            match decoded.map_err(|fault| queue.misuse(fault))? {
                Decoded::Ended(status, written) => slot.end(status, written, queue, memory)?,
                Decoded::Request(_) if window == 0 => slot.end(Status::IoError, 0, queue, memory)?,
                Decoded::Request(request) => {
                    slot.request = request;
                    let Slot { request, chain, .. } = slot;
                    let next = request.next(chain, tag, (window, durable), memory, disk);
                    let operation = next.map_err(|fault| queue.misuse(fault))?;
                    if let Operation::Write { sectors, .. } = operation {
                        *budget = budget.saturating_sub(sectors.saturating_mul(512));
                    }
                    if !slot.submit(tag, operation, disk) {
                        queue.listen(false, memory)?;
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }
}

impl<const DEPTH: usize> Device<BLOCK_QUEUES> for Block<DEPTH> {
    const ID: u32 = BLOCK_ID;
    const QUEUE_SIZE: u16 = BLOCK_QUEUE_SIZE;

    fn features(&self) -> u64 {
        let offered = |is_offered: bool, feature| if is_offered { feature } else { 0 };
        FEATURE_SEG_MAX
            | FEATURE_BLK_SIZE
            | FEATURE_FLUSH
            | FEATURE_CONFIG_WCE
            | offered(self.parameters.read_only, FEATURE_RO)
            | offered(self.parameters.discard_sectors_max > 0, FEATURE_DISCARD)
            | offered(self.parameters.write_zeroes_sectors_max > 0, FEATURE_WRITE_ZEROES)
    }

    fn configuration(&self, offset: u32) -> u8 {
        let configuration = Configuration {
            capacity: self.parameters.sectors,
            seg_max: SEGMENTS_MAX as u32,
            blk_size: self.parameters.block_bytes,
            writeback: self.writeback,
            discard_sectors_max: self.parameters.discard_sectors_max,
            write_zeroes_sectors_max: self.parameters.write_zeroes_sectors_max,
        };
        configuration.byte(offset)
    }
}

impl<D: Disk, const DEPTH: usize> Serve<D, BLOCK_QUEUES> for Block<DEPTH> {
    fn agree(&mut self, features: u64) {
        self.agreed = features;
        // 5.2.5.2: without FLUSH there is nothing that would make a cached write stable.
        self.writeback = features & FEATURE_FLUSH != 0;
    }

    fn configure(&mut self, offset: u32, byte: u8) {
        if offset == WRITEBACK && self.agreed & FEATURE_CONFIG_WCE != 0 {
            self.writeback = byte != 0;
        }
    }

    fn reset(&mut self, disk: &mut D) {
        (self.agreed, self.writeback) = (0, true);
        self.stop(0, disk);
    }

    fn stop(&mut self, _queue: usize, _disk: &mut D) {
        self.slots.iter_mut().for_each(Slot::abandon);
    }

    fn serve<M: GuestMemory>(
        &mut self,
        [queue]: &mut [Queue; BLOCK_QUEUES],
        memory: &mut M,
        disk: &mut D,
    ) -> Result<bool, Misuse> {
        let mut budget = SERVE_BYTES_MAX;
        if self.complete(queue, memory, disk, &mut budget)? {
            return Ok(true);
        }
        for (tag, slot) in self.slots.iter_mut().enumerate() {
            let waits = match slot.state {
                State::Ready(operation) => !slot.submit(tag, operation, disk),
                state => state == State::Abandoned,
            };
            if waits {
                return Ok(false);
            }
        }
        self.begin(queue, memory, disk, &mut budget)
    }

    fn idle(&mut self, disk: &mut D) -> bool {
        for _ in 0..DEPTH {
            let Some((tag, _)) = disk.completed() else { break };
            match self.slots.get_mut(tag).filter(|slot| slot.is_under_way()) {
                Some(slot) => slot.state = State::Free,
                None => self.strays = self.strays.wrapping_add(1),
            }
        }
        // No more than that can have been under way.
        false
    }
}
