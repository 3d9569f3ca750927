//! Our virtio devices under drivers that others wrote.

mod block;
mod console;
mod entropy;
mod memory;
mod net;
mod transport;
mod vsock;
