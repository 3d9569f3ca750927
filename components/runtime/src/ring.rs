//! A byte ring that two components share ([`protocol::ring`]): one writer, one reader, and neither trusts the other.
//!
//! Each side keeps its own counter and checks the other's. A peer that lies about its counter makes the ring
//! look full to a writer and empty to a reader; nothing else follows. If a side finds that its own counter in
//! the page is not what it wrote, the page was renewed (its owner was built anew): it starts over from what stands there.

use crate::mapped::{Mapped, full_fence};
use protocol::ring::{DATA, DATA_BYTES, HEAD, PAGE_BYTES, TAIL};

/// What a transfer did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// How many bytes.
    pub bytes: usize,
    /// Whether the other side may be waiting for this, and must be signalled.
    pub signal: bool,
}

/// The side that writes.
#[derive(Debug)]
pub struct Writer {
    page: Mapped,
    head: u32,
}

/// The side that reads.
#[derive(Debug)]
pub struct Reader {
    page: Mapped,
    tail: u32,
}

fn is_page(page: &Mapped) -> bool {
    page.len() >= PAGE_BYTES.min(DATA + DATA_BYTES)
}

impl Writer {
    /// Takes up writing where the page says that it stopped. `None` if the memory is too small to be a ring.
    pub fn new(page: Mapped) -> Option<Self> {
        is_page(&page).then(|| Self { page, head: page.acquire(HEAD) })
    }

    /// Bytes that can be written now.
    pub fn free(&mut self) -> usize {
        self.head = self.page.acquire(HEAD);
        self.room()
    }

    /// Bytes that can be written now, for who must not change anything.
    pub fn room(&self) -> usize {
        let used = self.page.acquire(HEAD).wrapping_sub(self.page.acquire(TAIL)) as usize;
        DATA_BYTES - used.min(DATA_BYTES)
    }

    /// Writes as much as there is room for.
    pub fn push(&mut self, bytes: &[u8]) -> Moved {
        let count = bytes.len().min(self.free());
        if count == 0 {
            return Moved::default();
        }
        let before = self.head;
        for (index, byte) in bytes[..count].iter().enumerate() {
            self.page.write_u8(DATA + (before as usize + index) % DATA_BYTES, *byte);
        }
        self.head = before.wrapping_add(count as u32);
        self.page.release(HEAD, self.head);
        full_fence();
        // Everything before this was read: the reader may be asleep.
        Moved { bytes: count, signal: self.page.acquire(TAIL) == before }
    }

    /// Writes all of it or nothing.
    pub fn push_whole(&mut self, bytes: &[u8]) -> Option<Moved> {
        (self.free() >= bytes.len()).then(|| self.push(bytes))
    }
}

impl Reader {
    /// Takes up reading where the page says that it stopped. `None` if the memory is too small to be a ring.
    pub fn new(page: Mapped) -> Option<Self> {
        is_page(&page).then(|| Self { page, tail: page.acquire(TAIL) })
    }

    /// Bytes that can be read now; 0 while the writer's counter is impossible.
    pub fn available(&mut self) -> usize {
        self.tail = self.page.acquire(TAIL);
        self.waiting()
    }

    /// Bytes that can be read now, for who must not change anything.
    pub fn waiting(&self) -> usize {
        let waiting = self.page.acquire(HEAD).wrapping_sub(self.page.acquire(TAIL)) as usize;
        if waiting > DATA_BYTES { 0 } else { waiting }
    }

    /// The byte that is `index` ahead; meaningless at or past [`available`](Self::available).
    pub fn peek(&self, index: usize) -> u8 {
        self.page.read_u8(DATA + (self.tail as usize).wrapping_add(index) % DATA_BYTES)
    }

    /// Drops up to `count` bytes.
    pub fn skip(&mut self, count: usize) -> Moved {
        let count = count.min(self.available());
        if count == 0 {
            return Moved::default();
        }
        let before = self.tail;
        self.tail = before.wrapping_add(count as u32);
        self.page.release(TAIL, self.tail);
        full_fence();
        // It was full until now: the writer may be asleep.
        let was_full = self.page.acquire(HEAD).wrapping_sub(before) as usize == DATA_BYTES;
        Moved { bytes: count, signal: was_full }
    }

