//! A request: from a chain to what the disk is asked to do, piece by piece.

use super::Parameters;
use super::disk::{Disk, Operation};
use super::spec::{
    DISCARD, FLUSH, GET_ID, HEADER_BYTES, Header, IN, NAME_BYTES, OUT, Range, SECTOR_BYTES, Status, UNMAP, WRITE_ZEROES,
};
use crate::virtio::chain::Chain;
use crate::virtio::memory::{Fault, GuestMemory};

/// Bytes that are copied at once.
const PIECE_BYTES: usize = 512;

/// How the disk is asked: so many bytes at a time, 0 if no window holds a block, and writes that must be stable when they end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pieces {
    pub bytes: u32,
    pub durable: bool,
}

/// What is to be done with the data of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Data {
    /// The disk's goes to the guest.
    In,
    /// The guest's goes to the disk.
    Out,
    /// There is none: one operation does it all.
    None(Operation),
}

/// A request under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    data: Data,
    sector: u64,
    /// Bytes of data.
    bytes: u64,
    /// How many of them are where they belong.
    done: u64,
    /// How many more are under way.
    moving: u32,
}

/// What a chain turns out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    /// A request for the disk.
    Request(Request),
    /// It has ended already, after so many bytes for the driver.
    Ended(Status, u64),
}

impl Request {
    /// What stands in a slot that is free.
    pub const NONE: Self = Self { data: Data::None(Operation::Flush), sector: 0, bytes: 0, done: 0, moving: 0 };

    /// Bytes that it wrote for the driver, from the first on.
    pub fn written(&self) -> u64 {
        if self.data == Data::In { self.done } else { 0 }
    }

    /// Whether nothing is left to do.
    pub fn is_done(&self) -> bool {
        self.done >= self.bytes && self.moving == 0
    }

    /// Prepares the next operation of it: what the disk writes is put into the window. Tells how many bytes that was.
    pub fn next<M: GuestMemory>(
        &mut self,
        chain: &Chain,
        tag: usize,
        pieces: Pieces,
        memory: &M,
        disk: &mut impl Disk,
    ) -> Result<(Operation, u32), Fault> {
        let moving = (self.bytes - self.done).min(pieces.bytes.into()) as u32;
        let mut copied = 0;
        let (sector, sectors) = (self.sector + self.done / SECTOR_BYTES, moving / SECTOR_BYTES as u32);
        let operation = match self.data {
            Data::None(operation) => operation,
            Data::In => Operation::Read { sector, sectors },
            Data::Out => {
                let first = HEADER_BYTES as u64 + self.done;
                in_pieces(moving, |offset, piece| {
                    chain.readable().read(first + u64::from(offset), piece, memory)?;
                    disk.put(tag, offset as usize, piece);
                    Ok(())
                })?;
                copied = moving;
                Operation::Write { sector, sectors, durable: pieces.durable }
            }
        };
        self.moving = moving;
        Ok((operation, copied))
    }

    /// The operation that was prepared has been done: what the disk has read is taken from the window. Tells how many bytes moved.
    #[inline(never)]
    pub fn finish<M: GuestMemory>(
        &mut self,
        chain: &Chain,
        tag: usize,
        memory: &mut M,
        disk: &mut impl Disk,
    ) -> Result<u32, Fault> {
        let moving = core::mem::take(&mut self.moving);
        if self.data == Data::In {
            let first = self.done;
            in_pieces(moving, |offset, piece| {
                disk.get(tag, offset as usize, piece);
                chain.writable().write(first + u64::from(offset), piece, memory).map(drop)
            })?;
        }
        self.done += u64::from(moving);
        Ok(moving)
    }
}

/// Calls `act` with each piece of `bytes` bytes, and the offset of its first.
fn in_pieces(bytes: u32, mut act: impl FnMut(u32, &mut [u8]) -> Result<(), Fault>) -> Result<(), Fault> {
    let mut piece = [0; PIECE_BYTES];
    let mut offset = 0;
    while offset < bytes {
        let len = (bytes - offset).min(PIECE_BYTES as u32);
        act(offset, piece.get_mut(..len as usize).unwrap_or_default())?;
        offset += len;
    }
    Ok(())
}

