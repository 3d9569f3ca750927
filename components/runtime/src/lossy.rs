//! The lossy ring through which log frames leave a component or the kernel ([`abi::ring`]).
//!
//! The writer never waits; a reader that is too slow loses frames, and knows how many bytes it lost. Frames are
//! `0x00, tag, bytes without zero, 0x00` (see [`protocol::wire`]), so a reader finds the next whole one again.

use crate::mapped::Mapped;
use abi::ring::{RING_BYTES, RING_HEADER_BYTES, RING_MAGIC, RING_PAGE_BYTES};

/// The longest frame, delimiters included. A writer writes at most that much before it publishes `head`, so
/// what lies this far from being overwritten is safe to read.
pub const FRAME_BYTES_MAX: usize = 512;

const MAGIC: usize = 0;
const HEAD: usize = 4;
const POSITION: usize = 8;
const DROPPED: usize = 12;

/// Writes frames.
#[derive(Debug)]
pub struct Writer {
    page: Mapped,
    head: u32,
    position: usize,
    length: usize,
}

impl Writer {
    /// Sets the ring up, or goes on with one that was set up before. `None` if the memory is too small.
    pub fn new(page: Mapped) -> Option<Self> {
        if page.len() < RING_PAGE_BYTES {
            return None;
        }
        let (mut head, mut position) = (page.read_u32(HEAD), page.read_u32(POSITION) as usize);
        if page.read_u32(MAGIC) != RING_MAGIC || position >= RING_BYTES {
            (head, position) = (0, 0);
            page.write_u32(HEAD, 0);
            page.write_u32(POSITION, 0);
            page.write_u32(DROPPED, 0);
            page.release(MAGIC, RING_MAGIC);
        }
        Some(Self { page, head, position, length: 0 })
    }

    /// Adds bytes to the frame that is being written; past [`FRAME_BYTES_MAX`] they only count.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if self.length < FRAME_BYTES_MAX {
                let mut at = self.position + self.length;
                if at >= RING_BYTES {
                    at -= RING_BYTES;
                }
                self.page.write_u8(RING_HEADER_BYTES + at, byte);
            }
            self.length = self.length.saturating_add(1);
        }
    }

    /// Ends the frame: publishes it, or drops it and counts if it is too long.
    pub fn commit(&mut self) {
        let length = core::mem::take(&mut self.length);
        if length > FRAME_BYTES_MAX {
            return self.count_dropped(1);
        }
        self.head = self.head.wrapping_add(length as u32);
        self.position = (self.position + length) % RING_BYTES;
        self.page.write_u32(POSITION, self.position as u32);
        self.page.release(HEAD, self.head);
    }

    /// Counts frames that were never begun.
    pub fn count_dropped(&mut self, frames: u32) {
        self.page.write_u32(DROPPED, self.page.read_u32(DROPPED).wrapping_add(frames));
    }
}

/// Reads frames, whole ones only.
#[derive(Debug)]
pub struct Reader {
    page: Mapped,
    tail: u32,
    dropped: u32,
    /// Bytes that were overwritten before they could be read, or that were no frame.
    pub lost_bytes: u64,
}

/// What a reader found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A whole frame of so many bytes, delimiters included, is in the buffer.
    Whole(usize),
    /// Nothing more for now.
    Nothing,
}

impl Reader {
    /// A reader at the oldest byte that is still there. `None` if the memory is too small.
    pub fn new(page: Mapped) -> Option<Self> {
        let reader = Self { page, tail: 0, dropped: 0, lost_bytes: 0 };
        (page.len() >= RING_PAGE_BYTES).then_some(reader)
    }

    /// The next frame with that tag; what is between is skipped and counted as lost. A frame that is longer than the buffer is skipped, too.
    /// Costs at most one pass over the ring, whatever the writer does.
    pub fn next(&mut self, tag: u8, buffer: &mut [u8; FRAME_BYTES_MAX]) -> Frame {
        let head = self.page.acquire(HEAD);
        let position = self.page.read_u32(POSITION) as usize;
        if self.page.acquire(MAGIC) != RING_MAGIC || position >= RING_BYTES {
            return Frame::Nothing;
        }
        let mut waiting = head.wrapping_sub(self.tail) as usize;
        if waiting > RING_BYTES - FRAME_BYTES_MAX {
            let kept = (head as usize).min(RING_BYTES - FRAME_BYTES_MAX);
            self.lose(waiting - kept.min(waiting));
            self.tail = head.wrapping_sub(kept as u32);
            waiting = kept;
        }
        let page = self.page;
        let at = |back: usize| page.read_u8(RING_HEADER_BYTES + (position + 2 * RING_BYTES - back) % RING_BYTES);
        while waiting >= 3 {
            if !(at(waiting) == 0 && at(waiting - 1) == tag) {
                waiting -= 1;
                self.step(1);
                continue;
            }
            (buffer[0], buffer[1]) = (0, tag);
            let longest = waiting.min(FRAME_BYTES_MAX);
            let end = (2..longest).find(|&index| {
                buffer[index] = at(waiting - index);
                buffer[index] == 0
            });
            match end {
                Some(last) => {
                    self.tail = self.tail.wrapping_add(last as u32 + 1);
                    // Was it overwritten while it was read?
                    let now = self.page.acquire(HEAD);
                    if now.wrapping_sub(head) as usize + waiting > RING_BYTES - FRAME_BYTES_MAX {
                        self.lose(last + 1);
                        return Frame::Nothing;
                    }
                    return Frame::Whole(last + 1);
                }
                None if waiting > FRAME_BYTES_MAX => {
                    waiting -= 1;
                    self.step(1);
                }
                None => return Frame::Nothing,
            }
        }
        Frame::Nothing
    }

