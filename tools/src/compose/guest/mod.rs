//! What a guest finds when it starts: its kernel, initial file system and device tree in its RAM.

pub mod devicetree;
mod kernel;
mod load;

pub use kernel::Kernel;
pub use load::{Loaded, Request, load};
