//! What goes wrong while a system runs: each gets its exit code and one clear message.

use bulkhead_tests::harness::{Run, root};
use std::path::PathBuf;

#[test]
fn a_qemu_that_is_not_there_is_told() {
    let ended = Run::system("pair", 30).variable("BULKHEAD_QEMU", "/nonexistent/qemu").go().ended_with(2);
    assert!(ended.err.contains("/nonexistent/qemu"), "{}", ended.story());
}

#[test]
fn a_qemu_that_dies_is_told() {
    let ended = Run::system("pair", 30).variable("BULKHEAD_QEMU", "/bin/false").go();
    assert!(matches!(ended.code, Some(1 | 2)) && ended.err.contains("QEMU died"), "{}", ended.story());
}

#[test]
fn a_boot_that_never_gets_there_ends_with_124() {
    let ended = Run::system("pair", 4).until("this is never said").go().ended_with(124);
    assert!(ended.err.contains("this is never said"), "{}", ended.story());
}

#[test]
fn a_manifest_that_is_wrong_is_told_before_anything_runs() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("wrong.toml");
    std::fs::write(&path, "[system]\nversion = 1\nbord = \"qemu-virt\"\n").expect("the target folder can be written");
    let ended = Run::manifest(path, 10).go().ended_with(2);
    assert!(ended.err.contains("bord") && ended.err.contains("wrong.toml:3"), "{}", ended.story());
    let ended = Run::manifest(root().join("tests/systems/nowhere.toml"), 10).go().ended_with(2);
    assert!(ended.err.contains("nowhere.toml"), "{}", ended.story());
}
