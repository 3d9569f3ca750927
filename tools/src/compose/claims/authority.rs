//! What two systems are compared by, from a manifest that was checked or from an image that was built.

use super::names::{Directory, machine};
use crate::claims::{Authority, authority};
use crate::compose::elf;
use abi::boot::{PAYLOAD_MAGIC, PayloadHeader};
use boards::Board;
use std::mem::offset_of;

/// What is compared.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Who may do what.
    pub authority: Authority,
    /// What is claimed.
    pub claims: Vec<String>,
}

/// What is to be compared of a compiled system. The error says why it can't be read.
pub fn subject(board: &Board, compiled: &[u8], claims: Vec<String>) -> Result<Subject, String> {
    let Directory { model, names, .. } = Directory::read(compiled)?;
    Ok(Subject { authority: authority(&model, &machine(board), &names), claims })
}

/// The compiled system in an image. The error says why there is none.
pub fn compiled_of(image: &[u8]) -> Result<Vec<u8>, String> {
    let image = elf::read(image)?;
    let word = |bytes: &[u8], at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let compiled = |bytes: &[u8]| {
        let (offset, length) = (offset_of!(PayloadHeader, system_offset), offset_of!(PayloadHeader, system_bytes));
        let (from, length) = (word(bytes, offset)? as usize, word(bytes, length)? as usize);
        Some(bytes.get(from..from.checked_add(length)?)?.to_vec())
    };
    let mut payloads = image.pieces.iter().filter(|piece| word(&piece.bytes, 0) == Some(PAYLOAD_MAGIC));
    payloads.find_map(|piece| compiled(&piece.bytes)).ok_or_else(|| "there is no compiled system in it".to_owned())
}
