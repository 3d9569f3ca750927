//! For tests: guest memory that counts how it is read, and a driver that is as honest as its test.

use super::*;
use proptest::prelude::*;
use std::cell::Cell;
use std::vec::Vec;

pub const BASE: u64 = 0x4000_0000;
pub const RAM_BYTES: usize = 0x4_0000;
/// Descriptors of each queue.
pub const SIZE: u16 = 8;
/// Where buffers are.
pub const DATA: u64 = BASE + 0x8000;
pub const NEXT: u16 = 1;
pub const WRITE: u16 = 2;

pub fn descriptors(queue: u32) -> u64 {
    BASE + 0x1000 * u64::from(queue)
}
pub fn driver(queue: u32) -> u64 {
    descriptors(queue) + 0x400
}
pub fn device(queue: u32) -> u64 {
    descriptors(queue) + 0x800
}

/// RAM that counts how it is accessed.
pub struct Ram {
    pub bytes: Vec<u8>,
    pub reads: Cell<usize>,
    /// Unless 0: the guest writes while the device reads, so that what is read is now and then something else.
    pub fickle: Cell<u64>,
}

impl Ram {
    fn range(&self, ipa: u64, len: usize) -> Result<std::ops::Range<usize>, OutOfRange> {
        let first = usize::try_from(ipa.checked_sub(BASE).ok_or(OutOfRange)?).map_err(|_| OutOfRange)?;
        let end = first.checked_add(len).ok_or(OutOfRange)?;
        if end > self.bytes.len() { Err(OutOfRange) } else { Ok(first..end) }
    }
    pub fn set32(&mut self, ipa: u64, value: u32) {
        self.write(ipa, &value.to_le_bytes()).unwrap();
    }
    pub fn set16(&mut self, ipa: u64, value: u16) {
        self.write(ipa, &value.to_le_bytes()).unwrap();
    }
    pub fn get16(&self, ipa: u64) -> u16 {
        let mut bytes = [0; 2];
        self.read(ipa, &mut bytes).unwrap();
        u16::from_le_bytes(bytes)
    }
    pub fn get32(&self, ipa: u64) -> u32 {
        u32::from(self.get16(ipa)) | u32::from(self.get16(ipa + 2)) << 16
    }
    pub fn at(&self, ipa: u64, len: usize) -> &[u8] {
        &self.bytes[self.range(ipa, len).unwrap()]
    }
}

impl GuestMemory for Ram {
    fn read(&self, ipa: u64, into: &mut [u8]) -> Result<(), OutOfRange> {
        self.reads.set(self.reads.get() + 1);
        into.copy_from_slice(&self.bytes[self.range(ipa, into.len())?]);
        let mut seed = self.fickle.get();
        if seed != 0 {
            // Xorshift (Marsaglia, 2003).
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            self.fickle.set(seed);
            if seed.is_multiple_of(61)
                && let Some(byte) = into.get_mut(seed as usize >> 8 & 15)
            {
                *byte ^= (seed >> 16) as u8;
            }
        }
        Ok(())
    }
    fn write(&mut self, ipa: u64, from: &[u8]) -> Result<(), OutOfRange> {
        let range = self.range(ipa, from.len())?;
        self.bytes[range].copy_from_slice(from);
        Ok(())
    }
}

/// A machine of one device, and what a driver does with it.
pub struct Guest<D, H, const Q: usize> {
    pub mmio: Mmio<D, Q>,
    pub ram: Ram,
    pub host: H,
    pub level: bool,
}

