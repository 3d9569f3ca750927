//! The console.

use crate::memory::Bounce;
use crate::transport::{Host, Registers};
use std::collections::VecDeque;
use virtio_drivers::PAGE_SIZE;
use virtio_drivers::device::console::VirtIOConsole;
use virtio_drivers::transport::{DeviceType, Transport};
use vmm_devices::line::Output;
use vmm_devices::virtio::Console;
use vmm_devices::virtio::console::{CONSOLE_QUEUES, Port};

#[derive(Default)]
struct Wire {
    sent: Vec<u8>,
    input: VecDeque<u8>,
}

impl Output for Wire {
    fn put(&mut self, byte: u8) {
        self.sent.push(byte);
    }
}

impl Port for Wire {
    fn waiting(&self) -> usize {
        self.input.len()
    }
    fn take(&mut self, into: &mut [u8]) -> usize {
        let len = into.len().min(self.input.len());
        into.iter_mut().zip(self.input.drain(..len)).for_each(|(into, byte)| *into = byte);
        len
    }
}

impl Host for Wire {}

type Device = Registers<Console, Wire, CONSOLE_QUEUES>;

fn type_in(device: &Device, text: &[u8]) {
    device.host().input.extend(text);
    assert!(!device.serve());
}

fn start(features: u64) -> (Device, VirtIOConsole<Bounce, Device>) {
    let device = Device::new(Console::new(), Wire::default(), features);
    assert_eq!(device.device_type(), DeviceType::Console);
    let console = VirtIOConsole::new(device.clone()).unwrap();
    assert_eq!(device.read(0x70), 15);
    (device, console)
}

fn converse(features: u64) {
    let (device, mut console) = start(features);
    for byte in *b"Hello, " {
        console.send(byte).unwrap();
    }
    let long = vec![b'x'; 5000];
    console.send_bytes(&long).unwrap();
    assert_eq!(device.host().sent, [&b"Hello, "[..], &long].concat());

    assert_eq!(console.recv(true).unwrap(), None);
    console.ack_interrupt().unwrap();
    for round in 0..20 {
        let text = format!("line {round}\n");
        type_in(&device, text.as_bytes());
        assert!(device.look().level, "round {round}: an interrupt for input");
        console.ack_interrupt().unwrap();
        assert!(!device.look().level);
        for byte in text.bytes() {
            assert_eq!(console.recv(true).unwrap(), Some(byte));
        }
        assert_eq!(console.recv(true).unwrap(), None);
    }
    assert!(device.misuse().is_none());
    let [receive, _] = device.look().notifications;
    assert!(receive <= 1, "receive buffers cost no exit while no input waits: {receive}");
    assert_eq!(console.size().unwrap(), None);
}

#[test]
fn a_driver_sends_and_receives_with_event_indexes() {
    converse(u64::MAX);
}

#[test]
fn a_driver_sends_and_receives_with_flags() {
    converse(!(1 << 29));
}

#[test]
fn indexes_wrap() {
    // More than 65536 chains: every index comes round once.
    let (device, mut console) = start(u64::MAX);
    for n in 0..70_000u32 {
        console.send(n as u8).unwrap();
    }
    assert_eq!(device.host().sent.len(), 70_000);
    assert!(device.misuse().is_none());
}

#[test]
fn input_longer_than_a_buffer_waits_for_the_next() {
    let (device, mut console) = start(u64::MAX);
    let text: Vec<u8> = (0..PAGE_SIZE * 2 + 10).map(|n| n as u8).collect();
    type_in(&device, &text);
    for &byte in &text {
        assert_eq!(console.recv(true).unwrap(), Some(byte));
    }
    assert_eq!(console.recv(true).unwrap(), None);
}

#[test]
fn a_second_driver_starts_afresh() {
    let (device, mut console) = start(u64::MAX);
    console.send(b'a').unwrap();
    drop(console);
    let mut console = VirtIOConsole::<Bounce, _>::new(device.clone()).unwrap();
    console.send(b'b').unwrap();
    assert_eq!(device.host().sent, b"ab");
}
