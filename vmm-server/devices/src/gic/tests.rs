//! One behaviour a test.

use super::fake::Kernel;
use super::*;

const CTLR: u32 = 0;
const SET_ENABLE: u32 = 0x100;
const CLEAR_ENABLE: u32 = 0x180;
const SET_PENDING: u32 = 0x200;
const CLEAR_PENDING: u32 = 0x280;
const CLEAR_ACTIVE: u32 = 0x380;
const PRIORITY: u32 = 0x400;
const TARGET: u32 = 0x800;
const CONFIG: u32 = 0xc00;
const SGIR: u32 = 0xf00;

struct Machine {
    gic: Distributor,
    kernel: Kernel,
}

impl Machine {
    fn new(vcpus: usize) -> Self {
        let mut machine = Self { gic: Distributor::new(vcpus), kernel: Kernel::default() };
        machine.write(0, CTLR, 1);
        machine
    }
    fn write(&mut self, vcpu: usize, offset: u32, value: u32) {
        self.gic.write(vcpu, offset, 4, value, &mut self.kernel);
    }
    fn read(&mut self, vcpu: usize, offset: u32) -> u32 {
        self.gic.read(vcpu, offset, 4, &mut self.kernel)
    }
    fn line(&mut self, intid: u32, level: bool) {
        self.gic.set_line(intid, level, &mut self.kernel);
    }
}

#[test]
fn a_level_interrupt_lives_through_its_life() {
    let mut m = Machine::new(1);
    m.write(0, SET_ENABLE + 4, 2);
    m.line(33, true);
    let calls = m.kernel.calls;
    m.line(33, true);
    assert_eq!(m.kernel.calls, calls, "the same level again costs nothing");
    assert_eq!(m.kernel.ready(33), [0]);
    assert_eq!(m.read(0, SET_PENDING + 4), 2);
    m.kernel.acknowledge(0, 33);
    assert_eq!(m.read(0, CLEAR_ACTIVE + 4), 2);
    m.kernel.end(0, 33);
    assert_eq!(m.kernel.ready(33), [0], "still high");
    m.line(33, false);
    assert_eq!(m.kernel.ready(33), []);
    assert_eq!(m.read(0, SET_PENDING + 4), 0);
}

#[test]
fn disabling_takes_back_and_enabling_hands_over_again() {
    let mut m = Machine::new(1);
    m.write(0, CONFIG + 8, 2 << 2);
    m.write(0, SET_ENABLE + 4, 2);
    m.gic.pulse(33, &mut m.kernel);
    assert_eq!(m.kernel.ready(33), [0]);
    m.write(0, CLEAR_ENABLE + 4, 2);
    assert_eq!(m.kernel.ready(33), []);
    assert_eq!(m.read(0, SET_PENDING + 4), 2, "pending here");
    m.write(0, SET_ENABLE + 4, 2);
    assert_eq!(m.kernel.ready(33), [0]);
    m.kernel.acknowledge(0, 33);
    assert_eq!(m.kernel.ready(33), []);
    assert_eq!(m.read(0, SET_PENDING + 4), 0);
}

#[test]
fn disabled_in_flight_and_raised_again_is_delivered_once_more() {
    let mut m = Machine::new(1);
    m.write(0, CONFIG + 8, 2 << 2);
    m.write(0, SET_ENABLE + 4, 2);
    m.gic.pulse(33, &mut m.kernel);
    m.kernel.acknowledge(0, 33);
    m.write(0, CLEAR_ENABLE + 4, 2);
    m.gic.pulse(33, &mut m.kernel);
    m.kernel.end(0, 33);
    assert_eq!(m.kernel.ready(33), []);
    m.write(0, SET_ENABLE + 4, 2);
    m.kernel.acknowledge(0, 33);
    m.kernel.end(0, 33);
    assert_eq!(m.kernel.ready(33), []);
}

