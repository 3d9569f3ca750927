//! The emulated PL011: output, and its receive interrupt.

use crate::cpu::{read32, write8, write32};
use core::fmt;

/// Base of its registers.
pub const BASE: u32 = 0x0900_0000;
/// Its interrupt: SPI 1.
pub const INTID: u32 = 33;
const DATA: u32 = BASE;
const FLAGS: u32 = BASE + 0x18;
const CONTROL: u32 = BASE + 0x30;
const MASK: u32 = BASE + 0x38;
const CLEAR: u32 = BASE + 0x44;
const RECEIVE_EMPTY: u32 = 1 << 4;
const RECEIVE_AND_TIMEOUT: u32 = 1 << 4 | 1 << 6;

/// Prints.
#[derive(Clone, Copy, Debug)]
pub struct Uart;

impl fmt::Write for Uart {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(put);
        Ok(())
    }
}

/// Sends a byte.
pub fn put(byte: u8) {
    write8(DATA, byte);
}

/// Takes a byte that has arrived.
pub fn take() -> Option<u8> {
    (read32(FLAGS) & RECEIVE_EMPTY == 0).then(|| read32(DATA) as u8)
}

/// Switches the port and its receive interrupt on.
pub fn listen() {
    write32(CONTROL, 0x301);
    write32(MASK, RECEIVE_AND_TIMEOUT);
}

/// Acknowledges its interrupts.
pub fn acknowledge() {
    write32(CLEAR, RECEIVE_AND_TIMEOUT);
}

/// Prints a line.
#[macro_export]
macro_rules! println {
    ($($words:tt)*) => {{
        use core::fmt::Write as _;
        let _ = writeln!($crate::uart::Uart, $($words)*);
    }};
}
