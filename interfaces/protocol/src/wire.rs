//! The one wire: how the console component puts many channels on one UART.
//!
//! Target to host: plain text outside frames is the kernel's own. `0x00, id, text, 0x00` is text of channel
//! `id` (1-127); `0x00, 0x80 | id, bytes, 0x00` is one defmt frame (rzCOBS, which never contains a zero) of image
//! `id` (0: the kernel). Each frame is closed by its own zero. Text never contains a zero.
//!
//! Host to target: `0x00, id` selects the channel for the bytes that follow; before the first selection they
//! go to the first VM, so that a plain terminal works.

/// Begins and ends a frame.
pub const FRAME: u8 = 0;
/// Bit of a tag that says that the frame is defmt's.
pub const DEFMT: u8 = 0x80;
/// The kernel's image id.
pub const KERNEL_ID: u8 = 0;
/// Root's image id; the composer hands out the others, from 2 on.
pub const ROOT_ID: u8 = 1;
/// The highest id.
pub const ID_MAX: u8 = 127;
