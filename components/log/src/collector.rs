//! Forwarding: every source gets its share of each round, and what a source loses is told.

use arrayvec::ArrayVec;
use protocol::wire::DEFMT;
use runtime::lossy::{FRAME_BYTES_MAX, Frame, Reader};
use runtime::ring::Writer;

/// The most sources.
pub const SOURCES_MAX: usize = 64;
/// Bytes that one source may send in one round.
pub const ROUND_BYTES: usize = 1024;

/// A ring, and whose it is.
#[derive(Debug)]
pub struct Source {
    id: u8,
    ring: Reader,
    told_bytes: u64,
}

impl Source {
    /// The ring of the image with that id on the wire.
    pub fn new(id: u8, ring: Reader) -> Self {
        Self { id, ring, told_bytes: 0 }
    }
}

/// What a source has lost since the last note about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// Its id on the wire.
    pub id: u8,
    /// Frames that the source itself dropped: too long, or two threads at once.
    pub dropped_frames: u32,
    /// Bytes that were overwritten before they were read, or that were no frames.
    pub lost_bytes: u64,
}

/// All sources, and the way to the console.
#[derive(Debug)]
pub struct Collector {
    sources: ArrayVec<Source, SOURCES_MAX>,
    console: Writer,
    /// Our own id: we don't tell of what our own notes lost.
    own_id: u8,
    turn: usize,
}

impl Collector {
    /// Forwards from these sources to that ring.
    pub fn new(sources: ArrayVec<Source, SOURCES_MAX>, console: Writer, own_id: u8) -> Self {
        Self { sources, console, own_id, turn: 0 }
    }

    /// One round. `note` is told of losses. Whether the console must be signalled.
    pub fn round(&mut self, mut note: impl FnMut(Note)) -> bool {
        let mut signal = false;
        let count = self.sources.len();
        self.turn = if self.turn + 1 < count { self.turn + 1 } else { 0 };
        for index in (self.turn..count).chain(0..self.turn.min(count)) {
            let source = &mut self.sources[index];
            let mut sent = 0;
            let mut buffer = [0; FRAME_BYTES_MAX];
            // What does not go this time stays in its ring.
            while sent + FRAME_BYTES_MAX <= ROUND_BYTES && self.console.free() >= FRAME_BYTES_MAX {
                let Frame::Whole(length) = source.ring.next(DEFMT | source.id, &mut buffer) else { break };
                if let Some(moved) = self.console.push_whole(&buffer[..length]) {
                    signal |= moved.signal;
                    sent += length;
                }
            }
            let lost = Note {
                id: source.id,
                dropped_frames: source.ring.newly_dropped(),
                lost_bytes: source.ring.lost_bytes - source.told_bytes,
            };
            source.told_bytes = source.ring.lost_bytes;
            if source.id != self.own_id && (lost.dropped_frames, lost.lost_bytes) != (0, 0) {
                note(lost);
            }
        }
        signal
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use abi::ring::RING_PAGE_BYTES;
    use protocol::ring::PAGE_BYTES;
    use runtime::Mapped;
    use runtime::{lossy, ring};
    use std::vec::Vec;

    struct World {
        collector: Collector,
        writers: Vec<lossy::Writer>,
        console: ring::Reader,
    }

    fn world(ids: &[u8], own_id: u8) -> World {
        let pages: Vec<Mapped> = ids.iter().map(|_| Mapped::allocate(RING_PAGE_BYTES)).collect();
        let page = Mapped::allocate(PAGE_BYTES);
        let sources = ids.iter().zip(&pages).map(|(&id, page)| Source::new(id, Reader::new(*page).unwrap())).collect();
        World {
            collector: Collector::new(sources, Writer::new(page).unwrap(), own_id),
            writers: pages.iter().map(|page| lossy::Writer::new(*page).unwrap()).collect(),
            console: ring::Reader::new(page).unwrap(),
        }
    }

    fn frame(id: u8, byte: u8, length: usize) -> Vec<u8> {
        [&[0, 0x80 | id][..], &std::vec![byte; length], &[0]].concat()
    }

    fn say(writer: &mut lossy::Writer, bytes: &[u8]) {
        writer.put(bytes);
        writer.commit();
    }

    fn read(console: &mut ring::Reader) -> Vec<u8> {
        let mut bytes = std::vec![0; 2048];
        let moved = console.pop(&mut bytes);
        bytes.truncate(moved.bytes);
        bytes
    }

    #[test]
    fn frames_arrive_whole_and_the_console_is_signalled_once() {
        let mut world = world(&[0, 5], 9);
        say(&mut world.writers[0], &frame(0, 7, 20));
        say(&mut world.writers[1], &frame(5, 8, 30));
        assert!(world.collector.round(|note| panic!("{note:?}")));
        assert!(!world.collector.round(|note| panic!("{note:?}")));
        let bytes = read(&mut world.console);
        assert_eq!(bytes, [frame(5, 8, 30), frame(0, 7, 20)].concat());
    }

    #[test]
    fn a_source_that_shouts_is_limited_told_of_and_does_not_silence_others() {
        let mut world = world(&[1, 2], 9);
        for round in 0..100 {
            say(&mut world.writers[0], &frame(1, 1 + round, 400));
        }
        say(&mut world.writers[1], &frame(2, 9, 10));
        let mut notes = Vec::new();
        world.collector.round(|note| notes.push(note));
        let bytes = read(&mut world.console);
        assert!(bytes.windows(13).any(|window| window == frame(2, 9, 10)));
        assert!(bytes.len() <= ROUND_BYTES + 13);
        assert!(matches!(notes[..], [Note { id: 1, dropped_frames: 0, lost_bytes }] if lost_bytes > 30_000));
    }

    #[test]
    fn a_console_that_does_not_read_gets_whole_frames_later() {
        let mut world = world(&[1], 9);
        let mut all = Vec::new();
        for round in 1..8 {
            say(&mut world.writers[0], &frame(1, round, 480));
            world.collector.round(|note| panic!("{note:?}"));
            all.extend(frame(1, round, 480));
        }
        let mut got = read(&mut world.console);
        for _ in 0..8 {
            world.collector.round(|note| panic!("{note:?}"));
            got.extend(read(&mut world.console));
        }
        assert_eq!(got, all);
    }

    #[test]
    fn what_the_source_dropped_is_told_but_not_of_ourselves() {
        let mut world = world(&[1, 9], 9);
        world.writers.iter_mut().for_each(|writer| writer.count_dropped(3));
        let mut notes = Vec::new();
        world.collector.round(|note| notes.push(note));
        assert_eq!(notes, [Note { id: 1, dropped_frames: 3, lost_bytes: 0 }]);
    }
}
