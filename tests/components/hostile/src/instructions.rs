//! Vault: the code of all that a component must not execute. It lies among the program's own, where it can be executed and
//! read.
#![allow(unsafe_code, reason = "instructions that must fault")]

use crate::encodings::{self, COUNT};
use crate::single::SINGLES;
use abi::vcpu::BANKED_REGISTERS;
use core::arch::{asm, global_asm};

// SAFETY: data in a section of code: it is constant, and nothing jumps into it but who wants to fault.
#[unsafe(link_section = ".text.encodings")]
static ENCODINGS: [u32; COUNT + 1] = encodings::all();

macro_rules! banked {
    (cp32 { $($cp32:tt)* } cp64 { $($cp64:tt)* } banked { $($b:ident: $name:ident, $reset:literal, $saved:ident, $closed:ident;)* }) => {
        global_asm!(
            ".pushsection .text.hostile, \"ax\"", ".arm", ".arch_extension virt", ".balign 4",
            ".global hostile_banked", "hostile_banked:",
            $(concat!("mrs r1, ", stringify!($name)), concat!("msr ", stringify!($name), ", r0"),)*
            "udf #0", ".popsection",
        );
    };
}
abi::guest_registers!(banked);

macro_rules! code {
    ($($text:literal, $argument:ident($number:literal), $outcome:ident $(($kind:ident))?;)*) => {
        global_asm!(
            ".pushsection .text.hostile, \"ax\"", ".arm", ".arch_extension virt", ".arch_extension sec", ".fpu neon", ".balign 4",
            ".global hostile_singles", "hostile_singles:",
            $($text, "udf #0",)*
            ".popsection", options(raw),
        );
    };
}
crate::singles!(code);

global_asm!(
    ".pushsection .text.hostile, \"ax\"",
    ".arm",
    ".balign 4",
    ".global hostile_exclusive",
    "hostile_exclusive:",
    "ldrex r1, [r0]",
    "udf #0",
    "strex r1, r2, [r0]",
    "udf #0",
    ".popsection",
);

// SAFETY: I: so many words of code stand at these symbols, above.
unsafe extern "C" {
    static hostile_exclusive: [u32; 4];
    static hostile_banked: [u32; 2 * BANKED_REGISTERS + 1];
    static hostile_singles: [[u32; 2]; SINGLES.len()];
}

/// Every encoding of [`encodings`]; behind the last word stands an undefined one.
pub fn every_encoding() -> &'static [u32] {
    &ENCODINGS[..COUNT]
}

/// A read to r1 and a write from r0 of every banked register of the table of guest registers. User mode has no name for
/// any; the architecture only calls trying UNPREDICTABLE (ARM DDI 0406C B9.3.8), within what user mode may do.
pub fn every_banked_register() -> &'static [u32] {
    // SAFETY: I.
    unsafe { &hostile_banked[..2 * BANKED_REGISTERS] }
}

/// The instructions of [`SINGLES`], each with an undefined one behind it.
pub fn every_single() -> &'static [[u32; 2]] {
    // SAFETY: I.
    unsafe { &hostile_singles }
}

/// A load-exclusive to r1 and a store-exclusive, which tells in r1, at the address in r0; each with an undefined instruction behind it.
pub fn exclusive() -> u32 {
    (&raw const hostile_exclusive).addr() as u32
}

/// Dies of an instruction that does not exist, with the stack pointer there.
pub fn die_on(stack: u32) -> ! {
    // SAFETY: it must fault; nothing runs after it, so that nothing uses that stack.
    unsafe { asm!("mov sp, {}", "udf #1", in(reg) stack, options(noreturn, nostack)) }
}

/// Executes instruction `place` of [`SINGLES`], with that in r0.
pub fn execute(place: usize, argument: u32) {
    let Some(code) = every_single().get(place) else { return };
    // SAFETY: it must fault, as must the undefined instruction behind it; nothing after it runs.
    unsafe { asm!("bx r1", in("r0") argument, in("r1") code.as_ptr(), options(noreturn)) }
}
