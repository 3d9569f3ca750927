//! The register file as the manual has it (ARM IHI 0048B, table 4-1 and section 4.1.4), written down a second time, as plainly as
//! possible. Every offset and width of the distributor is compared with it, with all that a store may change.

use super::fake::Kernel;
use super::*;
use proptest::prelude::*;
use std::vec::Vec;

const INTIDS: usize = 288;
const TIMER: usize = 27;

/// What software sees of one interrupt.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Seen {
    group1: bool,
    enabled: bool,
    pending: bool,
    active: bool,
    priority: u8,
    targets: u8,
    edge: bool,
    sources: u8,
}

/// The manual's distributor: interrupts below 32 once for each vCPU.
#[derive(Clone, Debug)]
struct Manual {
    vcpus: usize,
    ctlr: u32,
    banked: [[Seen; 32]; 4],
    shared: [Seen; INTIDS],
}

impl Manual {
    fn new(vcpus: usize) -> Self {
        let sgi = Seen { enabled: true, edge: true, ..Seen::default() };
        let mut banked = [[Seen::default(); 32]; 4];
        for private in &mut banked {
            private[..16].fill(sgi);
        }
        Self { vcpus, ctlr: 0, banked, shared: [Seen::default(); INTIDS] }
    }

    fn at(&mut self, vcpu: usize, intid: usize) -> Option<&mut Seen> {
        match intid {
            0..32 => Some(&mut self.banked[vcpu][intid]),
            32..INTIDS => Some(&mut self.shared[intid]),
            _ => None,
        }
    }

    /// One bit for each interrupt, in the registers from `base` on.
    fn bits(&mut self, vcpu: usize, word: usize, get: fn(&Seen) -> bool) -> u32 {
        (0..32).fold(0, |value, n| value | u32::from(self.at(vcpu, word * 32 + n).is_some_and(|seen| get(seen))) << n)
    }

    fn each(&mut self, vcpu: usize, word: usize, value: u32, mut act: impl FnMut(&mut Seen, usize, bool)) {
        for n in 0..32 {
            let intid = word * 32 + n;
            if let Some(seen) = self.at(vcpu, intid) {
                act(seen, intid, value >> n & 1 != 0);
            }
        }
    }

    /// A byte of one of the registers that take bytes.
    fn read_byte(&mut self, vcpu: usize, offset: usize) -> u8 {
        let (vcpus, own) = (self.vcpus, 1 << vcpu);
        match offset {
            0x400..0x800 => self.at(vcpu, offset - 0x400).map_or(0, |seen| seen.priority),
            0x800..0xc00 if vcpus == 1 => 0,
            0x800..0x820 => own,
            0x820..0xc00 => self.at(vcpu, offset - 0x800).map_or(0, |seen| seen.targets),
            0xf10..0xf30 => self.banked[vcpu][offset & 0xf].sources,
            _ => 0,
        }
    }

    fn write_byte(&mut self, vcpu: usize, offset: usize, value: u8) {
        let there = ((1u16 << self.vcpus) - 1) as u8;
        let is_shared = offset >= 0x820 && self.vcpus > 1;
        match offset {
            0x400..0x800 => drop(self.at(vcpu, offset - 0x400).map(|seen| seen.priority = value & 0xf8)),
            0x800..0xc00 if is_shared => drop(self.at(vcpu, offset - 0x800).map(|seen| seen.targets = value & there)),
            0xf10..0xf20 => self.banked[vcpu][offset & 0xf].sources &= !value,
            0xf20..0xf30 => self.banked[vcpu][offset & 0xf].sources |= value & there,
            _ => {}
        }
    }

    fn takes_bytes(offset: usize) -> bool {
        matches!(offset, 0x400..0xc00 | 0xf10..0xf30)
    }

    fn read(&mut self, vcpu: usize, offset: u32, width: u32) -> u32 {
        let at = offset as usize;
        match (width, at % 4) {
            (1, _) if Self::takes_bytes(at) => self.read_byte(vcpu, at).into(),
            (4, 0) if Self::takes_bytes(at) => {
                (0..4).fold(0, |value, n| value | u32::from(self.read_byte(vcpu, at + n)) << (8 * n))
            }
            (4, 0) => self.read_word(vcpu, at),
            _ => 0,
        }
    }

