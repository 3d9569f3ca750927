//! The compiled system: what the composer and `root` must agree on.
//!
//! A compiled system is a list of [`Record`]s, each encoded with postcard and preceded by its length, so
//! that root reads it one record at a time, from where it lies, without an allocator. Records name objects
//! by [`ObjectId`]: the number of the record that made the object, counted over `Object` records only.
//!
//! The order of the records is the order in which root works; it is also what the composer replays
//! against the kernel's own allocation.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "std"))]
extern crate std;

mod reader;
mod record;
#[cfg(any(test, feature = "std"))]
mod writer;

pub use reader::{ReadError, Reader};
pub use record::*;
#[cfg(any(test, feature = "std"))]
pub use writer::Writer;
