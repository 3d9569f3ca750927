//! The image as a zImage: the head, the table of pieces, and the pieces.

use crate::compose::elf::{Piece, Program};
use abi::zimage::{BYTE_ORDER, HEADER_OFFSET, MAGIC, PIECE_ALIGN, ROOM_BYTES, ZimageHeader, ZimagePiece};
use std::mem::size_of;

/// Bytes of the table's entry.
const ENTRY: usize = size_of::<ZimagePiece>();
const ALIGN: usize = PIECE_ALIGN as usize;

/// Puts a zImage together that moves `pieces` to their physical addresses and goes to `entry`. The error says what is wrong
/// with the head or the pieces.
pub fn zimage(head: &Program, entry: u32, pieces: &[Piece]) -> Result<Vec<u8>, String> {
    let mut image = code(head)?;
    let table = image.len();
    let first = (table + pieces.len() * ENTRY).next_multiple_of(ALIGN);
    if first > ROOM_BYTES as usize / 2 {
        return Err(format!(
            "the head of the zImage has {first} bytes with its table, and room for {}",
            ROOM_BYTES / 2
        ));
    }
    image.resize(first, 0);
    let mut destination_end = 0;
    for (n, piece) in pieces.iter().enumerate() {
        let bytes = piece.bytes.len().next_multiple_of(ALIGN) as u32;
        let memory_bytes = piece.memory_bytes.next_multiple_of(PIECE_ALIGN).max(bytes);
        if !piece.physical.is_multiple_of(PIECE_ALIGN) || piece.physical < destination_end {
            return Err(format!(
                "the piece at {:#x} can't be moved: it is not aligned, or not behind the last",
                piece.physical
            ));
        }
        destination_end = piece.physical + memory_bytes;
        let line = ZimagePiece { offset: image.len() as u32, destination: piece.physical, bytes, memory_bytes };
        put(&mut image, table + n * ENTRY, &[line.offset, line.destination, line.bytes, line.memory_bytes]);
        image.extend_from_slice(&piece.bytes);
        image.resize(image.len().next_multiple_of(ALIGN), 0);
    }
    let header = ZimageHeader {
        magic: MAGIC,
        end: image.len() as u32,
        byte_order: BYTE_ORDER,
        entry,
        destination_end,
        pieces: table as u32,
        piece_count: pieces.len() as u32,
        ..ZimageHeader::default()
    };
    let ZimageHeader { magic, start, end, byte_order, extension, entry, .. } = header;
    let ZimageHeader { destination_end, pieces, piece_count, ready, others, saved, .. } = header;
    let words = [magic, start, end, byte_order, extension, entry, destination_end, pieces, piece_count, ready];
    put(&mut image, HEADER_OFFSET as usize, &[&words[..], &others, &saved].concat());
    Ok(image)
}

/// The head's code: what is linked to 0, with the magic where it belongs.
fn code(head: &Program) -> Result<Vec<u8>, String> {
    let header = HEADER_OFFSET as usize..HEADER_OFFSET as usize + size_of::<ZimageHeader>();
    match &head.pieces[..] {
        [piece] if piece.physical == 0 && piece.bytes.len() > header.end => {
            let mut code = piece.bytes.clone();
            code.resize(code.len().next_multiple_of(ALIGN), 0);
            if code[header.start..].starts_with(&MAGIC.to_le_bytes()) {
                Ok(code)
            } else {
                Err("it has no magic".to_owned())
            }
        }
        _ => Err("it is not one piece of code at address 0".to_owned()),
    }
    .map_err(|error| format!("the head of the zImage: {error}"))
}

fn put(image: &mut [u8], at: usize, words: &[u32]) {
    for (place, word) in image[at..].chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use abi::rights::MapFlags;

    fn piece(physical: u32, bytes: &[u8], memory_bytes: u32) -> Piece {
        Piece { address: physical, physical, bytes: bytes.to_vec(), memory_bytes, flags: MapFlags::READ }
    }

    fn head() -> Program {
        let mut code = vec![0xaa; 0x84];
        put(&mut code, 0x24, &[MAGIC]);
        Program { entry: 0, pieces: vec![piece(0, &code, 0x84)] }
    }

    fn word(image: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(image[at..at + 4].try_into().unwrap())
    }

    #[test]
    fn boot_loaders_find_their_words_and_the_head_its_own() {
        let pieces = [piece(0x4020_0000, &[1; 33], 0x100), piece(0x4040_0000, &[2; 16], 16)];
        let image = zimage(&head(), 0x4020_0004, &pieces).unwrap();
        let words: Vec<u32> = (0x24..0x68).step_by(4).map(|at| word(&image, at)).collect();
        let end = image.len() as u32;
        assert_eq!(
            words,
            [0x016f_2818, 0, end, 0x0403_0201, 0, 0x4020_0004, 0x4040_0010, 0x90, 2, 0, 0, 0, 0, 0, 0, 0, 0]
        );
        let line = |n: usize| [0, 4, 8, 12].map(|at| word(&image, 0x90 + 16 * n + at));
        assert_eq!(line(0), [0xb0, 0x4020_0000, 48, 0x100]);
        assert_eq!(line(1), [0xe0, 0x4040_0000, 16, 16]);
        assert_eq!((end, &image[0xb0..0xd1], &image[0xd1..0xe0]), (0xf0, &[1; 33][..], &[0; 15][..]));
        // The code is as it was but for the header.
        assert!(image[..0x24].iter().chain(&image[0x68..0x84]).all(|&byte| byte == 0xaa));
    }

    #[test]
    fn what_can_not_be_moved_is_refused() {
        let overlap = [piece(0x4000_0000, &[1; 16], 0x2000), piece(0x4000_1000, &[1; 16], 16)];
        assert!(zimage(&head(), 0, &overlap).unwrap_err().contains("0x40001000"));
        assert!(zimage(&head(), 0, &[piece(0x4000_0004, &[1; 16], 16)]).unwrap_err().contains("not aligned"));
        let many: Vec<Piece> = (0..200).map(|n| piece(n << 12, &[1], 16)).collect();
        assert!(zimage(&head(), 0, &many).unwrap_err().contains("room for"));
        let mut other = head();
        other.pieces[0].physical = 64;
        assert!(zimage(&other, 0, &[]).unwrap_err().contains("address 0"));
        other = head();
        other.pieces[0].bytes[0x24] = 0;
        assert!(zimage(&other, 0, &[]).unwrap_err().contains("magic"));
    }
}
