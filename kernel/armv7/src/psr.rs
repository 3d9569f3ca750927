//! Program status registers (ARM DDI 0406C B1.3.3): modes, and stepping over an instruction.

use abi::vcpu::GuestRegister;
use bitflags::bitflags;
use kernel_core::Context;

bitflags! {
    /// Bits of a PSR other than mode, IT state and GE.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Psr: u32 {
        /// Thumb.
        const T = 1 << 5;
        /// FIQ masked.
        const F = 1 << 6;
        /// IRQ masked.
        const I = 1 << 7;
        /// Asynchronous aborts masked.
        const A = 1 << 8;
        /// Big-endian data.
        const E = 1 << 9;
        /// Jazelle.
        const J = 1 << 24;
    }
}

/// The mode field.
pub const MODE: u32 = 0x1f;
/// The IT state: bits 15:10 and 26:25.
pub const IT: u32 = 0x0600_fc00;

/// Processor modes (B1.3.1).
pub mod mode {
    /// User.
    pub const USR: u32 = 0x10;
    /// FIQ.
    pub const FIQ: u32 = 0x11;
    /// IRQ.
    pub const IRQ: u32 = 0x12;
    /// Supervisor.
    pub const SVC: u32 = 0x13;
    /// Abort.
    pub const ABT: u32 = 0x17;
    /// Hyp.
    pub const HYP: u32 = 0x1a;
    /// Undefined.
    pub const UND: u32 = 0x1b;
    /// System.
    pub const SYS: u32 = 0x1f;
}

/// Steps over the instruction at the pc: 4 bytes if it is ARM or `long`, else 2. In an IT block the state
/// advances to the next instruction (A2.5.2, ITAdvance).
#[inline(always)]
pub fn step(context: &mut Context, long: bool) {
    let cpsr = context.cpsr;
    if cpsr & Psr::T.bits() == 0 {
        context.pc = context.pc.wrapping_add(4);
        return;
    }
    context.pc = context.pc.wrapping_add(if long { 4 } else { 2 });
    if cpsr & IT != 0 {
        let state = cpsr >> 8 & 0xfc | cpsr >> 25 & 3;
        let next = if state & 7 == 0 { 0 } else { state & 0xe0 | state << 1 & 0x1f };
        context.cpsr = cpsr & !IT | (next & 0xfc) << 8 | (next & 3) << 25;
    }
}

/// The banked register of the vCPU that instructions mean by `number` in the mode of `cpsr` (B1.3.2); `None`: it is in
/// the thread's context.
#[inline(always)]
pub fn banked_register(cpsr: u32, number: u32) -> Option<GuestRegister> {
    if number < 8 { None } else { banked(cpsr & MODE, number) }
}

fn banked(current: u32, number: u32) -> Option<GuestRegister> {
    use GuestRegister::*;
    Some(match (current, number) {
        (mode::FIQ, 8) => R8Fiq,
        (mode::FIQ, 9) => R9Fiq,
        (mode::FIQ, 10) => R10Fiq,
        (mode::FIQ, 11) => R11Fiq,
        (mode::FIQ, 12) => R12Fiq,
        (mode::FIQ, 13) => SpFiq,
        (mode::FIQ, 14) => LrFiq,
        (mode::SVC, 13) => SpSvc,
        (mode::SVC, 14) => LrSvc,
        (mode::ABT, 13) => SpAbt,
        (mode::ABT, 14) => LrAbt,
        (mode::UND, 13) => SpUnd,
        (mode::UND, 14) => LrUnd,
        (mode::IRQ, 13) => SpIrq,
        (mode::IRQ, 14) => LrIrq,
        _ => return None,
    })
}

/// Goes back to the SVC that a component has just executed.
#[inline(always)]
pub fn restart_syscall(context: &mut Context) {
    let bytes = if context.cpsr & Psr::T.bits() == 0 { 4 } else { 2 };
    context.pc = context.pc.wrapping_sub(bytes);
}

/// The state in which a component starts: user mode, everything masked. Masked are virtual interrupts only; physical
/// ones go to Hyp mode regardless, and user mode cannot clear the bits.
pub fn component(thumb: bool) -> u32 {
    let masked = Psr::A | Psr::I | Psr::F;
    mode::USR | if thumb { masked | Psr::T } else { masked }.bits()
}

