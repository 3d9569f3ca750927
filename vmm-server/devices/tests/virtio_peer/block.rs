//! The block device. A vault: the driver's requests that do not wait are unsafe.
#![allow(unsafe_code, reason = "a request that does not wait lends its buffers to the device")]

use crate::memory::Bounce;
use crate::transport::{Host, Registers};
use std::collections::BTreeMap;
use virtio_drivers::Error;
use virtio_drivers::device::blk::{BlkReq, BlkResp, RespStatus, SECTOR_SIZE, VirtIOBlk};
use virtio_drivers::transport::{DeviceType, Transport};
use vmm_devices::virtio::block::{BLOCK_QUEUES, BlockOf, Disk, Failed, Full, Operation, Parameters};

const DEPTH: usize = 4;
const WINDOW: usize = 2048;
const SECTORS: usize = 256;

/// A disk that ends the youngest of its operations first, and only while it works.
struct Late {
    bytes: Vec<u8>,
    windows: [[u8; WINDOW]; DEPTH],
    under_way: Vec<(usize, Operation)>,
    ended: Vec<usize>,
    works: bool,
    operations: BTreeMap<&'static str, usize>,
}

impl Late {
    fn new() -> Self {
        Self {
            bytes: vec![0; SECTORS * SECTOR_SIZE],
            windows: [[0; WINDOW]; DEPTH],
            under_way: vec![],
            ended: vec![],
            works: true,
            operations: BTreeMap::new(),
        }
    }
    fn at(&mut self, sector: u64, sectors: u32) -> &mut [u8] {
        &mut self.bytes[sector as usize * SECTOR_SIZE..][..sectors as usize * SECTOR_SIZE]
    }
}

impl Disk for Late {
    fn window_bytes(&self) -> usize {
        WINDOW
    }
    fn put(&mut self, tag: usize, offset: usize, bytes: &[u8]) {
        self.windows[tag][offset..][..bytes.len()].copy_from_slice(bytes);
    }
    fn get(&mut self, tag: usize, offset: usize, into: &mut [u8]) {
        into.copy_from_slice(&self.windows[tag][offset..][..into.len()]);
    }
    fn submit(&mut self, tag: usize, operation: Operation) -> Result<(), Full> {
        // It takes three, so that a fourth has to wait.
        if self.under_way.len() == 3 {
            return Err(Full);
        }
        self.under_way.push((tag, operation));
        Ok(())
    }
    fn completed(&mut self) -> Option<(usize, Result<(), Failed>)> {
        self.ended.pop().map(|tag| (tag, Ok(())))
    }
}

impl Host for Late {
    fn work(&mut self) -> bool {
        if !self.works {
            return false;
        }
        let Some((tag, operation)) = self.under_way.pop() else { return false };
        let name = match operation {
            Operation::Read { sector, sectors } => {
                let bytes = self.at(sector, sectors).to_vec();
                self.windows[tag][..bytes.len()].copy_from_slice(&bytes);
                "read"
            }
            Operation::Write { sector, sectors, durable } => {
                let window = self.windows[tag];
                let bytes = self.at(sector, sectors);
                bytes.copy_from_slice(&window[..bytes.len()]);
                if durable { "durable write" } else { "write" }
            }
            Operation::Flush => "flush",
            Operation::Discard { .. } | Operation::WriteZeroes { .. } => panic!("the driver knows of no such thing"),
        };
        *self.operations.entry(name).or_default() += 1;
        self.ended.push(tag);
        true
    }
}

type Device = Registers<BlockOf<DEPTH>, Late, BLOCK_QUEUES>;

const PARAMETERS: Parameters = Parameters {
    sectors: SECTORS as u64,
    block_bytes: 512,
    read_only: false,
    name: *b"bulkhead's disk\0\0\0\0\0",
    discard_sectors_max: 8,
    write_zeroes_sectors_max: 8,
};

fn start(parameters: Parameters, features: u64) -> (Device, VirtIOBlk<Bounce, Device>) {
    let device = Device::new(BlockOf::new(parameters).unwrap(), Late::new(), features);
    assert_eq!(device.device_type(), DeviceType::Block);
    let disk = VirtIOBlk::new(device.clone()).unwrap();
    assert_eq!(device.read(0x70), 15);
    (device, disk)
}

