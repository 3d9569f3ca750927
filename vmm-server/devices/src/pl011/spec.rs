//! Registers of the PrimeCell UART PL011, ARM DDI 0183G chapter 3.

use bitflags::bitflags;

/// Depth of each FIFO (revisions before r1p5).
pub const FIFO_BYTES: usize = 16;

bitflags! {
    /// UARTFR, the flag register (section 3.3.3).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Flags: u32 {
        /// Clear to send.
        const CTS = 1 << 0;
        /// Data set ready.
        const DSR = 1 << 1;
        /// Data carrier detect.
        const DCD = 1 << 2;
        /// Transmitting.
        const BUSY = 1 << 3;
        /// Receive FIFO empty.
        const RXFE = 1 << 4;
        /// Transmit FIFO full.
        const TXFF = 1 << 5;
        /// Receive FIFO full.
        const RXFF = 1 << 6;
        /// Transmit FIFO empty.
        const TXFE = 1 << 7;
        /// Ring indicator.
        const RI = 1 << 8;
    }

    /// An interrupt's bit in UARTIMSC, UARTRIS, UARTMIS and UARTICR (sections 3.3.10 to 3.3.13).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Interrupts: u32 {
        /// Modem lines changed: RI, CTS, DCD, DSR. Never raised here.
        const MODEM = 0xf;
        /// Receive FIFO at its trigger level.
        const RX = 1 << 4;
        /// Transmit FIFO passed its trigger level.
        const TX = 1 << 5;
        /// Receive timeout: bytes wait below the trigger level.
        const RT = 1 << 6;
        /// Framing, parity and break errors. Never raised here.
        const LINE = 7 << 7;
        /// Overrun.
        const OE = 1 << 10;
    }

    /// UARTLCR_H, line control (section 3.3.7).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct LineControl: u32 {
        /// FIFOs enabled; else each is one byte deep.
        const FEN = 1 << 4;
        /// Every bit that exists.
        const ALL = 0xff;
    }

    /// UARTCR, control (section 3.3.8).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Control: u32 {
        /// UART enabled.
        const UARTEN = 1 << 0;
        /// What is sent is received.
        const LBE = 1 << 7;
        /// Transmit enabled.
        const TXE = 1 << 8;
        /// Receive enabled.
        const RXE = 1 << 9;
        /// Data transmit ready.
        const DTR = 1 << 10;
        /// Request to send.
        const RTS = 1 << 11;
        /// Output 1: DCD in loopback.
        const OUT1 = 1 << 12;
        /// Output 2: RI in loopback.
        const OUT2 = 1 << 13;
        /// Every bit that exists.
        const ALL = 0xff87;
    }
}

/// UARTDR bit 11 (section 3.3.1) and UARTRSR bit 3 (section 3.3.2): overrun.
pub const DR_OVERRUN: u32 = 1 << 11;
/// UARTRSR.OE.
pub const RSR_OVERRUN: u32 = 1 << 3;
/// UARTIFLS after reset: both FIFOs at half.
pub const IFLS_RESET: u32 = 0x12;

/// A register, by its offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the manual's, table 3-1, without the UART in front")]
pub enum Register {
    Dr,
    RsrEcr,
    Fr,
    Ilpr,
    Ibrd,
    Fbrd,
    LcrH,
    Cr,
    Ifls,
    Imsc,
    Ris,
    Mis,
    Icr,
    Dmacr,
    /// UARTPeriphID0-3 and UARTPCellID0-3, with the value.
    Identification(u8),
    Reserved,
}

/// Part number 0x011, designer 0x41, revision 1 (16-byte FIFOs); then the cell id that all PrimeCells share.
const IDENTIFICATION: [u8; 8] = [0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1];

impl Register {
    /// The register at `offset`. Its last two bits do not count: the bus has no byte lanes.
    pub fn at(offset: u32) -> Self {
        match offset & !3 {
            0x00 => Self::Dr,
            0x04 => Self::RsrEcr,
            0x18 => Self::Fr,
            0x20 => Self::Ilpr,
            0x24 => Self::Ibrd,
            0x28 => Self::Fbrd,
            0x2c => Self::LcrH,
            0x30 => Self::Cr,
            0x34 => Self::Ifls,
            0x38 => Self::Imsc,
            0x3c => Self::Ris,
            0x40 => Self::Mis,
            0x44 => Self::Icr,
            0x48 => Self::Dmacr,
            word @ 0xfe0..=0xfff => {
                let byte = IDENTIFICATION.get((word as usize - 0xfe0) / 4);
                byte.map_or(Self::Reserved, |&byte| Self::Identification(byte))
            }
            _ => Self::Reserved,
        }
    }
}

/// Bytes in the receive FIFO that raise the interrupt (UARTIFLS.RXIFLSEL, section 3.3.9); reserved values
/// act as 7/8.
pub fn receive_trigger(ifls: u32) -> usize {
    match ifls >> 3 & 7 {
        0 => 2,
        1 => 4,
        2 => 8,
        3 => 12,
        _ => 14,
    }
}
