//! The transport, by the registers alone, as an MMIO driver would use them.

use crate::memory::Memory;
use std::cell::{Ref, RefCell, RefMut};
use std::rc::Rc;
use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};
use virtio_drivers::{Error, PhysAddr, Result};
use vmm_devices::virtio::{Misuse, Mmio, Serve};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// What happens beside the guest: the far side of a device.
pub trait Host {
    /// Whether the host did something for which the device must look again. Called after each notification, since the drivers wait
    /// in a loop.
    fn work(&mut self) -> bool {
        false
    }
}

/// A device and its far side.
pub struct Machine<D, H, const Q: usize> {
    pub mmio: Mmio<D, Q>,
    pub host: H,
    pub level: bool,
    /// How often the driver has notified each queue.
    pub notifications: [usize; Q],
    /// The features that the driver gets to see.
    features: u64,
}

impl<H: Host, D: Serve<H, Q>, const Q: usize> Machine<D, H, Q> {
    fn write(&mut self, offset: u32, width: u32, value: u32) {
        let Self { mmio, host, level, .. } = self;
        let mut more = mmio.write(offset, width, value, &mut Memory, host, &mut |to| *level = to);
        while more || host.work() {
            more = mmio.serve(&mut Memory, host, &mut |to| *level = to);
        }
    }
    /// Something happens on the host's side: whether the device has more to do.
    pub fn serve(&mut self) -> bool {
        let level = &mut self.level;
        self.mmio.serve(&mut Memory, &mut self.host, &mut |to| *level = to)
    }
}

/// The registers of a device, for as many drivers as there are.
pub struct Registers<D, H, const Q: usize>(Rc<RefCell<Machine<D, H, Q>>>);

impl<D, H, const Q: usize> Clone for Registers<D, H, Q> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<H: Host, D: Serve<H, Q>, const Q: usize> Registers<D, H, Q> {
    /// A device after reset, which offers of its features only these.
    pub fn new(device: D, host: H, features: u64) -> Self {
        let machine = Machine { mmio: Mmio::new(device), host, level: false, notifications: [0; Q], features };
        Self(Rc::new(RefCell::new(machine)))
    }
    pub fn machine(&self) -> RefMut<'_, Machine<D, H, Q>> {
        self.0.borrow_mut()
    }
    pub fn look(&self) -> Ref<'_, Machine<D, H, Q>> {
        self.0.borrow()
    }
    pub fn host(&self) -> RefMut<'_, H> {
        RefMut::map(self.machine(), |machine| &mut machine.host)
    }
    pub fn serve(&self) -> bool {
        self.machine().serve()
    }
    pub fn misuse(&self) -> Option<Misuse> {
        self.machine().mmio.take_misuse()
    }
    pub fn write(&self, offset: u32, value: u32) {
        self.machine().write(offset, 4, value);
    }
    fn write64(&self, offset: u32, value: u64) {
        self.write(offset, value as u32);
        self.write(offset + 4, (value >> 32) as u32);
    }
    pub fn read(&self, offset: u32) -> u32 {
        self.look().mmio.read(offset, 4)
    }
}

impl<H: Host, D: Serve<H, Q>, const Q: usize> Transport for Registers<D, H, Q> {
    fn device_type(&self) -> DeviceType {
        DeviceType::try_from(self.read(8)).unwrap()
    }
    fn read_device_features(&mut self) -> u64 {
        self.write(0x14, 0);
        let low = u64::from(self.read(0x10));
        self.write(0x14, 1);
        (low | u64::from(self.read(0x10)) << 32) & self.look().features
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
        self.machine().notifications[usize::from(queue)] += 1;
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
        let machine = self.look();
        let bytes: Vec<u8> =
            (0..size_of::<T>()).map(|n| machine.mmio.read(0x100 + (offset + n) as u32, 1) as u8).collect();
        T::read_from_bytes(&bytes).map_err(|_| Error::ConfigSpaceTooSmall)
    }
    fn write_config_space<T: IntoBytes + Immutable>(&mut self, offset: usize, value: T) -> Result<()> {
        for (n, &byte) in value.as_bytes().iter().enumerate() {
            self.machine().write(0x100 + (offset + n) as u32, 1, byte.into());
        }
        Ok(())
    }
}
