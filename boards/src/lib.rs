//! Boards: the only home of physical addresses.
//!
//! Each folder beside this crate's `src` is a board: its `board.toml` says where memory, UART, interrupt
//! controller, timers and devices are, how other cores start, and in which state the image is entered. The
//! tool and the kernel's build script read it through this crate.
#![forbid(unsafe_code)]

mod board;
mod find;

pub use board::*;
pub use find::{BoardError, all, find, load};
