//! For tests: a disk that is harsher than any, and the requests of an honest driver. The disk looks after its windows, has a cache that a
//! power cut empties, and ends what it was asked in the order that the test likes.

use super::*;
use crate::virtio::fake::{self, DATA};
use std::collections::{BTreeMap, VecDeque};
use std::vec::Vec;

pub const SECTORS: u64 = 64;
pub const DEPTH: usize = 4;
pub const WINDOW: usize = 1024;
pub const IN: u32 = spec::IN;
pub const OUT: u32 = spec::OUT;

pub struct Fake {
    /// What is read: the cache over the disk.
    pub cached: Vec<u8>,
    pub stable: Vec<u8>,
    windows: [[u8; WINDOW]; DEPTH],
    pub under_way: BTreeMap<usize, Operation>,
    pub ended: VecDeque<(usize, Result<(), Failed>)>,
    pub room: usize,
    /// It ends what it is asked at once.
    pub is_instant: bool,
}

impl Fake {
    pub fn new() -> Self {
        let disk: Vec<u8> = (0..SECTORS as usize * 512).map(|n| (n / 512 + n % 512) as u8).collect();
        Self {
            cached: disk.clone(),
            stable: disk,
            windows: [[0; WINDOW]; DEPTH],
            under_way: BTreeMap::new(),
            ended: VecDeque::new(),
            room: DEPTH,
            is_instant: false,
        }
    }
    pub fn place(sector: u64, sectors: u32) -> std::ops::Range<usize> {
        assert!(sector + u64::from(sectors) <= SECTORS, "beyond the end");
        sector as usize * 512..(sector as usize + sectors as usize) * 512
    }
    pub fn tags(&self) -> Vec<usize> {
        self.under_way.keys().copied().collect()
    }
    /// Ends an operation, well or badly.
    pub fn end(&mut self, tag: usize, result: Result<(), Failed>) {
        let operation = self.under_way.remove(&tag).unwrap();
        self.ended.push_back((tag, result));
        if result.is_err() {
            return;
        }
        let (place, data, durable) = match operation {
            Operation::Flush => return self.stable.copy_from_slice(&self.cached),
            Operation::Read { sector, sectors } => {
                let place = Self::place(sector, sectors);
                return self.windows[tag][..place.len()].copy_from_slice(&self.cached[place]);
            }
            Operation::Write { sector, sectors, durable } => {
                (Self::place(sector, sectors), self.windows[tag].to_vec(), durable)
            }
            Operation::WriteZeroes { sector, sectors, durable, .. } => {
                (Self::place(sector, sectors), vec![0; sectors as usize * 512], durable)
            }
            Operation::Discard { sector, sectors } => {
                (Self::place(sector, sectors), vec![0xdd; sectors as usize * 512], false)
            }
        };
        self.cached[place.clone()].copy_from_slice(&data[..place.len()]);
        if durable {
            self.stable[place.clone()].copy_from_slice(&data[..place.len()]);
        }
    }
    pub fn end_all(&mut self) {
        for tag in self.tags() {
            self.end(tag, Ok(()));
        }
    }
}

impl Disk for Fake {
    fn window_bytes(&self) -> usize {
        WINDOW + 100
    }
    fn put(&mut self, tag: usize, offset: usize, bytes: &[u8]) {
        assert!(!self.under_way.contains_key(&tag), "the window is the disk's");
        self.windows[tag][offset..offset + bytes.len()].copy_from_slice(bytes);
    }
    fn get(&mut self, tag: usize, offset: usize, into: &mut [u8]) {
        assert!(!self.under_way.contains_key(&tag), "the window is the disk's");
        into.copy_from_slice(&self.windows[tag][offset..offset + into.len()]);
    }
    fn submit(&mut self, tag: usize, operation: Operation) -> Result<(), Full> {
        assert!(tag < DEPTH);
        if self.under_way.len() >= self.room {
            return Err(Full);
        }
        assert!(self.under_way.insert(tag, operation).is_none(), "a tag twice");
        if self.is_instant {
            self.end(tag, Ok(()));
        }
        Ok(())
    }
    fn completed(&mut self) -> Option<(usize, Result<(), Failed>)> {
        self.ended.pop_front()
    }
}

pub type Guest = fake::Guest<BlockOf<DEPTH>, Fake, BLOCK_QUEUES>;

pub fn parameters() -> Parameters {
    Parameters {
        sectors: SECTORS,
        block_bytes: 512,
        read_only: false,
        name: *b"a disk for the tests",
        discard_sectors_max: 32,
        write_zeroes_sectors_max: 16,
    }
}

pub fn block(parameters: Parameters) -> BlockOf<DEPTH> {
    BlockOf::new(parameters).unwrap()
}

pub const CACHED: u64 = FEATURE_FLUSH | FEATURE_CONFIG_WCE;

pub fn ready(features: u64) -> Guest {
    Guest::ready(block(parameters()), Fake::new(), features)
}

/// Where request `n` keeps its header, its data and its status.
pub fn place(n: u16) -> (u64, u64, u64) {
    let base = DATA + 0x2000 * u64::from(n);
    (base, base + 0x20, base + 0x10)
}

impl Guest {
    /// Makes request `n` (0 or 1) available, and notifies.
    pub fn request(&mut self, n: u16, kind: u32, sector: u64, bytes: u32) {
        self.prepare(n, kind, sector, bytes);
        self.write(0x50, 0);
    }
    /// Makes request `n` available: its header, `bytes` bytes of data.
    pub fn prepare(&mut self, n: u16, kind: u32, sector: u64, bytes: u32) {
        let (header, data, status) = place(n);
        self.ram.set32(header, kind);
        self.ram.write(header + 8, &sector.to_le_bytes()).unwrap();
        self.ram.write(status, &[0xff]).unwrap();
        let into = kind == IN || kind == spec::GET_ID;
        self.chain(0, 4 * n, &[(header, 16, false), (data, bytes, into), (status, 1, true)]);
        if bytes == 0 {
            self.chain(0, 4 * n, &[(header, 16, false), (status, 1, true)]);
        }
        self.provide(0, &[4 * n]);
    }
    /// Ends all that is under way, until nothing is.
    pub fn settle(&mut self) {
        for _ in 0..1000 {
            self.host.end_all();
            if !self.serve() && self.host.under_way.is_empty() {
                return;
            }
        }
        panic!("it never ends");
    }
    pub fn status(&self, n: u16) -> u8 {
        self.ram.at(place(n).2, 1)[0]
    }
    /// A request from its beginning to its end: its status, and what the device says that it has written.
    pub fn ask(&mut self, kind: u32, sector: u64, bytes: u32) -> (u8, u32) {
        let before = self.used(0);
        self.request(0, kind, sector, bytes);
        self.settle();
        assert_eq!(self.used(0), before.wrapping_add(1));
        (self.status(0), self.used_at(0, before).1)
    }
    pub fn range(&mut self, kind: u32, sector: u64, sectors: u32, flags: u32) -> u8 {
        let data = place(0).1;
        self.ram.write(data, &sector.to_le_bytes()).unwrap();
        self.ram.set32(data + 8, sectors);
        self.ram.set32(data + 12, flags);
        self.ask(kind, 0, 16).0
    }
}
