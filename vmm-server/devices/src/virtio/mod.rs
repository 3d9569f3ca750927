//! Virtio devices (virtio 1.2): the transport, the queue, and what stands behind them.

mod chain;
pub mod console;
mod device;
mod memory;
pub mod mmio;
pub mod queue;
pub mod spec;

#[cfg(test)]
mod hostile;

pub use chain::{Buffer, Chain};
pub use console::Console;
pub use device::Device;
pub use memory::{Fault, GuestMemory, Misuse, OutOfRange};
pub use mmio::Mmio;
pub use queue::Queue;
