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
use request::{Decoded, Pieces, Request};
use spec::{
    BLOCK_ID, Configuration, FEATURE_BLK_SIZE, FEATURE_CONFIG_WCE, FEATURE_DISCARD, FEATURE_FLUSH, FEATURE_RO,
    FEATURE_SEG_MAX, FEATURE_WRITE_ZEROES, NAME_BYTES, SECTOR_BYTES, Status, WRITEBACK,
};

use super::chain::ChainOf;
use super::device::{Device, Serve};
use super::memory::{Fault, GuestMemory, Misuse};
use super::queue::Queue;

/// Number of queues.
pub const BLOCK_QUEUES: usize = 1;
/// Descriptors of the queue.
pub const BLOCK_QUEUE_SIZE: u16 = 128;
/// Buffers of a request's data; a driver is told.
pub const SEGMENTS_MAX: usize = 16;
/// Bytes that one call of `serve` copies, but for the window that takes it past them.
pub const SERVE_BYTES_MAX: u32 = 0x1_0000;

/// What a request costs of that, however short it is.
const REQUEST_COST: u32 = 64;

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

/// A request under way and the chain that it came in, or the place for one.
#[derive(Clone, Debug)]
pub struct Slot {
    state: State,
    request: Request,
    chain: Segments,
}

impl Slot {
    const FREE: Self = Self { state: State::Free, request: Request::NONE, chain: Segments::new() };

    fn is_under_way(&self) -> bool {
        matches!(self.state, State::UnderWay | State::Abandoned)
    }

    /// Writes the status behind the data, and gives the chain back.
    #[inline(never)]
    fn end<M: GuestMemory>(
        &mut self,
        (status, written): (Status, u64),
        queue: &mut Queue,
        memory: &mut M,
    ) -> Result<(), Fault> {
        self.state = State::Free;
        let place = self.chain.writable();
        let last = place.len().saturating_sub(1);
        place.write(last, &[status as u8], memory)?;
        // What is claimed to be written is so from the first byte on.
        let written = if written >= last { last + 1 } else { written };
        queue.push(self.chain.head(), u32::try_from(written).unwrap_or(u32::MAX), memory)
    }

    /// Has the disk do what comes next: false if that is full. Tells how many bytes moved for it, too.
    #[inline(never)]
    fn go_on<M: GuestMemory>(
        &mut self,
        tag: usize,
        pieces: Pieces,
        memory: &M,
        disk: &mut impl Disk,
    ) -> Result<(bool, u32), Fault> {
        let (operation, bytes) = self.request.next(&self.chain, tag, pieces, memory, disk)?;
        Ok((self.submit(tag, operation, disk), bytes))
    }

    /// Hands an operation to the disk: false if that is full.
    fn submit(&mut self, tag: usize, operation: Operation, disk: &mut impl Disk) -> bool {
        let is_taken = disk.submit(tag, operation).is_ok();
        self.state = if is_taken { State::UnderWay } else { State::Ready(operation) };
        is_taken
    }

    /// The driver has gone.
    fn abandon(&mut self) {
        self.state = match self.state {
            State::Free | State::Ready(_) => State::Free,
            State::UnderWay | State::Abandoned => State::Abandoned,
        };
    }
}

/// The block device. Its host keeps a [`BlockOf`], its code knows it as `Block`, however deep it is.
#[derive(Clone, Debug)]
pub struct Block<S: ?Sized = [Slot]> {
    parameters: Parameters,
    agreed: u64,
    writeback: bool,
    /// Completions of what was not under way.
    strays: u32,
    slots: S,
}

/// The block device, with up to `DEPTH` requests under way.
pub type BlockOf<const DEPTH: usize> = Block<[Slot; DEPTH]>;

impl<const DEPTH: usize> BlockOf<DEPTH> {
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
}

impl Block {
    /// Whether a write must be stable when it ends.
    fn is_durable(&self) -> bool {
        match self.agreed & FEATURE_CONFIG_WCE != 0 {
            true => !self.writeback,
            false => self.agreed & FEATURE_FLUSH == 0,
        }
    }