impl<H, D: Serve<H, Q>, const Q: usize> Guest<D, H, Q> {
    pub fn new(device: D, host: H) -> Self {
        let ram = Ram { bytes: vec![0; RAM_BYTES], reads: Cell::default(), fickle: Cell::default() };
        Self { mmio: Mmio::new(device), ram, host, level: false }
    }
    /// A driver that is ready, with these features besides VERSION_1, and with all queues.
    pub fn ready(device: D, host: H, features: u64) -> Self {
        let mut guest = Self::new(device, host);
        guest.start(features);
        guest
    }
    pub fn start(&mut self, features: u64) {
        let high = (features >> 32) as u32 | 1;
        for (offset, value) in [(0x70, 3), (0x24, 0), (0x20, features as u32), (0x24, 1), (0x20, high), (0x70, 11)] {
            self.write(offset, value);
        }
        assert_eq!(self.read(0x70), 11, "the features fit");
        for queue in 0..Q as u32 {
            self.ram.bytes[0x1000 * queue as usize..][..0x1000].fill(0);
            self.queue(queue, [descriptors(queue), driver(queue), device(queue)], u32::from(SIZE));
            assert_eq!(self.read(0x44), 1);
        }
        self.write(0x70, 15);
    }
    pub fn queue(&mut self, number: u32, areas: [u64; 3], size: u32) {
        self.write(0x30, number);
        self.write(0x38, size);
        for (area, offset) in areas.into_iter().zip([0x80, 0x90, 0xa0]) {
            self.write(offset, area as u32);
            self.write(offset + 4, (area >> 32) as u32);
        }
        self.write(0x44, 1);
    }
    pub fn write(&mut self, offset: u32, value: u32) -> bool {
        self.store(offset, 4, value)
    }
    pub fn store(&mut self, offset: u32, width: u32, value: u32) -> bool {
        let level = &mut self.level;
        self.mmio.write(offset, width, value, &mut self.ram, &mut self.host, &mut |to| *level = to)
    }
    pub fn read(&self, offset: u32) -> u32 {
        self.mmio.read(offset, 4)
    }
    pub fn serve(&mut self) -> bool {
        let level = &mut self.level;
        self.mmio.serve(&mut self.ram, &mut self.host, &mut |to| *level = to)
    }
    pub fn describe(&mut self, queue: u32, n: u16, ipa: u64, len: u32, flags: u16, next: u16) {
        let raw = u128::from(ipa) | u128::from(len) << 64 | u128::from(flags) << 96 | u128::from(next) << 112;
        self.ram.write(descriptors(queue) + 16 * u64::from(n), &raw.to_le_bytes()).unwrap();
    }
    /// Writes a chain from descriptor `first` on, one after another: address, length, whether the device writes.
    pub fn chain(&mut self, queue: u32, first: u16, buffers: &[(u64, u32, bool)]) {
        for (n, &(ipa, len, writable)) in buffers.iter().enumerate() {
            let n = n as u16;
            let next = usize::from(n) + 1 < buffers.len();
            let flags = if writable { WRITE } else { 0 } | if next { NEXT } else { 0 };
            self.describe(queue, first + n, ipa, len, flags, first + n + 1);
        }
    }
    /// Makes `heads` available, without a word to the device.
    pub fn provide(&mut self, queue: u32, heads: &[u16]) {
        let mut index = self.ram.get16(driver(queue) + 2);
        for &head in heads {
            self.ram.set16(driver(queue) + 4 + 2 * u64::from(index % SIZE), head);
            index = index.wrapping_add(1);
        }
        self.ram.set16(driver(queue) + 2, index);
    }
    /// Makes `heads` available and notifies.
    pub fn offer(&mut self, queue: u32, heads: &[u16]) -> bool {
        self.provide(queue, heads);
        self.write(0x50, queue)
    }
    /// How many chains the device has given back.
    pub fn used(&self, queue: u32) -> u16 {
        self.ram.get16(device(queue) + 2)
    }
    /// The n-th chain that it gave back, and how many bytes it says that it has written.
    pub fn used_at(&self, queue: u32, n: u16) -> (u32, u32) {
        let element = device(queue) + 4 + 8 * u64::from(n % SIZE);
        (self.ram.get32(element), self.ram.get32(element + 4))
    }
    /// The device has stopped for this reason, says so, does nothing more, and is mended by a reset.
    #[track_caller]
    pub fn stopped(&mut self, fault: Fault) {
        assert_eq!(self.mmio.take_misuse().map(|misuse| misuse.fault), Some(fault));
        assert_eq!(self.read(0x70) & 64, 64);
        assert!(self.level && self.read(0x60) & 2 != 0);
        let used: Vec<u16> = (0..Q as u32).map(|queue| self.used(queue)).collect();
        for queue in 0..Q as u32 {
            self.ram.set16(driver(queue) + 2, 0);
            self.offer(queue, &[0]);
        }
        self.serve();
        assert_eq!(used, (0..Q as u32).map(|queue| self.used(queue)).collect::<Vec<_>>(), "it does nothing more");
        self.write(0x70, 0);
        assert_eq!(self.read(0x70), 0, "a reset mends it");
        assert!(!self.level);
    }
}

