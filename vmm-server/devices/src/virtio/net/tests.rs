//! One behaviour a test, and an account of every frame under random ones.

use super::*;
use crate::virtio::fake::{self, DATA, RAM_BYTES, SIZE, device};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::vec::Vec;

const RECEIVE: u32 = 0;
const TRANSMIT: u32 = 1;
const MAC: [u8; 6] = [0x52, 0x54, 0, 1, 2, 3];

/// A link that takes so many frames, and looks at each that it is whole.
#[derive(Default)]
struct Wire {
    room: usize,
    open: Option<(usize, Vec<u8>)>,
    sent: Vec<Vec<u8>>,
    waiting: VecDeque<Vec<u8>>,
}

impl Link for Wire {
    fn open(&mut self, bytes: usize) -> bool {
        assert!((14..=1518).contains(&bytes), "the device has looked at the length: {bytes}");
        self.open = (self.sent.len() < self.room).then(|| (bytes, vec![]));
        self.open.is_some()
    }
    fn put(&mut self, bytes: &[u8]) {
        self.open.as_mut().unwrap().1.extend(bytes);
    }
    fn send(&mut self) {
        let (bytes, frame) = self.open.take().unwrap();
        assert_eq!(frame.len(), bytes);
        self.sent.push(frame);
    }
    fn waiting(&mut self) -> Option<usize> {
        self.waiting.front().map(Vec::len)
    }
    fn take(&mut self, offset: usize, into: &mut [u8]) {
        into.copy_from_slice(&self.waiting[0][offset..offset + into.len()]);
    }
    fn next(&mut self) {
        self.waiting.pop_front().unwrap();
    }
}

type Guest = fake::Guest<Net, Wire, NET_QUEUES>;

fn ready() -> Guest {
    let wire = Wire { room: usize::MAX, ..Wire::default() };
    Guest::ready(Net::new(MAC, 1500).unwrap(), wire, FEATURE_MAC | FEATURE_MTU | FEATURE_STATUS)
}

fn pattern(len: usize, salt: u8) -> Vec<u8> {
    (0..len).map(|n| (n as u8).wrapping_mul(7).wrapping_add(salt)).collect()
}

impl Guest {
    /// Makes a frame available for sending: in descriptor `n`, or `n` and the next with the header apart.
    fn post(&mut self, n: u16, frame: &[u8], is_split: bool) {
        let at = DATA + 0x1000 * u64::from(n);
        self.ram.write(at, &[0; HEADER_BYTES]).unwrap();
        self.ram.write(at + 12, frame).unwrap();
        let len = frame.len() as u32;
        let buffers: &[_] = if is_split { &[(at, 12, false), (at + 12, len, false)] } else { &[(at, 12 + len, false)] };
        self.chain(TRANSMIT, n, buffers);
        self.provide(TRANSMIT, &[n]);
    }
    /// Makes a buffer of that many bytes available for receiving, in descriptor `n`.
    fn buffer(&mut self, n: u16, bytes: u32) -> u64 {
        let at = DATA + 0x1_0000 + 0x1000 * u64::from(n);
        self.chain(RECEIVE, n, &[(at, bytes, true)]);
        self.provide(RECEIVE, &[n]);
        at
    }
    fn counts(&self) -> Counts {
        self.mmio.device().counts()
    }
}

#[test]
fn frames_are_sent_whole() {
    let mut guest = ready();
    for (n, (len, is_split)) in [(14, false), (60, true), (1514, false), (1518, true)].into_iter().enumerate() {
        guest.post(2 * n as u16, &pattern(len, n as u8), is_split);
    }
    guest.write(0x50, TRANSMIT);
    let expected: Vec<_> = [14, 60, 1514, 1518].into_iter().enumerate().map(|(n, len)| pattern(len, n as u8)).collect();
    assert_eq!((&guest.host.sent, guest.used(TRANSMIT)), (&expected, 4));
    assert!(guest.level);
    assert_eq!(guest.counts(), Counts { sent: 4, ..Counts::default() });
}

