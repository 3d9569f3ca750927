//! Each form of each table.

use super::*;
use std::collections::BTreeMap;

/// Memory that holds a few words.
#[derive(Default)]
struct Memory(BTreeMap<u64, u32>);

impl Memory {
    fn word(mut self, ipa: u64, value: u32) -> Self {
        self.0.insert(ipa, value);
        self
    }
    fn double(self, ipa: u64, value: u64) -> Self {
        self.word(ipa, value as u32).word(ipa + 4, (value >> 32) as u32)
    }
    fn at(&self, regime: Regime, address: u32) -> Result<u64, Fault> {
        let mut calls = 0;
        translate(&regime, address, |ipa| {
            calls += 1;
            assert!(calls <= 6 && ipa % 4 == 0 && ipa < 1 << 40, "{ipa:#x}");
            self.0.get(&ipa).copied()
        })
    }
}

const SHORT: Regime = Regime { sctlr: 1, ttbcr: 0, ttbr0: 0x4000_4000, ttbr1: 0x4000_8000, fcseidr: 0 };
const LONG: Regime = Regime { sctlr: 1, ttbcr: 1 << 31, ttbr0: 0x4000_4000, ttbr1: 0x1_4000_8000, fcseidr: 0 };

#[test]
fn without_a_unit_addresses_are_their_own() {
    let memory = Memory::default();
    let off = Regime { sctlr: 0, ..SHORT };
    assert_eq!(memory.at(off, 0xdead_beef), Ok(0xdead_beef));
    assert_eq!(memory.at(Regime { fcseidr: 0x0200_0000, ..off }, 0x100), Ok(0x0200_0100));
}

#[test]
fn sections_and_supersections() {
    let memory = Memory::default()
        .word(0x4000_4000 + 0x800 * 4, 0x4010_0c0e)
        .word(0x4000_4000 + 0x801 * 4, 0x4020_0c0f)
        .word(0x4000_4000 + 0x913 * 4, 0x5530_0000 | 1 << 18 | 0xa << 5 | 2);
    assert_eq!(memory.at(SHORT, 0x8001_2344), Ok(0x4011_2344));
    assert_eq!(memory.at(SHORT, 0x8011_2344), Ok(0x4021_2344), "PXN is no part of the type");
    assert_eq!(memory.at(SHORT, 0x9134_5678), Ok(0xa3_5534_5678));
    assert_eq!(memory.at(SHORT, 0x9200_0000), Err(Fault::Walk(0x4000_4000 + 0x920 * 4)));
}

#[test]
fn large_and_small_pages() {
    let memory = Memory::default()
        .word(0x4000_4000 + 0xc00 * 4, 0x4000_0c01)
        .word(0x4000_0c00, 0x4567_8002)
        .word(0x4000_0c04, 0x4567_9003)
        .word(0x4000_0c00 + 0x23 * 4, 0x7654_1231)
        .word(0x4000_0c00 + 0xff * 4, 0)
        .word(0x4000_4000 + 0xc01 * 4, 0);
    assert_eq!(memory.at(SHORT, 0xc000_0abc), Ok(0x4567_8abc));
    assert_eq!(memory.at(SHORT, 0xc000_1abc), Ok(0x4567_9abc));
    assert_eq!(memory.at(SHORT, 0xc002_3456), Ok(0x7654_3456));
    assert_eq!(memory.at(SHORT, 0xc00f_f000), Err(Fault::Translation(2)));
    assert_eq!(memory.at(SHORT, 0xc010_0000), Err(Fault::Translation(1)));
}

#[test]
fn the_split_of_short_tables() {
    for n in 1..8u32 {
        let regime = Regime { ttbcr: n, ttbr0: 0x4000_0000 | 1 << (14 - n), ..SHORT };
        let last = (1u32 << (32 - n)) - 1;
        let memory = Memory::default()
            .word(regime.ttbr0 | u64::from(last >> 20 << 2), 0x1230_0002)
            .word(0x4000_8000 + (u64::from(last + 1) >> 20 << 2), 0x4560_0002);
        assert_eq!(memory.at(regime, last), Ok(0x123f_ffff), "N = {n}");
        assert_eq!(memory.at(regime, last + 1), Ok(0x4560_0000), "N = {n}");
        let disabled = |bit: u32| Regime { ttbcr: n | 1 << bit, ..regime };
        assert_eq!(memory.at(disabled(4), last), Err(Fault::Translation(1)));
        assert_eq!(memory.at(disabled(5), last + 1), Err(Fault::Translation(1)));
        assert!(memory.at(disabled(5), last).is_ok());
    }
}

#[test]
fn the_process_id_moves_low_addresses() {
    let memory = Memory::default().word(0x4000_4000 + 0x201 * 4, 0x4010_0002);
    let regime = Regime { fcseidr: 0x2000_0000, ..SHORT };
    assert_eq!(memory.at(regime, 0x0010_0004), Ok(0x4010_0004));
    assert_eq!(memory.at(regime, 0x2010_0004), Ok(0x4010_0004));
    assert_eq!(Memory::default().at(LONG, 0x10), Err(Fault::Walk(0x4000_4000)), "not with long descriptors");
}

