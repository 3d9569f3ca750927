//! Registers of the guest as its current mode sees them (ARM DDI 0406C B1.3.2).

use abi::Error;
use abi::vcpu::GuestRegister;
use arrayvec::ArrayString;
use runtime::Vcpu;
use vmm_devices::walk::Regime;

const MODE_FIQ: u32 = 0x11;
const MODE_IRQ: u32 = 0x12;
const MODE_SVC: u32 = 0x13;
const MODE_ABT: u32 = 0x17;
const MODE_UND: u32 = 0x1b;

const MODE_USR: u32 = 0x10;
const MODE_HYP: u32 = 0x1a;
const MODE_MON: u32 = 0x16;
const MODE_SYS: u32 = 0x1f;

/// A mode, as the low bits of a CPSR say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(u32);

impl Mode {
    /// That of a CPSR or an SPSR.
    pub const fn of(cpsr: u32) -> Self {
        Self(cpsr & 0x1f)
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self.0 {
            MODE_USR => "User",
            MODE_FIQ => "FIQ",
            MODE_IRQ => "IRQ",
            MODE_SVC => "Supervisor",
            MODE_MON => "Monitor",
            MODE_ABT => "Abort",
            MODE_HYP => "Hyp",
            MODE_UND => "Undefined",
            MODE_SYS => "System",
            _ => "no",
        }
    }

    /// Where its saved state stands, if it has one.
    pub const fn spsr(self) -> Option<GuestRegister> {
        Some(match self.0 {
            MODE_FIQ => GuestRegister::SpsrFiq,
            MODE_IRQ => GuestRegister::SpsrIrq,
            MODE_SVC => GuestRegister::SpsrSvc,
            MODE_ABT => GuestRegister::SpsrAbt,
            MODE_UND => GuestRegister::SpsrUnd,
            _ => return None,
        })
    }
}

/// Bits of a CPSR with the letters by which the manual knows them.
const FLAGS: [(u32, char); 11] = [
    (31, 'n'),
    (30, 'z'),
    (29, 'c'),
    (28, 'v'),
    (27, 'q'),
    (24, 'j'),
    (9, 'e'),
    (8, 'a'),
    (7, 'i'),
    (6, 'f'),
    (5, 't'),
];

/// The flags of a CPSR as letters, those that are set in capitals.
pub fn flags(cpsr: u32) -> ArrayString<{ FLAGS.len() }> {
    let mut text = ArrayString::new();
    for (bit, letter) in FLAGS {
        text.push(if cpsr >> bit & 1 != 0 { letter.to_ascii_uppercase() } else { letter });
    }
    text
}

/// The register that an instruction means by `number` (0 to 15) in the mode of `cpsr`.
pub fn banked(number: u8, cpsr: u32) -> GuestRegister {
    use GuestRegister::*;
    let common = [R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10, R11, R12, SpUsr, LrUsr, Pc];
    let number = usize::from(number & 15);
    match (cpsr & 0x1f, number) {
        (MODE_FIQ, 8..=14) => [R8Fiq, R9Fiq, R10Fiq, R11Fiq, R12Fiq, SpFiq, LrFiq][number - 8],
        (MODE_IRQ, 13 | 14) => [SpIrq, LrIrq][number - 13],
        (MODE_SVC, 13 | 14) => [SpSvc, LrSvc][number - 13],
        (MODE_ABT, 13 | 14) => [SpAbt, LrAbt][number - 13],
        (MODE_UND, 13 | 14) => [SpUnd, LrUnd][number - 13],
        _ => common[number],
    }
}

/// What governs the guest's own translation.
pub fn regime(vcpu: Vcpu) -> Result<Regime, Error> {
    Ok(Regime {
        sctlr: vcpu.read_register(GuestRegister::Sctlr)? as u32,
        ttbcr: vcpu.read_register(GuestRegister::Ttbcr)? as u32,
        ttbr0: vcpu.read_register(GuestRegister::Ttbr0)?,
        ttbr1: vcpu.read_register(GuestRegister::Ttbr1)?,
        fcseidr: vcpu.read_register(GuestRegister::Fcseidr)? as u32,
    })
}

/// CPSR behind an instruction: the IT state goes on (A2.5.2). ITSTATE[7:2] stands in bits 15:10, ITSTATE[1:0] in bits 26:25.
pub const fn step_it(cpsr: u32) -> u32 {
    let state = (cpsr >> 10 & 0x3f) << 2 | cpsr >> 25 & 3;
    let next = if state & 7 == 0 { 0 } else { state & 0xe0 | state << 1 & 0x1f };
    cpsr & !(0x3f << 10 | 3 << 25) | (next >> 2) << 10 | (next & 3) << 25
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_see_their_own_registers() {
        assert_eq!(banked(13, 0x1d3), GuestRegister::SpSvc);
        assert_eq!(banked(14, 0x12), GuestRegister::LrIrq);
        assert_eq!(banked(9, 0x11), GuestRegister::R9Fiq);
        assert_eq!(banked(9, 0x13), GuestRegister::R9);
        assert_eq!(banked(13, 0x1f), GuestRegister::SpUsr);
        assert_eq!(banked(13, 0x10), GuestRegister::SpUsr);
        assert_eq!(banked(15, 0x11), GuestRegister::Pc);
    }

    #[test]
    fn a_cpsr_is_told_in_words() {
        assert_eq!((Mode::of(0x6000_01d3).name(), flags(0x6000_01d3).as_str()), ("Supervisor", "nZCvqjeAIFt"));
        assert_eq!((Mode::of(0x8000_0230).name(), flags(0x8000_0230).as_str()), ("User", "NzcvqjEaifT"));
        assert_eq!((Mode::of(0x17).spsr(), Mode::of(0x1f).spsr()), (Some(GuestRegister::SpsrAbt), None));
        assert_eq!(Mode::of(0).name(), "no");
    }

    #[test]
    fn an_it_block_goes_on_and_ends() {
        let with = |state: u32| 0x2000_0033 | (state >> 2) << 10 | (state & 3) << 25;
        // ITTE EQ: 0000 0110, then 0000 1100, then 0000 1000, then none.
        assert_eq!(step_it(with(0x06)), with(0x0c));
        assert_eq!(step_it(with(0x0c)), with(0x18));
        assert_eq!(step_it(with(0x18)), with(0));
        assert_eq!(step_it(with(0)), with(0));
    }
}
