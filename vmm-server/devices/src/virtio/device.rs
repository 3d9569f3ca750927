//! What the transport asks of a device behind it.

use super::memory::{GuestMemory, Misuse};
use super::queue::Queue;

/// A virtio device with `QUEUES` queues: what it is.
pub trait Device<const QUEUES: usize> {
    /// The device's type (virtio 1.2, section 5).
    const ID: u32;
    /// The longest queue that it takes, in descriptors: a power of two.
    const QUEUE_SIZE: u16;

    /// Features that it offers, besides VIRTIO_F_VERSION_1 and VIRTIO_F_EVENT_IDX, which the transport does.
    fn features(&self) -> u64 {
        0
    }

    /// A byte of its configuration; 0 beyond the end.
    fn configuration(&self, offset: u32) -> u8;

    /// Changes whenever the configuration does, but for what the driver itself has stored there. The driver is interrupted for it
    /// at the next call of `serve`.
    fn generation(&self) -> u32 {
        0
    }
}

/// What a device does, whose far side is a `Host`: a wire, a disk, a switch.
pub trait Serve<Host, const QUEUES: usize>: Device<QUEUES> {
    /// The driver has chosen among the features; once after each reset.
    fn agree(&mut self, features: u64) {
        let _ = features;
    }

    /// The driver stores a byte into its configuration.
    fn configure(&mut self, offset: u32, byte: u8) {
        let _ = (offset, byte);
    }

    /// Forget all that the driver has said. Queues are reset by the transport.
    fn reset(&mut self, host: &mut Host);

    /// The driver takes that queue back: chains of it that are under way are no longer the device's.
    fn stop(&mut self, queue: usize, host: &mut Host) {
        let _ = (queue, host);
    }

    /// Do what can be done: called when the driver notifies, and when something happens on the host's side.
    /// It must return after a bounded amount of work, and then says true if there is more.
    fn serve<M: GuestMemory>(
        &mut self,
        queues: &mut [Queue; QUEUES],
        memory: &mut M,
        host: &mut Host,
    ) -> Result<bool, Misuse>;

    /// Something happened on the host's side, and no driver is there for it, or one that broke the protocol. As `serve`, it says
    /// true if there is more.
    fn idle(&mut self, host: &mut Host) -> bool {
        let _ = host;
        false
    }
}
