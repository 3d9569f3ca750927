//! Drivers that break the protocol, and drivers that are merely random.

use super::console::Port;
use super::*;
use crate::line::Output;
use proptest::prelude::*;
use std::vec::Vec;

const BASE: u64 = 0x4000_0000;
const SIZE: u16 = 8;
const DESCRIPTORS: u64 = BASE;
const DRIVER: u64 = BASE + 0x1000;
const DEVICE: u64 = BASE + 0x2000;
const DATA: u64 = BASE + 0x3000;

/// 64 KiB that count how they are accessed.
struct Ram {
    bytes: Vec<u8>,
    reads: std::cell::Cell<usize>,
}

impl Ram {
    fn new() -> Self {
        Self { bytes: vec![0; 0x1_0000], reads: Default::default() }
    }
    fn range(&self, ipa: u64, len: usize) -> Result<std::ops::Range<usize>, OutOfRange> {
        let first = usize::try_from(ipa.checked_sub(BASE).ok_or(OutOfRange)?).map_err(|_| OutOfRange)?;
        let end = first.checked_add(len).ok_or(OutOfRange)?;
        if end > self.bytes.len() { Err(OutOfRange) } else { Ok(first..end) }
    }
    fn set16(&mut self, ipa: u64, value: u16) {
        self.write(ipa, &value.to_le_bytes()).unwrap();
    }
    fn get16(&self, ipa: u64) -> u16 {
        let mut bytes = [0; 2];
        self.read(ipa, &mut bytes).unwrap();
        u16::from_le_bytes(bytes)
    }
    fn describe(&mut self, n: u64, ipa: u64, len: u32, flags: u16, next: u16) {
        let raw = u128::from(ipa) | u128::from(len) << 64 | u128::from(flags) << 96 | u128::from(next) << 112;
        self.write(DESCRIPTORS + 16 * n, &raw.to_le_bytes()).unwrap();
    }
}

impl GuestMemory for Ram {
    fn read(&self, ipa: u64, into: &mut [u8]) -> Result<(), OutOfRange> {
        self.reads.set(self.reads.get() + 1);
        into.copy_from_slice(&self.bytes[self.range(ipa, into.len())?]);
        Ok(())
    }
    fn write(&mut self, ipa: u64, from: &[u8]) -> Result<(), OutOfRange> {
        let range = self.range(ipa, from.len())?;
        self.bytes[range].copy_from_slice(from);
        Ok(())
    }
}

#[derive(Default)]
struct Wire {
    sent: Vec<u8>,
    room: usize,
    input: Vec<u8>,
}

impl Output for Wire {
    fn put(&mut self, byte: u8) {
        assert!(self.room > 0, "a device that can wait does");
        self.room -= 1;
        self.sent.push(byte);
    }
    fn room(&self) -> usize {
        self.room
    }
}

impl Port for Wire {
    fn waiting(&self) -> usize {
        self.input.len()
    }
    fn take(&mut self, into: &mut [u8]) -> usize {
        let len = into.len().min(self.input.len());
        into[..len].copy_from_slice(&self.input[..len]);
        self.input.drain(..len);
        len
    }
}

struct Guest {
    mmio: Mmio<Console, 2>,
    ram: Ram,
    wire: Wire,
    level: bool,
}

