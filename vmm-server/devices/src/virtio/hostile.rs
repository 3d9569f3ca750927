//! Drivers that break the protocol, and drivers that are merely random: what every device owes to the queue and the transport.
//! The console stands for all.

use super::console::{CONSOLE_QUEUES, Port};
use super::fake::{BASE, DATA, NEXT, RAM_BYTES, SIZE, WRITE, descriptors, device, driver};
use super::*;
use crate::line::Output;
use proptest::prelude::*;
use std::vec::Vec;

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

type Guest = fake::Guest<Console, Wire, CONSOLE_QUEUES>;

fn wire() -> Wire {
    Wire { room: usize::MAX, ..Wire::default() }
}

fn ready(features: u64) -> Guest {
    Guest::ready(Console::new(), wire(), features)
}

/// Descriptor 0 of queue 1.
fn first(guest: &mut Guest, ipa: u64, len: u32, flags: u16, next: u16) {
    guest.describe(1, 0, ipa, len, flags, next);
}

#[test]
fn chains_are_sent_in_order_and_given_back() {
    let mut guest = ready(0);
    guest.ram.write(DATA, b"hello world").unwrap();
    first(&mut guest, DATA, 5, NEXT, 3);
    guest.describe(1, 3, DATA + 5, 6, 0, 0);
    guest.describe(1, 1, DATA, 1, 0, 0);
    guest.offer(1, &[0, 1]);
    assert_eq!(guest.host.sent, b"hello worldh");
    assert_eq!(guest.used(1), 2);
    assert_eq!([guest.used_at(1, 0), guest.used_at(1, 1)], [(0, 0), (1, 0)]);
    assert!(guest.level);
    guest.write(0x64, 1);
    assert!(!guest.level);
    guest.ram.set16(driver(1), 1);
    guest.offer(1, &[1]);
    assert!(!guest.level, "the driver wants no interrupts");
}

#[test]
fn a_full_wire_makes_the_driver_wait() {
    let mut guest = ready(0);
    guest.host.room = 3;
    guest.ram.write(DATA, b"hello").unwrap();
    first(&mut guest, DATA, 5, 0, 0);
    assert!(!guest.offer(1, &[0]));
    assert_eq!((guest.host.sent.as_slice(), guest.used(1)), (&b"hel"[..], 0));
    guest.host.room = 9;
    guest.serve();
    assert_eq!((guest.host.sent.as_slice(), guest.used(1)), (&b"hello"[..], 1));
}

#[test]
fn work_is_bounded_however_much_is_offered() {
    let mut guest = ready(0);
    for n in 0..SIZE {
        guest.describe(1, n, BASE, 0x1_0000, NEXT, n + 1);
    }
    guest.describe(1, 7, BASE, 0x1_0000, 0, 0);
    assert!(guest.offer(1, &[0]), "there is more to do");
    assert_eq!(guest.host.sent.len(), console::SEND_BYTES_MAX);
    // The first call, and the last, which says that nothing is left.
    let mut calls = 2;
    while guest.serve() {
        calls += 1;
    }
    assert_eq!(calls, 8 * 0x1_0000 / console::SEND_BYTES_MAX);
    assert_eq!(guest.used(1), 1);
}

#[test]
fn input_waits_for_buffers() {
    let mut guest = ready(0);
    guest.host.input = b"input".to_vec();
    assert!(!guest.serve());
    guest.describe(0, 0, DATA, 2, NEXT | WRITE, 1);
    guest.describe(0, 1, DATA + 0x100, 2, WRITE, 0);
    guest.describe(0, 2, DATA + 0x200, 0x100, WRITE, 0);
    guest.offer(0, &[0, 2]);
    assert_eq!(guest.ram.at(DATA, 2), b"in");
    assert_eq!(guest.ram.at(DATA + 0x100, 2), b"pu");
    assert_eq!(guest.ram.at(DATA + 0x200, 1), b"t");
    assert_eq!([guest.used_at(0, 0), guest.used_at(0, 1)], [(0, 4), (2, 1)]);
    assert_eq!(guest.ram.get16(device(0)), 1, "no notifications while nothing waits");
}

#[test]
fn each_misuse_has_its_name() {
    type Setup = fn(&mut Guest);
    let cases: [(Setup, Fault); 10] = [
        (|g| first(g, DATA, 1, NEXT, 0), Fault::Loop),
        (|g| first(g, DATA, 1, NEXT, 8), Fault::DescriptorIndex(8)),
        (|g| first(g, DATA, 1, NEXT, 0xffff), Fault::DescriptorIndex(0xffff)),
        (|g| first(g, DATA, 1, 4, 0), Fault::Indirect),
        (|g| first(g, u64::MAX, 1, 0, 0), Fault::Length),
        (|g| first(g, u64::MAX - 7, 16, 0, 0), Fault::Length),
        (|g| first(g, 0, 1, 0, 0), Fault::Memory(0)),
        (|g| first(g, BASE + RAM_BYTES as u64 - 1, 2, 0, 0), Fault::Memory(BASE + RAM_BYTES as u64 - 1)),
        (|g| g.ram.set16(driver(1) + 2, 100), Fault::AvailableIndex),
        (
            |g| {
                first(g, DATA, 1, NEXT | WRITE, 1);
                g.describe(1, 1, DATA, 1, 0, 0);
            },
            Fault::Order,
        ),
    ];
    for (setup, fault) in cases {
        let mut guest = ready(0);
        setup(&mut guest);
        guest.offer(1, &[0]);
        assert!(guest.host.sent.is_empty());
        guest.stopped(fault);
    }
    let mut guest = ready(0);
    guest.offer(1, &[8]);
    guest.stopped(Fault::DescriptorIndex(8));
    let mut guest = ready(0);
    guest.chain(1, 0, &[(DATA, u32::MAX, false), (DATA, 2, false)]);
    guest.offer(1, &[0]);
    guest.stopped(Fault::Length);
}

