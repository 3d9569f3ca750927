//! Vault: runs instructions that are written into memory at run time: every encoding of the coprocessors' moves.
#![allow(unsafe_code, reason = "code that is made at run time")]

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use guest_kit::cpu::{barrier, iciallu};

const WORDS: usize = 1024;

#[repr(align(4096))]
struct Code([AtomicU32; WORDS]);

static CODE: Code = Code([const { AtomicU32::new(0) }; WORDS]);

/// Which level runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Supervisor mode.
    Supervisor,
    /// User mode.
    User,
}

// SAFETY: in the kit's assembly.
unsafe extern "C" {
    fn guest_in_user_mode(function: u32);
}

const RETURN: u32 = 0xe12f_ff1e;
const CLEAR_R1: u32 = 0xe3a0_1000;
const CLEAR_R2: u32 = 0xe3a0_2000;

/// Instructions that are run together. They may use r1 and r2.
#[derive(Debug)]
pub struct Batch {
    level: Level,
    length: usize,
}

impl Batch {
    /// None yet.
    pub fn new(level: Level) -> Self {
        Self { level, length: 0 }
    }

    /// Adds some; if there is no room, what is there runs first.
    pub fn add(&mut self, instructions: &[u32]) {
        if self.length + instructions.len() >= WORDS {
            self.run();
        }
        for &instruction in instructions {
            CODE.0[self.length].store(instruction, Relaxed);
            self.length += 1;
        }
    }

    /// Reads into r1, and writes back what was read.
    pub fn read_and_write(&mut self, read: u32, write: u32) {
        self.add(&[CLEAR_R1, CLEAR_R2, read, write]);
    }

    /// Runs all that was added.
    pub fn run(&mut self) {
        CODE.0[self.length].store(RETURN, Relaxed);
        barrier();
        iciallu::write(0);
        barrier();
        let start = (&raw const CODE) as u32;
        match self.level {
            // SAFETY: the code ends with a return and uses registers that a call may use; what it does to the machine is the test.
            Level::Supervisor => unsafe { core::mem::transmute::<usize, extern "C" fn()>(start as usize)() },
            // SAFETY: the same, in user mode.
            Level::User => unsafe { guest_in_user_mode(start) },
        }
        self.length = 0;
    }
}

/// MRC (or MCR) of a register to r1.
pub fn move_one(read: bool, cp: u32, opc1: u32, crn: u32, crm: u32, opc2: u32) -> u32 {
    0xee00_0010 | u32::from(read) << 20 | opc1 << 21 | crn << 16 | 1 << 12 | cp << 8 | opc2 << 5 | crm
}

/// MRRC (or MCRR) of a register to r1 and r2.
pub fn move_two(read: bool, cp: u32, opc1: u32, crm: u32) -> u32 {
    0xec40_0000 | u32::from(read) << 20 | 2 << 16 | 1 << 12 | cp << 8 | opc1 << 4 | crm
}

/// CDP, and LDC or STC from an address in r1.
pub fn others(cp: u32) -> [u32; 3] {
    [0xee00_0000 | cp << 8, 0xed91_0000 | cp << 8, 0xed81_0000 | cp << 8]
}
