//! Virtio devices (virtio 1.2): the transport, the queue, and what stands behind them.

pub mod block;
mod chain;
pub mod console;
mod device;
pub mod entropy;
mod memory;
pub mod mmio;
pub mod net;
pub mod queue;
pub mod spec;
mod transport;
pub mod vsock;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod hostile;

pub use chain::{Buffer, Chain, ChainOf, Readable, Writable};
pub use console::Console;
pub use device::{Device, Serve};
pub use memory::{Fault, GuestMemory, Misuse, OutOfRange};
pub use mmio::Mmio;
pub use queue::Queue;
