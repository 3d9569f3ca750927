//! The socket device.

use crate::memory::Bounce;
use crate::transport::{Host, Registers};
use std::collections::VecDeque;
use virtio_drivers::device::socket::{
    DisconnectReason, SocketError, VirtIOSocket, VsockAddr, VsockConnectionManager, VsockEvent, VsockEventType,
};
use virtio_drivers::transport::{DeviceType, Transport};
use virtio_drivers::{Error, Result};
use vmm_devices::virtio::vsock::spec::Shutdown;
use vmm_devices::virtio::vsock::{Address, Event, Peers, Policy, VSOCK_QUEUES, VsockOf};

const CID: u32 = 5;
const CONNECTIONS: usize = 2;
const CAPACITY: usize = 4096;
const ECHO: VsockAddr = VsockAddr { cid: 2, port: 7 };
const OTHER_VM: VsockAddr = VsockAddr { cid: 6, port: 40_000 };
const PORT: u32 = 1234;

/// A component that accepts everybody and says again what it hears, when it works; and a VM that may connect.
#[derive(Default)]
struct Echo {
    events: VecDeque<Event>,
    heard: [VecDeque<u8>; CONNECTIONS],
    consumed: [u32; CONNECTIONS],
    says: [VecDeque<u8>; CONNECTIONS],
    opened: Vec<usize>,
    closed: Vec<usize>,
    refused: Vec<u32>,
}

impl Echo {
    /// Says up to so many bytes again, of each connection.
    fn echo(&mut self, bytes: usize) {
        for id in 0..CONNECTIONS {
            let bytes = bytes.min(self.heard[id].len());
            self.consumed[id] = self.consumed[id].wrapping_add(bytes as u32);
            let heard: Vec<u8> = self.heard[id].drain(..bytes).collect();
            self.says[id].extend(heard);
        }
    }
    fn begin(&mut self, id: usize) {
        (self.heard[id], self.says[id], self.consumed[id]) = Default::default();
    }
}

impl Peers for Echo {
    fn event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
    fn connect(&mut self, id: usize, _: u32, _: Address) -> bool {
        self.begin(id);
        self.events.push_back(Event::Connected(id));
        true
    }
    fn accept(&mut self, _: u32, id: usize) {
        self.begin(id);
    }
    fn refuse(&mut self, ticket: u32) {
        self.refused.push(ticket);
    }
    fn opened(&mut self, id: usize) {
        self.opened.push(id);
    }
    fn shutdown(&mut self, _: usize, _: Shutdown) {}
    fn close(&mut self, id: usize) {
        self.closed.push(id);
    }
    fn capacity(&self) -> u32 {
        CAPACITY as u32
    }
    fn consumed(&self, id: usize) -> u32 {
        self.consumed[id]
    }
    fn put(&mut self, id: usize, bytes: &[u8]) {
        self.heard[id].extend(bytes);
        assert!(self.heard[id].len() <= CAPACITY);
    }
    fn waiting(&self, id: usize) -> usize {
        self.says[id].len()
    }
    fn take(&mut self, id: usize, into: &mut [u8]) -> usize {
        let len = self.says[id].len().min(into.len());
        into.iter_mut().zip(self.says[id].drain(..len)).for_each(|(into, byte)| *into = byte);
        len
    }
}

impl Host for Echo {
    fn work(&mut self) -> bool {
        !self.events.is_empty()
    }
}

type Device = Registers<VsockOf<CONNECTIONS>, Echo, VSOCK_QUEUES>;
type Driver = VsockConnectionManager<Bounce, Device, 512>;

fn start(features: u64) -> (Device, Driver) {
    let policy = Policy {
        outward: [Address { cid: 2, port: 7 }].into_iter().collect(),
        inward: [Address { cid: 6, port: PORT }].into_iter().collect(),
    };
    let device = Device::new(VsockOf::new(CID, policy).unwrap(), Echo::default(), features);
    assert_eq!(device.device_type(), DeviceType::Socket);
    let driver = VsockConnectionManager::new_with_capacity(VirtIOSocket::new(device.clone()).unwrap(), 2000);
    assert_eq!(driver.guest_cid(), u64::from(CID));
    (device, driver)
}

fn next(device: &Device, driver: &mut Driver) -> Result<Option<VsockEventType>> {
    while device.serve() {}
    Ok(driver.poll()?.map(|VsockEvent { event_type, .. }| event_type))
}

fn connect(device: &Device, driver: &mut Driver) {
    driver.connect(ECHO, PORT).unwrap();
    assert_eq!(next(device, driver), Ok(Some(VsockEventType::Connected)));
}

