//! Our virtio devices under a driver that others wrote.
#![allow(unsafe_code, reason = "the driver's interface to memory is unsafe; the devices' is not")]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ptr::NonNull;
use std::rc::Rc;
use virtio_drivers::device::console::VirtIOConsole;
use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};
use virtio_drivers::{BufferDirection, Error, Hal, PAGE_SIZE, PhysAddr, Result};
use vmm_devices::line::Output;
use vmm_devices::virtio::{Console, GuestMemory, Mmio, OutOfRange, console::Port};
use zerocopy::{FromBytes, Immutable, IntoBytes};

const RAM_BASE: u64 = 0x4000_0000;
const RAM_BYTES: usize = 1 << 20;

/// The guest's RAM, one for each test's thread. It is never freed, so its addresses stay good.
struct Ram {
    base: NonNull<u8>,
    next: usize,
}

thread_local! {
    static RAM: RefCell<Ram> = RefCell::new({
        let layout = std::alloc::Layout::from_size_align(RAM_BYTES, PAGE_SIZE).unwrap();
        // SAFETY: the layout's size is not zero.
        let base = unsafe { std::alloc::alloc_zeroed(layout) };
        Ram { base: NonNull::new(base).unwrap(), next: 0 }
    });
}

/// A new piece of the guest's RAM.
fn allocate(bytes: usize, align: usize) -> (PhysAddr, NonNull<u8>) {
    RAM.with_borrow_mut(|ram| {
        let first = ram.next.next_multiple_of(align);
        ram.next = first + bytes;
        assert!(ram.next <= RAM_BYTES, "the test's RAM is too small");
        // SAFETY: the offset is below the size of the allocation.
        (RAM_BASE + first as u64, unsafe { ram.base.add(first) })
    })
}

/// The host's address of a range of guest memory.
fn locate(ipa: u64, len: usize) -> core::result::Result<NonNull<u8>, OutOfRange> {
    let offset = usize::try_from(ipa.checked_sub(RAM_BASE).ok_or(OutOfRange)?).map_err(|_| OutOfRange)?;
    if offset.checked_add(len).is_none_or(|end| end > RAM_BYTES) {
        return Err(OutOfRange);
    }
    // SAFETY: the offset is below the size of the allocation.
    Ok(RAM.with_borrow(|ram| unsafe { ram.base.add(offset) }))
}

/// Memory that bounces: a shared buffer is a copy, so a driver that forgets to share or unshare fails.
struct Bounce;

// SAFETY: pieces come from a live allocation, are page-aligned and zeroed, and are handed out once.
unsafe impl Hal for Bounce {
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        allocate(pages * PAGE_SIZE, PAGE_SIZE)
    }
    unsafe fn dma_dealloc(_: PhysAddr, _: NonNull<u8>, _: usize) -> i32 {
        0
    }
    unsafe fn mmio_phys_to_virt(_: PhysAddr, _: usize) -> NonNull<u8> {
        unreachable!("there is no PCI")
    }
    unsafe fn share(buffer: NonNull<[u8]>, direction: BufferDirection) -> PhysAddr {
        let (ipa, copy) = allocate(buffer.len(), 1);
        if direction != BufferDirection::DeviceToDriver {
            // SAFETY: both are valid for that length and do not overlap.
            unsafe { copy.copy_from(buffer.cast(), buffer.len()) };
        }
        ipa
    }
    unsafe fn unshare(ipa: PhysAddr, buffer: NonNull<[u8]>, direction: BufferDirection) {
        if direction != BufferDirection::DriverToDevice {
            let copy = locate(ipa, buffer.len()).unwrap();
            // SAFETY: as above.
            unsafe { buffer.cast().copy_from(copy, buffer.len()) };
        }
    }
}

struct Memory;

