//! What a block device wants from its host: an asynchronous disk.

/// What a disk is asked to do. Sectors are of 512 bytes; all lie within the capacity, and are whole blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Read into the tag's window.
    Read {
        /// The first sector.
        sector: u64,
        /// How many.
        sectors: u32,
    },
    /// Write what the tag's window holds.
    Write {
        /// The first sector.
        sector: u64,
        /// How many.
        sectors: u32,
        /// It completes when the data is stable, not before (forced unit access).
        durable: bool,
    },
    /// Make stable all that has completed before.
    Flush,
    /// The contents are of no interest any more.
    Discard {
        /// The first sector.
        sector: u64,
        /// How many.
        sectors: u32,
    },
    /// Write zeroes.
    WriteZeroes {
        /// The first sector.
        sector: u64,
        /// How many.
        sectors: u32,
        /// The sectors may be deallocated, if they then read as zeroes.
        unmap: bool,
        /// As in a write.
        durable: bool,
    },
}

/// The disk takes nothing more for now; it will have the device served when it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// An operation failed: the driver gets an I/O error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed;

/// A disk that works while the guest runs. The device has up to as many operations under way as it is deep, each with
/// a tag below that number, and may be told of their ends in any order. Each tag has a window of memory for its data, which is
/// the device's while nothing with that tag is under way.
///
/// Each operation that was taken completes once, whatever becomes of the service that carries it out; the device is served when
/// one has.
pub trait Disk {
    /// Bytes of a window: one block at least.
    fn window_bytes(&self) -> usize;
    /// Copies `bytes` to `offset` of the tag's window.
    fn put(&mut self, tag: usize, offset: usize, bytes: &[u8]);
    /// Copies from `offset` of the tag's window.
    fn get(&mut self, tag: usize, offset: usize, into: &mut [u8]);
    /// Begins an operation.
    fn submit(&mut self, tag: usize, operation: Operation) -> Result<(), Full>;
    /// An operation that has ended, each told once.
    fn completed(&mut self) -> Option<(usize, Result<(), Failed>)>;
}
