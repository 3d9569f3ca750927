//! The UART: a PL011 (ARM DDI 0183G), used with its FIFOs and by interrupt.

use runtime::Mapped;

/// What the console needs of a UART.
pub trait Uart {
    /// Takes a byte to send; `false` if there is no room now.
    fn send(&mut self, byte: u8) -> bool;
    /// A byte that has arrived without error.
    fn receive(&mut self) -> Option<u8>;
    /// Whether an interrupt is wanted when there is room to send again. One is always wanted when something arrives.
    fn want_room(&mut self, wanted: bool);
}

/// A PL011.
#[derive(Debug)]
pub struct Pl011 {
    registers: Mapped,
}

// Offsets, table 3-1.
const DATA: usize = 0x00;
const FLAGS: usize = 0x18;
const LINE_CONTROL: usize = 0x2c;
const CONTROL: usize = 0x30;
const FIFO_LEVELS: usize = 0x34;
const INTERRUPT_MASK: usize = 0x38;
const INTERRUPT_CLEAR: usize = 0x44;

const FLAG_RECEIVE_EMPTY: u32 = 1 << 4;
const FLAG_TRANSMIT_FULL: u32 = 1 << 5;
const DATA_ERRORS: u32 = 0xf00;
const EIGHT_BITS_FIFO: u32 = 0x70;
const ENABLE_BOTH_WAYS: u32 = 0x301;
const INTERRUPT_RECEIVE: u32 = 1 << 4 | 1 << 6;
const INTERRUPT_TRANSMIT: u32 = 1 << 5;

impl Pl011 {
    /// Takes the UART over. The rate stays as whoever booted the machine set it.
    pub fn new(registers: Mapped) -> Self {
        registers.write_u32(CONTROL, 0);
        registers.write_u32(LINE_CONTROL, EIGHT_BITS_FIFO);
        // Interrupts at the least that arrives, and when next to all is sent.
        registers.write_u32(FIFO_LEVELS, 0);
        registers.write_u32(INTERRUPT_CLEAR, 0x7ff);
        registers.write_u32(INTERRUPT_MASK, INTERRUPT_RECEIVE);
        registers.write_u32(CONTROL, ENABLE_BOTH_WAYS);
        Self { registers }
    }
}

impl Uart for Pl011 {
    fn send(&mut self, byte: u8) -> bool {
        if self.registers.read_u32(FLAGS) & FLAG_TRANSMIT_FULL != 0 {
            return false;
        }
        self.registers.write_u32(DATA, byte.into());
        true
    }

    fn receive(&mut self) -> Option<u8> {
        while self.registers.read_u32(FLAGS) & FLAG_RECEIVE_EMPTY == 0 {
            let data = self.registers.read_u32(DATA);
            if data & DATA_ERRORS == 0 {
                return Some(data as u8);
            }
        }
        None
    }

    fn want_room(&mut self, wanted: bool) {
        let transmit = if wanted { INTERRUPT_TRANSMIT } else { 0 };
        self.registers.write_u32(INTERRUPT_MASK, INTERRUPT_RECEIVE | transmit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_are_used_as_the_manual_says() {
        let page = Mapped::allocate(4096);
        let mut uart = Pl011::new(page);
        assert_eq!((page.read_u32(0x30), page.read_u32(0x2c), page.read_u32(0x38)), (0x301, 0x70, 0x50));
        uart.want_room(true);
        assert_eq!(page.read_u32(0x38), 0x70);
        page.write_u32(FLAGS, FLAG_TRANSMIT_FULL | FLAG_RECEIVE_EMPTY);
        assert!(!uart.send(b'x') && uart.receive().is_none());
        page.write_u32(FLAGS, 0);
        assert!(uart.send(b'x'));
        assert_eq!(uart.receive(), Some(b'x'));
    }
}
