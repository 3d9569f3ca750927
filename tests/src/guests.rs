//! Building the bare guests that test systems name: one build for all, copied to `target/guests`, where manifests look.

use crate::harness::root;
use bulkhead_tools::{cross, workspace};
use std::sync::OnceLock;

/// The packages of all guests. Their programs serve every board: a guest's machine is always the same.
pub const GUESTS: [&str; 4] = ["bare-arm", "bare-thumb", "hostile-guest", "victim-guest"];
/// The board with whose programs they are built.
const BOARD: &str = "qemu-virt";

/// Builds them, once in a process.
pub fn build() {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let built = cross::build(BOARD, &GUESTS).unwrap_or_else(|failure| panic!("the guests don't build: {failure}"));
        for guest in GUESTS {
            let elf = built.elf(guest).unwrap_or_else(|failure| panic!("{failure}"));
            let bytes = std::fs::read(elf).unwrap_or_else(|error| panic!("{}: {error}", elf.display()));
            let kept = root().join("target/guests").join(guest);
            if !std::fs::read(&kept).is_ok_and(|old| old == bytes) {
                workspace::write(&kept, &bytes).unwrap_or_else(|failure| panic!("{failure}"));
            }
        }
    });
}
