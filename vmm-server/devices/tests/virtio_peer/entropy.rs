//! The entropy device.

use crate::memory::Bounce;
use crate::transport::{Host, Registers};
use virtio_drivers::device::rng::VirtIORng;
use virtio_drivers::transport::{DeviceType, Transport};
use vmm_devices::virtio::entropy::{ENTROPY_QUEUES, Entropy, Source};

/// A source that has 24 bytes at a time, and those only after it was asked.
#[derive(Default)]
struct Slow {
    wanted: bool,
    there: usize,
    given: u8,
}

impl Source for Slow {
    fn want(&mut self, _: usize) {
        self.wanted = true;
    }
    fn take(&mut self, into: &mut [u8]) -> usize {
        let len = into.len().min(std::mem::take(&mut self.there));
        for byte in &mut into[..len] {
            self.given = self.given.wrapping_add(1);
            *byte = self.given;
        }
        len
    }
}

impl Host for Slow {
    fn work(&mut self) -> bool {
        if std::mem::take(&mut self.wanted) {
            self.there = 24;
        }
        self.there > 0
    }
}

type Device = Registers<Entropy, Slow, ENTROPY_QUEUES>;

fn ask(features: u64) {
    let source = Slow::default();
    let device = Device::new(Entropy::new(Some(&source)).unwrap(), source, features);
    assert_eq!(device.device_type(), DeviceType::EntropySource);
    let mut rng = VirtIORng::<Bounce, _>::new(device.clone()).unwrap();
    let mut expected = 0u8;
    for len in [1, 24, 8, 1000] {
        let mut bytes = vec![0; len];
        let got = rng.request_entropy(&mut bytes).unwrap();
        assert_eq!(got, len.min(24));
        for &byte in &bytes[..got] {
            expected += 1;
            assert_eq!(byte, expected);
        }
    }
    assert!(device.misuse().is_none());
}

#[test]
fn a_driver_gets_entropy_with_event_indexes() {
    ask(u64::MAX);
}

#[test]
fn a_driver_gets_entropy_with_flags() {
    ask(!(1 << 29));
}