    fn read_word(&mut self, vcpu: usize, at: usize) -> u32 {
        let word = at % 0x80 / 4;
        match at {
            0x000 => self.ctlr,
            // 288 interrupts: 9 * 32; CPUNumber; no Security Extensions.
            0x004 => 8 | (self.vcpus as u32 - 1) << 5,
            0x008 => 0x4200_043b,
            0x080..0x100 => self.bits(vcpu, word, |seen| seen.group1),
            0x100..0x200 => self.bits(vcpu, word, |seen| seen.enabled),
            0x200..0x300 => self.bits(vcpu, word, |seen| seen.pending || seen.sources != 0),
            0x300..0x400 => self.bits(vcpu, word, |seen| seen.active),
            0xc00..0xd00 => {
                let first = (at - 0xc00) / 4 * 16;
                (0..16).fold(0, |value, n| {
                    value | u32::from(self.at(vcpu, first + n).is_some_and(|seen| seen.edge)) << (2 * n + 1)
                })
            }
            0xfd0 => 0x04,
            0xfe0 => 0x90,
            0xfe4 => 0xb4,
            0xfe8 => 0x2b,
            0xff0 => 0x0d,
            0xff4 => 0xf0,
            0xff8 => 0x05,
            0xffc => 0xb1,
            _ => 0,
        }
    }

    fn write(&mut self, vcpu: usize, offset: u32, width: u32, value: u32) {
        let at = offset as usize;
        match (width, at % 4) {
            (1, _) if Self::takes_bytes(at) => self.write_byte(vcpu, at, value as u8),
            (4, 0) if Self::takes_bytes(at) => {
                (0..4).for_each(|n| self.write_byte(vcpu, at + n, (value >> (8 * n)) as u8));
            }
            (4, 0) => self.write_word(vcpu, at, value),
            _ => {}
        }
    }

    fn write_word(&mut self, vcpu: usize, at: usize, value: u32) {
        let word = at % 0x80 / 4;
        match at {
            0x000 => self.ctlr = value & 3,
            0x080..0x100 => self.each(vcpu, word, value, |seen, _, bit| seen.group1 = bit),
            0x100..0x180 => self.each(vcpu, word, value, |seen, _, bit| seen.enabled |= bit),
            0x180..0x200 => self.each(vcpu, word, value, |seen, intid, bit| seen.enabled &= intid < 16 || !bit),
            // Read-only for SGIs; and for the timer, whose state is the hardware's.
            0x200..0x280 => self.each(vcpu, word, value, |seen, intid, bit| {
                seen.pending |= bit && intid >= 16 && intid != TIMER;
            }),
            0x280..0x300 => self.each(vcpu, word, value, |seen, intid, bit| seen.pending &= intid < 16 || !bit),
            0x300..0x380 => self.each(vcpu, word, value, |seen, intid, bit| seen.active |= bit && intid != TIMER),
            0x380..0x400 => self.each(vcpu, word, value, |seen, _, bit| seen.active &= !bit),
            0xc00..0xd00 => {
                for n in 0..16 {
                    let intid = (at - 0xc00) / 4 * 16 + n;
                    if let Some(seen) = self.at(vcpu, intid).filter(|_| intid >= 16) {
                        seen.edge = value >> (2 * n + 1) & 1 != 0;
                    }
                }
            }
            0xf00 => {
                for to in 0..self.vcpus {
                    let is_named = match value >> 24 & 3 {
                        0 => value >> (16 + to) & 1 != 0,
                        1 => to != vcpu,
                        2 => to == vcpu,
                        _ => false,
                    };
                    self.banked[to][value as usize & 0xf].sources |= u8::from(is_named) << vcpu;
                }
            }
            _ => {}
        }
    }
}

/// A distributor and its kernel beside the manual's.
#[derive(Clone)]
struct Pair {
    gic: Distributor,
    kernel: Kernel,
    manual: Manual,
}

impl Pair {
    fn new(vcpus: usize) -> Self {
        Self { gic: Distributor::new(vcpus), kernel: Kernel::default(), manual: Manual::new(vcpus) }
    }
    /// One in which much is set: enabled, pending, grouped, some of it in the kernel.
    fn busy(vcpus: usize) -> Self {
        let mut pair = Self::new(vcpus);
        let stores = [
            (0x100, 0xa5a5_ffff),
            (0x104, 0x0f0f_0f0f),
            (0x120, 0x8000_0001),
            (0x200, 0x33ff_0000),
            (0x204, 0x5555_5555),
            (0x220, 0xc000_0003),
            (0x080, 0x0ff0_0ff0),
            (0x084, 0x0000_ff00),
            (0x420, 0x1020_3040),
            (0x820, 0x0201_0201),
            (0x824, 0x0102_0102),
            (0xc08, 0xaaaa_0000),
            (0xf00, 0x00ff_0003),
            (0xf00, 0x0200_0009),
            (0x000, 3),
            (0x304, 0x0000_0100),
        ];
        for (offset, value) in stores {
            pair.write(0, offset, 4, value);
        }
        pair
    }
    fn write(&mut self, vcpu: usize, offset: u32, width: u32, value: u32) {
        self.gic.write(vcpu, offset, width, value, &mut self.kernel);
        self.manual.write(vcpu, offset, width, value);
    }
    #[track_caller]
    fn same(&mut self, vcpu: usize, offset: u32, width: u32, after: &str) {
        let read = self.gic.read(vcpu, offset, width, &mut self.kernel);
        assert_eq!(read, self.manual.read(vcpu, offset, width), "{vcpu} {offset:#x}/{width} {after}");
    }
    /// Every word that any vCPU reads is the manual's.
    #[track_caller]
    fn all_same(&mut self, after: &str) {
        for vcpu in 0..self.manual.vcpus {
            (0..0x1000).step_by(4).for_each(|offset| self.same(vcpu, offset, 4, after));
        }
    }
}

