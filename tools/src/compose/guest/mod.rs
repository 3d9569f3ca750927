//! What a guest finds when it starts: its kernel, initial file system and device tree in its RAM.

mod cmdline;
pub mod devicetree;
mod kernel;
mod load;

pub use cmdline::cmdline;
pub use kernel::Kernel;
pub use load::{Complaint, Loaded, Placed, Request, load, room};
