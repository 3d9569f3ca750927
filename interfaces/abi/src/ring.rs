//! The lossy ring through which words get out of the kernel and out of each component.
//!
//! One page: a header of four words, then bytes. One writer, any number of readers, none of which the
//! writer waits for: `head` counts all bytes ever written, modulo 2^32. A reader keeps its own tail; if
//! `head - tail` exceeds [`RING_BYTES`], it has lost the difference.

/// Bytes of the whole ring, header included.
pub const RING_PAGE_BYTES: usize = 4096;
/// Bytes of the header.
pub const RING_HEADER_BYTES: usize = 64;
/// Bytes that the ring holds. Not a power of two: the position of byte `n` is `n % RING_BYTES`, kept by the
/// writer in `position`.
pub const RING_BYTES: usize = RING_PAGE_BYTES - RING_HEADER_BYTES;
/// What the header's first word is once the writer has set the ring up.
pub const RING_MAGIC: u32 = 0x6c6f_6731;

/// Header of a ring.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct RingHeader {
    /// [`RING_MAGIC`].
    pub magic: u32,
    /// Bytes ever written, modulo 2^32.
    pub head: u32,
    /// Where the next byte goes, below [`RING_BYTES`].
    pub position: u32,
    /// Frames that were dropped because they were too long or came too fast.
    pub dropped: u32,
}