impl GuestMemory for Memory {
    fn read(&self, ipa: u64, into: &mut [u8]) -> core::result::Result<(), OutOfRange> {
        let from = locate(ipa, into.len())?;
        // SAFETY: the range was checked, and the driver does not run meanwhile.
        unsafe { NonNull::from(&mut *into).cast().copy_from(from, into.len()) };
        Ok(())
    }
    fn write(&mut self, ipa: u64, from: &[u8]) -> core::result::Result<(), OutOfRange> {
        let to = locate(ipa, from.len())?;
        // SAFETY: as above.
        unsafe { to.copy_from(NonNull::from(from).cast(), from.len()) };
        Ok(())
    }
}

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

struct Machine {
    mmio: Mmio<Console, 2>,
    wire: Wire,
    level: bool,
    notifications: [usize; 2],
    features: u64,
}

impl Machine {
    fn write(&mut self, offset: u32, value: u32) {
        let level = &mut self.level;
        self.mmio.write(offset, 4, value, &mut Memory, &mut self.wire, &mut |to| *level = to);
    }
    fn read(&self, offset: u32) -> u32 {
        self.mmio.read::<Wire>(offset, 4)
    }
    fn type_in(&mut self, text: &[u8]) {
        self.wire.input.extend(text);
        let level = &mut self.level;
        assert!(!self.mmio.serve(&mut Memory, &mut self.wire, &mut |to| *level = to));
    }
}

/// The transport, by the registers alone, as an MMIO driver would use them.
#[derive(Clone)]
struct Registers(Rc<RefCell<Machine>>);

impl Registers {
    fn write(&self, offset: u32, value: u32) {
        self.0.borrow_mut().write(offset, value);
    }
    fn write64(&self, offset: u32, value: u64) {
        self.write(offset, value as u32);
        self.write(offset + 4, (value >> 32) as u32);
    }
    fn read(&self, offset: u32) -> u32 {
        self.0.borrow().read(offset)
    }
}

impl Transport for Registers {
    fn device_type(&self) -> DeviceType {
        DeviceType::try_from(self.read(8)).unwrap()
    }
    fn read_device_features(&mut self) -> u64 {
        self.write(0x14, 0);
        let low = u64::from(self.read(0x10));
        self.write(0x14, 1);
        (low | u64::from(self.read(0x10)) << 32) & self.0.borrow().features
    }
    fn write_driver_features(&mut self, features: u64) {
        self.write(0x24, 0);
        self.write(0x20, features as u32);
        self.write(0x24, 1);
        self.write(0x20, (features >> 32) as u32);
    }
    fn max_queue_size(&mut self, queue: u16) -> u32 {
        self.write(0x30, queue.into());
        self.read(0x34)
    }
    fn notify(&mut self, queue: u16) {
        self.0.borrow_mut().notifications[usize::from(queue)] += 1;
        self.write(0x50, queue.into());
    }
    fn get_status(&self) -> DeviceStatus {
        DeviceStatus::from_bits_truncate(self.read(0x70))
    }
    fn set_status(&mut self, status: DeviceStatus) {
        self.write(0x70, status.bits());
    }
    fn set_guest_page_size(&mut self, _: u32) {}
    fn requires_legacy_layout(&self) -> bool {
        false
    }
    fn queue_set(&mut self, queue: u16, size: u32, descriptors: PhysAddr, driver: PhysAddr, device: PhysAddr) {
        self.write(0x30, queue.into());
        self.write(0x38, size);
        self.write64(0x80, descriptors);
        self.write64(0x90, driver);
        self.write64(0xa0, device);
        self.write(0x44, 1);
        assert_eq!(self.read(0x44), 1);
    }
    fn queue_unset(&mut self, queue: u16) {
        self.write(0x30, queue.into());
        self.write(0x44, 0);
    }
    fn queue_used(&mut self, queue: u16) -> bool {
        self.write(0x30, queue.into());
        self.read(0x44) != 0
    }
    fn ack_interrupt(&mut self) -> InterruptStatus {
        let status = self.read(0x60);
        self.write(0x64, status);
        InterruptStatus::from_bits_truncate(status)
    }
    fn read_config_generation(&self) -> u32 {
        self.read(0xfc)
    }
    fn read_config_space<T: FromBytes + IntoBytes>(&self, offset: usize) -> Result<T> {
        let machine = self.0.borrow();
        let bytes: Vec<u8> =
            (0..size_of::<T>()).map(|n| machine.mmio.read::<Wire>(0x100 + (offset + n) as u32, 1) as u8).collect();
        T::read_from_bytes(&bytes).map_err(|_| Error::ConfigSpaceTooSmall)
    }
    fn write_config_space<T: IntoBytes + Immutable>(&mut self, offset: usize, value: T) -> Result<()> {
        let machine = &mut *self.0.borrow_mut();
        for (n, &byte) in value.as_bytes().iter().enumerate() {
            let at = 0x100 + (offset + n) as u32;
            machine.mmio.write(at, 1, byte.into(), &mut Memory, &mut machine.wire, &mut |_| {});
        }
        Ok(())
    }
}

