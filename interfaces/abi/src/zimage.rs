//! What the composer writes into the head of a zImage, and the head reads: an image that boots wherever a Linux zImage
//! for 32-bit Arm does (Linux, Documentation/arch/arm/booting.rst).
//!
//! A zImage is the head (code, [`ZimageHeader`] within it, then the table of [`ZimagePiece`]s) and behind it the bytes of
//! the pieces. It runs wherever in RAM it was loaded, and moves the pieces to where they belong. All numbers are multiples of
//! [`PIECE_ALIGN`] but what is the head's own, `start` and `entry`.

/// Where the header lies in the file: boot loaders look for the magic here.
pub const HEADER_OFFSET: u32 = 0x24;
/// First word of the header.
pub const MAGIC: u32 = 0x016f_2818;
/// What the fourth word is for who reads it in the right byte order.
pub const BYTE_ORDER: u32 = 0x0403_0201;
/// Pieces, and where they go, are aligned to this: so many bytes are moved at a time.
pub const PIECE_ALIGN: u32 = 16;
/// Bytes of RAM that the head needs behind the file, and behind all that it writes: it works from there.
pub const ROOM_BYTES: u32 = 4096;

/// Cores that may arrive at once: of one cluster of a Cortex-A15 or its kin.
pub const CORES_MAX: usize = 4;

/// The header. The first four words are what boot loaders know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ZimageHeader {
    /// [`MAGIC`].
    pub magic: u32,
    /// Where the file must be loaded; 0: anywhere.
    pub start: u32,
    /// `start` and the bytes of the file.
    pub end: u32,
    /// [`BYTE_ORDER`].
    pub byte_order: u32,
    /// 0: none of Linux's further tables.
    pub extension: u32,
    /// Where to go when all is in its place.
    pub entry: u32,
    /// The address behind all that is written.
    pub destination_end: u32,
    /// Where the table of pieces begins in the file.
    pub pieces: u32,
    /// How many there are.
    pub piece_count: u32,
    /// 0; the head's own: tells other cores to go on.
    pub ready: u32,
    /// 0; the head's own: which other cores are there.
    pub others: [u32; CORES_MAX],
    /// 0; the head's own: r0-r2 as the boot loader set them.
    pub saved: [u32; 3],
}

/// A piece. They come in ascending order, of places in the file and of destinations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ZimagePiece {
    /// Where it lies in the file.
    pub offset: u32,
    /// Where it goes.
    pub destination: u32,
    /// Its bytes.
    pub bytes: u32,
    /// Bytes in all; what is beyond `bytes` is zeroed.
    pub memory_bytes: u32,
}