impl Guest {
    fn new() -> Self {
        let wire = Wire { room: usize::MAX, ..Wire::default() };
        Self { mmio: Mmio::new(Console::new()), ram: Ram::new(), wire, level: false }
    }
    fn write(&mut self, offset: u32, value: u32) -> bool {
        let level = &mut self.level;
        self.mmio.write(offset, 4, value, &mut self.ram, &mut self.wire, &mut |to| *level = to)
    }
    fn read(&self, offset: u32) -> u32 {
        self.mmio.read::<Wire>(offset, 4)
    }
    fn serve(&mut self) -> bool {
        let level = &mut self.level;
        self.mmio.serve(&mut self.ram, &mut self.wire, &mut |to| *level = to)
    }
    /// A driver that is ready, with the queue `number` alone.
    fn ready(number: u32, features: u32) -> Self {
        let mut guest = Self::new();
        for (offset, value) in [(0x70, 3), (0x24, 0), (0x20, features), (0x24, 1), (0x20, 1), (0x70, 11)] {
            guest.write(offset, value);
        }
        assert_eq!(guest.read(0x70), 11);
        guest.queue(number, [DESCRIPTORS, DRIVER, DEVICE], u32::from(SIZE));
        guest.write(0x70, 15);
        guest
    }
    fn queue(&mut self, number: u32, areas: [u64; 3], size: u32) {
        self.write(0x30, number);
        self.write(0x38, size);
        for (area, offset) in areas.into_iter().zip([0x80, 0x90, 0xa0]) {
            self.write(offset, area as u32);
            self.write(offset + 4, (area >> 32) as u32);
        }
        self.write(0x44, 1);
    }
    /// Makes `heads` available and notifies queue 1.
    fn offer(&mut self, heads: &[u16]) -> bool {
        let mut index = self.ram.get16(DRIVER + 2);
        for &head in heads {
            self.ram.set16(DRIVER + 4 + 2 * u64::from(index % SIZE), head);
            index = index.wrapping_add(1);
        }
        self.ram.set16(DRIVER + 2, index);
        self.write(0x50, 1)
    }
    /// The device has stopped for this reason, and says so.
    fn stopped(mut self, fault: Fault) {
        assert_eq!(self.mmio.take_misuse().map(|misuse| misuse.fault), Some(fault));
        assert_eq!(self.read(0x70) & 64, 64);
        assert!(self.level && self.read(0x60) & 2 != 0);
        let sent = self.wire.sent.len();
        self.ram.set16(DRIVER + 2, 0);
        self.offer(&[0]);
        assert_eq!(self.wire.sent.len(), sent, "it does nothing more");
        self.write(0x70, 0);
        assert_eq!(self.read(0x70), 0, "a reset mends it");
        assert!(!self.level);
    }
}

#[test]
fn chains_are_sent_in_order_and_given_back() {
    let mut guest = Guest::ready(1, 0);
    guest.ram.write(DATA, b"hello world").unwrap();
    guest.ram.describe(0, DATA, 5, 1, 3);
    guest.ram.describe(3, DATA + 5, 6, 0, 0);
    guest.ram.describe(1, DATA, 1, 0, 0);
    guest.offer(&[0, 1]);
    assert_eq!(guest.wire.sent, b"hello worldh");
    assert_eq!(guest.ram.get16(DEVICE + 2), 2);
    assert_eq!([guest.ram.get16(DEVICE + 4), guest.ram.get16(DEVICE + 12)], [0, 1]);
    assert!(guest.level);
    guest.write(0x64, 1);
    assert!(!guest.level);
    guest.ram.set16(DRIVER, 1);
    guest.offer(&[1]);
    assert!(!guest.level, "the driver wants no interrupts");
}

#[test]
fn a_full_wire_makes_the_driver_wait() {
    let mut guest = Guest::ready(1, 0);
    guest.wire.room = 3;
    guest.ram.write(DATA, b"hello").unwrap();
    guest.ram.describe(0, DATA, 5, 0, 0);
    assert!(!guest.offer(&[0]));
    assert_eq!((guest.wire.sent.as_slice(), guest.ram.get16(DEVICE + 2)), (&b"hel"[..], 0));
    guest.wire.room = 9;
    guest.serve();
    assert_eq!((guest.wire.sent.as_slice(), guest.ram.get16(DEVICE + 2)), (&b"hello"[..], 1));
}

#[test]
fn work_is_bounded_however_much_is_offered() {
    let mut guest = Guest::ready(1, 0);
    for n in 0..u64::from(SIZE) {
        guest.ram.describe(n, BASE, 0x1_0000, 1, n as u16 + 1);
    }
    guest.ram.describe(7, BASE, 0x1_0000, 0, 0);
    assert!(guest.offer(&[0]), "there is more to do");
    assert_eq!(guest.wire.sent.len(), console::SEND_BYTES_MAX);
    // The first call, and the last, which says that nothing is left.
    let mut calls = 2;
    while guest.serve() {
        calls += 1;
    }
    assert_eq!(calls, 8 * 0x1_0000 / console::SEND_BYTES_MAX);
    assert_eq!(guest.ram.get16(DEVICE + 2), 1);
}

