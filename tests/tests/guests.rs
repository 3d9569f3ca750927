//! The bare guests build, and lie where manifests look for them.

use bulkhead_tests::guests::{GUESTS, build};
use bulkhead_tests::harness::root;

#[test]
fn guests_are_built() {
    build();
    for guest in GUESTS {
        assert!(root().join("target/guests").join(guest).is_file(), "{guest}");
    }
}