/// Whether a store there may change anything: where the manual has a register that is not read-only.
fn is_writable(offset: u32, width: u32) -> bool {
    match (offset, width) {
        (0x400..0xc00 | 0xf10..0xf30, 1) => true,
        (0 | 0xf00, 4) => true,
        (0x080..0x400 | 0x400..0xc00 | 0xc00..0xd00 | 0xf10..0xf30, 4) => offset.is_multiple_of(4),
        _ => false,
    }
}

#[test]
fn every_offset_and_width_reads_as_the_manual_says() {
    for vcpus in 1..=4 {
        for mut pair in [Pair::new(vcpus), Pair::busy(vcpus)] {
            for vcpu in 0..vcpus {
                for offset in 0..0x2000 {
                    for width in [0, 1, 2, 3, 4, 5, 8] {
                        pair.same(vcpu, offset, width, "");
                    }
                }
            }
        }
    }
}

#[test]
fn every_store_changes_what_the_manual_says_and_nothing_else() {
    let mut stores = 0;
    for (vcpus, base) in [(1, Pair::new(1)), (2, Pair::busy(2)), (4, Pair::busy(4))] {
        for offset in (0..0x1004).chain([0x2000, 0xfffc, 0x1_0000, u32::MAX - 3, u32::MAX]) {
            for width in [0, 1, 2, 3, 4, 8] {
                let vcpu = offset as usize / 4 % vcpus;
                for value in [u32::MAX, 0, 0x00c3_5aa5] {
                    let mut pair = base.clone();
                    pair.write(vcpu, offset, width, value);
                    if is_writable(offset, width) {
                        pair.all_same(&format!("after {value:#x} to {offset:#x}/{width} by {vcpu}"));
                        stores += 1;
                    } else {
                        let is_changed = pair.gic != base.gic || pair.kernel.state != base.kernel.state;
                        assert!(!is_changed, "{value:#x} to {offset:#x}/{width}");
                    }
                }
            }
        }
    }
    assert!(stores > 5_000, "{stores}");
}

#[test]
fn reserved_fields_of_a_software_interrupt_are_ignored() {
    // Filters 0 to 3, with every reserved bit and with none: the security bit 15 (no Security Extensions), 14:4, 31:26.
    let reserved = 0xfc00_fff0;
    for filter in 0..4u32 {
        for list in [0, 1, 4, 8, 0xf, 0xf0, 0xff] {
            for bits in [0, reserved, 0x8000, 0x0010, 0x0400_0000] {
                let mut pair = Pair::new(4);
                pair.write(0, 0, 4, 1);
                pair.write(2, 0xf00, 4, filter << 24 | list << 16 | bits | 5);
                pair.all_same(&format!("{filter} {list:#x} {bits:#x}"));
                let named: Vec<usize> = match filter {
                    0 => (0..4).filter(|vcpu| list >> vcpu & 1 != 0).collect(),
                    1 => vec![0, 1, 3],
                    2 => vec![2],
                    _ => vec![],
                };
                assert_eq!(pair.kernel.ready(5), named, "{filter} {list:#x} {bits:#x}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any stores one after another, of registers and beside them.
    #[test]
    fn any_stores_leave_what_the_manual_says(
        stores in prop::collection::vec((0..4usize, 0..0x1000u32, prop::sample::select(vec![1, 2, 4, 4, 4]), any::<u32>()), 1..60),
    ) {
        let mut pair = Pair::new(4);
        for (vcpu, offset, width, value) in stores {
            // Most are aligned; one in sixteen is where it happens to be.
            let offset = if value % 16 == 0 { offset } else { offset / width * width };
            pair.write(vcpu, offset, width, value);
        }
        pair.all_same("in the end");
    }
}
