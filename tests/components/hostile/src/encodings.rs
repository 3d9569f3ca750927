//! Every encoding that user mode has for a coprocessor, as words of ARM code (ARM DDI 0406C A7.7, B3.17, B3.18), and those
//! few that it may use.
//!
//! A read goes to r1 (and r2), a write comes from r0, the address of a load or store is in r3.

use abi::exit::CoprocessorAccess;

/// Coprocessors of system registers: each encoding of each move is tried.
const SYSTEM: [u32; 2] = [14, 15];
/// MRC and MCR of one coprocessor: opc1, CRn, CRm, opc2, and which way.
const ONE: usize = 8 * 16 * 16 * 8 * 2;
/// MRRC and MCRR: opc1, CRm, and which way.
const TWO: usize = 16 * 16 * 2;
/// Of other coprocessors, one of each instruction; and those that are no moves of the two above.
const OTHERS: usize = 14 * 7 + 2 * 3;
/// How many encodings there are.
pub const COUNT: usize = SYSTEM.len() * (ONE + TWO) + OTHERS;

/// Instructions of a coprocessor that are no moves: CDP, LDC, STC.
const fn no_moves(cp: u32) -> [u32; 3] {
    [0xee00_0000 | cp << 8, 0xed93_0000 | cp << 8, 0xed83_0000 | cp << 8]
}

/// MRC to r1, or MCR from r0; `fields` is opc1, CRn, CRm, opc2 and, lowest, 0 for a read.
const fn move_one(cp: u32, fields: u32) -> u32 {
    let (opc1, crn, crm, opc2) = (fields >> 12 & 7, fields >> 8 & 15, fields >> 4 & 15, fields >> 1 & 7);
    let way = if fields & 1 == 0 { 1 << 20 | 1 << 12 } else { 0 };
    0xee00_0010 | way | opc1 << 21 | crn << 16 | cp << 8 | opc2 << 5 | crm
}

/// MRRC to r1 and r2, or MCRR from r0 twice; `fields` is opc1, CRm and, lowest, 0 for a read.
const fn move_two(cp: u32, fields: u32) -> u32 {
    let (opc1, crm) = (fields >> 5 & 15, fields >> 1 & 15);
    let way = if fields & 1 == 0 { 1 << 20 | 2 << 16 | 1 << 12 } else { 0 };
    0xec40_0000 | way | cp << 8 | opc1 << 4 | crm
}

/// All of them, and behind the last an instruction that is undefined for ever.
pub const fn all() -> [u32; COUNT + 1] {
    let mut words = [UNDEFINED; COUNT + 1];
    let (mut at, mut which) = (0, 0);
    while which < SYSTEM.len() {
        let mut fields = 0;
        while fields < ONE {
            words[at + fields] = move_one(SYSTEM[which], fields as u32);
            fields += 1;
        }
        at += ONE;
        fields = 0;
        while fields < TWO {
            words[at + fields] = move_two(SYSTEM[which], fields as u32);
            fields += 1;
        }
        at += TWO;
        which += 1;
    }
    let mut cp = 0;
    while cp < 16 {
        let [cdp, ldc, stc] = no_moves(cp);
        let more = [cdp, ldc, stc, move_one(cp, 0), move_one(cp, 0x7fff), move_two(cp, 0), move_two(cp, 0x1ff)];
        let mut n = 0;
        while n < if cp < 14 { 7 } else { 3 } {
            words[at] = more[n];
            at += 1;
            n += 1;
        }
        cp += 1;
    }
    assert!(at == COUNT);
    words
}

/// UDF #0 (A8.8.247).
pub const UNDEFINED: u32 = 0xe7f0_00f0;

/// The access that a word is, if it is a move of a system register.
pub fn access(word: u32) -> Option<CoprocessorAccess> {
    let cp = match word >> 8 & 15 {
        14 => CoprocessorAccess::CP14,
        15 => 0,
        _ => return None,
    };
    let read = word >> 20 & 1;
    if word & 0x0f00_0010 == 0x0e00_0010 {
        let (opc1, crn, opc2, crm) = (word >> 21 & 7, word >> 16 & 15, word >> 5 & 7, word & 15);
        Some(CoprocessorAccess(cp | read | crm << 1 | crn << 10 | opc1 << 14 | opc2 << 17))
    } else if word & 0x0fe0_0000 == 0x0c40_0000 && word >> 4 & 15 < 8 {
        // A 64-bit access of the table has an opc1 below 8: there is no room for more in an exit.
        Some(CoprocessorAccess(CoprocessorAccess::WIDE | cp | read | (word & 15) << 1 | (word >> 4 & 7) << 14))
    } else {
        None
    }
}

/// What a component may do, and why.
#[derive(Clone, Copy, Debug)]
pub struct Allowed {
    /// The instruction.
    pub word: u32,
    /// Whether what it reads is anything but zero.
    pub tells: bool,
    /// Why.
    pub why: &'static str,
}

/// MRC p15, 0, r1, c14, c0, 0.
const CNTFRQ: u32 = 0xee1e_1f10;
/// MRRC p15, 0, r1, r2, c14.
const CNTPCT: u32 = 0xec52_1f0e;
/// MRRC p14, 0, r1, r2, c1.
const DBGDRAR: u32 = 0xec52_1e01;
/// MRRC p14, 0, r1, r2, c2.
const DBGDSAR: u32 = 0xec52_1e02;

/// All that is not refused.
pub const ALLOWED: &[Allowed] = &[
    Allowed { word: CNTFRQ, tells: true, why: "CNTFRQ: how fast the counter counts" },
    Allowed { word: CNTPCT, tells: true, why: "CNTPCT: time, which no guest can set" },
    Allowed { word: DBGDRAR, tells: false, why: "DBGDRAR: zero in QEMU, which does not heed HDCR.TDRA here" },
    Allowed { word: DBGDSAR, tells: false, why: "DBGDSAR: the same" },
];

#[cfg(test)]
mod tests {
    use super::*;
    use abi::vcpu::{CP32_REGISTERS, CP64_REGISTERS, by_encoding};
    use std::collections::BTreeSet;
    use std::vec::Vec;

    #[test]
    fn no_encoding_is_tried_twice_and_every_move_is_there() {
        let all = all();
        let words: BTreeSet<u32> = all.iter().copied().collect();
        assert_eq!((words.len(), all[COUNT]), (COUNT + 1, UNDEFINED));
        // MCR p15, 0, r0, c1, c0, 0; MRC p14, 7, r1, c15, c15, 7; MCRR p15, 3, r0, r0, c14; MRRC p14, 0, r1, r2, c1.
        for word in [0xee01_0f10, 0xeeff_1eff, 0xec40_0f3e, 0xec52_1e01] {
            assert!(words.contains(&word), "{word:#x}");
        }
    }

    #[test]
    fn every_register_of_a_guest_is_read_and_written_and_none_is_allowed() {
        for is_read in [true, false] {
            let of = |word: &u32| access(*word).filter(|access| access.is_read() == is_read).and_then(by_encoding);
            let found: Vec<_> = all().iter().filter_map(of).map(|register| register as u32).collect();
            assert_eq!(found.len(), CP32_REGISTERS + CP64_REGISTERS);
            assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), found.len());
        }
        for allowed in ALLOWED {
            assert!(
                all().contains(&allowed.word) && by_encoding(access(allowed.word).unwrap()).is_none(),
                "{}",
                allowed.why
            );
        }
    }
}
