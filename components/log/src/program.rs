//! What the log does: one round in each period of its scheduling context.

use crate::collector::{Collector, Source};
use arrayvec::ArrayVec;
use runtime::lossy::Reader;
use runtime::ring::Writer;
use runtime::{Notification, space, svc};

/// The log's thread.
pub fn run(_thread: u32) {
    let Some(config) = space::config() else { return };
    let Some(console) = config.memory("console.tx").and_then(|memory| space::memory(&memory)) else { return };
    let Some(console) = Writer::new(console) else { return };
    let signal = config.capability("console.signal").map(Notification);
    let mut sources = ArrayVec::new();
    for memory in space::numbered(config, "ring.", "") {
        let Some(ring) = space::memory(&memory).and_then(Reader::new) else { continue };
        if sources.try_push(Source::new(memory.tag as u8, ring)).is_err() {
            break;
        }
    }
    let mut collector = Collector::new(sources, console, config.wire_id);
    loop {
        let forwarded = collector.round(|note| {
            runtime::log::warn!(
                "image {=u8} lost {=u32} frames and {=u64} bytes",
                note.id,
                note.dropped_frames,
                note.lost_bytes
            );
        });
        if let (true, Some(signal)) = (forwarded, signal) {
            // A console that can't be woken will be restarted by root, not by us.
            let _ = signal.signal();
        }
        svc::yield_now();
    }
}
