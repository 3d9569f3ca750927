//! The UART, polled: for the epitaph and for what goes wrong before there is a `console` (ARM DDI 0183, PL011).

use crate::board;
use crate::mmio::Registers;

const UART: Registers = Registers::at(board::UART);
const DATA: u32 = 0x00;
const FLAGS: u32 = 0x18;
const CONTROL: u32 = 0x30;
const INTERRUPT_MASK: u32 = 0x38;
const TRANSMIT_FULL: u32 = 1 << 5;
/// UART, transmitter.
const ENABLE: u32 = 1 << 0 | 1 << 8;
/// A UART that never drains must not hold the kernel for ever.
const PATIENCE: u32 = 1_000_000;

/// A hand on the UART. Making it takes the UART away from whoever has it.
pub struct Uart(());

impl Uart {
    /// Takes it. Baud rate and format stay as they are.
    pub fn take() -> Self {
        UART.write(INTERRUPT_MASK, 0);
        UART.write(CONTROL, ENABLE);
        Self(())
    }

    #[inline(never)]
    fn byte(&self, byte: u8) {
        for _ in 0..PATIENCE {
            if UART.read(FLAGS) & TRANSMIT_FULL == 0 {
                break;
            }
        }
        UART.write(DATA, u32::from(byte));
    }

    /// Writes text; a line ends with CR LF.
    #[inline(never)]
    pub fn text(&self, text: &str) -> &Self {
        for byte in text.bytes() {
            if byte == b'\n' {
                self.byte(b'\r');
            }
            self.byte(byte);
        }
        self
    }

    /// Writes a word in hexadecimal.
    #[inline(never)]
    pub fn hex(&self, word: u32) -> &Self {
        for shift in (0..32).step_by(4).rev() {
            let digit = (word >> shift & 0xf) as u8;
            self.byte(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
        }
        self
    }

    /// Writes a small number in decimal.
    #[inline(never)]
    pub fn decimal(&self, number: u32) -> &Self {
        if number >= 10 {
            self.decimal(number / 10);
        }
        self.byte(b'0' + (number % 10) as u8);
        self
    }
}