#[test]
fn big_endian_tables() {
    let regime = Regime { sctlr: 1 | 1 << 25, ..SHORT };
    let memory = Memory::default().word(0x4000_4000, 0x4010_0002u32.swap_bytes());
    assert_eq!(memory.at(regime, 0x44), Ok(0x4010_0044));
    let regime = Regime { sctlr: 1 | 1 << 25, ..LONG };
    let memory = Memory::default().double(0x4000_4000, 0x10_4000_0001u64.swap_bytes());
    assert_eq!(memory.at(regime, 0x44), Ok(0x10_4000_0044));
}

#[test]
fn three_levels() {
    let memory = Memory::default()
        .double(0x4000_4000 + 3 * 8, 0x4001_0003)
        .double(0x4000_4000 + 8, 0x0060_0000_c000_0701)
        .double(0x4001_0000, 0x12_3460_0f01)
        .double(0x4001_0000 + 511 * 8, 0x4002_0003)
        .double(0x4002_0000 + 511 * 8, 0x00ff_1234_5f03 & 0x00ff_ffff_ffff)
        .double(0x4002_0000, 0x4000_0001)
        .double(0x4001_0000 + 8, 0x0100_4000_0001);
    assert_eq!(memory.at(LONG, 0x7fff_ffff), Ok(0xffff_ffff), "a block of 1 GiB");
    assert_eq!(memory.at(LONG, 0xc012_3456), Ok(0x12_3472_3456), "a block of 2 MiB");
    assert_eq!(memory.at(LONG, 0xffff_fabc), Ok(0xff_1234_5abc), "a page");
    assert_eq!(memory.at(LONG, 0xffe0_0000), Err(Fault::Translation(3)), "no block at level 3");
    assert_eq!(memory.at(LONG, 0xc020_0000), Err(Fault::AddressSize(2)));
    assert_eq!(memory.at(LONG, 0x8000_0000), Err(Fault::Walk(0x4000_4010)));
}

#[test]
fn the_split_of_long_tables() {
    // As Linux has it with 3 GiB for user mode: T1SZ = 2, TTBR1 a table of level 2.
    let linux = Regime { ttbcr: 1 << 31 | 2 << 16, ..LONG };
    let memory = Memory::default().double(0x1_4000_8000, 0x4000_0001).double(0x4000_4000 + 2 * 8, 0x8000_0001);
    assert_eq!(memory.at(linux, 0xc000_8000), Ok(0x4000_8000));
    assert_eq!(memory.at(linux, 0xbfff_ffff), Ok(0xbfff_ffff));
    let disabled = Regime { ttbcr: linux.ttbcr | 1 << 23, ..linux };
    assert_eq!(memory.at(disabled, 0xc000_8000), Err(Fault::Translation(1)));
    // Both sizes: what is in neither half has no translation.
    let both = Regime { ttbcr: 1 << 31 | 1 << 16 | 1, ..LONG };
    let memory = Memory::default().double(0x4000_4000, 0x4000_0001).double(0x1_4000_8000, 0x8000_0001);
    assert_eq!(memory.at(both, 0x1234), Ok(0x4000_1234));
    assert_eq!(memory.at(both, 0x8000_1234), Ok(0x8000_1234));
    let gap = Regime { ttbcr: 1 << 31 | 2 << 16 | 2, ..LONG };
    assert_eq!(memory.at(gap, 0x4000_0000), Err(Fault::Translation(1)));
    // T0SZ alone: the rest is TTBR1's, in a table of the full size.
    let lower = Regime { ttbcr: 1 << 31 | 1, ..LONG };
    let memory = Memory::default().double(0x1_4000_8000 + 3 * 8, 0xc000_0001);
    assert_eq!(memory.at(lower, 0xc000_0004), Ok(0xc000_0004));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 20000, failure_persistence: None, ..Default::default() })]

    /// Any registers and any descriptors: a result, after at most six reads below 2^40.
    #[test]
    fn anything_ends(sctlr: u32, ttbcr: u32, ttbr0: u64, ttbr1: u64, fcseidr: u32, address: u32, word: u32, step: u32) {
        let (mut calls, mut value) = (0, word);
        let regime = Regime { sctlr: sctlr | 1, ttbcr, ttbr0, ttbr1, fcseidr };
        let result = translate(&regime, address, |ipa| {
            calls += 1;
            assert!(ipa < 1 << 40 && ipa % 4 == 0);
            value = value.wrapping_add(step);
            (value & 0x700 != 0x700).then_some(value)
        });
        assert!(calls <= 6);
        if let Ok(ipa) = result {
            assert!(ipa < 1 << 40 && ipa & 0xfff == u64::from(address) & 0xfff);
        }
    }
}

#[test]
fn a_first_table_is_as_small_as_its_range() {
    // Four entries at level 1: aligned to 32 bytes, no more. With T0SZ = 2 and level 2: to 4 KiB; with 7: to 128 bytes.
    for (t0sz, table) in [(0, 0x4000_4020), (1, 0x4000_4010), (2, 0x4000_5000), (7, 0x4000_4080)] {
        let regime = Regime { ttbcr: 1 << 31 | t0sz, ttbr0: table | 0x12 << 48, ..LONG };
        let memory = Memory::default().double(table, 0x4000_0001);
        assert_eq!(memory.at(regime, 0x1234), Ok(0x4000_1234), "T0SZ = {t0sz}");
    }
}
