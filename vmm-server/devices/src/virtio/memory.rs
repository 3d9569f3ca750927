//! The guest's memory, and what is said of a driver that misuses it.

/// No such memory: the range is not wholly in the guest's RAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRange;

/// The guest's RAM as a device sees it. The guest runs meanwhile: what is read twice may differ. An access of two bytes at an
/// even address must be made in one piece, for the indexes of a queue.
pub trait GuestMemory {
    /// Copies guest memory from `ipa` on into `into`, all or nothing.
    fn read(&self, ipa: u64, into: &mut [u8]) -> Result<(), OutOfRange>;
    /// Copies `from` into guest memory from `ipa` on, all or nothing. Memory that the guest may not write is out of range.
    fn write(&mut self, ipa: u64, from: &[u8]) -> Result<(), OutOfRange>;
}

/// A driver broke the protocol; its device has stopped and wants a reset. The guest's fault, nobody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misuse {
    /// The queue.
    pub queue: u16,
    /// What was wrong with it.
    pub fault: Fault,
}

/// What a driver did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The queue was made ready with a size that is no power of two or too large, or with an address that is misaligned or wraps.
    Setup,
    /// The available index is further ahead than the queue is long (virtio 1.2, 2.7.13.3).
    AvailableIndex,
    /// A descriptor number is not below the queue's size.
    DescriptorIndex(u16),
    /// The chain is longer than the queue: it has a loop (2.7.5.3.1).
    Loop,
    /// An indirect descriptor, which was not negotiated (2.7.5.3).
    Indirect,
    /// The chain has more buffers than this device takes.
    Segments,
    /// The chain has too few bytes for what the device has to read or to write.
    Short,
    /// What the driver asks for in its chain makes no sense, and there is no way to tell it so.
    Request,
    /// A buffer that the device reads comes after one that it writes (2.7.4.2).
    Order,
    /// A buffer wraps at the top of the address space, or the chain is longer than 4 GiB (2.7.4.2).
    Length,
    /// This address is not in the guest's memory, or may not be written.
    Memory(u64),
}
