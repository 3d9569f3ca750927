//! Our virtio devices under drivers that others wrote.

mod console;
mod memory;
mod transport;
