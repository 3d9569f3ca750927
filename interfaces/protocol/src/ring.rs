//! The layout of a byte ring that two components share: one page, one writer, one reader.
//!
//! The console's channels are pairs of these. `head` counts bytes written, `tail` bytes read, both modulo
//! 2^32; the writer never lets `head - tail` exceed [`DATA_BYTES`]. Each side checks the other's counter: a peer
//! that lies harms only what it reads or writes itself.
//!
//! The side that makes the ring non-empty signals the reader; the side that makes a full ring non-full
//! signals the writer.

/// Where `head` stands in the page.
pub const HEAD: usize = 0;
/// Where `tail` stands, on a cache line of its own.
pub const TAIL: usize = 64;
/// Where the data begins.
pub const DATA: usize = 128;
/// Bytes of data: a power of two, so that counters may wrap.
pub const DATA_BYTES: usize = 2048;
/// Bytes of the page.
pub const PAGE_BYTES: usize = 4096;
