//! Policy for a guest's trapped coprocessor accesses (ARM DDI 0406C B3.17, C11; Cortex-A15 manual, ARM DDI 0438).
//!
//! | access | outcome |
//! |---|---|
//! | anything from user mode | UNDEF: what is trapped is privileged, or closed to user mode as with PMUSERENR = 0 and DBGDSCR.UDCCdis = 1 |
//! | Rt or Rt2 = 15 | UNDEF: UNPREDICTABLE but for DBGDSCRint, which has nothing to tell |
//! | DCISW, DCCSW, DCCISW | flush all: a set and way mean nothing to a guest that is moved about |
//! | ACTLR | reads SMP = 1 (bit 6), writes ignored: Linux then leaves it alone |
//! | L2CTLR (p15, 1, c9, c0, 2) | number of cores - 1 in bits 25:24, writes ignored |
//! | L2ECTLR (p15, 1, c9, c0, 3) | RAZ/WI |
//! | PMU (c9, c12-c14) | RAZ/WI: PMCR.N = 0, there are no counters |
//! | debug registers that a Cortex-A15 has | RAZ/WI: DBGDIDR.Version = 0, so Linux says "unsupported" and goes on |
//! | Jazelle (JIDR, JOSCR, JMCR) | RAZ/WI: the trivial implementation |
//! | physical timer (c14) | UNDEF, but for a guest that was given one, whose accesses go to [`timer`](crate::timer) first: an error is better than a timer that never fires |
//! | everything else, implementation-defined c9-c11 and c15 above all | UNDEF |
//!
//! Writes to the guest's own memory registers that are trapped for a time (HCR.TVM) are the kernel's business and do
//! not come here.

use abi::exit::CoprocessorAccess;

/// What becomes of a trapped access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The value read, in Rt; its high word in Rt2 for a 64-bit access. Then the next instruction.
    Read(u64),
    /// A write without effect. Then the next instruction.
    Ignore,
    /// Clean and invalidate all of the guest's memory. Then the next instruction.
    FlushAll,
    /// The guest takes an undefined-instruction exception.
    Undefined,
}

/// ACTLR.SMP (ARM DDI 0438 4.3.27).
const ACTLR_SMP: u64 = 1 << 6;

/// What becomes of `access`, in a guest with `vcpus` vCPUs (1 to 4).
pub fn access(access: CoprocessorAccess, vcpus: u32) -> Outcome {
    let pc = access.rt() == 15 || access.is_wide() && access.rt2() == 15;
    if access.0 & CoprocessorAccess::USER != 0 || pc {
        return Outcome::Undefined;
    }
    match (access.is_cp14(), access.is_wide()) {
        (false, false) => cp15(access, vcpus),
        (true, false) if is_debug(access) => constant(access, 0),
        // DBGDRAR and DBGDSAR, 64 bits, read-only (C11.11.15, C11.11.16).
        (true, true) if access.is_read() && access.opc1() == 0 && matches!(access.crm(), 1 | 2) => Outcome::Read(0),
        _ => Outcome::Undefined,
    }
}

/// A register that reads as `value` and ignores writes.
fn constant(access: CoprocessorAccess, value: u64) -> Outcome {
    if access.is_read() { Outcome::Read(value) } else { Outcome::Ignore }
}

fn cp15(access: CoprocessorAccess, vcpus: u32) -> Outcome {
    match (access.opc1(), access.crn(), access.crm(), access.opc2()) {
        (0, 1, 0, 1) => constant(access, ACTLR_SMP),
        // DCISW, DCCSW, DCCISW are write-only.
        (0, 7, 6 | 10 | 14, 2) if !access.is_read() => Outcome::FlushAll,
        (1, 9, 0, 2) => constant(access, u64::from(vcpus.saturating_sub(1) & 3) << 24),
        (1, 9, 0, 3) => constant(access, 0),
        // PMCR to PMCEID1; PMCCNTR, PMXEVTYPER, PMXEVCNTR; PMUSERENR to PMOVSSET (B4.1, table C12-7).
        (0, 9, 12, _) | (0, 9, 13, 0..=2) | (0, 9, 14, 0..=3) => constant(access, 0),
        _ => Outcome::Undefined,
    }
}

