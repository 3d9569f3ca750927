//! Carrying an access out, one bus access at a time.

use super::{Access, Manner, Offset, Operation, PIECES_MAX, Register, Shift};
use arrayvec::ArrayVec;

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Load `width` bytes at this virtual address, then [`Execution::loaded`].
    Load {
        /// Virtual address.
        address: u32,
        /// 1, 2 or 4.
        width: u8,
    },
    /// Store the low `width` bytes of `value` at this virtual address.
    Store {
        /// Virtual address.
        address: u32,
        /// 1, 2 or 4.
        width: u8,
        /// What is stored.
        value: u32,
    },
    /// Write a register of the guest. All memory comes before all registers: an abort in between leaves the
    /// registers as they were, as the architecture has it.
    Write {
        /// The register.
        register: Register,
        /// Its new value.
        value: u32,
    },
}

/// An access under way. It reads the guest's registers when it is made, and no more.
#[derive(Clone, Debug)]
pub struct Execution {
    memory: ArrayVec<Memory, PIECES_MAX>,
    writes: ArrayVec<(Register, u32), { PIECES_MAX + 2 }>,
    next_memory: usize,
    next_write: usize,
    awaited: Option<Memory>,
}

#[derive(Clone, Copy, Debug)]
struct Memory {
    address: u32,
    width: u8,
    signed: bool,
    /// A load puts the value there.
    target: Option<Register>,
    /// A store takes it from here.
    value: u32,
}

impl Execution {
    /// Plans `access` with the guest's registers as `read` gives them. An exclusive store is planned as one that succeeds.
    pub fn new(access: &Access, mut read: impl FnMut(Register) -> u32) -> Self {
        let mut this =
            Self { memory: ArrayVec::new(), writes: ArrayVec::new(), next_memory: 0, next_write: 0, awaited: None };
        if access.operation == Operation::Nothing {
            return this;
        }
        // The pc reads as two instructions ahead (A2.3).
        let ahead = if access.thumb { 4 } else { 8 };
        let mut see = |register| match register {
            Register::Core(15) => read(register).wrapping_add(ahead),
            _ => read(register),
        };
        let base = match access.base {
            15 => see(Register::Core(15)) & !3,
            base => see(Register::Core(base)),
        };
        let start = base.wrapping_add(access.start.value(&mut see));
        for piece in &access.pieces {
            let value = match access.operation {
                Operation::Store => see(piece.register),
                Operation::Swap { source } => see(Register::Core(source)),
                Operation::Load | Operation::Nothing => 0,
            };
            let address = start.wrapping_add(u32::from(piece.offset));
            let target = (access.operation != Operation::Store).then_some(piece.register);
            let _ = this.memory.try_push(Memory { address, width: piece.width, signed: piece.signed, target, value });
            if let Operation::Swap { .. } = access.operation {
                let _ =
                    this.memory.try_push(Memory { address, width: piece.width, signed: false, target: None, value });
            }
        }
        if let Manner::Exclusive { status: Some(status) } = access.manner {
            let _ = this.writes.try_push((Register::Core(status), 0));
        }
        if let Some(offset) = access.writeback {
            let value = base.wrapping_add(offset.value(&mut see));
            let _ = this.writes.try_push((Register::Core(access.base), value));
        }
        this
    }

    /// The next step; `None` when all is done, or while a load still waits for its value.
    pub fn step(&mut self) -> Option<Step> {
        if self.awaited.is_some() {
            return None;
        }
        if let Some(&memory) = self.memory.get(self.next_memory) {
            self.next_memory += 1;
            let Memory { address, width, value, .. } = memory;
            if memory.target.is_some() {
                self.awaited = Some(memory);
                return Some(Step::Load { address, width });
            }
            return Some(Step::Store { address, width, value });
        }
        let &(register, value) = self.writes.get(self.next_write)?;
        self.next_write += 1;
        Some(Step::Write { register, value })
    }

    /// The value of the load that [`step`](Self::step) asked for last; bits above its width are ignored.
    pub fn loaded(&mut self, value: u32) {
        let Some(Memory { width, signed, target: Some(register), .. }) = self.awaited.take() else { return };
        let value = match (width, signed) {
            (1, false) => value & 0xff,
            (1, true) => value as u8 as i8 as u32,
            (2, false) => value & 0xffff,
            (2, true) => value as u16 as i16 as u32,
            _ => value,
        };
        let _ = self.writes.try_push((register, value));
    }
}

impl Offset {
    fn value(self, see: &mut impl FnMut(Register) -> u32) -> u32 {
        match self {
            Offset::Constant(bytes) => bytes as u32,
            Offset::Register { register, shift, subtract } => {
                let value = see(Register::Core(register));
                let value = match shift {
                    Shift::Left(amount) => value.checked_shl(amount.into()).unwrap_or(0),
                    Shift::Right(amount) => value.checked_shr(amount.into()).unwrap_or(0),
                    Shift::Arithmetic(amount) => (value as i32 >> amount.min(31)) as u32,
                    Shift::Rotate(amount) => value.rotate_right(amount.into()),
                    Shift::Extended => value >> 1 | (see(Register::Cpsr) >> 29 & 1) << 31,
                };
                if subtract { value.wrapping_neg() } else { value }
            }
        }
    }
}