/// What a chain asks for (section 5.2.6). A chain in which there is no header, or no place for a status, is the driver's misuse.
#[inline(never)]
pub(super) fn decode<M: GuestMemory>(
    of: &Parameters,
    pieces: Pieces,
    chain: &Chain,
    memory: &mut M,
) -> Result<Decoded, Fault> {
    let header = Header::from(chain.readable().array(0, memory)?);
    let out = chain.readable().len() - HEADER_BYTES as u64;
    let into = chain.writable().len().checked_sub(1).ok_or(Fault::Short)?;
    let ended = |status| Decoded::Ended(status, 0);
    Ok(match header.kind {
        IN | OUT if pieces.bytes == 0 => ended(Status::IoError),
        IN => of.transfer(Data::In, header.sector, into),
        OUT if of.read_only => ended(Status::IoError),
        OUT => of.transfer(Data::Out, header.sector, out),
        FLUSH => whole(Operation::Flush),
        GET_ID => {
            let len = into.min(NAME_BYTES as u64);
            let name = of.name.get(..len as usize).unwrap_or_default();
            chain.writable().write(0, name, memory)?;
            Decoded::Ended(Status::Ok, len)
        }
        DISCARD if of.discard_sectors_max > 0 => of
            .range((0, of.discard_sectors_max), out, chain, memory)?
            .map_or_else(ended, |Range { sector, sectors, .. }| whole(Operation::Discard { sector, sectors })),
        WRITE_ZEROES if of.write_zeroes_sectors_max > 0 => {
            let range = of.range((UNMAP, of.write_zeroes_sectors_max), out, chain, memory)?;
            range.map_or_else(ended, |Range { sector, sectors, flags }| {
                whole(Operation::WriteZeroes { sector, sectors, unmap: flags != 0, durable: pieces.durable })
            })
        }
        _ => ended(Status::Unsupported),
    })
}

fn whole(operation: Operation) -> Decoded {
    Decoded::Request(Request { data: Data::None(operation), ..Request::NONE })
}

impl Parameters {
    /// Whether so many bytes from that sector on are whole blocks of the disk.
    fn holds(&self, sector: u64, bytes: u64) -> bool {
        let mask = u64::from(self.block_bytes) - 1;
        let end = sector.checked_add(bytes / SECTOR_BYTES);
        bytes & mask == 0 && sector & (mask / SECTOR_BYTES) == 0 && end.is_some_and(|end| end <= self.sectors)
    }

    fn transfer(&self, data: Data, sector: u64, bytes: u64) -> Decoded {
        match (self.holds(sector, bytes), bytes) {
            (false, _) => Decoded::Ended(Status::IoError, 0),
            (true, 0) => Decoded::Ended(Status::Ok, 0),
            (true, _) => Decoded::Request(Request { data, sector, bytes, done: 0, moving: 0 }),
        }
    }

    /// The one range that a chain of `out` bytes of data holds, with these flags at most and so many sectors. Else the status with which
    /// it has ended.
    #[inline(never)]
    fn range<M: GuestMemory>(
        &self,
        (flags, sectors_max): (u32, u32),
        out: u64,
        chain: &Chain,
        memory: &M,
    ) -> Result<Result<Range, Status>, Fault> {
        if self.read_only || out != HEADER_BYTES as u64 {
            return Ok(Err(Status::IoError));
        }
        let range = Range::from(chain.readable().array(HEADER_BYTES as u64, memory)?);
        let fits = range.sectors <= sectors_max && self.holds(range.sector, u64::from(range.sectors) * SECTOR_BYTES);
        Ok(match fits {
            _ if range.flags & !flags != 0 => Err(Status::Unsupported),
            false => Err(Status::IoError),
            true if range.sectors == 0 => Err(Status::Ok),
            true => Ok(range),
        })
    }
}
