//! What two components must agree on: one file for each service, and what a component finds at its start.
//!
//! A request is a type that names its reply type; postcard is the encoding; a hash of the schema names the
//! version (see [`request`]).
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "std"))]
extern crate std;

pub mod config;
pub mod interface;
pub mod layout;
pub mod request;
pub mod ring;
pub mod vm;
pub mod wire;

pub use request::{DecodeError, Request};
