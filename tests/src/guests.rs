//! Building the bare guests that test systems name: one build for all, kept where the manifests look for them.

use bulkhead_tools::cross;
use std::sync::OnceLock;

/// The packages of all guests. Their programs serve every board: a guest's machine is always the same.
pub const GUESTS: [&str; 4] = ["bare-arm", "bare-thumb", "hostile-guest", "victim-guest"];
/// The board below whose target folder manifests look for guests.
const BOARD: &str = "qemu-virt";

/// Builds them, once in a process.
pub fn build() {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let built = cross::build(BOARD, &GUESTS).unwrap_or_else(|failure| panic!("the guests don't build: {failure}"));
        for guest in GUESTS {
            let elf = built.elf(guest).unwrap_or_else(|failure| panic!("{failure}"));
            assert!(elf.is_file(), "{} is not there", elf.display());
        }
    });
}