/// `wanted`, made harmless: flags, IT state and masks as they are, a mode of PL0 or PL1, no Jazelle. Another mode
/// becomes what reset leaves: Supervisor, everything masked.
pub fn guest(wanted: u32) -> u32 {
    let psr = wanted & 0xfe0f_ffff;
    let psr = if psr & Psr::T.bits() == 0 { psr & !Psr::J.bits() } else { psr };
    match psr & MODE {
        mode::USR | mode::FIQ | mode::IRQ | mode::SVC | mode::ABT | mode::UND | mode::SYS => psr,
        _ => psr & !MODE | mode::SVC | (Psr::A | Psr::I | Psr::F).bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(pc: u32, cpsr: u32) -> Context {
        Context { pc, cpsr, ..Context::default() }
    }

    fn with_it(state: u32) -> u32 {
        Psr::T.bits() | mode::SVC | (state & 0xfc) << 8 | (state & 3) << 25
    }

    #[test]
    fn arm_steps_by_four_whatever_the_syndrome_says() {
        let mut context = at(0xffff_fffc, mode::SVC);
        step(&mut context, false);
        assert_eq!(context, at(0, mode::SVC));
    }

    #[test]
    fn thumb_steps_by_the_length() {
        let mut context = at(0x100, with_it(0));
        step(&mut context, false);
        step(&mut context, true);
        assert_eq!(context, at(0x106, with_it(0)));
    }

    #[test]
    fn an_it_block_advances_to_its_end() {
        // ITTEE EQ: 0b0000_0111 (mask t e e with the final 1), then 0000 1110, 0001 1100, 0001 1000, none.
        let mut context = at(0, with_it(0b0000_0111));
        for expected in [0b0000_1110, 0b0001_1100, 0b0001_1000, 0] {
            step(&mut context, false);
            assert_eq!(context.cpsr, with_it(expected), "{expected:#b}");
        }
        // The condition's upper bits stay: NE (0001), then-then.
        let mut context = at(0, with_it(0b1101_0100));
        step(&mut context, true);
        assert_eq!(context.cpsr, with_it(0b1100_1000));
    }

    #[test]
    fn registers_are_those_of_the_mode() {
        use GuestRegister::*;
        for (mode, number, register) in [
            (mode::SVC, 13, Some(SpSvc)),
            (mode::SVC, 14, Some(LrSvc)),
            (mode::ABT, 13, Some(SpAbt)),
            (mode::UND, 14, Some(LrUnd)),
            (mode::IRQ, 14, Some(LrIrq)),
            (mode::FIQ, 8, Some(R8Fiq)),
            (mode::FIQ, 12, Some(R12Fiq)),
            (mode::FIQ, 13, Some(SpFiq)),
            (mode::FIQ, 14, Some(LrFiq)),
            (mode::FIQ, 7, None),
            (mode::FIQ, 15, None),
            (mode::SVC, 12, None),
            (mode::USR, 13, None),
            (mode::SYS, 14, None),
        ] {
            assert_eq!(banked_register(0x6000_01c0 | mode, number), register, "{mode:#x} r{number}");
        }
    }

    #[test]
    fn no_mode_above_pl1_is_given_to_a_guest() {
        for low in 0..32 {
            let psr = guest(0xf1e0_01c0 | low);
            assert!(matches!(psr & MODE, 0x10..=0x13 | 0x17 | 0x1b | 0x1f), "{low:#x}");
            assert_eq!(psr & !MODE, 0xf000_01c0, "reserved bits and Jazelle are gone");
        }
        assert_eq!((guest(mode::HYP), guest(0)), (0x1d3, 0x1d3));
        assert_eq!(guest(0x6000_0153), 0x6000_0153);
        assert_eq!((component(false), component(true)), (0x1d0, 0x1f0));
    }

    #[test]
    fn a_system_call_is_made_again() {
        let mut context = at(0x104, component(false));
        restart_syscall(&mut context);
        assert_eq!(context.pc, 0x100);
        let mut context = at(0x102, component(true));
        restart_syscall(&mut context);
        assert_eq!(context.pc, 0x100);
    }
}
