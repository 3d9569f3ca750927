//! A device and its transport: virtio-mmio, version 2 (virtio 1.2, section 4.2).
//!
//! A driver that misuses the device stops this device alone: its status gets DEVICE_NEEDS_RESET, the driver is
//! interrupted, and nothing more happens until it resets the device.

use super::device::{Device, Serve};
use super::memory::{GuestMemory, Misuse};
use super::queue::Queue;
use super::spec::{MAGIC, Register, VERSION};
use super::transport::{Act, Description, Transport};
use crate::line::Line;

/// A device and its transport.
#[derive(Clone, Debug)]
pub struct Mmio<D, const QUEUES: usize> {
    device: D,
    queues: [Queue; QUEUES],
    transport: Transport,
}

/// What a window without a device reads as: DeviceID 0 (section 4.2.3.1.1).
pub fn vacant(offset: u32, width: u32) -> u32 {
    match Register::at(offset, width) {
        Register::MagicValue => MAGIC,
        Register::Version => VERSION,
        _ => 0,
    }
}

impl<D: Device<QUEUES>, const QUEUES: usize> Mmio<D, QUEUES> {
    /// A transport after reset, with `device` behind it.
    pub fn new(device: D) -> Self {
        let queues = core::array::from_fn(|number| Queue::new(number as u16, D::QUEUE_SIZE));
        Self { device, queues, transport: Transport::new() }
    }

    /// The device.
    pub fn device(&self) -> &D {
        &self.device
    }

    /// The device, for changes of the host's. A new configuration is told to the driver by the next [`serve`](Self::serve).
    pub fn device_mut(&mut self) -> &mut D {
        &mut self.device
    }

    /// Why the device has stopped, if it has: told once. A guest can make it happen as often as it resets the device, so
    /// a log of it needs a limit.
    pub fn take_misuse(&mut self) -> Option<Misuse> {
        self.transport.take_misuse()
    }

    /// Whether the driver is ready and has broken nothing.
    pub fn is_live(&self) -> bool {
        self.transport.is_live()
    }

    fn description(&self) -> Description {
        Description { id: D::ID, features: self.device.features(), generation: self.device.generation() }
    }

    /// The guest loads `width` bytes at `offset`. Loads have no effect.
    pub fn read(&self, offset: u32, width: u32) -> u32 {
        match Register::at(offset, width) {
            Register::Configuration(first) => (0..width).fold(0, |value, n| {
                let byte = first.checked_add(n).map_or(0, |offset| self.device.configuration(offset));
                value | u32::from(byte) << (8 * n)
            }),
            register => self.transport.read(register, self.description(), &self.queues),
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
        D: Serve<H, QUEUES>,
    {
        let of = self.description();
        match self.transport.write(Register::at(offset, width), value, of, &mut self.queues) {
            Act::Nothing => {}
            Act::Serve => return self.serve(memory, host, line),
            Act::Reset => self.device.reset(host),
            Act::Agree(features) => {
                self.device.agree(features);
                if self.is_live() {
                    return self.serve(memory, host, line);
                }
            }
            Act::Stop(queue) => self.device.stop(queue, host),
            Act::Configure(first) => {
                for n in 0..width {
                    if let Some(offset) = first.checked_add(n) {
                        self.device.configure(offset, (value >> (8 * n)) as u8);
                    }
                }
            }
        }
        self.transport.drive(line);
        false
    }

    /// Something happened on the host's side, or there was more to do. True if there still is.
    #[inline(never)]
    pub fn serve<H, M: GuestMemory>(&mut self, memory: &mut M, host: &mut H, line: &mut impl Line) -> bool
    where
        D: Serve<H, QUEUES>,
    {
        if !self.is_live() {
            return self.device.idle(host);
        }
        let served = self.device.serve(&mut self.queues, memory, host);
        let due = interrupt_due(&mut self.queues, memory);
        let more = self.transport.served(served, due, self.device.generation());
        self.transport.drive(line);
        more
    }

    /// Puts everything back to its reset state, as when the machine is reset.
    pub fn reset<H>(&mut self, host: &mut H, line: &mut impl Line)
    where
        D: Serve<H, QUEUES>,
    {
        self.transport.reset(self.device.generation(), &mut self.queues);
        self.device.reset(host);
        self.transport.drive(line);
    }
}

/// Whether the driver is to be interrupted for any of the queues.
#[inline(never)]
fn interrupt_due<M: GuestMemory>(queues: &mut [Queue], memory: &M) -> Result<bool, Misuse> {
    queues.iter_mut().try_fold(false, |due, queue| {
        let this = queue.interrupt_due(memory).map_err(|fault| queue.misuse(fault))?;
        Ok(due | this)
    })
}
