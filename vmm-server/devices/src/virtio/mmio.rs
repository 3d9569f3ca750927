//! The virtio-mmio transport, version 2 (virtio 1.2, section 4.2).
//!
//! A driver that misuses the device stops this device alone: its status gets DEVICE_NEEDS_RESET, the driver is
//! interrupted, and nothing more happens until it resets the device.

use super::device::Device;
use super::memory::{GuestMemory, Misuse};
use super::queue::{QUEUE_SIZE_MAX, Queue};
use super::spec::{
    Area, FEATURE_EVENT_IDX, FEATURE_VERSION_1, INTERRUPT_CONFIGURATION, INTERRUPT_USED, MAGIC, Register, Status,
    VENDOR, VERSION,
};
use crate::line::Line;

/// A device and its transport.
#[derive(Clone, Debug)]
pub struct Mmio<D, const QUEUES: usize> {
    device: D,
    queues: [Queue; QUEUES],
    status: Status,
    device_features_select: u32,
    driver_features: u64,
    driver_features_select: u32,
    queue_select: u32,
    interrupt: u32,
    level: bool,
    misuse: Option<Misuse>,
}

/// What a window without a device reads as: DeviceID 0 (section 4.2.3.1.1).
pub fn vacant(offset: u32, width: u32) -> u32 {
    match Register::at(offset, width) {
        Register::MagicValue => MAGIC,
        Register::Version => VERSION,
        _ => 0,
    }
}

impl<D, const QUEUES: usize> Mmio<D, QUEUES> {
    /// A transport after reset, with `device` behind it.
    pub fn new(device: D) -> Self {
        Self {
            device,
            queues: core::array::from_fn(|number| Queue::new(number as u16)),
            status: Status::empty(),
            device_features_select: 0,
            driver_features: 0,
            driver_features_select: 0,
            queue_select: 0,
            interrupt: 0,
            level: false,
            misuse: None,
        }
    }

    /// Why the device has stopped, if it has: told once. A guest can make it happen as often as it resets the device, so
    /// a log of it needs a limit.
    pub fn take_misuse(&mut self) -> Option<Misuse> {
        self.misuse.take()
    }

    /// Whether the driver is ready and has broken nothing.
    pub fn is_live(&self) -> bool {
        self.status.contains(Status::DRIVER_OK) && !self.status.intersects(Status::NEEDS_RESET)
    }

    fn selected(&mut self) -> Option<&mut Queue> {
        self.queues.get_mut(self.queue_select as usize)
    }

    fn drive(&mut self, line: &mut impl Line) {
        let level = self.interrupt != 0;
        if level != self.level {
            self.level = level;
            line.set(level);
        }
    }

    fn blame(&mut self, misuse: Misuse) {
        self.misuse = Some(misuse);
        self.status |= Status::NEEDS_RESET;
        // Section 2.1.2: the driver is told only if it was ready.
        if self.status.contains(Status::DRIVER_OK) {
            self.interrupt |= INTERRUPT_CONFIGURATION;
        }
    }
}

impl<D, const QUEUES: usize> Mmio<D, QUEUES> {
    /// The guest loads `width` bytes at `offset`. Loads have no effect.
    pub fn read<H>(&self, offset: u32, width: u32) -> u32
    where
        D: Device<H, QUEUES>,
    {
        let queue = self.queues.get(self.queue_select as usize);
        match Register::at(offset, width) {
            Register::MagicValue => MAGIC,
            Register::Version => VERSION,
            Register::DeviceId => D::ID,
            Register::VendorId => VENDOR,
            Register::DeviceFeatures => match self.device_features_select {
                0 => Self::features() as u32,
                1 => (Self::features() >> 32) as u32,
                _ => 0,
            },
            Register::QueueSizeMax => queue.map_or(0, |_| u32::from(QUEUE_SIZE_MAX)),
            Register::QueueReady => queue.map_or(0, |queue| u32::from(queue.is_ready())),
            Register::InterruptStatus => self.interrupt,
            Register::Status => self.status.bits(),
            Register::SharedMemory => u32::MAX,
            Register::Configuration(first) => (0..width).fold(0, |value, n| {
                let byte = first.checked_add(n).map_or(0, |offset| self.device.configuration(offset));
                value | u32::from(byte) << (8 * n)
            }),
            // The configuration never changes by itself.
            Register::ConfigGeneration => 0,
            Register::DeviceFeaturesSel
            | Register::DriverFeatures
            | Register::DriverFeaturesSel
            | Register::QueueSel
            | Register::QueueSize
            | Register::QueueNotify
            | Register::InterruptAck
            | Register::QueueAddress(..)
            | Register::Reserved => 0,
        }
    }

