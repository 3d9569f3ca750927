//! One behaviour a test.

use super::*;
use crate::virtio::fake::{self, BASE, DATA, SIZE, device};
use proptest::prelude::*;
use std::vec::Vec;

/// A source that counts: no byte comes twice within 256.
#[derive(Default)]
struct Counter {
    there: usize,
    next: u8,
    wanted: Vec<usize>,
}

impl Source for Counter {
    fn want(&mut self, bytes: usize) {
        self.wanted.push(bytes);
    }
    fn take(&mut self, into: &mut [u8]) -> usize {
        let len = self.there.min(into.len());
        self.there -= len;
        for byte in &mut into[..len] {
            self.next = self.next.wrapping_add(1);
            *byte = self.next;
        }
        len
    }
}

type Guest = fake::Guest<Entropy, Counter, ENTROPY_QUEUES>;

fn ready() -> Guest {
    Guest::ready(Entropy::new(Some(&Counter::default())).unwrap(), Counter::default(), 0)
}

#[test]
fn without_a_source_there_is_no_device() {
    assert_eq!(Entropy::new(None::<&Counter>).err(), Some(NoSource));
}

#[test]
fn buffers_get_what_there_is() {
    let mut guest = ready();
    guest.host.there = 100;
    guest.chain(0, 0, &[(DATA, 10, true), (DATA + 0x100, 1000, true)]);
    guest.chain(0, 2, &[(DATA + 0x200, 200, true)]);
    guest.offer(0, &[0, 2]);
    assert_eq!([guest.used_at(0, 0), guest.used_at(0, 1)], [(0, 64), (2, 36)], "64 at most, and the rest");
    assert_eq!(guest.ram.at(DATA, 10), (1..=10).collect::<Vec<u8>>());
    assert_eq!(guest.ram.at(DATA + 0x100, 55), [(11..=64).collect::<Vec<u8>>(), vec![0]].concat());
    assert_eq!(guest.ram.at(DATA + 0x200, 37), [(65..=100).collect::<Vec<u8>>(), vec![0]].concat());
    assert!(guest.level && guest.host.wanted.is_empty());
}

#[test]
fn a_buffer_waits_for_a_source_that_takes_its_time() {
    let mut guest = ready();
    guest.chain(0, 0, &[(DATA, 32, true)]);
    guest.chain(0, 1, &[(DATA, 8, true)]);
    assert!(!guest.offer(0, &[0, 1]));
    assert_eq!(guest.ram.get16(device(0)), 1, "no notifications, please");
    guest.serve();
    assert_eq!((guest.host.wanted.as_slice(), guest.used(0), guest.level), (&[32][..], 0, false), "asked once");
    guest.host.there = 33;
    guest.serve();
    assert_eq!([guest.used_at(0, 0), guest.used_at(0, 1)], [(0, 32), (1, 1)]);
    assert_eq!(guest.ram.get16(device(0)), 0);
}

#[test]
fn a_buffer_that_waits_is_forgotten_with_its_driver() {
    for by_reset in [true, false] {
        let mut guest = ready();
        guest.chain(0, 0, &[(DATA, 32, true)]);
        guest.offer(0, &[0]);
        if by_reset {
            guest.write(0x70, 0);
            guest.start(0);
        } else {
            guest.write(0x44, 0);
        }
        guest.host.there = 64;
        assert!(!guest.serve());
        assert_eq!((guest.ram.at(DATA, 32), guest.used(0)), (&[0; 32][..], 0));
    }
}

#[test]
fn a_misuse_stops_the_device() {
    for (buffers, fault) in [
        (&[(DATA, 16, false)][..], Fault::Short),
        (&[(DATA, 0, true)], Fault::Short),
        (&[(BASE - 1, 4, true)], Fault::Memory(BASE - 1)),
    ] {
        let mut guest = ready();
        guest.host.there = 8;
        guest.chain(0, 0, buffers);
        guest.offer(0, &[0]);
        guest.stopped(fault);
    }
}

#[test]
fn work_is_bounded() {
    let mut guest = ready();
    guest.host.there = usize::MAX;
    guest.chain(0, 0, &[(DATA, 64, true)]);
    guest.provide(0, &[0; SIZE as usize]);
    assert!(guest.write(0x50, 0), "it might have got more meanwhile");
    assert_eq!(guest.used(0), SIZE);
    assert!(!guest.serve());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a driver does.
    #[test]
    fn anything_is_survived(seed in 1..u64::MAX, steps in prop::collection::vec(fake::madness(), 1..100)) {
        mad(seed, &steps);
    }
}

/// A driver that has lost its mind: how many chains the device gave back.
fn mad(seed: u64, steps: &[fake::Madness]) -> u32 {
    let mut guest = ready();
    let request = |guest: &mut Guest, _queue: u32, first: u16, salt: u16| {
        guest.chain(0, first, &[(DATA, u32::from(salt % 90), true), (DATA + 0x100, 16, true)]);
    };
    guest.rave(0, (seed, steps), request, |source, value| source.there = value as usize % 100)
}

#[test]
fn it_takes_a_lot_from_a_driver_that_is_only_busy() {
    let used = (1..10).map(|seed| mad(seed << 32, &fake::busy())).max();
    assert!(used.is_some_and(|used| used > 40), "{used:?}");
}
