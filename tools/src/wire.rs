//! Taking the one wire apart: kernel text, consoles and log frames arrive on it mixed.
//!
//! Bytes outside any frame are the kernel's text. `0x00, id, text, 0x00` is text of console `id`;
//! `0x00, 0x80 | id, bytes, 0x00` is one log frame of image `id`. Each frame is closed by its own zero. Where bytes were
//! lost, a zero may be taken for the wrong one of the two; then a second zero after it, or a tag that nobody has, says
//! that it had closed a frame. At most one frame is lost with them.

/// Bit of a tag that says that the frame is a log's.
pub const LOG: u8 = 0x80;
/// Bytes that are never a tag, since the kernel's last words begin with one of them: having sent two zeros, it is
/// outside any frame, wherever it broke in.
pub const NEVER_TAGS: [u8; 3] = [0, b'\n', b'!'];
/// The longest log frame in bytes; a longer one is damage. Bounds the memory used here.
pub const LOG_FRAME_MAX: usize = 4096;

/// A piece of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Text of the kernel, or what can't be told from it.
    Kernel(&'a [u8]),
    /// Text of a console, as much as there is yet.
    Console {
        /// Whose.
        id: u8,
        /// Text without zeros.
        text: &'a [u8],
    },
    /// A whole log frame.
    Log {
        /// Whose.
        id: u8,
        /// The frame without its zeros.
        frame: &'a [u8],
    },
    /// A frame that was dropped: too long, or nobody's.
    Damaged,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Between frames.
    Outside,
    /// After a zero.
    Tag,
    Console(u8),
    Log(u8),
    /// In a frame that is dropped.
    Skip,
}

/// The state machine; feed it with whatever arrives, in pieces of any size.
#[derive(Debug)]
pub struct Demultiplexer {
    known: [bool; 256],
    state: State,
    frame: Vec<u8>,
}

impl Demultiplexer {
    /// One that knows these tags.
    pub fn new(tags: impl IntoIterator<Item = u8>) -> Self {
        let mut known = [false; 256];
        for tag in tags {
            known[usize::from(tag)] = true;
        }
        for never in NEVER_TAGS {
            known[usize::from(never)] = false;
        }
        Self { known, state: State::Outside, frame: Vec::new() }
    }