    /// The guest stores `width` bytes at `offset`. True if the device has more to do and wants [`serve`](Self::serve) again.
    pub fn write<H, M: GuestMemory>(
        &mut self,
        offset: u32,
        width: u32,
        value: u32,
        memory: &mut M,
        host: &mut H,
        line: &mut impl Line,
    ) -> bool
    where
        D: Device<H, QUEUES>,
    {
        match Register::at(offset, width) {
            Register::DeviceFeaturesSel => self.device_features_select = value,
            Register::DriverFeaturesSel => self.driver_features_select = value,
            Register::DriverFeatures if !self.status.contains(Status::FEATURES_OK) => {
                let half = u64::from(value);
                match self.driver_features_select {
                    0 => self.driver_features = self.driver_features & !0xffff_ffff | half,
                    1 => self.driver_features = self.driver_features & 0xffff_ffff | half << 32,
                    _ => {}
                }
            }
            Register::QueueSel => self.queue_select = value,
            Register::QueueSize => {
                if let Some(queue) = self.selected().filter(|queue| !queue.is_ready()) {
                    // What does not fit 16 bits is no size: 0 is refused when the queue is made ready.
                    queue.size = u16::try_from(value).unwrap_or(0);
                }
            }
            Register::QueueAddress(area, half) => {
                if let Some(queue) = self.selected().filter(|queue| !queue.is_ready()) {
                    let address = match area {
                        Area::Descriptors => &mut queue.descriptors,
                        Area::Driver => &mut queue.driver,
                        Area::Device => &mut queue.device,
                    };
                    *address = half.replace(*address, value);
                }
            }
            Register::QueueReady => self.set_ready(value & 1 != 0),
            Register::QueueNotify if (value as usize) < QUEUES => return self.serve(memory, host, line),
            Register::InterruptAck => self.interrupt &= !value,
            Register::Status => {
                let was_live = self.is_live();
                self.set_status(value);
                // Buffers may have been made available before the driver was ready.
                if self.is_live() && !was_live {
                    return self.serve(memory, host, line);
                }
            }
            Register::Configuration(first) => {
                for n in 0..width {
                    if let Some(offset) = first.checked_add(n) {
                        self.device.configure(offset, (value >> (8 * n)) as u8, host);
                    }
                }
            }
            _ => {}
        }
        self.drive(line);
        false
    }

    /// Something happened on the host's side, or there was more to do. True if there still is.
    pub fn serve<H, M: GuestMemory>(&mut self, memory: &mut M, host: &mut H, line: &mut impl Line) -> bool
    where
        D: Device<H, QUEUES>,
    {
        if !self.is_live() {
            return false;
        }
        let more = self.device.serve(&mut self.queues, memory, host);
        let due = self.queues.iter_mut().try_fold(false, |due, queue| Ok(due | queue.interrupt_due(memory)?));
        if due == Ok(true) {
            self.interrupt |= INTERRUPT_USED;
        }
        let more = match (more, due) {
            (Ok(more), Ok(_)) => more,
            (Err(misuse), _) | (_, Err(misuse)) => {
                self.blame(misuse);
                false
            }
        };
        self.drive(line);
        more
    }

    /// Puts everything back to its reset state, as when the machine is reset.
    pub fn reset<H>(&mut self, line: &mut impl Line)
    where
        D: Device<H, QUEUES>,
    {
        self.clear();
        self.drive(line);
    }

    fn features<H>() -> u64
    where
        D: Device<H, QUEUES>,
    {
        D::FEATURES | FEATURE_VERSION_1 | FEATURE_EVENT_IDX
    }

    fn clear<H>(&mut self)
    where
        D: Device<H, QUEUES>,
    {
        self.device.reset();
        self.queues = core::array::from_fn(|number| Queue::new(number as u16));
        self.status = Status::empty();
        (self.device_features_select, self.driver_features_select, self.queue_select) = (0, 0, 0);
        self.driver_features = 0;
        self.interrupt = 0;
    }

    /// Section 4.2.3.1: zero resets; a bit, once set, stays; FEATURES_OK is refused unless the features fit.
    fn set_status<H>(&mut self, value: u32)
    where
        D: Device<H, QUEUES>,
    {
        if value == 0 {
            return self.clear();
        }
        let mut asked = Status::from_bits_truncate(value) - Status::NEEDS_RESET;
        let fit = self.driver_features & !Self::features() == 0 && self.driver_features & FEATURE_VERSION_1 != 0;
        if !fit {
            asked -= Status::FEATURES_OK;
        }
        if !(self.status | asked).contains(Status::FEATURES_OK) {
            asked -= Status::DRIVER_OK;
        }
        self.status |= asked;
    }

    fn set_ready<H>(&mut self, ready: bool)
    where
        D: Device<H, QUEUES>,
    {
        let event_idx = self.driver_features & FEATURE_EVENT_IDX != 0;
        let agreed = self.status.contains(Status::FEATURES_OK) && !self.status.contains(Status::NEEDS_RESET);
        let number = self.queue_select as usize;
        let Some(queue) = self.selected() else { return };
        if !ready {
            queue.stop();
            self.device.stop(number);
        } else if agreed
            && !queue.is_ready()
            && let Err(misuse) = queue.start(event_idx)
        {
            self.blame(misuse);
        }
    }
}
