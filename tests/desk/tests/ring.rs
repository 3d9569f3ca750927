//! A ring that two components share, by a memory channel and signals of the manifest, preempted anywhere between two accesses.

use desk::System;
use protocol::layout::slot;
use runtime::ring::{Reader, Writer};
use runtime::{Mapped, Notification, log, space};

/// Bytes that go through the ring.
const BYTES: usize = 6000;

/// The reader is more urgent, and its time is short: it wakes when it gets some again, wherever the writer is then.
const SYSTEM: &str = "
    [system]
    version = 1
    [component.writer]
    crate = \"writer\"
    budget = \"20ms\"
    period = \"20ms\"
    [component.reader]
    crate = \"reader\"
    priority = 140
    budget = \"50us\"
    period = \"200us\"
    [channel.bytes]
    kind = \"memory\"
    between = [\"writer\", \"reader\"]
    bytes = \"4KiB\"
    [channel.full]
    kind = \"signal\"
    from = \"writer\"
    to = \"reader\"
    [channel.room]
    kind = \"signal\"
    from = \"reader\"
    to = \"writer\"
";

fn ends(signal: &str) -> (Mapped, Notification) {
    let config = space::config().expect("it has a configuration");
    let page = config.memory("bytes").and_then(|memory| space::memory(&memory)).expect("it has the ring");
    (page, Notification(config.capability(signal).expect("it can signal")))
}

fn wait() {
    Notification(slot::EVENTS).wait().expect("it has its events");
}

/// The `n`-th byte.
fn byte(n: usize) -> u8 {
    (n * 7 + n / 256) as u8
}

fn writer(_: u32) {
    let (page, full) = ends("full");
    let mut ring = Writer::new(page).expect("a ring");
    let (mut sent, mut piece) = (0, 1);
    while sent < BYTES {
        let bytes: Vec<u8> = (sent..BYTES.min(sent + piece)).map(byte).collect();
        let moved = ring.push(&bytes);
        if moved.signal {
            full.signal().expect("the reader is there");
        }
        if moved.bytes == 0 {
            wait();
        }
        sent += moved.bytes;
        piece = piece % 61 + 3;
    }
}

fn reader(_: u32) {
    let (page, room) = ends("room");
    let mut ring = Reader::new(page).expect("a ring");
    let (mut seen, mut buffer) = (0, [0; 48]);
    while seen < BYTES {
        let moved = ring.pop(&mut buffer);
        let right = (seen..).zip(&buffer[..moved.bytes]).all(|(n, &got)| got == byte(n));
        assert!(right, "wrong bytes after {seen}");
        if moved.signal {
            room.signal().expect("the writer is there");
        }
        if moved.bytes == 0 {
            wait();
        }
        seen += moved.bytes;
    }
    log::info!("{=u32} bytes", seen as u32);
}

#[test]
fn no_byte_is_wrong_and_nobody_sleeps_for_ever_wherever_they_are_preempted() {
    for seed in 0..20 {
        let mut system = System::text(SYSTEM).program("writer", writer).program("reader", reader).seed(seed).start();
        system.run_until(&format!("all has arrived (seed {seed})"), |system| !system.log("reader").is_empty());
        assert_eq!(system.log("reader"), [format!("INFO {BYTES} bytes")], "seed {seed}");
    }
}
