//! What a composed system is, for machines (`report.json`) and for people (`report.html`).
//!
//! Both show the same: compartments and their memory, every object, every mapping, every capability, every
//! channel, interrupts, and ids on the wire.

mod claims;
mod graph;
mod html;
mod interfaces;
mod json;
mod memory;

pub use html::html;
pub use json::json;
