//! Reading programs and writing the image: ELF for 32-bit Arm.

use abi::rights::MapFlags;
use object::elf::{EM_ARM, FileHeader32, PF_R, PF_W, PF_X, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, elf};

/// Bytes of a page.
pub const PAGE: u32 = 4096;

/// A piece of a program that is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where it is linked to run.
    pub address: u32,
    /// Where it is loaded; a boot loader's view.
    pub physical: u32,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Bytes in all; what is beyond `bytes` is zero.
    pub memory_bytes: u32,
    /// How it is mapped.
    pub flags: MapFlags,
}

impl Piece {
    /// Its end in its address space.
    pub fn end(&self) -> u64 {
        u64::from(self.address) + u64::from(self.memory_bytes)
    }

    /// Pages from its address on.
    pub fn pages(&self) -> u32 {
        self.memory_bytes.div_ceil(PAGE)
    }
}

/// A program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Where it starts; bit 0 set: in Thumb state.
    pub entry: u32,
    /// Its pieces, by address.
    pub pieces: Vec<Piece>,
}

/// Whether a file begins as an ELF does.
pub fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF")
}

/// Reads an executable. The error says what it is instead.
pub fn read(file: &[u8]) -> Result<Program, String> {
    if !is_elf(file) {
        return Err("it is not an ELF".to_owned());
    }
    let header = FileHeader32::<Endianness>::parse(file)
        .map_err(|_| "it is an ELF, but not of 32 bits, or it is damaged".to_owned())?;
    let endian = header.endian().map_err(|_| "its byte order is unknown".to_owned())?;
    if header.e_machine(endian) != EM_ARM || endian != Endianness::Little {
        return Err("it is an ELF, but not for little-endian Arm".to_owned());
    }
    if header.e_type(endian) != elf::ET_EXEC {
        return Err("it is an ELF, but not an executable linked to a fixed address".to_owned());
    }
    let headers = header.program_headers(endian, file).map_err(|_| "its program headers are damaged".to_owned())?;
    let mut pieces = Vec::new();
    for part in headers.iter().filter(|part| part.p_type(endian) == PT_LOAD && part.p_memsz(endian) != 0) {
        let bytes = part.data(endian, file).map_err(|()| "a segment reaches past the end of the file".to_owned())?;
        let (address, memory_bytes) = (part.p_vaddr(endian), part.p_memsz(endian));
        if bytes.len() > memory_bytes as usize || address.checked_add(memory_bytes).is_none() {
            return Err("a segment's sizes make no sense".to_owned());
        }
        let mut flags = MapFlags::empty();
        flags.set(MapFlags::READ, part.p_flags(endian).0 & PF_R.0 != 0);
        flags.set(MapFlags::WRITE, part.p_flags(endian).0 & PF_W.0 != 0);
        flags.set(MapFlags::EXECUTE, part.p_flags(endian).0 & PF_X.0 != 0);
        pieces.push(Piece { address, physical: part.p_paddr(endian), bytes: bytes.to_vec(), memory_bytes, flags });
    }
    if pieces.is_empty() {
        return Err("it has nothing to load".to_owned());
    }
    pieces.sort_by_key(|piece| piece.address);
    Ok(Program { entry: header.e_entry(endian), pieces })
}

/// What a program must be to become a component: pieces on pages of their own between `low` and `high`, no
/// piece both writable and executable, and an entry that can be executed. Pieces are moved down to page boundaries.
pub fn as_component(mut program: Program, low: u32, high: u32) -> Result<Program, String> {
    let mut end = u64::from(low);
    for piece in &mut program.pieces {
        if piece.flags.contains(MapFlags::WRITE | MapFlags::EXECUTE) {
            return Err(format!("the segment at {:#x} is writable and executable", piece.address));
        }
        let ahead = piece.address % PAGE;
        piece.address -= ahead;
        piece.memory_bytes += ahead;
        piece.bytes.splice(0..0, std::iter::repeat_n(0, ahead as usize));
        if u64::from(piece.address) < u64::from(low) || piece.end() > u64::from(high) {
            let (from, to) = (piece.address, piece.end());
            return Err(format!(
                "the segment {from:#x}-{to:#x} is outside {low:#x}-{high:#x}, where components are linked"
            ));
        }
        if u64::from(piece.address) < end {
            return Err(format!("the segment at {:#x} shares a page with the one before it", piece.address));
        }
        end = piece.end().next_multiple_of(u64::from(PAGE));
        // What can be written or executed is read, too.
        piece.flags |= MapFlags::READ;
    }
    let entry = u64::from(program.entry & !1);
    let holds = |piece: &&Piece| (u64::from(piece.address)..piece.end()).contains(&entry);
    match program.pieces.iter().find(holds) {
        Some(piece) if piece.flags.contains(MapFlags::EXECUTE) => Ok(program),
        _ => Err(format!("its entry point {entry:#x} is not in an executable segment")),
    }
}

