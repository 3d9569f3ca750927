//! The registers of virtio over MMIO, version 2 (virtio 1.2, section 4.2), whatever device stands behind them: a store becomes
//! an [`Act`] for the device. Once in an image, however many devices there are.

use super::memory::Misuse;
use super::queue::Queue;
use super::spec::{
    Area, FEATURE_EVENT_IDX, FEATURE_VERSION_1, INTERRUPT_CONFIGURATION, INTERRUPT_USED, MAGIC, Register, Status,
    VENDOR, VERSION,
};
use crate::line::Line;

/// What a store asks of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Nothing.
    Nothing,
    /// Look at the queues.
    Serve,
    /// Forget all.
    Reset,
    /// These features were chosen. If the driver is ready by the same store, look at the queues, too.
    Agree(u64),
    /// This queue is the driver's again.
    Stop(usize),
    /// The configuration is stored to, from this byte on.
    Configure(u32),
}

/// A device as its transport describes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Description {
    pub id: u32,
    pub features: u64,
    pub generation: u32,
}

/// The registers, and the state that all devices have.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    status: Status,
    device_features_select: u32,
    driver_features: u64,
    driver_features_select: u32,
    queue_select: u32,
    interrupt: u32,
    level: bool,
    /// The generation of the configuration that the driver was last interrupted for.
    generation: u32,
    misuse: Option<Misuse>,
}

impl Transport {
    pub const fn new() -> Self {
        Self {
            status: Status::empty(),
            device_features_select: 0,
            driver_features: 0,
            driver_features_select: 0,
            queue_select: 0,
            interrupt: 0,
            level: false,
            generation: 0,
            misuse: None,
        }
    }

    pub fn take_misuse(&mut self) -> Option<Misuse> {
        self.misuse.take()
    }

    pub fn is_live(&self) -> bool {
        self.status.contains(Status::DRIVER_OK) && !self.status.intersects(Status::NEEDS_RESET)
    }

    pub fn drive(&mut self, line: &mut impl Line) {
        let level = self.interrupt != 0;
        if level != self.level {
            self.level = level;
            line.set(level);
        }
    }

    /// The device has looked at its queues: what came of it, whether the driver is to be interrupted for a queue, and the generation that its
    /// configuration has now. Tells whether there is more to do.
    #[inline(never)]
    pub fn served(&mut self, more: Result<bool, Misuse>, due: Result<bool, Misuse>, generation: u32) -> bool {
        if due == Ok(true) {
            self.interrupt |= INTERRUPT_USED;
        }
        if generation != self.generation {
            self.generation = generation;
            self.interrupt |= INTERRUPT_CONFIGURATION;
        }
        match (more, due) {
            (Ok(more), Ok(_)) => more,
            (Err(misuse), _) | (_, Err(misuse)) => {
                self.blame(misuse);
                false
            }
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

    /// As after power-on, but for the line, which [`drive`](Self::drive) lets fall, and for a misuse that nobody has asked for yet.
    pub fn reset(&mut self, generation: u32, queues: &mut [Queue]) {
        *self = Self { level: self.level, misuse: self.misuse, generation, ..Self::new() };
        queues.iter_mut().for_each(Queue::reset);
    }

    /// What a register reads as, the configuration excepted.
    #[inline(never)]
    pub fn read(&self, register: Register, of: Description, queues: &[Queue]) -> u32 {
        let queue = queues.get(self.queue_select as usize);
        match register {
            Register::MagicValue => MAGIC,
            Register::Version => VERSION,
            Register::DeviceId => of.id,
            Register::VendorId => VENDOR,
            Register::DeviceFeatures => match self.device_features_select {
                0 => offered(of) as u32,
                1 => (offered(of) >> 32) as u32,
                _ => 0,
            },
            Register::QueueSizeMax => queue.map_or(0, |queue| u32::from(queue.size_max())),
            Register::QueueReady => queue.map_or(0, |queue| u32::from(queue.is_ready())),
            Register::InterruptStatus => self.interrupt,
            Register::Status => self.status.bits(),
            Register::SharedMemory => u32::MAX,
            Register::ConfigGeneration => of.generation,
            Register::Configuration(_)
            | Register::DeviceFeaturesSel
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

    #[inline(never)]
    pub fn write(&mut self, register: Register, value: u32, of: Description, queues: &mut [Queue]) -> Act {
        match register {
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
                if let Some(queue) = self.idle_queue(queues) {
                    // What does not fit 16 bits is no size: 0 is refused when the queue is made ready.
                    queue.size = u16::try_from(value).unwrap_or(0);
                }
            }
            Register::QueueAddress(area, half) => {
                if let Some(queue) = self.idle_queue(queues) {
                    let address = match area {
                        Area::Descriptors => &mut queue.descriptors,
                        Area::Driver => &mut queue.driver,
                        Area::Device => &mut queue.device,
                    };
                    *address = half.replace(*address, value);
                }
            }
            Register::QueueReady => return self.set_ready(value & 1 != 0, queues),
            Register::QueueNotify if (value as usize) < queues.len() => return Act::Serve,
            Register::InterruptAck => self.interrupt &= !value,
            Register::Status => return self.set_status(value, of, queues),
            Register::Configuration(first) => return Act::Configure(first),
            _ => {}
        }
        Act::Nothing
    }

    /// The selected queue, if it may be changed.
    fn idle_queue<'a>(&self, queues: &'a mut [Queue]) -> Option<&'a mut Queue> {
        queues.get_mut(self.queue_select as usize).filter(|queue| !queue.is_ready())
    }

    /// Section 4.2.3.1: zero resets; a bit, once set, stays; FEATURES_OK is refused unless the features fit.
    fn set_status(&mut self, value: u32, of: Description, queues: &mut [Queue]) -> Act {
        if value == 0 {
            self.reset(of.generation, queues);
            return Act::Reset;
        }
        let before = self.status;
        let mut asked = Status::from_bits_truncate(value) - Status::NEEDS_RESET;
        let fit = self.driver_features & !offered(of) == 0 && self.driver_features & FEATURE_VERSION_1 != 0;
        if !fit {
            asked -= Status::FEATURES_OK;
        }
        if !(before | asked).contains(Status::FEATURES_OK) {
            asked -= Status::DRIVER_OK;
        }
        self.status |= asked;
        let new = self.status - before;
        if new.contains(Status::FEATURES_OK) {
            Act::Agree(self.driver_features)
        } else if new.contains(Status::DRIVER_OK) {
            // Buffers may have been made available before the driver was ready.
            Act::Serve
        } else {
            Act::Nothing
        }
    }

    fn set_ready(&mut self, ready: bool, queues: &mut [Queue]) -> Act {
        let event_idx = self.driver_features & FEATURE_EVENT_IDX != 0;
        let agreed = self.status.contains(Status::FEATURES_OK) && !self.status.contains(Status::NEEDS_RESET);
        let number = self.queue_select as usize;
        let Some(queue) = queues.get_mut(number) else { return Act::Nothing };
        if !ready {
            queue.stop();
            return Act::Stop(number);
        }
        if agreed
            && !queue.is_ready()
            && let Err(fault) = queue.start(event_idx)
        {
            self.blame(queue.misuse(fault));
        }
        Act::Nothing
    }
}

/// All the features that a driver may choose from.
fn offered(of: Description) -> u64 {
    of.features | FEATURE_VERSION_1 | FEATURE_EVENT_IDX
}
