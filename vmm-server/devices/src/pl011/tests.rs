//! What Linux's amba-pl011 and a polling boot loader rely on.

use super::*;
use std::vec::Vec;

const DR: u32 = 0x00;
const RSR: u32 = 0x04;
const FR: u32 = 0x18;
const LCR_H: u32 = 0x2c;
const CR: u32 = 0x30;
const IFLS: u32 = 0x34;
const IMSC: u32 = 0x38;
const RIS: u32 = 0x3c;
const MIS: u32 = 0x40;
const ICR: u32 = 0x44;

#[derive(Default)]
struct Port {
    uart: Pl011,
    level: bool,
    changes: usize,
    sent: Vec<u8>,
}

impl Port {
    fn read(&mut self, offset: u32) -> u32 {
        let (level, changes) = (&mut self.level, &mut self.changes);
        self.uart.read(offset, &mut |to| {
            *level = to;
            *changes += 1;
        })
    }
    fn write(&mut self, offset: u32, value: u32) {
        let (level, changes, sent) = (&mut self.level, &mut self.changes, &mut self.sent);
        let mut line = |to| {
            *level = to;
            *changes += 1;
        };
        self.uart.write(offset, value, &mut line, &mut |byte| sent.push(byte));
    }
    fn receive(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let (level, changes) = (&mut self.level, &mut self.changes);
            self.uart.receive(byte, &mut |to| {
                *level = to;
                *changes += 1;
            });
        }
    }
}

#[test]
fn a_boot_loader_polls() {
    let mut port = Port::default();
    for byte in *b"hello" {
        assert_eq!(port.read(FR) & 0x28, 0, "neither full nor busy");
        port.write(DR, u32::from(byte));
    }
    assert_eq!(port.sent, b"hello");
    assert_eq!(port.read(FR) & 0x10, 0x10);
    port.receive(b"x");
    assert_eq!(port.read(FR) & 0x50, 0x40);
    assert_eq!(port.read(DR), u32::from(b'x'));
    assert_eq!(port.read(FR) & 0x50, 0x10);
}

#[test]
fn linux_finds_a_revision_with_sixteen_bytes() {
    let mut port = Port::default();
    let id = (0..4).fold(0, |id, n| id | port.read(0xfe0 + 4 * n) << (8 * n));
    assert_eq!(id & 0x000f_ffff, 0x0004_1011);
    assert!(id >> 20 & 0xf < 3);
    let cell = (0..4).fold(0, |id, n| id | port.read(0xff0 + 4 * n) << (8 * n));
    assert_eq!(cell, 0xb105_f00d);
}

#[test]
fn received_bytes_interrupt_until_they_are_read() {
    let mut port = Port::default();
    port.write(LCR_H, 0x70);
    port.write(IFLS, 2 << 3);
    port.write(IMSC, 0x50);
    port.receive(b"a");
    assert!(port.level);
    assert_eq!(port.read(MIS), 0x40);
    port.receive(b"bcdefgh");
    assert_eq!(port.read(RIS), 0x50);
    assert_eq!(port.read(DR), u32::from(b'a'));
    assert_eq!(port.read(RIS), 0x40, "below the trigger");
    for byte in *b"bcdefgh" {
        assert!(port.level);
        assert_eq!(port.read(DR), u32::from(byte));
    }
    assert!(!port.level);
    assert_eq!(port.changes, 2);
    assert_eq!(port.read(DR), 0, "nothing there");
}

#[test]
fn a_cleared_timeout_comes_back_with_the_next_byte() {
    let mut port = Port::default();
    port.write(LCR_H, 0x10);
    port.write(IMSC, 0x40);
    port.receive(b"a");
    port.write(ICR, 0x40);
    assert!(!port.level);
    port.receive(b"b");
    assert!(port.level);
}

#[test]
fn transmit_interrupts_after_each_byte_until_cleared() {
    let mut port = Port::default();
    port.write(IMSC, 0x20);
    assert!(!port.level);
    port.write(DR, 1);
    assert!(port.level);
    port.write(ICR, 0x20);
    assert!(!port.level);
    port.write(DR, 2);
    assert_eq!(port.read(MIS), 0x20);
    port.write(IMSC, 0);
    assert!(!port.level);
}

#[test]
fn an_overrun_is_flagged_on_the_next_byte() {
    let mut port = Port::default();
    port.write(LCR_H, 0x10);
    port.receive(&[7; 17]);
    assert_eq!(port.read(RIS) & 0x400, 0x400);
    assert_eq!(port.read(RSR), 8);
    port.write(RSR, 0);
    assert_eq!(port.read(RSR), 0);
    assert_eq!(port.read(DR), 7);
    port.receive(b"z");
    for _ in 0..15 {
        assert_eq!(port.read(DR), 7);
    }
    assert_eq!(port.read(DR), 0x800 | u32::from(b'z'));
    assert_eq!(port.read(RSR), 8);
}

#[test]
fn without_fifos_it_is_one_byte_deep() {
    let mut port = Port::default();
    assert_eq!(port.uart.room(), 1);
    port.receive(b"ab");
    assert_eq!(port.read(RIS), 0x410);
    assert_eq!(port.read(DR), u32::from(b'a'));
    port.write(LCR_H, 0x10);
    assert_eq!(port.uart.room(), 16);
}

#[test]
fn loopback_returns_what_is_sent() {
    let mut port = Port::default();
    port.write(CR, 0x0b81);
    port.write(DR, 0x55);
    assert!(port.sent.is_empty());
    assert_eq!(port.read(DR), 0x55);
    assert_eq!(port.read(FR) & 0x107, 1, "RTS is CTS");
}

#[test]
fn registers_keep_the_bits_that_exist() {
    let mut port = Port::default();
    for (offset, bits) in [
        (0x20, 0xff),
        (0x24, 0xffff),
        (0x28, 0x3f),
        (LCR_H, 0xff),
        (CR, 0xff87),
        (IFLS, 0x3f),
        (IMSC, 0x7ff),
        (0x48, 7),
    ] {
        port.write(offset, u32::MAX);
        assert_eq!(port.read(offset), bits, "{offset:#x}");
    }
    port.uart.reset(&mut |_| {});
    assert_eq!([port.read(CR), port.read(IFLS), port.read(IMSC)], [0x300, 0x12, 0]);
}

proptest::proptest! {
    /// Whatever is done, no byte is lost while there was room, and the line tells the truth.
    #[test]
    fn bytes_arrive_in_order(steps in proptest::collection::vec((0..4u8, 0..0x1100u32, proptest::num::u32::ANY), 1..300)) {
        let mut port = Port::default();
        let mut expected = std::collections::VecDeque::new();
        for (kind, offset, value) in steps {
            match kind {
                0 if port.uart.room() > 0 => {
                    port.receive(&[value as u8]);
                    expected.push_back(value as u8);
                }
                1 => {
                    let byte = port.read(DR);
                    proptest::prop_assert_eq!(byte, u32::from(expected.pop_front().unwrap_or(0)));
                }
                // Neither loopback nor a change of the FIFOs, which discards.
                2 if !(0x2c..0x34).contains(&offset) => port.write(offset, value),
                3 if offset > 3 => { port.read(offset); }
                _ => {}
            }
            let masked = port.read(MIS);
            proptest::prop_assert_eq!(port.level, masked != 0);
        }
    }
}
