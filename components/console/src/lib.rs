//! The console: owns the UART, and gives every VM and component a channel of its own on the one wire
//! ([`protocol::wire`]). It never waits for a client, and no client waits for another.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

pub mod client;
pub mod demux;
pub mod mux;
mod program;
pub mod service;
pub mod uart;

pub use client::Client;
pub use program::run;
pub use service::Console;
pub use uart::{Pl011, Uart};
