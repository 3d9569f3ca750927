//! Tests of the whole composer: broken manifests, and systems that are composed and read back.

mod at_hand;
mod broken;
mod claims;
mod cores;
pub mod fake;
pub mod round_trip;
mod supervise;
mod vcpus;