    /// How the disk is asked.
    fn pieces(&self, disk: &impl Disk) -> Pieces {
        let bytes = disk.window_bytes().min(1 << 30) as u32;
        Pieces { bytes: bytes & !(self.parameters.block_bytes - 1), durable: self.is_durable() }
    }

    fn serve<M: GuestMemory>(
        &mut self,
        queue: &mut Queue,
        memory: &mut M,
        disk: &mut impl Disk,
    ) -> Result<bool, Fault> {
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

    /// What has ended: its tag, whether well, and its slot as it was. None if it was not under way: a disk that lies is not listened to
    /// further.
    fn ended(&mut self, disk: &mut impl Disk) -> Option<(usize, bool, State)> {
        let (tag, result) = disk.completed()?;
        let Some(slot) = self.slots.get_mut(tag).filter(|slot| slot.is_under_way()) else {
            self.strays = self.strays.wrapping_add(1);
            return None;
        };
        Some((tag, result.is_ok(), core::mem::replace(&mut slot.state, State::Free)))
    }

    /// Takes in what has ended: whether there may be more.
    #[inline(never)]
    fn complete<M: GuestMemory>(
        &mut self,
        queue: &mut Queue,
        memory: &mut M,
        disk: &mut impl Disk,
        budget: &mut u32,
    ) -> Result<bool, Fault> {
        let pieces = self.pieces(disk);
        while *budget > 0 {
            let Some((tag, is_ok, state)) = self.ended(disk) else { return Ok(false) };
            *budget = budget.saturating_sub(REQUEST_COST);
            let Some(slot) = self.slots.get_mut(tag).filter(|_| state != State::Abandoned) else { continue };
            if is_ok {
                let moved = slot.request.finish(&slot.chain, tag, memory, disk)?;
                *budget = budget.saturating_sub(moved);
                if !slot.request.is_done() {
                    slot.go_on(tag, pieces, memory, disk)?;
                    continue;
                }
            }
            let status = if is_ok { Status::Ok } else { Status::IoError };
            slot.end((status, slot.request.written()), queue, memory)?;
        }
        Ok(true)
    }

    /// Begins what the driver has made available: whether there may be more.
    #[inline(never)]
    fn begin<M: GuestMemory>(
        &mut self,
        queue: &mut Queue,
        memory: &mut M,
        disk: &mut impl Disk,
        budget: &mut u32,
    ) -> Result<bool, Fault> {
        let pieces = self.pieces(disk);
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
            *budget = budget.saturating_sub(REQUEST_COST);
            match request::decode(&self.parameters, pieces, &slot.chain, memory)? {
                Decoded::Ended(status, written) => slot.end((status, written), queue, memory)?,
                Decoded::Request(request) => {
                    slot.request = request;
                    let (is_taken, bytes) = slot.go_on(tag, pieces, memory, disk)?;
                    *budget = budget.saturating_sub(bytes);
                    if !is_taken {
                        queue.listen(false, memory)?;
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }
}

impl<const DEPTH: usize> Device<BLOCK_QUEUES> for BlockOf<DEPTH> {
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

impl<D: Disk, const DEPTH: usize> Serve<D, BLOCK_QUEUES> for BlockOf<DEPTH> {
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
        let this: &mut Block = self;
        this.slots.iter_mut().for_each(Slot::abandon);
    }

    fn serve<M: GuestMemory>(
        &mut self,
        [queue]: &mut [Queue; BLOCK_QUEUES],
        memory: &mut M,
        disk: &mut D,
    ) -> Result<bool, Misuse> {
        let this: &mut Block = self;
        this.serve(queue, memory, disk).map_err(|fault| queue.misuse(fault))
    }

    fn idle(&mut self, disk: &mut D) -> bool {
        // Each call makes one free: no more than there are can have ended.
        let this: &mut Block = self;
        while this.ended(disk).is_some() {}
        false
    }
}
