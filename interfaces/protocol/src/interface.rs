//! What a program says of the channels that it serves or calls: which requests travel there, and the hash of each. The runtime's
//! `interfaces!` writes it into a section of the program that is not loaded; the composer compares the two ends of a channel.
//!
//! Each declaration is `side, label (2 bytes), hash (8 bytes), length of the channel's name, length of the request's name` and the two
//! names; numbers are little-endian.

/// The section of a program's ELF.
pub const SECTION: &str = ".bulkhead.interfaces";

/// Which end of a channel a program has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Side {
    /// It answers.
    Serves = 1,
    /// It asks.
    Calls = 2,
}

/// One request on one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Declared<'a> {
    /// Which end.
    pub side: Side,
    /// The channel's name.
    pub channel: &'a str,
    /// The request's name, as its program wrote it.
    pub request: &'a str,
    /// The request's label.
    pub label: u16,
    /// [`Request::SCHEMA_HASH`](crate::Request::SCHEMA_HASH).
    pub hash: u64,
}

/// Bytes before the names.
const HEAD: usize = 13;

impl<'a> Declared<'a> {
    /// Bytes of its encoding.
    pub const fn bytes(&self) -> usize {
        HEAD + self.channel.len() + self.request.len()
    }

    /// Its encoding, of [`bytes`](Self::bytes) bytes. Panics (at compile time) if a name has more than 255.
    pub const fn encode<const BYTES: usize>(&self) -> [u8; BYTES] {
        let mut out = [0; BYTES];
        self.write(&mut out);
        out
    }

    /// The same, into a slice of just that length.
    pub const fn write(&self, out: &mut [u8]) {
        assert!(out.len() == self.bytes() && self.channel.len() < 256 && self.request.len() < 256);
        out[0] = self.side as u8;
        let at = put(out, 1, &self.label.to_le_bytes());
        let at = put(out, at, &self.hash.to_le_bytes());
        let at = put(out, at, &[self.channel.len() as u8, self.request.len() as u8]);
        let at = put(out, at, self.channel.as_bytes());
        put(out, at, self.request.as_bytes());
    }

    fn take(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
        let [side, label_low, label_high, hash @ .., channel, request] = *head;
        let side = match side {
            1 => Side::Serves,
            2 => Side::Calls,
            _ => return None,
        };
        let (channel, rest) = rest.split_at_checked(channel.into())?;
        let (request, rest) = rest.split_at_checked(request.into())?;
        let [channel, request] = [core::str::from_utf8(channel).ok()?, core::str::from_utf8(request).ok()?];
        let (label, hash) = (u16::from_le_bytes([label_low, label_high]), u64::from_le_bytes(hash));
        Some((Self { side, channel, request, label, hash }, rest))
    }
}

const fn put(out: &mut [u8], at: usize, bytes: &[u8]) -> usize {
    let mut n = 0;
    while n < bytes.len() {
        out[at + n] = bytes[n];
        n += 1;
    }
    at + n
}

/// The declarations of a section's bytes. A `None` is the last: what stands there is none.
pub fn read(section: &[u8]) -> impl Iterator<Item = Option<Declared<'_>>> {
    let mut rest = section;
    core::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let taken = Declared::take(rest);
        rest = taken.map_or(&[], |(_, rest)| rest);
        Some(taken.map(|(declared, _)| declared))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Request;
    use crate::vm::Ended;

    const ENDED: Declared<'_> = Declared {
        side: Side::Calls,
        channel: "root",
        request: "vm::Ended",
        label: Ended::LABEL,
        hash: Ended::SCHEMA_HASH,
    };

    #[test]
    fn what_was_declared_is_read() {
        const OTHER: Declared<'_> = Declared { side: Side::Serves, channel: "", ..ENDED };
        const BYTES: [u8; ENDED.bytes() + OTHER.bytes()] = {
            let (one, two): ([u8; ENDED.bytes()], [u8; OTHER.bytes()]) = (ENDED.encode(), OTHER.encode());
            let mut both = [0; ENDED.bytes() + OTHER.bytes()];
            let at = put(&mut both, 0, &one);
            put(&mut both, at, &two);
            both
        };
        let found: std::vec::Vec<_> = read(&BYTES).collect();
        assert_eq!(found, [Some(ENDED), Some(OTHER)]);
    }

    #[test]
    fn damage_ends_the_reading() {
        let bytes: [u8; ENDED.bytes()] = ENDED.encode();
        for cut in 1..bytes.len() {
            assert_eq!(read(&bytes[..cut]).collect::<std::vec::Vec<_>>(), [None], "cut at {cut}");
        }
        let mut strange = bytes;
        strange[0] = 3;
        assert_eq!(read(&strange).collect::<std::vec::Vec<_>>(), [None]);
        strange = bytes;
        strange[HEAD] = 0xff;
        assert_eq!(read(&strange).collect::<std::vec::Vec<_>>(), [None]);
        assert_eq!(read(&[]).count(), 0);
    }
}
