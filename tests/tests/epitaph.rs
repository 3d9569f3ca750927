//! The kernel's own fault: an image whose kernel is damaged on purpose leaves an epitaph, which the tool decodes
//! against that very image.

use bulkhead_tests::harness::{Run, build};
use std::path::PathBuf;

/// ERET (ARM DDI 0406C B9.3.3), and an instruction that is undefined for ever (A8.8.247).
const ERET: [u8; 4] = 0xe160_006e_u32.to_le_bytes();
const UDF: [u8; 4] = 0xe7f0_00f0_u32.to_le_bytes();

#[test]
fn a_fault_of_the_kernel_leaves_an_epitaph_that_is_decoded() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("damaged");
    build("pair", &folder);
    let path = folder.join("system.elf");
    let mut image = std::fs::read(&path).expect("the image was built");
    // The first of the two ERETs: the one to a component. The kernel falls over it when it starts root.
    let at = image.windows(4).position(|word| word == ERET).expect("the kernel has an ERET");
    image[at..at + 4].copy_from_slice(&UDF);
    std::fs::write(&path, image).expect("the image can be written");

    let ended = Run::manifest(folder.join("image.json"), 30).go().ended_with(1);
    ended.tells("!bulkhead epitaph");
    // What, where, and by name.
    ended.tells("undefined");
    ended.tells("eret_component");
}