/// Writes an executable that is loaded at its physical addresses.
pub fn write(entry: u32, pieces: &[Piece]) -> Vec<u8> {
    const HEADER: u32 = 52;
    const PART: u32 = 32;
    let mut offset = (HEADER + PART * pieces.len() as u32).next_multiple_of(PAGE);
    let mut out = Vec::new();
    out.extend_from_slice(&[0x7f, b'E', b'L', b'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    half(&mut out, &[2, 40]);
    words(&mut out, &[1, entry, HEADER, 0, 0x0500_0000]);
    half(&mut out, &[HEADER as u16, PART as u16, pieces.len() as u16, 40, 0, 0]);
    for piece in pieces {
        let mut flags = 0;
        for (flag, bit) in [(MapFlags::READ, PF_R), (MapFlags::WRITE, PF_W), (MapFlags::EXECUTE, PF_X)] {
            flags |= if piece.flags.contains(flag) { bit.0 } else { 0 };
        }
        let bytes = piece.bytes.len() as u32;
        words(&mut out, &[1, offset, piece.address, piece.physical, bytes, piece.memory_bytes, flags, PAGE]);
        offset = (offset + bytes).next_multiple_of(PAGE);
    }
    for piece in pieces {
        out.resize(out.len().next_multiple_of(PAGE as usize), 0);
        out.extend_from_slice(&piece.bytes);
    }
    out
}

fn words(out: &mut Vec<u8>, words: &[u32]) {
    words.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
}

fn half(out: &mut Vec<u8>, halves: &[u16]) {
    halves.iter().for_each(|half| out.extend_from_slice(&half.to_le_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(address: u32, bytes: &[u8], flags: MapFlags) -> Piece {
        let memory_bytes = bytes.len() as u32 + 8;
        Piece { address, physical: address, bytes: bytes.to_vec(), memory_bytes, flags }
    }

    #[test]
    fn what_is_written_is_read() {
        let pieces = [
            piece(0x1000_0000, b"code", MapFlags::READ | MapFlags::EXECUTE),
            piece(0x1000_1000, b"data!", MapFlags::READ | MapFlags::WRITE),
        ];
        let file = write(0x1000_0001, &pieces);
        assert_eq!(read(&file), Ok(Program { entry: 0x1000_0001, pieces: pieces.to_vec() }));
    }

    #[test]
    fn writable_code_shared_pages_and_strange_places_are_refused() {
        let text = MapFlags::READ | MapFlags::EXECUTE;
        let refuse = |pieces: &[Piece], entry| {
            as_component(Program { entry, pieces: pieces.to_vec() }, 0x1000_0000, 0x1800_0000).unwrap_err()
        };
        assert!(refuse(&[piece(0x1000_0000, b"x", text | MapFlags::WRITE)], 0).contains("writable and executable"));
        let shared = [piece(0x1000_0000, b"x", text), piece(0x1000_0800, b"x", MapFlags::READ)];
        assert!(refuse(&shared, 0x1000_0000).contains("shares a page"));
        assert!(refuse(&[piece(0x8000, b"x", text)], 0x8000).contains("outside"));
        assert!(refuse(&[piece(0x1000_0000, b"x", text)], 0x1000_0100).contains("entry"));
    }

    #[test]
    fn a_piece_moves_down_to_its_page() {
        let program = Program { entry: 0x1000_0010, pieces: vec![piece(0x1000_0010, b"x", MapFlags::EXECUTE)] };
        let program = as_component(program, 0x1000_0000, 0x1800_0000).unwrap();
        assert_eq!(program.pieces[0].address, 0x1000_0000);
        assert_eq!((program.pieces[0].bytes.len(), program.pieces[0].memory_bytes), (17, 25));
    }

    #[test]
    fn other_files_are_named_for_what_they_are() {
        assert!(read(b"#!/bin/sh").unwrap_err().contains("not an ELF"));
        assert!(read(b"\x7fELF\x02\x01").unwrap_err().contains("not of 32 bits"));
    }
}