#[test]
fn frames_are_received_whole() {
    let mut guest = ready();
    let at = guest.buffer(3, 1530);
    guest.host.waiting.push_back(pattern(1518, 9));
    assert!(!guest.serve());
    assert_eq!(guest.used_at(RECEIVE, 0), (3, 1530));
    assert_eq!(guest.ram.at(at, 12), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
    assert_eq!(guest.ram.at(at + 12, 1518), pattern(1518, 9));
    assert!(guest.level);
    assert_eq!(guest.ram.get16(device(RECEIVE)), 1, "no notifications for buffers");
}

#[test]
fn the_configuration_tells_address_link_and_mtu() {
    let mut guest = ready();
    let bytes: Vec<u8> = (0..14).map(|n| guest.mmio.read(0x100 + n, 1) as u8).collect();
    assert_eq!(bytes, [0x52, 0x54, 0, 1, 2, 3, 1, 0, 0, 0, 0xdc, 5, 0, 0]);
    let generation = guest.read(0xfc);
    guest.mmio.device_mut().set_link(false);
    guest.serve();
    assert_eq!((guest.read(0x60), guest.level), (2, true), "the configuration has changed");
    assert_ne!(guest.read(0xfc), generation);
    assert_eq!(guest.mmio.read(0x106, 2), 0);
    guest.write(0x64, 2);
    guest.mmio.device_mut().set_link(false);
    guest.serve();
    assert!(!guest.level, "told once");
    assert_eq!(Net::new([1, 0, 0, 0, 0, 0], 1500).err(), Some(Unfit::Mac([1, 0, 0, 0, 0, 0])));
    assert_eq!(Net::new([0; 6], 1500).err(), Some(Unfit::Mac([0; 6])));
    assert_eq!(Net::new(MAC, 67).err(), Some(Unfit::Mtu(67)));
    assert!(Net::new(MAC, 68).is_ok() && Net::new([0, 0, 0, 0, 0, 1], u16::MAX).is_ok());
}

#[test]
fn a_link_that_is_full_makes_the_guest_wait_and_costs_no_exits() {
    let mut guest = ready();
    guest.host.room = 1;
    guest.post(0, &pattern(60, 0), false);
    guest.post(1, &pattern(70, 1), false);
    assert!(!guest.write(0x50, TRANSMIT));
    assert_eq!((guest.host.sent.len(), guest.used(TRANSMIT)), (1, 1));
    assert_eq!(guest.ram.get16(device(TRANSMIT)), 1, "no notifications, please");
    guest.post(2, &pattern(80, 2), false);
    assert!(!guest.serve());
    assert_eq!(guest.used(TRANSMIT), 1);
    guest.host.room = 9;
    guest.serve();
    assert_eq!(guest.host.sent, [pattern(60, 0), pattern(70, 1), pattern(80, 2)]);
    assert_eq!((guest.used(TRANSMIT), guest.ram.get16(device(TRANSMIT))), (3, 0));
}

#[test]
fn a_frame_for_which_the_guest_has_no_buffer_is_dropped_and_counted() {
    let mut guest = ready();
    let at = guest.buffer(0, 2000);
    for n in 0..3 {
        guest.host.waiting.push_back(pattern(60, n));
    }
    assert!(!guest.serve());
    assert_eq!(guest.ram.at(at + 12, 60), pattern(60, 0));
    assert_eq!(guest.counts(), Counts { received: 1, no_buffer: 2, ..Counts::default() });
    assert!(guest.host.waiting.is_empty());
}

#[test]
fn frames_of_impossible_lengths_are_dropped_and_counted() {
    let mut guest = ready();
    guest.post(0, &pattern(13, 0), false);
    guest.post(1, &pattern(1519, 0), false);
    guest.post(2, &[], false);
    guest.post(3, &pattern(14, 0), false);
    guest.write(0x50, TRANSMIT);
    assert_eq!((guest.used(TRANSMIT), guest.host.sent.len()), (4, 1));
    assert_eq!(guest.counts(), Counts { sent: 1, sent_unfit: 3, ..Counts::default() });
    guest.chain(TRANSMIT, 0, &[(DATA, 0x4000_0000, false), (DATA, 0x4000_0000, false)]);
    guest.offer(TRANSMIT, &[0]);
    assert_eq!(guest.counts().sent_unfit, 4, "2 GiB");

    let at = guest.buffer(0, 100);
    for len in [0, 13, 1519, 89, 88] {
        guest.host.waiting.push_back(pattern(len, 4));
    }
    guest.serve();
    assert_eq!(guest.counts(), Counts { sent: 1, sent_unfit: 4, received: 1, received_unfit: 4, ..Counts::default() });
    assert_eq!((guest.used_at(RECEIVE, 0), guest.ram.at(at + 12, 88)), ((0, 100), &pattern(88, 4)[..]));
    assert!(guest.mmio.take_misuse().is_none());
}

#[test]
fn frames_that_come_while_no_driver_is_there_are_not_kept_for_the_next() {
    let mut guest = ready();
    guest.write(0x70, 0);
    guest.host.waiting.extend((0..100).map(|n| pattern(60, n)));
    assert!(guest.serve() && !guest.serve());
    assert_eq!(guest.counts().no_driver, 100);
    guest.host.room = 0;
    guest.start(0);
    guest.post(0, &pattern(60, 0), false);
    guest.write(0x50, TRANSMIT);
    guest.write(0x70, 0);
    guest.start(0);
    guest.host.room = 9;
    guest.serve();
    guest.host.room = 0;
    guest.post(0, &pattern(60, 0), false);
    guest.write(0x50, TRANSMIT);
    guest.write(0x30, TRANSMIT);
    guest.write(0x44, 0);
    guest.host.room = 9;
    guest.serve();
    assert!(guest.host.sent.is_empty(), "a frame that its driver has given up");
}

#[test]
fn a_misuse_stops_the_device() {
    let nowhere = fake::BASE + RAM_BYTES as u64;
    for (header, buffers, fault) in [
        ([0u8; 2], &[(DATA, 11, false)][..], Fault::Short),
        ([0; 2], &[(DATA, 100, true)], Fault::Short),
        ([1, 0], &[(DATA, 100, false)], Fault::Request),
        ([0, 1], &[(DATA, 100, false)], Fault::Request),
        ([0; 2], &[(nowhere, 100, false)], Fault::Memory(nowhere)),
        ([0; 2], &[(DATA, 12, false), (nowhere - 5, 100, false)], Fault::Memory(nowhere - 5)),
    ] {
        let mut guest = ready();
        guest.ram.write(DATA, &header).unwrap();
        guest.chain(TRANSMIT, 0, buffers);
        guest.offer(TRANSMIT, &[0]);
        assert!(guest.host.sent.is_empty());
        guest.stopped(fault);
        guest.start(0);
        guest.post(0, &pattern(60, 0), false);
        guest.write(0x50, TRANSMIT);
        assert_eq!(guest.host.sent.len(), 1, "{fault:?}");
    }
    let mut guest = ready();
    guest.chain(RECEIVE, 0, &[(nowhere - 20, 100, true)]);
    guest.provide(RECEIVE, &[0]);
    guest.host.waiting.push_back(pattern(60, 0));
    guest.serve();
    guest.stopped(Fault::Memory(nowhere - 20 + HEADER_BYTES as u64));
}

#[test]
fn work_is_bounded_in_both_directions() {
    let mut guest = ready();
    guest.host.waiting.extend((0..100).map(|n| pattern(60, n)));
    assert!(guest.serve());
    assert_eq!(guest.host.waiting.len(), 100 - SERVE_FRAMES_MAX);
    assert!(!guest.serve());
}

#[derive(Clone, Debug)]
enum Step {
    Post(usize),
    Buffer(u32),
    Arrive(usize),
    Room(usize),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..1600usize).prop_map(Step::Post),
        4 => (0..1600u32).prop_map(Step::Buffer),
        4 => (0..1600usize).prop_map(Step::Arrive),
        2 => (0..4usize).prop_map(Step::Room),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Every frame is counted once, and those that arrive are whole and in order.
    #[test]
    fn every_frame_is_accounted_for(steps in prop::collection::vec(step(), 1..150)) {
        let mut guest = ready();
        // Chains that the driver has offered and not got back, in each direction, and frames so far.
        let mut open = [0u16; 2];
        let mut seen = [0u16; 2];
        let (mut posted, mut given_up, mut arrived, mut expected) = (0u64, 0u64, 0u64, vec![]);
        for (n, step) in steps.into_iter().enumerate() {
            match step {
                Step::Post(len) if open[1] < SIZE => {
                    let frame = pattern(len, n as u8);
                    guest.post(posted as u16 % SIZE, &frame, false);
                    open[1] += 1;
                    posted += 1;
                    expected.push(frame);
                }
                Step::Buffer(bytes) if open[0] < SIZE => {
                    guest.buffer(n as u16 % SIZE, bytes.max(1));
                    open[0] += 1;
                }
                Step::Arrive(len) => {
                    guest.host.waiting.push_back(pattern(len, n as u8));
                    arrived += 1;
                }
                Step::Room(room) => guest.host.room = guest.host.sent.len() + room,
                Step::Restart => {
                    given_up += u64::from(open[1]);
                    expected.truncate(expected.len() - usize::from(open[1]));
                    guest.write(0x70, 0);
                    guest.start(0);
                    (open, seen) = ([0; 2], [0; 2]);
                }
                Step::Post(_) | Step::Buffer(_) => {}
            }
            while guest.serve() {}
            for queue in 0..2 {
                let used = guest.used(queue as u32);
                open[queue] -= used.wrapping_sub(seen[queue]);
                seen[queue] = used;
            }
            let counts = guest.counts();
            prop_assert_eq!(posted, counts.sent + counts.sent_unfit + given_up + u64::from(open[1]));
            prop_assert_eq!(arrived, counts.received + counts.no_buffer + counts.received_unfit + counts.no_driver);
            prop_assert_eq!(counts.sent, guest.host.sent.len() as u64);
        }
        expected.retain(|frame| (14..=1518).contains(&frame.len()));
        prop_assert!(guest.host.sent.iter().zip(&expected).all(|(sent, expected)| sent == expected));
        prop_assert!(guest.mmio.take_misuse().is_none());
    }

    /// Whatever a driver does.
    #[test]
    fn anything_is_survived(seed in 1..u64::MAX, steps in prop::collection::vec(fake::madness(), 1..120)) {
        mad(seed, &steps);
    }
}

/// A driver that has lost its mind: how many chains the device gave back.
fn mad(seed: u64, steps: &[fake::Madness]) -> u32 {
    let mut guest = ready();
    let request = |guest: &mut Guest, queue: u32, first: u16, salt: u16| {
        let place = DATA + u64::from(first) * 0x1000;
        guest.ram.write(place, &[0; HEADER_BYTES]).unwrap();
        guest.ram.set16(place, u16::from(salt.is_multiple_of(40)));
        let bytes = [100, 1600, 30, 12, 2000][usize::from(salt % 5)];
        guest.chain(queue, first, &[(place, 12, queue == RECEIVE), (place + 12, bytes, queue == RECEIVE)]);
    };
    guest.rave(FEATURE_MAC, (seed, steps), request, |wire, value| {
        wire.room = wire.sent.len() + value as usize % 5;
        wire.waiting.push_back(pattern(value as usize >> 8 & 0x7ff, value as u8));
    })
}

#[test]
fn it_takes_a_lot_from_a_driver_that_is_only_busy() {
    let used = (1..10).map(|seed| mad(seed << 32, &fake::busy())).max();
    assert!(used.is_some_and(|used| used > 40), "{used:?}");
}
