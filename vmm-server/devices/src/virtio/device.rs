//! What the transport asks of a device behind it.

use super::memory::{GuestMemory, Misuse};
use super::queue::Queue;

/// A virtio device with `QUEUES` queues, whose far side is a `Host`: a wire, a disk, a switch.
pub trait Device<Host, const QUEUES: usize> {
    /// The device's type (virtio 1.2, section 5).
    const ID: u32;
    /// Features that it offers, besides VIRTIO_F_VERSION_1 and VIRTIO_F_EVENT_IDX, which the transport does.
    const FEATURES: u64;

    /// A byte of its configuration; 0 beyond the end.
    fn configuration(&self, offset: u32) -> u8;

    /// The driver stores a byte into its configuration.
    fn configure(&mut self, offset: u32, byte: u8, host: &mut Host) {
        let _ = (offset, byte, host);
    }

    /// Forget all that the driver has said. Queues are reset by the transport.
    fn reset(&mut self);

    /// The driver takes that queue back: chains of it that are under way are no longer the device's.
    fn stop(&mut self, queue: usize) {
        let _ = queue;
    }

    /// Do what can be done: called when the driver notifies, and when something happens on the host's side.
    /// It must return after a bounded amount of work, and then says true if there is more.
    fn serve<M: GuestMemory>(
        &mut self,
        queues: &mut [Queue; QUEUES],
        memory: &mut M,
        host: &mut Host,
    ) -> Result<bool, Misuse>;
}