#[test]
fn control_off_holds_everything_back() {
    let mut m = Machine::new(2);
    m.write(0, SET_ENABLE + 4, u32::MAX);
    m.write(0, TARGET + 32, 0x0202_0202);
    m.line(32, true);
    m.write(0, SGIR, 2 << 24 | 5);
    m.write(0, CTLR, 0);
    assert_eq!((m.kernel.ready(32), m.kernel.ready(5)), (vec![], vec![]));
    m.line(33, true);
    m.line(32, false);
    m.write(0, CTLR, 1);
    assert_eq!((m.kernel.ready(32), m.kernel.ready(33), m.kernel.ready(5)), (vec![], vec![1], vec![0]));
}

#[test]
fn a_priority_that_changes_reaches_the_kernel() {
    let mut m = Machine::new(1);
    m.write(0, SET_ENABLE + 4, 3);
    m.write(0, CONFIG + 8, 2);
    m.gic.pulse(32, &mut m.kernel);
    m.line(33, true);
    m.write(0, PRIORITY + 32, 0xffff_a7ff);
    assert_eq!(m.kernel.of(0, 32).priority, 0xf8);
    assert_eq!(m.kernel.of(0, 33).priority, 0xa0);
    assert_eq!((m.kernel.ready(32), m.kernel.ready(33)), (vec![0], vec![0]));
    m.gic.write(0, PRIORITY + 33, 1, 0x50, &mut m.kernel);
    assert_eq!(m.gic.read(0, PRIORITY + 33, 1, &mut m.kernel), 0x50);
    assert_eq!(m.read(0, PRIORITY + 32), 0xf8f8_50f8);
    assert_eq!(m.kernel.of(0, 33).priority, 0x50);
}

#[test]
fn the_timer_is_the_kernel_s() {
    let mut m = Machine::new(2);
    m.write(1, PRIORITY + 24, 0x8000_0000);
    m.write(1, SET_ENABLE, 1 << 27);
    assert_eq!(m.kernel.timer, [None, Some((true, 0x80)), None, None], "vCPU 1 only");
    m.write(0, CTLR, 0);
    assert_eq!(m.kernel.timer[1], Some((false, 0x80)));
    m.write(0, CTLR, 1);
    m.write(1, CLEAR_ENABLE, 1 << 27);
    assert_eq!(m.kernel.timer[1], Some((false, 0x80)));
    m.write(1, SET_PENDING, 1 << 27);
    m.write(1, CLEAR_PENDING, 1 << 27);
    m.gic.set_private_line(1, 27, true, &mut m.kernel);
    assert!(m.kernel.state.is_empty());
}

#[test]
fn software_interrupts_reach_whom_the_filter_names() {
    let mut m = Machine::new(4);
    m.write(1, SGIR, 0x00ff_0003);
    assert_eq!(m.kernel.ready(3), [0, 1, 2, 3]);
    m.write(1, SGIR, 1 << 24 | 4);
    assert_eq!(m.kernel.ready(4), [0, 2, 3]);
    m.write(1, SGIR, 2 << 24 | 0xff_0000 | 5);
    assert_eq!(m.kernel.ready(5), [1]);
    m.write(1, SGIR, 3 << 24 | 0xff_0000 | 6);
    assert_eq!(m.kernel.ready(6), []);
    assert_eq!(m.kernel.acknowledge(2, 4), 1);
}

#[test]
fn sources_of_a_software_interrupt_are_seen_and_cleared_one_by_one() {
    let mut m = Machine::new(4);
    m.write(1, SGIR, 1 << 16 | 7);
    m.write(3, SGIR, 1 << 16 | 7);
    assert_eq!(m.read(0, 0xf24), 0x0a00_0000);
    assert_eq!(m.gic.read(0, 0xf17, 1, &mut m.kernel), 0x0a);
    m.gic.write(0, 0xf17, 1, 0x02, &mut m.kernel);
    assert_eq!(m.read(0, 0xf14), 0x0800_0000);
    m.gic.write(0, 0xf27, 1, 0xf5, &mut m.kernel);
    assert_eq!(m.kernel.of(0, 7).sources, 0x0d, "only sources that exist");
    assert_eq!(m.kernel.acknowledge(0, 7), 0);
    m.write(0, CTLR, 0);
    assert_eq!(m.read(0, 0xf14), 0x0c00_0000);
    assert_eq!(m.read(0, SET_PENDING), 1 << 7);
    m.write(0, CLEAR_PENDING, 1 << 7);
    assert_eq!(m.read(0, SET_PENDING), 1 << 7, "read-only for SGIs");
    m.write(0, CTLR, 1);
    m.kernel.end(0, 7);
    assert_eq!(m.kernel.acknowledge(0, 7), 2);
}