/// What a driver that has lost its mind does next.
#[derive(Clone, Copy, Debug)]
pub enum Madness {
    /// A store of a width anywhere in the window.
    Store(u32, u32, u32),
    /// A load.
    Load(u32, u32),
    /// A few more chains, whatever they are, and a word of it.
    Offer(u32, u16),
    /// Two bytes of memory change.
    Scribble(u16, u16),
    /// Something on the host's side.
    Host(u32),
    /// It starts over.
    Restart,
}

pub fn madness() -> impl Strategy<Value = Madness> {
    let width = prop::sample::select(vec![0, 1, 2, 4]);
    prop_oneof![
        2 => (0..0x220u32, width.clone(), any::<u32>()).prop_map(|(offset, width, value)| Madness::Store(offset, width, value)),
        1 => (0..0x220u32, width).prop_map(|(offset, width)| Madness::Load(offset, width)),
        6 => (0..4u32, 1..4u16).prop_map(|(queue, chains)| Madness::Offer(queue, chains)),
        2 => any::<(u16, u16)>().prop_map(|(at, value)| Madness::Scribble(at, value)),
        6 => any::<u32>().prop_map(Madness::Host),
        1 => Just(Madness::Restart),
    ]
}

/// Steps of a driver that only has much to do.
pub fn busy() -> Vec<Madness> {
    (0..200u32)
        .map(|n| if n % 3 == 0 { Madness::Host(n.wrapping_mul(0x9e37_79b9)) } else { Madness::Offer(n, 2) })
        .collect()
}

impl<H, D: Serve<H, Q>, const Q: usize> Guest<D, H, Q> {
    /// Whatever the driver does, nothing panics, and each call comes back. `request` makes a chain that is plausible for that queue, of up
    /// to four descriptors from the given one on; `host` is what happens on the host's side. Tells how many chains the device gave back,
    /// so that a test knows that it got anywhere.
    pub fn rave(
        &mut self,
        features: u64,
        (seed, steps): (u64, &[Madness]),
        request: impl Fn(&mut Self, u32, u16, u16),
        mut host: impl FnMut(&mut H, u32),
    ) -> u32 {
        let mut used = 0;
        let mut before = [0; Q];
        for (&step, salt) in steps.iter().zip(0u16..) {
            if self.read(0x70) & 15 != 15 || self.read(0x70) & 64 != 0 && salt % 4 == 0 {
                self.write(0x70, 0);
                self.ram.fickle.set(0);
                self.start(features);
                before = [0; Q];
            }
            match step {
                Madness::Store(offset, width, value) => drop(self.store(offset, width, value)),
                Madness::Load(offset, width) => drop(self.mmio.read(offset, width)),
                Madness::Offer(queue, chains) => {
                    let queue = queue % Q as u32;
                    self.ram.fickle.set(0);
                    for n in 0..chains {
                        let index = self.ram.get16(driver(queue) + 2);
                        if index.wrapping_sub(self.used(queue)) >= SIZE {
                            break;
                        }
                        let first = index % 2 * 4;
                        request(self, queue, first, salt.wrapping_mul(7).wrapping_add(n));
                        self.provide(queue, &[first]);
                    }
                    self.ram.fickle.set(seed.wrapping_add(salt.into()) | 1);
                    self.write(0x50, queue);
                }
                Madness::Scribble(at, value) => self.ram.set16(BASE + (u64::from(at) & !1), value),
                Madness::Host(value) => {
                    host(&mut self.host, value);
                    self.serve();
                }
                Madness::Restart => drop(self.write(0x70, 0)),
            }
            for (queue, before) in before.iter_mut().enumerate() {
                let now = self.used(queue as u32);
                used += u32::from(now.wrapping_sub(*before).min(SIZE));
                *before = now;
            }
        }
        used
    }
}