    /// Reads as much as there is and fits.
    pub fn pop(&mut self, to: &mut [u8]) -> Moved {
        let count = self.available().min(to.len());
        for (index, byte) in to[..count].iter_mut().enumerate() {
            *byte = self.peek(index);
        }
        self.skip(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    fn pair() -> (Mapped, Writer, Reader) {
        let page = Mapped::allocate(PAGE_BYTES);
        (page, Writer::new(page).unwrap(), Reader::new(page).unwrap())
    }

    #[test]
    fn signals_come_at_empty_and_at_full_only() {
        let (_, mut writer, mut reader) = pair();
        assert_eq!(writer.push(b"ab"), Moved { bytes: 2, signal: true });
        assert_eq!(writer.push(b"c"), Moved { bytes: 1, signal: false });
        assert_eq!(writer.push(&[0; 4000]), Moved { bytes: DATA_BYTES - 3, signal: false });
        assert_eq!(writer.push(b"x"), Moved::default());
        assert_eq!(writer.push_whole(b"x"), None);
        let mut buffer = [0; 3];
        assert_eq!(reader.pop(&mut buffer), Moved { bytes: 3, signal: true });
        assert_eq!(&buffer, b"abc");
        assert_eq!(reader.pop(&mut buffer), Moved { bytes: 3, signal: false });
    }

    #[test]
    fn a_ring_too_small_is_none() {
        assert!(Writer::new(Mapped::allocate(64)).is_none() && Reader::new(Mapped::allocate(64)).is_none());
    }

    #[test]
    fn a_renewed_page_is_taken_up() {
        let (page, mut writer, mut reader) = pair();
        writer.push(&[1; 1500]);
        reader.skip(1500);
        writer.push(&[1; 1500]);
        for at in [HEAD, TAIL] {
            page.write_u32(at, 0);
        }
        assert_eq!(reader.available(), 0);
        assert_eq!(writer.push(b"new"), Moved { bytes: 3, signal: true });
        assert_eq!(reader.available(), 3);
        assert_eq!(reader.peek(0), b'n');
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out_in_order(
            start in any::<u32>(),
            steps in proptest::collection::vec((any::<bool>(), 0_usize..3000), 1..60),
        ) {
            let page = Mapped::allocate(PAGE_BYTES);
            page.write_u32(HEAD, start);
            page.write_u32(TAIL, start);
            let (mut writer, mut reader) = (Writer::new(page).unwrap(), Reader::new(page).unwrap());
            let (mut next_in, mut next_out) = (0_u8, 0_u8);
            let mut inside = 0;
            for (write, count) in steps {
                if write {
                    let bytes: Vec<u8> = (0..count).map(|i| next_in.wrapping_add(i as u8)).collect();
                    let moved = writer.push(&bytes);
                    prop_assert_eq!(moved.bytes, count.min(DATA_BYTES - inside));
                    prop_assert_eq!(moved.signal, moved.bytes > 0 && inside == 0);
                    next_in = next_in.wrapping_add(moved.bytes as u8);
                    inside += moved.bytes;
                } else {
                    let mut buffer = std::vec![0; count];
                    let moved = reader.pop(&mut buffer);
                    prop_assert_eq!(moved.bytes, count.min(inside));
                    prop_assert_eq!(moved.signal, moved.bytes > 0 && inside == DATA_BYTES);
                    for byte in &buffer[..moved.bytes] {
                        prop_assert_eq!(*byte, next_out);
                        next_out = next_out.wrapping_add(1);
                    }
                    inside -= moved.bytes;
                }
            }
        }

        #[test]
        fn a_lying_peer_harms_nobody(
            lies in proptest::collection::vec((any::<bool>(), any::<u32>(), 0_usize..5000), 1..60),
        ) {
            let (page, mut writer, mut reader) = pair();
            for (at_head, value, count) in lies {
                page.write_u32(if at_head { HEAD } else { TAIL }, value);
                let mut buffer = std::vec![0; count];
                prop_assert!(reader.pop(&mut buffer).bytes <= count.min(DATA_BYTES));
                prop_assert!(writer.push(&buffer).bytes <= count.min(DATA_BYTES));
                prop_assert!(writer.free() <= DATA_BYTES);
            }
        }
    }
}