#[test]
fn input_waits_for_buffers() {
    let mut guest = Guest::ready(0, 0);
    guest.wire.input = b"input".to_vec();
    assert!(!guest.serve());
    guest.ram.describe(0, DATA, 2, 3, 1);
    guest.ram.describe(1, DATA + 0x100, 2, 2, 0);
    guest.ram.describe(2, DATA + 0x200, 0x100, 2, 0);
    guest.ram.set16(DRIVER + 6, 2);
    guest.ram.set16(DRIVER + 2, 2);
    guest.write(0x50, 0);
    assert_eq!(guest.ram.bytes[0x3000..0x3002], *b"in");
    assert_eq!(guest.ram.bytes[0x3100..0x3102], *b"pu");
    assert_eq!(guest.ram.bytes[0x3200], b't');
    assert_eq!([guest.ram.get16(DEVICE + 8), guest.ram.get16(DEVICE + 16)], [4, 1]);
    assert_eq!(guest.ram.get16(DEVICE), 1, "no notifications while nothing waits");
}

#[test]
fn each_misuse_has_its_name() {
    type Setup = fn(&mut Guest);
    let cases: [(Setup, Fault); 10] = [
        (|g| g.ram.describe(0, DATA, 1, 1, 0), Fault::Loop),
        (|g| g.ram.describe(0, DATA, 1, 1, 8), Fault::DescriptorIndex(8)),
        (|g| g.ram.describe(0, DATA, 1, 1, 0xffff), Fault::DescriptorIndex(0xffff)),
        (|g| g.ram.describe(0, DATA, 1, 4, 0), Fault::Indirect),
        (|g| g.ram.describe(0, u64::MAX, 1, 0, 0), Fault::Length),
        (|g| g.ram.describe(0, u64::MAX - 7, 16, 0, 0), Fault::Length),
        (|g| g.ram.describe(0, 0, 1, 0, 0), Fault::Memory(0)),
        (|g| g.ram.describe(0, BASE + 0xffff, 2, 0, 0), Fault::Memory(BASE + 0xffff)),
        (|g| g.ram.set16(DRIVER + 2, 100), Fault::AvailableIndex),
        (
            |g| {
                g.ram.describe(0, DATA, 1, 3, 1);
                g.ram.describe(1, DATA, 1, 0, 0);
            },
            Fault::Order,
        ),
    ];
    for (setup, fault) in cases {
        let mut guest = Guest::ready(1, 0);
        setup(&mut guest);
        guest.offer(&[0]);
        guest.stopped(fault);
    }
    let mut guest = Guest::ready(1, 0);
    guest.offer(&[8]);
    guest.stopped(Fault::DescriptorIndex(8));
    let mut guest = Guest::ready(1, 0);
    guest.ram.describe(0, DATA, u32::MAX, 1, 1);
    guest.ram.describe(1, DATA, 2, 0, 0);
    guest.offer(&[0]);
    guest.stopped(Fault::Length);
}

#[test]
fn a_queue_that_makes_no_sense_is_refused() {
    for (areas, size) in [
        ([DESCRIPTORS + 8, DRIVER, DEVICE], 8),
        ([DESCRIPTORS, DRIVER + 1, DEVICE], 8),
        ([DESCRIPTORS, DRIVER, DEVICE + 2], 8),
        ([u64::MAX - 15, DRIVER, DEVICE], 8),
        ([DESCRIPTORS, u64::MAX - 1, DEVICE], 8),
        ([DESCRIPTORS, DRIVER, DEVICE], 0),
        ([DESCRIPTORS, DRIVER, DEVICE], 7),
        ([DESCRIPTORS, DRIVER, DEVICE], 256),
        ([DESCRIPTORS, DRIVER, DEVICE], 0x1_0008),
    ] {
        let mut guest = Guest::ready(1, 0);
        guest.queue(0, areas, size);
        assert_eq!(guest.read(0x44), 0);
        guest.stopped(Fault::Setup);
    }
    let mut guest = Guest::ready(1, 0);
    guest.queue(2, [DESCRIPTORS, DRIVER, DEVICE], 8);
    assert_eq!((guest.read(0x34), guest.read(0x44)), (0, 0), "a queue that does not exist");
}