    /// Takes what arrived.
    pub fn push(&mut self, mut bytes: &[u8], see: &mut impl FnMut(Piece<'_>)) {
        while let Some((&first, rest)) = bytes.split_first() {
            if self.state == State::Tag {
                // A zero after a zero: the one before closed a frame, this one opens the next.
                if first == 0 {
                    bytes = rest;
                    continue;
                }
                self.state = self.tagged(first, see);
                if self.state != State::Outside {
                    bytes = rest;
                }
                if self.state == State::Outside {
                    let run = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
                    see(Piece::Kernel(&bytes[..run]));
                    bytes = &bytes[run..];
                }
                continue;
            }
            let run = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            if run > 0 {
                self.inside(&bytes[..run], see);
                bytes = &bytes[run..];
                continue;
            }
            self.zero(see);
            bytes = rest;
        }
    }

    fn tagged(&mut self, tag: u8, see: &mut impl FnMut(Piece<'_>)) -> State {
        match (self.known[usize::from(tag)], tag & LOG != 0) {
            (true, true) => State::Log(tag & !LOG),
            (true, false) => State::Console(tag),
            (false, true) => {
                see(Piece::Damaged);
                State::Skip
            }
            (false, false) => State::Outside,
        }
    }

    fn inside(&mut self, run: &[u8], see: &mut impl FnMut(Piece<'_>)) {
        match self.state {
            State::Outside => see(Piece::Kernel(run)),
            State::Console(id) => see(Piece::Console { id, text: run }),
            State::Log(_) if self.frame.len() + run.len() <= LOG_FRAME_MAX => self.frame.extend_from_slice(run),
            State::Log(_) => {
                self.frame.clear();
                self.state = State::Skip;
                see(Piece::Damaged);
            }
            State::Skip | State::Tag => {}
        }
    }

    fn zero(&mut self, see: &mut impl FnMut(Piece<'_>)) {
        self.state = match self.state {
            State::Outside => State::Tag,
            State::Log(id) => {
                if !self.frame.is_empty() {
                    see(Piece::Log { id, frame: &self.frame });
                }
                self.frame.clear();
                State::Outside
            }
            State::Console(_) | State::Skip | State::Tag => State::Outside,
        };
    }
}

/// What selects a channel for the bytes that the host sends next.
pub fn select(id: u8) -> [u8; 2] {
    [0, id]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq)]
    enum Owned {
        Kernel(Vec<u8>),
        Console(u8, Vec<u8>),
        Log(u8, Vec<u8>),
        Damaged,
    }

    fn take(demultiplexer: &mut Demultiplexer, bytes: &[u8], all: &mut Vec<Owned>) {
        demultiplexer.push(bytes, &mut |piece| {
            let piece = match piece {
                Piece::Kernel(text) => Owned::Kernel(text.to_vec()),
                Piece::Console { id, text } => Owned::Console(id, text.to_vec()),
                Piece::Log { id, frame } => Owned::Log(id, frame.to_vec()),
                Piece::Damaged => Owned::Damaged,
            };
            match (all.last_mut(), piece) {
                (Some(Owned::Kernel(old)), Owned::Kernel(new)) => old.extend(new),
                (Some(Owned::Console(id, old)), Owned::Console(same, new)) if *id == same => old.extend(new),
                (_, piece) => all.push(piece),
            }
        });
    }

    fn demultiplexer() -> Demultiplexer {
        Demultiplexer::new([1, 2, 3, LOG, LOG | 1, LOG | 2])
    }

    fn pieces(bytes: &[u8]) -> Vec<Owned> {
        let mut all = Vec::new();
        take(&mut demultiplexer(), bytes, &mut all);
        all
    }

    fn encode(piece: &Owned) -> Vec<u8> {
        match piece {
            Owned::Kernel(text) => text.clone(),
            Owned::Console(id, text) => [&[0, *id], text.as_slice(), &[0]].concat(),
            Owned::Log(id, frame) => [&[0, LOG | *id], frame.as_slice(), &[0]].concat(),
            Owned::Damaged => Vec::new(),
        }
    }

    #[test]
    fn the_three_kinds_are_told_apart() {
        let all = pieces(b"boot\n\0\x01hello\0\0\x80abc\0\0\x02x\0!bulkhead");
        let expected = [
            Owned::Kernel(b"boot\n".to_vec()),
            Owned::Console(1, b"hello".to_vec()),
            Owned::Log(0, b"abc".to_vec()),
            Owned::Console(2, b"x".to_vec()),
            Owned::Kernel(b"!bulkhead".to_vec()),
        ];
        assert_eq!(all, expected);
    }

    #[test]
    fn a_lost_opening_or_closing_zero_costs_one_frame() {
        let lost_closing = pieces(b"\0\x01one\0\x02two\0\0\x03three\0");
        assert_eq!(lost_closing.last(), Some(&Owned::Console(3, b"three".to_vec())));
        let lost_opening = pieces(b"\x01one\0\0\x02two\0");
        assert_eq!(lost_opening.last(), Some(&Owned::Console(2, b"two".to_vec())));
    }

    #[test]
    fn the_kernel_can_break_into_a_frame() {
        for before in [&b"boot\n"[..], b"\0\x01half a line", b"\0\x80frame", b"\0"] {
            for words in [&b"!bulkhead epitaph"[..], b"\n!bulkhead epitaph"] {
                let all = pieces(&[before, b"\0\0", words].concat());
                let Some(Owned::Kernel(text)) = all.last() else { panic!("{all:?}") };
                assert!(text.ends_with(words), "{before:?}");
            }
        }
    }

    #[test]
    fn an_endless_log_frame_is_dropped_and_the_next_is_not() {
        let mut bytes = vec![0, LOG];
        bytes.resize(3 * LOG_FRAME_MAX, 7);
        bytes.extend(b"\0\0\x81ok\0");
        assert_eq!(pieces(&bytes), [Owned::Damaged, Owned::Log(1, b"ok".to_vec())]);
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(1..=255u8, 1..20)
    }

    fn piece() -> impl Strategy<Value = Owned> {
        prop_oneof![
            (1..=3u8, text()).prop_map(|(id, text)| Owned::Console(id, text)),
            (0..=2u8, text()).prop_map(|(id, text)| Owned::Log(id, text)),
            "[a-z\n]{1,20}".prop_map(|text| Owned::Kernel(text.into_bytes())),
        ]
    }

    /// Bytes with many zeros and tags among them.
    fn garbage() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![Just(0u8), Just(1), Just(LOG), Just(LOG | 9), any::<u8>()];
        prop::collection::vec(byte, 0..300)
    }

    proptest! {
        #[test]
        fn what_was_sent_arrives(sent in prop::collection::vec(piece(), 0..20)) {
            let bytes: Vec<u8> = sent.iter().flat_map(encode).collect();
            // Neighbours of one source are one text to the receiver.
            let mut expected: Vec<Owned> = Vec::new();
            for piece in sent {
                match (expected.last_mut(), piece) {
                    (Some(Owned::Kernel(old)), Owned::Kernel(new)) => old.extend(new),
                    (Some(Owned::Console(id, old)), Owned::Console(same, new)) if *id == same => old.extend(new),
                    (_, piece) => expected.push(piece),
                }
            }
            prop_assert_eq!(pieces(&bytes), expected);
        }

        #[test]
        fn garbage_is_survived_in_bounded_memory_and_any_chunks(bytes in garbage(), chunk in 1..40usize) {
            let whole = pieces(&bytes);
            let (mut demultiplexer, mut all) = (demultiplexer(), Vec::new());
            for part in bytes.chunks(chunk) {
                take(&mut demultiplexer, part, &mut all);
                prop_assert!(demultiplexer.frame.len() <= LOG_FRAME_MAX);
            }
            prop_assert_eq!(&all, &whole);
            let out: usize = all.iter().map(|piece| match piece {
                Owned::Kernel(t) | Owned::Console(_, t) | Owned::Log(_, t) => t.len(),
                Owned::Damaged => 0,
            }).sum();
            prop_assert!(out <= bytes.len());
        }

        #[test]
        fn after_garbage_at_most_one_frame_is_lost(bytes in garbage(), lost in text(), kept in text()) {
            let sent = [bytes, encode(&Owned::Log(1, lost)), encode(&Owned::Log(2, kept.clone()))].concat();
            prop_assert_eq!(pieces(&sent).last().cloned(), Some(Owned::Log(2, kept)));
        }
    }
}