fn start(features: u64) -> (Registers, VirtIOConsole<Bounce, Registers>) {
    let machine = Machine {
        mmio: Mmio::new(Console::new()),
        wire: Wire::default(),
        level: false,
        notifications: [0; 2],
        features,
    };
    let registers = Registers(Rc::new(RefCell::new(machine)));
    assert_eq!(registers.device_type(), DeviceType::Console);
    let console = VirtIOConsole::new(registers.clone()).unwrap();
    assert_eq!(registers.read(0x70), 15);
    (registers, console)
}

fn converse(features: u64) {
    let (registers, mut console) = start(features);
    for byte in *b"Hello, " {
        console.send(byte).unwrap();
    }
    let long = vec![b'x'; 5000];
    console.send_bytes(&long).unwrap();
    assert_eq!(registers.0.borrow().wire.sent, [&b"Hello, "[..], &long].concat());

    assert_eq!(console.recv(true).unwrap(), None);
    console.ack_interrupt().unwrap();
    for round in 0..20 {
        let text = format!("line {round}\n");
        registers.0.borrow_mut().type_in(text.as_bytes());
        assert!(registers.0.borrow().level, "round {round}: an interrupt for input");
        console.ack_interrupt().unwrap();
        assert!(!registers.0.borrow().level);
        for byte in text.bytes() {
            assert_eq!(console.recv(true).unwrap(), Some(byte));
        }
        assert_eq!(console.recv(true).unwrap(), None);
    }
    assert!(registers.0.borrow_mut().mmio.take_misuse().is_none());
    let [receive, _] = registers.0.borrow().notifications;
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
    let (registers, mut console) = start(u64::MAX);
    for n in 0..70_000u32 {
        console.send(n as u8).unwrap();
    }
    assert_eq!(registers.0.borrow().wire.sent.len(), 70_000);
    assert!(registers.0.borrow_mut().mmio.take_misuse().is_none());
}

#[test]
fn input_longer_than_a_buffer_waits_for_the_next() {
    let (registers, mut console) = start(u64::MAX);
    let text: Vec<u8> = (0..PAGE_SIZE * 2 + 10).map(|n| n as u8).collect();
    registers.0.borrow_mut().type_in(&text);
    for &byte in &text {
        assert_eq!(console.recv(true).unwrap(), Some(byte));
    }
    assert_eq!(console.recv(true).unwrap(), None);
}

#[test]
fn a_second_driver_starts_afresh() {
    let (registers, mut console) = start(u64::MAX);
    console.send(b'a').unwrap();
    drop(console);
    let mut console = VirtIOConsole::<Bounce, _>::new(registers.clone()).unwrap();
    console.send(b'b').unwrap();
    assert_eq!(registers.0.borrow().wire.sent, b"ab");
}
