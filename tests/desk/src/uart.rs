//! The board's UART: the PL011 that guests get, at the other end of a wire that the test holds.

use crate::device::Device;
use std::collections::VecDeque;
use vmm_devices::pl011::Pl011;

/// UARTCR, and its bits UARTEN and RXE (ARM DDI 0183G 3.3.8).
const CONTROL: u32 = 0x30;
const RECEIVES: u32 = 1 << 9 | 1;

/// The UART and its wire.
#[derive(Debug, Default)]
pub struct Uart {
    port: Pl011,
    level: bool,
    /// Bytes on their way in; each arrives when there is room for it, and none before somebody listens.
    arriving: VecDeque<u8>,
    receives: bool,
    /// All that was sent.
    pub sent: Vec<u8>,
}

impl Uart {
    /// These bytes are typed.
    pub fn type_bytes(&mut self, bytes: &[u8]) {
        self.arriving.extend(bytes);
        self.pump();
    }

    fn pump(&mut self) {
        while self.receives
            && self.port.room() > 0
            && let Some(byte) = self.arriving.pop_front()
        {
            self.port.receive(byte, &mut |level| self.level = level);
        }
    }
}

impl Device for Uart {
    fn load(&mut self, offset: u32, _: u32) -> u32 {
        let value = self.port.read(offset, &mut |level| self.level = level);
        self.pump();
        value
    }
    fn store(&mut self, offset: u32, _: u32, value: u32) {
        if offset == CONTROL {
            self.receives = value & RECEIVES == RECEIVES;
        }
        self.port.write(offset, value, &mut |level| self.level = level, &mut |byte| self.sent.push(byte));
        self.pump();
    }
    fn line(&self) -> bool {
        self.level
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_arrives_however_much_it_is_and_pulls_the_line() {
        let mut uart = Uart::default();
        let typed: Vec<u8> = (0..100).collect();
        uart.type_bytes(&typed);
        uart.store(0x2c, 4, 0x70);
        uart.store(0x38, 4, 0x50);
        assert!(!uart.line());
        uart.store(CONTROL, 4, 0x301);
        assert!(uart.line());
        let taken: Vec<u8> = typed.iter().map(|_| uart.load(0, 4) as u8).collect();
        assert_eq!((taken, uart.line()), (typed, false));
        uart.store(0, 4, u32::from(b'x'));
        assert_eq!(uart.sent, b"x");
    }
}