#[test]
fn an_interrupt_moves_but_not_while_it_is_active() {
    let mut m = Machine::new(2);
    m.write(0, SET_ENABLE + 4, 1);
    m.write(0, TARGET + 32, 1);
    m.line(32, true);
    m.gic.write(0, TARGET + 32, 1, 2, &mut m.kernel);
    assert_eq!(m.kernel.ready(32), [1]);
    m.kernel.acknowledge(1, 32);
    m.gic.write(0, TARGET + 32, 1, 1, &mut m.kernel);
    assert_eq!(m.kernel.ready(32), []);
    m.kernel.end(1, 32);
    assert_eq!(m.kernel.ready(32), [1], "once more where it was");
    m.line(32, false);
    m.line(32, true);
    assert_eq!(m.kernel.ready(32), [0]);
    m.gic.write(0, TARGET + 32, 1, 0xfc, &mut m.kernel);
    assert_eq!(m.kernel.ready(32), [], "targets that do not exist");
}

#[test]
fn banked_registers_are_each_vcpu_s_own() {
    let mut m = Machine::new(3);
    m.write(1, SET_ENABLE, 1 << 30);
    assert_eq!([m.read(0, SET_ENABLE), m.read(1, SET_ENABLE)], [0xffff, 0x4000_ffff]);
    assert_eq!([m.read(0, TARGET), m.read(2, TARGET + 28)], [0x0101_0101, 0x0404_0404]);
    m.gic.set_private_line(1, 30, true, &mut m.kernel);
    m.gic.set_private_line(0, 30, true, &mut m.kernel);
    assert_eq!(m.kernel.ready(30), [1]);
    m.write(1, CLEAR_ENABLE, u32::MAX);
    assert_eq!(m.read(1, CLEAR_ENABLE), 0xffff, "SGIs cannot be disabled");
}

#[test]
fn one_vcpu_needs_no_targets() {
    let mut m = Machine::new(1);
    m.write(0, TARGET + 32, u32::MAX);
    assert_eq!([m.read(0, TARGET), m.read(0, TARGET + 32)], [0, 0]);
}

#[test]
fn groups_are_enabled_apart() {
    let mut m = Machine::new(1);
    m.write(0, SET_ENABLE + 4, 1);
    m.write(0, 0x84, 1);
    m.line(32, true);
    assert_eq!(m.kernel.ready(32), []);
    m.write(0, CTLR, 2);
    assert_eq!(m.kernel.ready(32), [0]);
    assert_eq!(m.read(0, 0x84), 1);
    m.write(0, CTLR, u32::MAX);
    assert_eq!(m.read(0, CTLR), 3);
}

#[test]
fn configuration_keeps_reserved_bits_zero() {
    let mut m = Machine::new(1);
    for offset in (0..0x100).step_by(4) {
        m.write(0, CONFIG + offset, u32::MAX);
    }
    assert_eq!(m.read(0, CONFIG), 0xaaaa_aaaa);
    assert_eq!(m.read(0, CONFIG + 17 * 4), 0xaaaa_aaaa);
    assert_eq!(m.read(0, CONFIG + 18 * 4), 0, "beyond the last");
    m.write(0, CONFIG, 0);
    assert_eq!(m.read(0, CONFIG), 0xaaaa_aaaa, "SGIs are edge-triggered");
}