fn converse(features: u64) {
    let (device, mut driver) = start(features);
    connect(&device, &mut driver);
    let bytes: Vec<u8> = (0..50_000u64).map(|n| ((n * n) >> 3) as u8).collect();
    let (mut sent, mut back, mut refused) = (0, Vec::<u8>::new(), 0);
    while back.len() < bytes.len() {
        let piece = &bytes[sent..][..(bytes.len() - sent).min(700)];
        if !piece.is_empty() {
            match driver.send(ECHO, PORT, piece) {
                Ok(()) => sent += piece.len(),
                Err(Error::SocketDeviceError(SocketError::InsufficientBufferSpaceInPeer)) => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
        // The peer is slower than the guest.
        device.host().echo(300);
        while next(&device, &mut driver).unwrap().is_some() {}
        let mut buffer = [0; 600];
        let got = driver.recv(ECHO, PORT, &mut buffer).unwrap();
        back.extend(&buffer[..got]);
    }
    assert!(back == bytes);
    assert!(refused > 0, "the guest had to wait for room");
    driver.shutdown(ECHO, PORT).unwrap();
    let reset = VsockEventType::Disconnected { reason: DisconnectReason::Reset };
    assert_eq!(next(&device, &mut driver), Ok(Some(reset)));
    assert_eq!(device.host().closed, [0]);
    assert_eq!(device.look().mmio.device().connections(), 0);
    assert!(device.misuse().is_none());
}

#[test]
fn a_driver_talks_to_a_component_with_event_indexes() {
    converse(u64::MAX);
}

#[test]
fn a_driver_talks_to_a_component_with_flags() {
    converse(!(1 << 29));
}

#[test]
fn a_driver_is_refused_what_it_may_not_have() {
    let (device, mut driver) = start(u64::MAX);
    for to in [VsockAddr { cid: 2, port: 8 }, VsockAddr { cid: 6, port: 7 }, VsockAddr { cid: 5, port: 7 }] {
        driver.connect(to, PORT).unwrap();
        let reset = VsockEventType::Disconnected { reason: DisconnectReason::Reset };
        assert_eq!(next(&device, &mut driver), Ok(Some(reset)), "{to:?}");
    }
    for port in 0..2 {
        driver.connect(ECHO, port).unwrap();
        assert_eq!(next(&device, &mut driver), Ok(Some(VsockEventType::Connected)));
    }
    driver.connect(ECHO, PORT).unwrap();
    let reset = VsockEventType::Disconnected { reason: DisconnectReason::Reset };
    assert_eq!(next(&device, &mut driver), Ok(Some(reset)), "the table is full");
}

#[test]
fn another_vm_connects_to_a_driver_that_listens() {
    let (device, mut driver) = start(u64::MAX);
    let from = Address { cid: 6, port: OTHER_VM.port };
    device.host().events.push_back(Event::Incoming { ticket: 1, from, port: PORT });
    assert_eq!(next(&device, &mut driver), Ok(None), "nobody listens");
    assert_eq!(device.host().closed, [0]);
    assert!(device.host().opened.is_empty());
    driver.listen(PORT);
    device.host().events.push_back(Event::Incoming { ticket: 2, from, port: PORT });
    assert_eq!(next(&device, &mut driver), Ok(Some(VsockEventType::ConnectionRequest)));
    assert_eq!(device.host().opened, [0]);
    device.host().says[0].extend(b"good day");
    assert_eq!(next(&device, &mut driver), Ok(Some(VsockEventType::Received { length: 8 })));
    let mut buffer = [0; 20];
    assert_eq!(driver.recv(OTHER_VM, PORT, &mut buffer), Ok(8));
    assert_eq!(&buffer[..8], b"good day");
    driver.send(OTHER_VM, PORT, b"and to you").unwrap();
    assert_eq!(device.host().heard[0], b"and to you");
    device.host().events.push_back(Event::Incoming { ticket: 3, from: Address { cid: 7, port: 1 }, port: PORT });
    assert_eq!(next(&device, &mut driver), Ok(None));
    assert_eq!(device.host().refused, [3], "not a VM that may");
    device.host().events.push_back(Event::Shutdown(0, Shutdown::all()));
    let ended = VsockEventType::Disconnected { reason: DisconnectReason::Shutdown };
    assert_eq!(next(&device, &mut driver), Ok(Some(ended)));
    assert_eq!(device.look().mmio.device().connections(), 0, "the driver has confirmed it");
}