    /// Frames that the writer dropped since this was asked last.
    pub fn newly_dropped(&mut self) -> u32 {
        let now = self.page.read_u32(DROPPED);
        now.wrapping_sub(core::mem::replace(&mut self.dropped, now))
    }

    fn step(&mut self, bytes: usize) {
        self.tail = self.tail.wrapping_add(bytes as u32);
        self.lose(bytes);
    }

    fn lose(&mut self, bytes: usize) {
        self.lost_bytes += bytes as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
        [&[0, tag], body, &[0]].concat()
    }

    fn next(reader: &mut Reader, tag: u8) -> Option<Vec<u8>> {
        let mut buffer = [0; FRAME_BYTES_MAX];
        match reader.next(tag, &mut buffer) {
            Frame::Whole(length) => Some(buffer[..length].to_vec()),
            Frame::Nothing => None,
        }
    }

    #[test]
    fn frames_come_out_whole_and_too_long_ones_are_counted() {
        let page = Mapped::allocate(RING_PAGE_BYTES);
        let mut reader = Reader::new(page).unwrap();
        assert_eq!(next(&mut reader, 0x85), None);
        let mut writer = Writer::new(page).unwrap();
        for round in 1..200_u8 {
            writer.put(&frame(0x85, &[round; 60]));
            writer.commit();
            writer.put(&[1; FRAME_BYTES_MAX + 1]);
            writer.commit();
            assert_eq!(next(&mut reader, 0x85), Some(frame(0x85, &[round; 60])));
            assert_eq!(next(&mut reader, 0x85), None);
        }
        assert_eq!((reader.newly_dropped(), reader.newly_dropped(), reader.lost_bytes), (199, 0, 0));
    }

    #[test]
    fn an_unfinished_frame_is_not_seen_and_a_new_writer_goes_on() {
        let page = Mapped::allocate(RING_PAGE_BYTES);
        let mut writer = Writer::new(page).unwrap();
        writer.put(&frame(0x81, b"one"));
        writer.commit();
        writer.put(&[0, 0x81, 7]);
        let mut writer = Writer::new(page).unwrap();
        writer.put(&frame(0x81, b"two"));
        writer.commit();
        let mut reader = Reader::new(page).unwrap();
        assert_eq!(next(&mut reader, 0x81), Some(frame(0x81, b"one")));
        assert_eq!(next(&mut reader, 0x81), Some(frame(0x81, b"two")));
        assert_eq!(next(&mut reader, 0x81), None);
    }

    proptest! {
        #[test]
        fn a_slow_reader_gets_whole_frames_in_order_or_none(
            bursts in proptest::collection::vec(proptest::collection::vec(1_usize..400, 0..30), 1..12),
        ) {
            let page = Mapped::allocate(RING_PAGE_BYTES);
            let (mut writer, mut reader) = (Writer::new(page).unwrap(), Reader::new(page).unwrap());
            let mut written = Vec::new();
            let mut last = 0;
            for burst in bursts {
                for length in burst {
                    let number = written.len() as u16 + 1;
                    let mut body = std::vec![0xaa; length];
                    body.extend([1 + (number / 200) as u8, 1 + (number % 200) as u8]);
                    let bytes = frame(0x83, &body);
                    writer.put(&bytes);
                    writer.commit();
                    written.push(bytes);
                }
                while let Some(got) = next(&mut reader, 0x83) {
                    let n = got.len();
                    let number = (got[n - 3] as usize - 1) * 200 + got[n - 2] as usize - 1;
                    prop_assert!(number > last);
                    last = number;
                    prop_assert_eq!(&got, &written[number - 1]);
                }
                // The newest always arrives.
                prop_assert_eq!(last, written.len());
            }
        }

        #[test]
        fn a_writer_that_lies_costs_time_only(
            junk in proptest::collection::vec((0_usize..RING_PAGE_BYTES / 4, any::<u32>()), 0..400),
        ) {
            let page = Mapped::allocate(RING_PAGE_BYTES);
            let mut reader = Reader::new(page).unwrap();
            for (index, (word, value)) in junk.into_iter().enumerate() {
                page.write_u32(word * 4, value);
                page.write_u32(MAGIC, RING_MAGIC);
                if index % 5 == 0 {
                    page.write_u32(POSITION, value % 4096);
                    page.write_u32(HEAD, value);
                }
                if let Some(got) = next(&mut reader, 0x81) {
                    prop_assert!(got.len() >= 3 && got[0] == 0 && got[1] == 0x81 && got.ends_with(&[0]));
                    prop_assert!(!got[2..got.len() - 1].contains(&0));
                }
            }
        }
    }
}