#[test]
fn a_chain_has_room_for_as_many_buffers_as_it_says() {
    let mut guest = ready(0);
    guest.chain(1, 0, &[(DATA, 1, false), (DATA, 2, false), (DATA, 3, true)]);
    guest.provide(1, &[0, 0]);
    let mut queue = Queue::new(1, SIZE);
    (queue.descriptors, queue.driver, queue.device) = (descriptors(1), driver(1), device(1));
    queue.start(false).unwrap();
    let (mut small, mut fitting) = (ChainOf::<2>::new(), ChainOf::<3>::new());
    assert_eq!(queue.pop(&mut small, &guest.ram), Err(Fault::Segments));
    assert_eq!(queue.pop(&mut fitting, &guest.ram), Ok(true));
    assert_eq!((fitting.head(), fitting.readable().len(), fitting.writable().len()), (0, 3, 3));
    queue.unpop();
    assert_eq!([queue.pop(&mut fitting, &guest.ram), queue.pop(&mut fitting, &guest.ram)], [Ok(true); 2]);
    assert_eq!(queue.pop(&mut fitting, &guest.ram), Ok(false));
}

#[test]
fn a_queue_that_makes_no_sense_is_refused() {
    let [table, available, used] = [descriptors(0), driver(0), device(0)];
    for (areas, size) in [
        ([table + 8, available, used], 8),
        ([table, available + 1, used], 8),
        ([table, available, used + 2], 8),
        ([u64::MAX - 15, available, used], 8),
        ([table, u64::MAX - 1, used], 8),
        ([table, available, used], 0),
        ([table, available, used], 7),
        ([table, available, used], 64),
        ([table, available, used], 0x1_0008),
    ] {
        let mut guest = ready(0);
        guest.write(0x30, 0);
        guest.write(0x44, 0);
        guest.queue(0, areas, size);
        assert_eq!(guest.read(0x44), 0);
        guest.stopped(Fault::Setup);
    }
    let mut guest = ready(0);
    guest.queue(2, [table, available, used], 8);
    assert_eq!((guest.read(0x34), guest.read(0x44)), (0, 0), "a queue that does not exist");
}

#[test]
fn rings_outside_of_memory_stop_the_device() {
    let mut guest = ready(0);
    guest.write(0x30, 1);
    guest.write(0x44, 0);
    guest.queue(1, [0x1000, driver(1), device(1)], 8);
    guest.offer(1, &[0]);
    guest.stopped(Fault::Memory(0x1000));
}

#[test]
fn a_descriptor_is_fetched_once() {
    let mut guest = ready(0);
    first(&mut guest, DATA, 4, 0, 0);
    guest.provide(1, &[0]);
    guest.ram.reads.set(0);
    guest.write(0x50, 1);
    // Index, ring entry, descriptor, data; twice the index again (pop, listen); the interrupt flag; the index of queue 0.
    assert_eq!(guest.ram.reads.get(), 8);
}

#[test]
fn features_must_fit() {
    for (low, high, fits) in
        [(0, 1, true), (1 << 29, 1, true), (0, 0, false), (1, 1, false), (0, 3, false), (1 << 28, 1, false)]
    {
        let mut guest = Guest::new(Console::new(), wire());
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
    let mut guest = Guest::new(Console::new(), wire());
    assert_eq!([guest.read(0), guest.read(4), guest.read(8)], [0x7472_6976, 2, 3]);
    assert_eq!(guest.read(0x10), 1 << 29);
    guest.write(0x14, 1);
    assert_eq!(guest.read(0x10), 1);
    guest.write(0x14, 2);
    assert_eq!(guest.read(0x10), 0);
    assert_eq!(guest.mmio.read(0, 1), 0, "words only");
    assert_eq!([mmio::vacant(0, 4), mmio::vacant(8, 4)], [0x7472_6976, 0]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Stores anywhere, with memory full of anything: nothing panics, and each call returns.
    #[test]
    fn anything_is_survived(
        seed in prop::collection::vec(any::<u8>(), 0x400),
        steps in prop::collection::vec((0..0x220u32, prop::sample::select(vec![0, 1, 2, 4]), any::<u32>(), 0..4u8), 1..150),
        features in prop::sample::select(vec![0u64, 1 << 29]),
    ) {
        let mut guest = ready(features);
        for (n, byte) in guest.ram.bytes.iter_mut().enumerate() {
            *byte = seed[n * 7 % seed.len()];
        }
        for (offset, width, value, kind) in steps {
            match kind {
                0 => {
                    guest.store(offset, width, value);
                }
                1 => {
                    guest.mmio.read(offset, width);
                }
                2 => {
                    // A plausible available index keeps the chains coming.
                    let index = guest.used(1);
                    guest.ram.set16(driver(1) + 2, index.wrapping_add(value as u16 % 3));
                    guest.write(0x50, 1);
                }
                _ => {
                    guest.host.input.push(value as u8);
                    guest.host.room = value as usize & 0xffff;
                    guest.serve();
                }
            }
        }
    }
}
