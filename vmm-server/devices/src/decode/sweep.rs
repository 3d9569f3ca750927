//! Every Thumb half word, many words, and the steps that accesses take.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::vec::Vec;

/// Patterns of all loads and stores, from the tables of ARM DDI 0406C chapters A5 and A6: mask and value. Hints, transfers
/// that are refused as unsupported and UNPREDICTABLE forms are in; multiplications and 64-bit moves, which lie between, are not.
const ARM: &[(u32, u32)] = &[
    (0x0e00_0000, 0x0400_0000), // LDR, STR, LDRB, STRB and T forms, immediate (A5.3)
    (0x0e00_0010, 0x0600_0000), // the same, register
    (0x0e00_00f0, 0x0000_00b0), // LDRH, STRH (A5.2.8)
    (0x0e00_00f0, 0x0000_00d0), // LDRD, LDRSB
    (0x0e00_00f0, 0x0000_00f0), // STRD, LDRSH
    (0x0fb0_00f0, 0x0100_0090), // SWP, SWPB (A5.2.10)
    (0x0f80_00f0, 0x0180_0090), // the exclusives
    (0x0e00_0000, 0x0800_0000), // block transfers (A5.5)
    (0x0f00_0000, 0x0d00_0000), // LDC, STC, VLDR, ... with P (A5.6)
    (0x0f20_0000, 0x0c20_0000), // without P, with W
    (0x0fa0_0000, 0x0c80_0000), // with U only
];

const UNCONDITIONAL: &[(u32, u32)] = &[
    (0xff70_0000, 0xf450_0000), // PLI (A5.7.1)
    (0xff30_0000, 0xf510_0000), // PLD, PLDW
    (0xff70_0010, 0xf650_0000), // PLI, register
    (0xff30_0010, 0xf710_0000), // PLD, PLDW, register
    (0xff10_0000, 0xf400_0000), // VLDn, VSTn (A7.7)
    (0xfe00_0000, 0xf800_0000), // SRS, RFE
    (0xff00_0000, 0xfd00_0000), // LDC2, STC2 with P
    (0xff20_0000, 0xfc20_0000), // without P, with W
    (0xffa0_0000, 0xfc80_0000), // with U only
];

const WIDE: &[(u32, u32)] = &[
    (0xfe40_0000, 0xe800_0000), // LDM, STM, SRS, RFE (A6.3.5)
    (0xfe40_0000, 0xe840_0000), // dual, exclusive, table branch (A6.3.6)
    (0xfe00_0000, 0xf800_0000), // single, hints, VLDn, VSTn (A6.3.7 to A6.3.10)
    (0xef00_0000, 0xed00_0000), // LDC, VLDR and so on with P, and their second forms (A6.3.18)
    (0xef20_0000, 0xec20_0000), // without P, with W
    (0xefa0_0000, 0xec80_0000), // with U only
];

const NARROW: &[(u32, u32)] = &[
    (0xf800, 0x4800), // LDR literal (A6.2.4)
    (0xf000, 0x5000), // register (A6.2.4)
    (0xe000, 0x6000), // immediate, word and byte
    (0xf000, 0x8000), // half word
    (0xf000, 0x9000), // SP
    (0xf600, 0xb400), // PUSH, POP (A6.2.5)
    (0xf000, 0xc000), // STM, LDM
];

fn listed(table: &[(u32, u32)], word: u32) -> bool {
    table.iter().any(|&(mask, value)| word & mask == value)
}

fn check(word: u32, thumb: bool) {
    let expected = match (thumb, word & 0xffff) {
        (true, first @ ..0xe800) => listed(NARROW, first),
        (true, first) => listed(WIDE, first << 16 | word >> 16),
        (false, _) if word >> 28 == 0xf => listed(UNCONDITIONAL, word),
        (false, _) => listed(ARM, word),
    };
    match decode(word, thumb) {
        Err(Refused::NotMemory) => assert!(!expected, "{word:08x} {thumb}: a load or store that is not seen"),
        // Where an encoding that is undefined lies is nobody's business.
        Err(Refused::Undefined) => {}
        result => assert!(expected, "{word:08x} {thumb}: {result:?}"),
    }
    if let Ok(access) = decode(word, thumb) {
        sound(&access, word);
    }
}

