//! The network device.

use crate::memory::Bounce;
use crate::transport::{Host, Registers};
use std::collections::VecDeque;
use virtio_drivers::device::net::{RxBuffer, TxBuffer, VirtIONet};
use virtio_drivers::transport::{DeviceType, Transport};
use virtio_drivers::{Error, PAGE_SIZE};
use vmm_devices::virtio::net::{Counts, Link, NET_QUEUES, Net};

const MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const QUEUE: usize = 16;

/// A wire with a room of two frames, which it loses while it works.
#[derive(Default)]
struct Wire {
    sent: Vec<Vec<u8>>,
    queued: usize,
    open: Vec<u8>,
    waiting: VecDeque<Vec<u8>>,
}

impl Link for Wire {
    fn open(&mut self, _: usize) -> bool {
        self.open.clear();
        self.queued < 2
    }
    fn put(&mut self, bytes: &[u8]) {
        self.open.extend(bytes);
    }
    fn send(&mut self) {
        self.queued += 1;
        self.sent.push(std::mem::take(&mut self.open));
    }
    fn waiting(&mut self) -> Option<usize> {
        self.waiting.front().map(Vec::len)
    }
    fn take(&mut self, offset: usize, into: &mut [u8]) {
        into.copy_from_slice(&self.waiting[0][offset..][..into.len()]);
    }
    fn next(&mut self) {
        self.waiting.pop_front();
    }
}

impl Host for Wire {
    fn work(&mut self) -> bool {
        std::mem::take(&mut self.queued) > 0
    }
}

type Device = Registers<Net, Wire, NET_QUEUES>;
type Driver = VirtIONet<Bounce, Device, QUEUE>;

fn start(features: u64) -> (Device, Driver) {
    let device = Device::new(Net::new(MAC, 1500).unwrap(), Wire::default(), features);
    assert_eq!(device.device_type(), DeviceType::Network);
    let driver = Driver::new(device.clone(), PAGE_SIZE).unwrap();
    assert_eq!(device.read(0x70), 15);
    (device, driver)
}

fn frame(len: usize, salt: u8) -> Vec<u8> {
    (0..len).map(|n| (n as u8) ^ salt).collect()
}

fn arrive(device: &Device, frames: &[Vec<u8>]) {
    device.host().waiting.extend(frames.iter().cloned());
    assert!(!device.serve());
}

fn converse(features: u64) {
    let (device, mut net) = start(features);
    assert_eq!(net.mac_address(), MAC);
    for (n, len) in [14, 60, 61, 1514, 1518].into_iter().enumerate() {
        net.send(TxBuffer::from(&frame(len, n as u8))).unwrap();
        assert_eq!(device.host().sent.pop().unwrap(), frame(len, n as u8));
    }
    assert!(matches!(net.receive(), Err(Error::NotReady)));
    for round in 0..50 {
        let frames: Vec<_> = (0..QUEUE).map(|n| frame(14 + 31 * n + round, n as u8)).collect();
        arrive(&device, &frames);
        assert!(device.look().level, "an interrupt");
        net.ack_interrupt();
        for expected in &frames {
            let received: RxBuffer = net.receive().unwrap();
            assert_eq!(received.packet(), expected);
            net.recycle_rx_buffer(received).unwrap();
        }
    }
    // One frame more than there are buffers.
    arrive(&device, &(0..=QUEUE).map(|n| frame(60, n as u8)).collect::<Vec<_>>());
    let counts = device.look().mmio.device().counts();
    let received = (51 * QUEUE) as u64;
    assert_eq!(counts, Counts { sent: 5, received, no_buffer: 1, ..Counts::default() });
    let [receive, _] = device.look().notifications;
    assert!(receive <= QUEUE, "buffers cost no exits once it works: {receive}");
    assert!(device.misuse().is_none());
}

#[test]
fn a_driver_sends_and_receives_frames_with_event_indexes() {
    converse(u64::MAX);
}

#[test]
fn a_driver_sends_and_receives_frames_with_flags() {
    converse(!(1 << 29));
}

#[test]
fn frames_that_wait_for_the_link_are_sent_when_it_has_room() {
    let (device, mut net) = start(u64::MAX);
    for n in 0..200 {
        net.send(TxBuffer::from(&frame(60, n))).unwrap();
    }
    assert_eq!(device.host().sent, (0..200).map(|n| frame(60, n)).collect::<Vec<_>>());
}
