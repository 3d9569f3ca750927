//! Writing a compiled system: the composer's side.

use crate::record::Record;
use std::vec::Vec;

/// Collects records.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Adds a record.
    pub fn push(&mut self, record: &Record<'_>) {
        // A record is plain data: encoding it to a growing vector can't fail.
        let body = postcard::to_stdvec(record).unwrap_or_default();
        self.bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(&body);
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The compiled system.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