#[test]
fn the_edges_of_the_bitmaps() {
    for intid in [31u32, 32, 63, 64, 255, 256, 286, 287] {
        let mut m = Machine::new(2);
        let (word, bit) = (intid / 32 * 4, 1 << (intid % 32));
        m.gic.write(0, TARGET + intid, 1, 1, &mut m.kernel);
        m.write(0, SET_PENDING + word, bit);
        m.write(0, SET_ENABLE + word, bit);
        assert_eq!(m.kernel.ready(intid as u16), [0], "{intid}");
        assert_eq!(m.read(0, SET_PENDING + word), bit);
        m.write(0, CLEAR_PENDING + word, bit);
        assert_eq!(m.kernel.ready(intid as u16), []);
    }
    let mut m = Machine::new(2);
    for offset in [0x124, 0x17c, 0x224, 0x27c] {
        m.write(0, offset, u32::MAX);
        assert_eq!(m.read(0, offset), 0, "{offset:#x}");
    }
    for intid in [288, 1019, 1020, 1023, u32::MAX] {
        m.line(intid, true);
        m.gic.pulse(intid, &mut m.kernel);
    }
    assert!(m.kernel.state.is_empty());
}

#[test]
fn every_offset_and_width_is_survived() {
    for vcpus in [0, 1, 3, 4, 9] {
        let mut m = Machine::new(vcpus);
        for offset in (0..0x1100).chain([u32::MAX, 0x1_0000]) {
            for (width, vcpu) in [(1, 0), (2, 1), (4, 3), (8, 0), (4, 0), (4, usize::MAX), (0, 0)] {
                for value in [u32::MAX, 0x5555_5555, 0] {
                    m.gic.write(vcpu, offset, width, value, &mut m.kernel);
                    m.gic.read(vcpu, offset, width, &mut m.kernel);
                }
            }
        }
    }
}

#[test]
fn reset_keeps_the_lines() {
    let mut m = Machine::new(1);
    m.write(0, SET_ENABLE + 4, 2);
    m.line(33, true);
    m.gic.reset();
    m.kernel = Kernel::default();
    assert_eq!([m.read(0, CTLR), m.read(0, SET_ENABLE + 4)], [0, 0]);
    m.write(0, SET_ENABLE + 4, 2);
    m.write(0, CTLR, 1);
    assert_eq!(m.kernel.ready(33), [0]);
}

#[test]
fn active_can_be_cleared() {
    let mut m = Machine::new(1);
    m.write(0, SET_ENABLE + 4, 2);
    m.line(33, true);
    m.kernel.acknowledge(0, 33);
    m.write(0, CLEAR_ACTIVE + 4, u32::MAX);
    assert_eq!(m.kernel.ready(33), [0]);
    m.write(0, 0x304, 2);
    assert_eq!(m.read(0, 0x304), 2);
}

#[test]
fn a_processor_that_is_reset_finds_what_was_pending_for_it_and_nothing_active() {
    let mut m = Machine::new(2);
    m.write(0, SET_ENABLE + 4, 0xf);
    m.write(0, TARGET + 32, 0x0101_0202);
    m.write(0, CONFIG + 8, 2);
    m.write(1, SET_ENABLE, 1 << 27 | 1 << 30);
    // An edge and a level for vCPU 1, a level and a software interrupt for vCPU 0, and a PPI and two sources for vCPU 1.
    m.gic.pulse(32, &mut m.kernel);
    m.line(33, true);
    m.line(34, true);
    m.gic.set_private_line(1, 30, true, &mut m.kernel);
    m.write(0, SGIR, 2 << 16 | 4);
    m.write(1, SGIR, 3 << 16 | 4);
    m.kernel.acknowledge(1, 33);
    m.kernel.acknowledge(0, 34);
    let before = [m.read(0, SET_PENDING + 4), m.read(1, SET_PENDING), m.read(1, 0xf24)];
    m.gic.reset_cpu(1, &mut m.kernel, |kernel| kernel.reset(1));
    assert_eq!([m.read(0, SET_PENDING + 4), m.read(1, SET_PENDING), m.read(1, 0xf24)], before);
    assert_eq!(before, [0b111, 1 << 4 | 1 << 30, 0b11]);
    assert_eq!([32, 33, 30].map(|intid| m.kernel.ready(intid)), [[1], [1], [1]]);
    assert_eq!((m.kernel.ready(4), m.kernel.of(1, 4).sources), (vec![0, 1], 0b11));
    assert_eq!(m.kernel.timer[1], Some((true, 0)), "its timer is let through again");
    assert_eq!(m.read(0, CLEAR_ACTIVE + 4), 0b100, "the other's is still active");
}
