//! The manifest's claims, from names to the checker of [`crate::claims`] and back to words. The checker reads the compiled system; the names
//! by which compartments call what they have come from their configurations, which are a part of it.

mod authority;
mod judge;
mod names;
mod resolve;

pub use authority::{Subject, compiled_of, subject};
pub use judge::{Judged, judge};
pub use resolve::{Claim, Scope, resolve};