/// What holds for every access.
fn sound(access: &Access, word: u32) {
    let mut end = 0;
    for piece in &access.pieces {
        assert!(matches!(piece.width, 1 | 2 | 4));
        assert_eq!(piece.offset, end, "{word:08x}: pieces follow each other");
        end = piece.offset + piece.width;
        assert!(matches!(piece.register, Register::Core(0..16) | Register::Vector(0..64)));
    }
    let mut execution = Execution::new(access, |_| 0x8000_0001);
    let (mut steps, mut written) = (0, Vec::new());
    while let Some(step) = execution.step() {
        match step {
            Step::Load { .. } => execution.loaded(u32::MAX),
            Step::Write { register, .. } => written.push(register),
            Step::Store { .. } => assert!(written.is_empty(), "memory first"),
        }
        steps += 1;
        assert!(steps <= 2 * PIECES_MAX + 2);
    }
    let mut distinct = written.clone();
    distinct.sort_by_key(|register| format!("{register:?}"));
    distinct.dedup();
    assert_eq!(distinct.len(), written.len(), "{word:08x}: no register is written twice: {access:?}");
}

#[test]
fn every_narrow_thumb_instruction() {
    for first in 0..0xe800 {
        check(first, true);
        check(first | 0xffff_0000, true);
    }
}

