//! Reading a compiled system, one record at a time. Nothing in it is trusted: a record that does not
//! decode, or that reaches past the end, is an error with its place.

use crate::record::{Record, SYSTEM_VERSION};

/// Why a compiled system can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// It ends inside a record, or a record does not decode; the offset of the record, in bytes.
    Damaged(usize),
    /// It was written by a composer of another version.
    Version(u32),
}

/// Reads records from the bytes of a compiled system.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the first record, which must be a `Header` of this version. The header is returned, too.
    pub fn new(bytes: &'a [u8]) -> Result<(Self, Record<'a>), ReadError> {
        let mut reader = Self { bytes, offset: 0 };
        match reader.next().transpose()? {
            Some(header @ Record::Header { version: SYSTEM_VERSION, .. }) => Ok((reader, header)),
            Some(Record::Header { version, .. }) => Err(ReadError::Version(version)),
            _ => Err(ReadError::Damaged(0)),
        }
    }

    /// Bytes read so far.
    pub fn offset(&self) -> usize {
        self.offset
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<Record<'a>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.bytes.get(self.offset..)?;
        if rest.is_empty() {
            return None;
        }
        let damaged = ReadError::Damaged(self.offset);
        let Some((length, rest)) = rest.split_first_chunk::<4>() else {
            self.offset = self.bytes.len();
            return Some(Err(damaged));
        };
        let length = u32::from_le_bytes(*length) as usize;
        let Some(body) = rest.get(..length) else {
            self.offset = self.bytes.len();
            return Some(Err(damaged));
        };
        self.offset += 4 + length;
        Some(match postcard::take_from_bytes(body) {
            Ok((record, [])) => Ok(record),
            _ => {
                self.offset = self.bytes.len();
                Err(damaged)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Writer;

    fn header(version: u32) -> Record<'static> {
        Record::Header { version, groups: 0, objects: 0, first_slot: 256, free_slot: 300 }
    }

    #[test]
    fn what_was_written_is_read() {
        let mut writer = Writer::default();
        let records =
            [header(SYSTEM_VERSION), Record::FillBytes { object: 3, at: 8, bytes: b"hello" }, Record::Start { tcb: 7 }];
        records.iter().for_each(|record| writer.push(record));
        let bytes = writer.into_bytes();
        let (reader, first) = Reader::new(&bytes).unwrap();
        assert_eq!(first, records[0]);
        let rest: std::vec::Vec<_> = reader.map(Result::unwrap).collect();
        assert_eq!(rest, records[1..]);
    }

    #[test]
    fn another_version_is_refused() {
        let mut writer = Writer::default();
        writer.push(&header(SYSTEM_VERSION + 1));
        let bytes = writer.into_bytes();
        assert_eq!(Reader::new(&bytes).unwrap_err(), ReadError::Version(SYSTEM_VERSION + 1));
    }

    #[test]
    fn damage_is_an_error_with_its_place_and_ends_the_reading() {
        let mut writer = Writer::default();
        writer.push(&header(SYSTEM_VERSION));
        let at = writer.len();
        writer.push(&Record::Start { tcb: 1 });
        let bytes = writer.into_bytes();
        for cut in at + 1..bytes.len() {
            let (mut reader, _) = Reader::new(&bytes[..cut]).unwrap();
            assert_eq!(reader.next(), Some(Err(ReadError::Damaged(at))), "cut at {cut}");
            assert_eq!(reader.next(), None);
        }
        assert_eq!(Reader::new(&[]).unwrap_err(), ReadError::Damaged(0));
    }
}
