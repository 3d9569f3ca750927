//! What the composer's replay of the boot says, held against a board: the kernel in QEMU has cut the RAM in the same way, and
//! root has made the same of it, to the byte.

use bulkhead_tests::harness::{build_on, turn};
use bulkhead_tests::monitor::Monitor;
use bulkhead_tools::qemu::{Options, Qemu};
use serde_json::Value;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a board may take to build its system.
const LIMIT: Duration = Duration::from_secs(60);
/// So much of the RAM's start is looked at: the kernel, the payload, and what root is made of.
const SEEN_BYTES: u64 = 64 << 20;
/// log2 of a capability slot's bytes.
const SLOT_BITS: u32 = 5;

/// The first bytes of a slot in which an untyped stands: type, size, flags, page, granules that are used.
fn slot(line: &Value) -> (u64, [u8; 12]) {
    let number = |key: &str| line[key].as_u64().unwrap_or_else(|| panic!("{key} in {line}"));
    let (base, bytes, free) = (number("base"), number("bytes"), number("free-bytes"));
    // Root's own are not known to be zero, but for what it was asked to zero.
    let dirty = u8::from(line["compartment"].is_null()) << 1;
    let mut slot = [1, bytes.ilog2() as u8, dirty, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    slot[4..8].copy_from_slice(&((base >> 12) as u32).to_le_bytes());
    slot[8..].copy_from_slice(&(((bytes - free) >> 6) as u32).to_le_bytes());
    (number("slot"), slot)
}

/// Whether all of these slots stand in one row somewhere in the memory.
fn stands_in(memory: &[u8], slots: &[(u64, [u8; 12])]) -> bool {
    let at = |start: usize, index: u64| start + (index << SLOT_BITS) as usize;
    let holds = |start: usize| slots.iter().all(|(index, slot)| memory[at(start, *index)..].starts_with(slot));
    let last = slots.iter().map(|(index, _)| at(1 << SLOT_BITS, *index)).max().unwrap_or(0);
    (0..=memory.len() - last).step_by(1 << SLOT_BITS).any(holds)
}

fn the_board_does_as_the_replay_says(name: &str, board: &str) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("replay-{name}-{board}"));
    build_on(name, Some(board), &folder);
    let report = std::fs::read(folder.join("report.json")).expect("the report was written");
    let report: Value = serde_json::from_slice(&report).expect("the report is JSON");
    let slots: Vec<_> = report["untypeds"].as_array().expect("a list").iter().map(slot).collect();
    assert!(slots.len() > 8, "{slots:?}");

    let _turn = turn();
    let board = boards::find(board).expect("the board is there");
    let (socket, dump) = (folder.join("monitor"), folder.join("memory"));
    let options = Options { extra: Monitor::words(&socket), ..Options::default() };
    let (qemu, input, mut output) = Qemu::start(&board, &folder.join("system.elf"), &options).expect("QEMU starts");
    // Nobody reads what is said, but somebody must take it.
    let drain = std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
    let deadline = Instant::now() + LIMIT;
    let mut monitor = Monitor::connect(&socket, deadline).expect("QEMU is there");
    loop {
        let memory = monitor.memory(board.ram[0].base, SEEN_BYTES, &dump);
        if stands_in(&memory, &slots) {
            break;
        }
        assert!(Instant::now() < deadline, "{name} on {}: never as the report says: {slots:?}", board.name);
        std::thread::sleep(Duration::from_millis(300));
    }
    drop((qemu, input));
    let _ = drain.join();
    std::fs::remove_file(&dump).expect("the memory was saved");
}

#[test]
fn components_lie_where_the_replay_put_them() {
    the_board_does_as_the_replay_says("pair", "qemu-virt");
    the_board_does_as_the_replay_says("pair", "vexpress-a15");
}

#[test]
fn vms_lie_where_the_replay_put_them() {
    the_board_does_as_the_replay_says("bare-arm", "qemu-virt");
}

#[test]
fn a_row_of_slots_is_found_only_if_all_of_it_is_there() {
    let line = serde_json::json!({
        "base": 0x4000_0000_u64, "bytes": 4096, "free-bytes": 64, "compartment": "a", "part": 0, "slot": 3
    });
    let (index, bytes) = slot(&line);
    assert_eq!((index, bytes), (3, [1, 12, 0, 0, 0, 0, 4, 0, 63, 0, 0, 0]));
    let mut memory = vec![0; 512];
    memory[64 + 96..][..12].copy_from_slice(&bytes);
    assert!(stands_in(&memory, &[(3, bytes)]) && stands_in(&memory, &[(3, bytes), (2, [0; 12])]));
    assert!(!stands_in(&memory, &[(3, bytes), (2, bytes)]));
}
