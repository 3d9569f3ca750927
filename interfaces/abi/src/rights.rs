//! Rights of a capability, and how a frame may be mapped.

use bitflags::bitflags;

bitflags! {
    /// What the holder of a capability may do with it. Minting can only take rights away.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Rights: u8 {
        /// Endpoint: receive. Notification: wait. Frame: map readable.
        const READ = 1;
        /// Endpoint: send and call. Notification: signal. Frame: map writable.
        const WRITE = 2;
        /// Endpoint: a message may carry a capability.
        const GRANT = 4;
        /// Frame: map executable.
        const EXECUTE = 8;
    }
}

bitflags! {
    /// How a frame is mapped: the rights that are wanted and the memory type.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub struct MapFlags: u32 {
        /// Readable.
        const READ = 1;
        /// Writable.
        const WRITE = 2;
        /// Executable. Together with `WRITE` only in a space that holds a guest.
        const EXECUTE = 8;
        /// Normal memory, not cached. Without this and `DEVICE`: normal, write-back.
        const UNCACHED = 16;
        /// Device memory. A device frame can be mapped no other way.
        const DEVICE = 32;
    }
}

impl MapFlags {
    /// The rights that this mapping needs its frame's capability to have.
    pub const fn rights(self) -> Rights {
        Rights::from_bits_truncate((self.bits() & 0xf) as u8)
    }
}
