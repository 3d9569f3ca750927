//! Tests of the whole composer: broken manifests, and systems that are composed and read back.

mod broken;
mod fake;
mod round_trip;