#[test]
fn rings_outside_of_memory_stop_the_device() {
    let mut guest = Guest::ready(1, 0);
    guest.write(0x44, 0);
    guest.queue(1, [0x1000, DRIVER, DEVICE], 8);
    guest.offer(&[0]);
    guest.stopped(Fault::Memory(0x1000));
}

#[test]
fn a_descriptor_is_fetched_once() {
    let mut guest = Guest::ready(1, 0);
    guest.ram.describe(0, DATA, 4, 0, 0);
    guest.ram.reads.set(0);
    guest.offer(&[0]);
    // offer: 1; index, ring entry, descriptor, data; twice the index again (pop, listen); the interrupt flag.
    assert_eq!(guest.ram.reads.get(), 8);
}

#[test]
fn features_must_fit() {
    for (low, high, fits) in
        [(0, 1, true), (1 << 29, 1, true), (0, 0, false), (1, 1, false), (0, 3, false), (1 << 28, 1, false)]
    {
        let mut guest = Guest::new();
        for (offset, value) in [(0x70, 3), (0x24, 0), (0x20, low), (0x24, 1), (0x20, high), (0x70, 11)] {
            guest.write(offset, value);
        }
        assert_eq!(guest.read(0x70) & 8 != 0, fits, "{low:#x} {high:#x}");
        guest.write(0x70, 15);
        assert_eq!(guest.mmio.is_live(), fits);
    }
}

#[test]
fn identification() {
    let mut guest = Guest::new();
    assert_eq!([guest.read(0), guest.read(4), guest.read(8)], [0x7472_6976, 2, 3]);
    assert_eq!(guest.read(0x10), 1 << 29);
    guest.write(0x14, 1);
    assert_eq!(guest.read(0x10), 1);
    guest.write(0x14, 2);
    assert_eq!(guest.read(0x10), 0);
    assert_eq!(guest.mmio.read::<Wire>(0, 1), 0, "words only");
    assert_eq!([mmio::vacant(0, 4), mmio::vacant(8, 4)], [0x7472_6976, 0]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Stores anywhere, with memory full of anything: nothing panics, and each call returns.
    #[test]
    fn anything_is_survived(
        seed in prop::collection::vec(any::<u8>(), 0x400),
        steps in prop::collection::vec((0..0x220u32, prop::sample::select(vec![0, 1, 2, 4]), any::<u32>(), 0..4u8), 1..150),
        features in prop::sample::select(vec![0u32, 1 << 29]),
    ) {
        let mut guest = Guest::ready(1, features);
        guest.queue(0, [DESCRIPTORS + 0x100, DRIVER + 0x100, DEVICE + 0x100], 16);
        for (n, byte) in guest.ram.bytes.iter_mut().enumerate() {
            *byte = seed[n * 7 % seed.len()];
        }
        for (offset, width, value, kind) in steps {
            match kind {
                0 => {
                    let mut line = |_| {};
                    guest.mmio.write(offset, width, value, &mut guest.ram, &mut guest.wire, &mut line);
                }
                1 => {
                    guest.mmio.read::<Wire>(offset, width);
                }
                2 => {
                    // A plausible available index keeps the chains coming.
                    let index = guest.ram.get16(DEVICE + 2);
                    guest.ram.set16(DRIVER + 2, index.wrapping_add(value as u16 % 3));
                    guest.write(0x50, 1);
                }
                _ => {
                    guest.wire.input.push(value as u8);
                    guest.wire.room = value as usize & 0xffff;
                    guest.serve();
                }
            }
        }
    }
}