/// CP14 registers of debug v7.1 as a Cortex-A15 has them (ARM DDI 0438 table 10-1), and Jazelle's.
fn is_debug(access: CoprocessorAccess) -> bool {
    match (access.opc1(), access.crn(), access.crm(), access.opc2()) {
        // DBGDIDR, DBGDSCRint, DBGDTR, DBGWFAR, DBGVCR; DBGDTRRXext, DBGDSCRext, DBGDTRTXext.
        (0, 0, 0 | 1 | 5 | 6 | 7, 0) | (0, 0, 0 | 2 | 3, 2) => true,
        // DBGBVR0-5 and DBGBCR0-5; DBGWVR0-3 and DBGWCR0-3; DBGBXVR4-5.
        (0, 0, 0..=5, 4 | 5) | (0, 0, 0..=3, 6 | 7) | (0, 1, 4 | 5, 1) => true,
        // DBGDRAR; DBGOSLAR, DBGOSLSR, DBGOSDLR, DBGPRCR; DBGDSAR.
        (0, 1, 0, 0) | (0, 1, 0 | 1 | 3 | 4, 4) | (0, 2, 0, 0) => true,
        // DBGDEVID2, 1, 0; DBGCLAIMSET, DBGCLAIMCLR, DBGAUTHSTATUS.
        (0, 7, 0..=2, 7) | (0, 7, 8 | 9 | 14, 6) => true,
        // JIDR, JOSCR, JMCR.
        (7, 0..=2, 0, 0) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: u32 = CoprocessorAccess::READ;
    const CP14: u32 = CoprocessorAccess::CP14;
    const WIDE: u32 = CoprocessorAccess::WIDE;
    const USER: u32 = CoprocessorAccess::USER;

    fn of(flags: u32, opc1: u32, crn: u32, crm: u32, opc2: u32) -> Outcome {
        access(CoprocessorAccess(flags | crm << 1 | crn << 10 | opc1 << 14 | opc2 << 17), 2)
    }

    #[test]
    fn the_table() {
        use Outcome::*;
        for (flags, [opc1, crn, crm, opc2], outcome) in [
            (0, [0, 7, 6, 2], FlushAll),
            (0, [0, 7, 10, 2], FlushAll),
            (0, [0, 7, 14, 2], FlushAll),
            (READ, [0, 7, 14, 2], Undefined),
            (0, [0, 7, 11, 2], Undefined),
            (READ, [0, 1, 0, 1], Read(0x40)),
            (0, [0, 1, 0, 1], Ignore),
            (READ, [1, 9, 0, 2], Read(1 << 24)),
            (0, [1, 9, 0, 2], Ignore),
            (READ, [1, 9, 0, 3], Read(0)),
            (READ, [0, 9, 12, 0], Read(0)),
            (0, [0, 9, 12, 0], Ignore),
            (READ, [0, 9, 13, 0], Read(0)),
            (READ, [0, 9, 13, 3], Undefined),
            (READ, [0, 9, 14, 3], Read(0)),
            (READ, [0, 9, 14, 4], Undefined),
            (READ, [0, 14, 2, 1], Undefined),
            (READ | WIDE, [0, 0, 14, 0], Undefined),
            (READ | WIDE, [2, 0, 14, 0], Undefined),
            // Raw cache and TLB reads of a Cortex-A15: RAMINDEX, and the data registers.
            (0, [0, 15, 4, 0], Undefined),
            (READ, [0, 15, 0, 0], Undefined),
            (READ, [0, 15, 1, 3], Undefined),
            (READ, [0, 11, 0, 0], Undefined),
            (READ, [0, 10, 4, 0], Undefined),
            (READ | CP14, [0, 0, 0, 0], Read(0)),
            (READ | CP14, [0, 0, 1, 0], Read(0)),
            (READ | CP14, [0, 1, 0, 0], Read(0)),
            (READ | CP14, [0, 2, 0, 0], Read(0)),
            (READ | CP14 | WIDE, [0, 0, 1, 0], Read(0)),
            (READ | CP14 | WIDE, [0, 0, 2, 0], Read(0)),
            (CP14 | WIDE, [0, 0, 1, 0], Undefined),
            (CP14, [0, 1, 0, 4], Ignore),
            (READ | CP14, [0, 1, 1, 4], Read(0)),
            (CP14, [0, 0, 0, 5], Ignore),
            (CP14, [0, 0, 6, 5], Undefined),
            (READ | CP14, [7, 0, 0, 0], Read(0)),
            (READ | CP14, [1, 0, 0, 0], Undefined),
            (READ | CP14, [6, 0, 0, 0], Undefined),
        ] {
            assert_eq!(of(flags, opc1, crn, crm, opc2), outcome, "{flags:#x} {opc1} c{crn} c{crm} {opc2}");
        }
    }

    #[test]
    fn every_encoding_has_an_outcome() {
        // Every bit that the format has: 2^28, less the registers' numbers, which are tried at their ends.
        let mut closed = 0;
        for bits in 0..1u32 << 18 {
            let (low, high) = (bits & 0x1f, bits >> 5);
            let fixed = low | (high & 0x3ff) << 10 | (high >> 10 & 7) << 24;
            for registers in [0, 3 << 5, 14 << 5 | 14 << 20, 15 << 5, 15 << 20] {
                let word = CoprocessorAccess(fixed | registers);
                match access(word, 4) {
                    Outcome::Read(_) => assert!(word.is_read()),
                    Outcome::Ignore | Outcome::FlushAll => assert!(!word.is_read()),
                    Outcome::Undefined => closed += 1,
                }
                if word.0 & USER != 0 || word.rt() == 15 {
                    assert_eq!(access(word, 4), Outcome::Undefined);
                }
            }
        }
        assert!(closed > 1 << 19);
        for cores in [0, 1, 4, u32::MAX] {
            assert!(matches!(access(CoprocessorAccess(READ | 1 << 14 | 9 << 10 | 2 << 17), cores), Outcome::Read(_)));
        }
    }
}