fn use_it(features: u64, write: &'static str) {
    let (device, mut disk) = start(PARAMETERS, features);
    assert_eq!((disk.capacity(), disk.readonly()), (SECTORS as u64, false));
    let mut name = [0; 20];
    assert_eq!(disk.device_id(&mut name), Ok(15));
    assert_eq!(&name[..15], b"bulkhead's disk");
    let bytes: Vec<u8> = (0..20 * SECTOR_SIZE).map(|n| (n / 7) as u8).collect();
    disk.write_blocks(3, &bytes).unwrap();
    disk.flush().unwrap();
    let mut back = vec![0; bytes.len()];
    disk.read_blocks(3, &mut back).unwrap();
    assert_eq!(back, bytes);
    assert!(device.look().level, "an interrupt");
    disk.ack_interrupt();
    assert!(!device.look().level);
    assert_eq!(disk.read_blocks(SECTORS, &mut back), Err(Error::IoError), "beyond the end");
    disk.read_blocks(SECTORS - 1, &mut back[..SECTOR_SIZE]).unwrap();
    // Five windows each, and the flush if the driver knows of it.
    let flushes = usize::from(features >> 9 & 1 != 0);
    assert_eq!(device.host().operations.get(write), Some(&5));
    assert_eq!(device.host().operations.get("flush").copied().unwrap_or(0), flushes);
    assert!(device.misuse().is_none());
}

#[test]
fn a_driver_reads_writes_and_flushes_with_event_indexes() {
    use_it(u64::MAX, "write");
}

#[test]
fn a_driver_reads_writes_and_flushes_with_flags() {
    use_it(!(1 << 29), "write");
}

#[test]
fn a_driver_that_knows_no_flush_has_a_disk_that_writes_through() {
    use_it(!(1 << 9), "durable write");
}

#[test]
fn a_disk_that_is_read_only_says_so_and_is() {
    let (device, mut disk) = start(Parameters { read_only: true, ..PARAMETERS }, u64::MAX);
    assert!(disk.readonly());
    assert_eq!(disk.write_blocks(0, &[1; SECTOR_SIZE]), Err(Error::IoError));
    assert_eq!(device.host().bytes[0], 0);
    disk.read_blocks(0, &mut [0; SECTOR_SIZE]).unwrap();
}

#[test]
fn a_driver_has_five_requests_under_way_that_end_in_another_order() {
    let (device, mut disk) = start(PARAMETERS, u64::MAX);
    for sector in 0..8 {
        disk.write_blocks(sector, &[sector as u8 + 1; SECTOR_SIZE]).unwrap();
    }
    device.host().works = false;
    let mut requests: Vec<_> = (0..5).map(|_| (BlkReq::default(), [0; SECTOR_SIZE], BlkResp::default())).collect();
    let mut tokens = BTreeMap::new();
    for (n, (request, bytes, response)) in requests.iter_mut().enumerate() {
        // SAFETY: the vector outlives all five, and nobody looks into it until they have been completed.
        let token = unsafe { disk.read_blocks_nb(n + 1, request, bytes, response) }.unwrap();
        tokens.insert(token, n);
    }
    assert_eq!(disk.peek_used(), None, "the device does not wait for its disk");
    device.host().works = true;
    let mut order = vec![];
    while !tokens.is_empty() {
        device.host().work();
        device.serve();
        while let Some(n) = disk.peek_used().and_then(|token| tokens.remove(&token).map(|n| (token, n))) {
            let (token, n) = n;
            let (request, bytes, response) = &mut requests[n];
            // SAFETY: they are those of this token.
            unsafe { disk.complete_read_blocks(token, request, bytes, response) }.unwrap();
            assert_eq!((response.status(), *bytes), (RespStatus::OK, [n as u8 + 2; SECTOR_SIZE]));
            order.push(n);
        }
    }
    assert_eq!(order, [2, 3, 4, 1, 0], "three are taken, the last first");
    assert!(device.misuse().is_none());
}

#[test]
fn a_second_driver_finds_the_disk_as_the_first_left_it() {
    let (device, mut disk) = start(PARAMETERS, u64::MAX);
    disk.write_blocks(7, &[7; SECTOR_SIZE]).unwrap();
    drop(disk);
    let mut disk = VirtIOBlk::<Bounce, _>::new(device.clone()).unwrap();
    let mut bytes = [0; SECTOR_SIZE];
    disk.read_blocks(7, &mut bytes).unwrap();
    assert_eq!(bytes, [7; SECTOR_SIZE]);
}
