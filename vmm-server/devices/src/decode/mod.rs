//! Loads and stores that the syndrome leaves out (HSR.ISV = 0): from the instruction's bits to what it does.
//!
//! ARM DDI 0406C chapters A5 to A8. The decoder knows every load and store of ARM and Thumb; it refuses, by type, those that
//! make no sense on a device: user-bank and exception-return forms, coprocessors other than VFP, Advanced SIMD element and structure
//! forms, table branches. What the architecture calls UNPREDICTABLE is refused too. The condition is not looked at: an instruction whose
//! condition fails does not abort. Data is little-endian; a guest with CPSR.E set is not served.

mod arm;
mod execute;
mod thumb;
mod vector;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod sweep;

use arrayvec::ArrayVec;
pub use execute::{Execution, Step};

/// A register of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// r0 to r15 as the current mode sees them. 15 is the pc: when read, the address of the instruction itself; when
    /// written, a branch whose bit 0 selects Thumb.
    Core(u8),
    /// Word 0 to 63 of the floating-point registers: S0 to S31, or the low (even) and high half of D0 to D31.
    Vector(u8),
    /// CPSR, for its carry flag in bit 29; never written.
    Cpsr,
}

/// How a register is shifted before it is added (A8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shift {
    /// Left, by 0 to 31.
    Left(u8),
    /// Right, by 1 to 32.
    Right(u8),
    /// Right with the sign, by 1 to 32.
    Arithmetic(u8),
    /// Rotate right, by 1 to 31.
    Rotate(u8),
    /// Rotate right by one through the carry.
    Extended,
}

/// What is added to the base register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offset {
    /// This many bytes.
    Constant(i32),
    /// A shifted register.
    Register {
        /// Its number.
        register: u8,
        /// Its shift.
        shift: Shift,
        /// Subtract it.
        subtract: bool,
    },
}

impl Offset {
    /// Nothing is added.
    pub const ZERO: Offset = Offset::Constant(0);
}

/// Which way the data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// From memory to the pieces' registers.
    Load,
    /// From the pieces' registers to memory.
    Store,
    /// SWP: load the piece's register, and store this one in its place.
    Swap {
        /// Register whose value is stored.
        source: u8,
    },
    /// PLD, PLDW, PLI: nothing happens.
    Nothing,
}

/// What is special about an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Nothing.
    Plain,
    /// As if from user mode (LDRT and its kin).
    Unprivileged,
    /// LDREX, STREX and their kin: on a device it is for the VMM to say whether one succeeds.
    Exclusive {
        /// Register that gets a store's result: 0 success, 1 failure.
        status: Option<u8>,
    },
}

/// One transfer between memory and a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The register.
    pub register: Register,
    /// Width in bytes: 1, 2 or 4.
    pub width: u8,
    /// A load is sign-extended.
    pub signed: bool,
    /// Distance in bytes from the first address.
    pub offset: u8,
}

/// The most pieces that an instruction has: VLDM of 16 doublewords.
pub const PIECES_MAX: usize = 32;

/// A load or store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Length of the instruction in bytes: 2 or 4.
    pub length: u8,
    /// It is a Thumb instruction.
    pub thumb: bool,
    /// Load or store.
    pub operation: Operation,
    /// What is special.
    pub manner: Manner,
    /// The base register; 15 stands for the pc as the instruction sees it, aligned down to 4.
    pub base: u8,
    /// First address: base plus this.
    pub start: Offset,
    /// What is transferred, in the order of the addresses.
    pub pieces: ArrayVec<Piece, PIECES_MAX>,
    /// New value of the base register: base plus this.
    pub writeback: Option<Offset>,
}

/// Why an instruction is not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It neither loads nor stores: the guest has changed it since it trapped.
    NotMemory,
    /// It is a load or store that is not for devices: see the module's own words.
    Unsupported,
    /// UNPREDICTABLE.
    Unpredictable,
    /// UNDEFINED.
    Undefined,
}

/// Decodes an instruction. ARM: the word. Thumb: the half word at the pc in bits 15:0 and the next in bits 31:16, as a
/// little-endian load gives them; the upper one is ignored if the first is a whole instruction.
pub fn decode(word: u32, thumb: bool) -> Result<Access, Refused> {
    if !thumb {
        return arm::decode(word);
    }
    let (first, second) = (word & 0xffff, word >> 16);
    // A6.1: 0b11101, 0b11110 and 0b11111 begin a 32-bit instruction.
    if first >> 11 < 0b11101 { thumb::decode_narrow(first) } else { thumb::decode_wide(first << 16 | second) }
}

/// Register number in four bits of an instruction, from bit `low` on.
fn register(word: u32, low: u32) -> u8 {
    (word >> low & 0xf) as u8
}

fn bit(word: u32, n: u32) -> bool {
    word >> n & 1 != 0
}

/// `bytes`, up or down.
fn constant(bytes: u32, add: bool) -> Offset {
    let bytes = bytes as i32;
    Offset::Constant(if add { bytes } else { -bytes })
}

/// Something UNPREDICTABLE is refused.
fn refuse_if(unpredictable: bool) -> Result<(), Refused> {
    if unpredictable { Err(Refused::Unpredictable) } else { Ok(()) }
}

impl Access {
    /// An ARM access without pieces.
    fn new(load: bool, base: u8) -> Self {
        Self {
            length: 4,
            thumb: false,
            operation: if load { Operation::Load } else { Operation::Store },
            manner: Manner::Plain,
            base,
            start: Offset::ZERO,
            pieces: ArrayVec::new(),
            writeback: None,
        }
    }

    fn thumb(self, length: u8) -> Self {
        Self { length, thumb: true, ..self }
    }

    fn nothing() -> Self {
        Self { operation: Operation::Nothing, ..Self::new(true, 0) }
    }

    fn manner(self, manner: Manner) -> Self {
        Self { manner, ..self }
    }

    /// Another piece, behind the last.
    fn piece(mut self, register: Register, width: u8, signed: bool) -> Self {
        let offset = self.pieces.last().map_or(0, |last| last.offset + last.width);
        // No instruction has more than fit.
        let _ = self.pieces.try_push(Piece { register, width, signed, offset });
        self
    }

    fn core(self, register: u8, width: u8, signed: bool) -> Self {
        self.piece(Register::Core(register), width, signed)
    }

    /// Offset, pre-indexed or post-indexed addressing (A8.5, "index" and "wback").
    fn indexed(self, offset: Offset, index: bool, writeback: bool) -> Self {
        Self { start: if index { offset } else { Offset::ZERO }, writeback: writeback.then_some(offset), ..self }
    }

    /// Load or store multiple: a word for each register of `list`, upwards from the lowest address.
    fn multiple(mut self, list: u16, add: bool, before: bool, writeback: bool) -> Self {
        let bytes = 4 * list.count_ones();
        self.start = match (add, before) {
            (true, before) => constant(if before { 4 } else { 0 }, true),
            (false, before) => constant(bytes - if before { 0 } else { 4 }, false),
        };
        self.writeback = writeback.then(|| constant(bytes, add));
        for n in (0..16).filter(|n| list >> n & 1 != 0) {
            self = self.core(n, 4, false);
        }
        self
    }
}