#[test]
fn a_sweep_of_words() {
    // All of bits 27:20 and 7:4 and the sixteens around them, under four conditions and with a few registers.
    for high in 0..0x1000u32 {
        for low in 0..0x1000u32 {
            let registers = (high * 7 + low * 13) % 256;
            check(high << 20 | registers << 12 | low, false);
        }
    }
    for first in 0xe800..=0xffffu32 {
        for second in (0..0x1_0000u32).step_by(251) {
            check(first | second << 16, true);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_word(word: u32, thumb: bool) {
        check(word, thumb);
    }
}

/// Runs an instruction on registers and memory.
fn run(word: u32, thumb: bool, registers: &mut [u32; 16], memory: &mut BTreeMap<u32, u32>) {
    let access = decode(word, thumb).unwrap();
    let before = *registers;
    let mut execution = Execution::new(&access, |register| match register {
        Register::Core(n) => before[usize::from(n)],
        Register::Vector(n) => 0xf000_0000 | u32::from(n),
        Register::Cpsr => 1 << 29,
    });
    while let Some(step) = execution.step() {
        match step {
            Step::Load { address, .. } => {
                assert_eq!(execution.step(), None, "not before the value is there");
                execution.loaded(memory[&address]);
            }
            Step::Store { address, value, .. } => {
                memory.insert(address, value);
            }
            Step::Write { register: Register::Core(n), value } => registers[usize::from(n)] = value,
            Step::Write { .. } => {}
        }
    }
}

fn numbered() -> [u32; 16] {
    core::array::from_fn(|n| 0x100 * n as u32)
}

#[test]
fn push_and_pop_are_each_other_s_inverse() {
    // PUSH {r0, r7, lr}; POP {r0, r7, pc}
    let (mut registers, mut memory) = (numbered(), BTreeMap::new());
    run(0xb581, true, &mut registers, &mut memory);
    assert_eq!(memory, BTreeMap::from([(0xcf4, 0), (0xcf8, 0x700), (0xcfc, 0xe00)]));
    assert_eq!(registers[13], 0xcf4);
    run(0xbd81, true, &mut registers, &mut memory);
    assert_eq!((registers[13], registers[15]), (0xd00, 0xe00));
}

#[test]
fn block_transfers_run_upwards() {
    for (word, first, base) in [
        (0xe8a4_0006, 0x400, 0x408), // STMIA r4!
        (0xe9a4_0006, 0x404, 0x408), // STMIB
        (0xe824_0006, 0x3fc, 0x3f8), // STMDA
        (0xe924_0006, 0x3f8, 0x3f8), // STMDB
    ] {
        let (mut registers, mut memory) = (numbered(), BTreeMap::new());
        run(word, false, &mut registers, &mut memory);
        assert_eq!(memory, BTreeMap::from([(first, 0x100), (first + 4, 0x200)]), "{word:08x}");
        assert_eq!(registers[4], base);
    }
}

#[test]
fn values_and_addresses() {
    let memory = |address, value| BTreeMap::from([(address, value)]);
    let mut registers = numbered();
    // LDRSB r1, [r2, r3]!
    run(0xe1b2_10d3, false, &mut registers, &mut memory(0x500, 0x80));
    assert_eq!((registers[1], registers[2]), (0xffff_ff80, 0x500));
    // LDR r2, [r3, r4, rrx]: the carry is set.
    let mut registers = numbered();
    run(0xe793_2064, false, &mut registers, &mut memory(0x8000_0500, 7));
    assert_eq!(registers[2], 7);
    // STR r2, [r3, -r4, lsl #3]!
    let (mut registers, mut stored) = (numbered(), BTreeMap::new());
    run(0xe723_2184, false, &mut registers, &mut stored);
    assert_eq!((registers[3], stored), (0x300u32.wrapping_sub(0x2000), memory(0x300u32.wrapping_sub(0x2000), 0x200)));
    // LDR r0, [pc, #8], Thumb, at an address that is no multiple of 4.
    let mut registers = numbered();
    registers[15] = 0x1002;
    run(0x4802, true, &mut registers, &mut memory(0x100c, 9));
    assert_eq!(registers[0], 9);
    // STR pc, [r0]: pc + 8.
    let mut stored = BTreeMap::new();
    run(0xe580_f000, false, &mut numbered(), &mut stored);
    assert_eq!(stored, memory(0, 0xf08));
    // SWP r0, r1, [r2]
    let (mut registers, mut swapped) = (numbered(), memory(0x200, 5));
    run(0xe102_0091, false, &mut registers, &mut swapped);
    assert_eq!((registers[0], swapped), (5, memory(0x200, 0x100)));
    // STREX r0, r1, [r2]: planned as one that succeeds.
    let (mut registers, mut stored) = (numbered(), BTreeMap::new());
    registers[0] = 1;
    run(0xe182_0f91, false, &mut registers, &mut stored);
    assert_eq!((registers[0], stored), (0, memory(0x200, 0x100)));
    // VSTMDB r1!, {s3-s9}
    let (mut registers, mut stored) = (numbered(), BTreeMap::new());
    run(0xed61_1a07, false, &mut registers, &mut stored);
    assert_eq!((registers[1], stored.len(), stored[&0xe4]), (0xe4, 7, 0xf000_0003));
}

#[test]
fn what_is_refused() {
    for (word, thumb, refused) in [
        (0xe8d0_8001, false, Refused::Unsupported),   // LDM r0, {r0, pc}^
        (0xe8c0_0001, false, Refused::Unsupported),   // STM r0, {r0}^
        (0xed90_0100, false, Refused::Unsupported),   // LDC p1
        (0xf420_000f, false, Refused::Unsupported),   // VLD4
        (0xf000_e8d0, true, Refused::Unsupported),    // TBB [r0, r0]
        (0xe5b0_0004, false, Refused::Unpredictable), // LDR r0, [r0, #4]!
        (0xe1c0_10d0, false, Refused::Unpredictable), // LDRD r1, [r0]
        (0xe8b0_0001, false, Refused::Unpredictable), // LDM r0!, {r0}
        (0xe080_0001, false, Refused::NotMemory),     // ADD
        (0xe000_0291, false, Refused::NotMemory),     // MUL
        (0xbf00, true, Refused::NotMemory),           // NOP
    ] {
        assert_eq!(decode(word, thumb), Err(refused), "{word:08x}");
    }
}
