//! The guest's serial port: a PL011 (ARM DDI 0183G).
//!
//! The wire is perfect and instant: a byte that is written has been sent, so the transmitter is always empty and
//! never busy. As there is no baud clock, a receive timeout is due at once: bytes that wait below the trigger level
//! raise it on arrival. Modem inputs are always asserted; framing, parity and break errors never occur. Like QEMU's model, and
//! unlike the chip, it sends and receives whatever UARTCR says of TXE, RXE and UARTEN: guests write to the port
//! before anything has set it up.

mod fifo;
pub mod spec;
#[cfg(test)]
mod tests;

use crate::line::{Line, Output};
use fifo::Fifo;
use spec::{Control, DR_OVERRUN, FIFO_BYTES, Flags, IFLS_RESET, Interrupts, LineControl, RSR_OVERRUN, Register};

/// The serial port.
#[derive(Clone, Debug)]
pub struct Pl011 {
    received: Fifo,
    /// The next byte that arrives carries the overrun flag.
    overrun: bool,
    receive_status: u32,
    ilpr: u32,
    ibrd: u32,
    fbrd: u32,
    line_control: LineControl,
    control: Control,
    ifls: u32,
    mask: Interrupts,
    raw: Interrupts,
    dmacr: u32,
    level: bool,
}

impl Default for Pl011 {
    fn default() -> Self {
        Self::new()
    }
}

impl Pl011 {
    /// As after reset.
    pub const fn new() -> Self {
        Self {
            received: Fifo::new(),
            overrun: false,
            receive_status: 0,
            ilpr: 0,
            ibrd: 0,
            fbrd: 0,
            line_control: LineControl::empty(),
            control: Control::TXE.union(Control::RXE),
            ifls: IFLS_RESET,
            mask: Interrupts::empty(),
            raw: Interrupts::empty(),
            dmacr: 0,
            level: false,
        }
    }

    /// Every register as after reset, what waits is lost, and the line falls.
    pub fn reset(&mut self, line: &mut impl Line) {
        let level = self.level;
        *self = Self { level, ..Self::new() };
        self.drive(line);
    }

    /// How many bytes [`receive`](Self::receive) takes now without an overrun.
    pub fn room(&self) -> usize {
        self.depth().saturating_sub(self.received.len())
    }

    /// A byte arrives. If there is no room it is lost and an overrun is flagged, as on the wire.
    pub fn receive(&mut self, byte: u8, line: &mut impl Line) {
        self.accept(byte);
        self.drive(line);
    }

    /// The guest loads from `offset`. Registers are 16 bits wide: a load of any width gives the low bits, a load from
    /// inside a register the same as from its start.
    pub fn read(&mut self, offset: u32, line: &mut impl Line) -> u32 {
        let value = match Register::at(offset) {
            Register::Dr => self.take(),
            Register::RsrEcr => self.receive_status,
            Register::Fr => self.flags().bits(),
            Register::Ilpr => self.ilpr,
            Register::Ibrd => self.ibrd,
            Register::Fbrd => self.fbrd,
            Register::LcrH => self.line_control.bits(),
            Register::Cr => self.control.bits(),
            Register::Ifls => self.ifls,
            Register::Imsc => self.mask.bits(),
            Register::Ris => self.raw.bits(),
            Register::Mis => (self.raw & self.mask).bits(),
            Register::Dmacr => self.dmacr,
            Register::Identification(byte) => u32::from(byte),
            Register::Icr | Register::Reserved => 0,
        };
        self.drive(line);
        value
    }

    /// The guest stores `value` at `offset`.
    pub fn write(&mut self, offset: u32, value: u32, line: &mut impl Line, output: &mut impl Output) {
        match Register::at(offset) {
            Register::Dr => self.send(value as u8, output),
            Register::RsrEcr => self.receive_status = 0,
            Register::Ilpr => self.ilpr = value & 0xff,
            Register::Ibrd => self.ibrd = value & 0xffff,
            Register::Fbrd => self.fbrd = value & 0x3f,
            Register::LcrH => self.set_line_control(LineControl::from_bits_truncate(value)),
            Register::Cr => self.control = Control::from_bits_truncate(value),
            Register::Ifls => {
                self.ifls = value & 0x3f;
                self.judge();
            }
            Register::Imsc => self.mask = Interrupts::from_bits_truncate(value),
            Register::Icr => self.raw -= Interrupts::from_bits_truncate(value),
            Register::Dmacr => self.dmacr = value & 7,
            Register::Fr | Register::Ris | Register::Mis | Register::Identification(_) | Register::Reserved => {}
        }
        self.drive(line);
    }

    fn depth(&self) -> usize {
        if self.line_control.contains(LineControl::FEN) { FIFO_BYTES } else { 1 }
    }

    fn trigger(&self) -> usize {
        if self.line_control.contains(LineControl::FEN) { spec::receive_trigger(self.ifls) } else { 1 }
    }

    fn flags(&self) -> Flags {
        let mut flags = Flags::TXFE;
        if self.control.contains(Control::LBE) {
            for (output, input) in [
                (Control::DTR, Flags::DSR),
                (Control::RTS, Flags::CTS),
                (Control::OUT1, Flags::DCD),
                (Control::OUT2, Flags::RI),
            ] {
                flags.set(input, self.control.contains(output));
            }
        } else {
            flags |= Flags::CTS | Flags::DSR | Flags::DCD;
        }
        flags.set(Flags::RXFE, self.received.len() == 0);
        flags.set(Flags::RXFF, self.received.len() >= self.depth());
        flags
    }

    fn send(&mut self, byte: u8, output: &mut impl Output) {
        if self.control.contains(Control::LBE) {
            self.accept(byte);
        } else {
            output.put(byte);
        }
        self.raw |= Interrupts::TX;
    }

    fn accept(&mut self, byte: u8) {
        if self.received.len() >= self.depth() {
            self.overrun = true;
            self.receive_status |= RSR_OVERRUN;
            self.raw |= Interrupts::OE;
            return;
        }
        let flag = if core::mem::take(&mut self.overrun) { DR_OVERRUN as u16 } else { 0 };
        self.received.push(u16::from(byte) | flag);
        self.judge();
    }

    fn take(&mut self) -> u32 {
        let Some(entry) = self.received.pop() else { return 0 };
        let entry = u32::from(entry);
        self.receive_status = entry >> 8 & 0xf;
        self.judge();
        entry
    }

    /// What the fill of the receive FIFO means for the interrupts RX and RT.
    fn judge(&mut self) {
        let waiting = self.received.len();
        self.raw.set(Interrupts::RX, waiting >= self.trigger());
        if waiting == 0 {
            self.raw -= Interrupts::RT;
        } else if waiting < self.trigger() {
            self.raw |= Interrupts::RT;
        }
    }

    /// Switching the FIFOs on or off empties them.
    fn set_line_control(&mut self, value: LineControl) {
        if (self.line_control ^ value).contains(LineControl::FEN) {
            self.received.clear();
        }
        self.line_control = value;
        self.judge();
    }

    fn drive(&mut self, line: &mut impl Line) {
        let level = self.raw.intersects(self.mask);
        if level != self.level {
            self.level = level;
            line.set(level);
        }
    }
}
