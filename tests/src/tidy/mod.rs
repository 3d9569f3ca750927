//! The rules of the house, as pure functions from files to findings; `tests/tests/tidy.rs` holds the real tree against them.
//!
//! A finding is a line for people: where, what is wrong, what mends it. No finding: the rule holds. Each rule is tried on a
//! small made-up violation beside it, so that none can pass by looking at nothing.

pub mod apart;
pub mod calls;
pub mod docs;
pub mod figures;
pub mod forbid;
pub mod house;
pub mod layers;
pub mod length;
pub mod list;
pub mod places;
pub mod registers;
pub mod rust;
pub mod sloc;
pub mod tree;
pub mod vaults;
pub mod wiring;
pub mod words;

pub use tree::File;
