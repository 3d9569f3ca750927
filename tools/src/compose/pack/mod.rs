//! The image: the kernel, and behind it the payload with root, the compiled system, programs and guests' files.

mod arrange;
mod header;
mod zimage;

pub use arrange::{Arrangement, arrange};
pub use header::{build_id, header, read_header};
pub use zimage::zimage;

use super::elf::{Piece, Program};
use super::layout::plan::Region;
use abi::boot::PAYLOAD_ALIGN;
use abi::rights::MapFlags;

/// Where the kernel lies, and where its payload goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelPlace {
    /// First address of the kernel.
    pub base: u32,
    /// The one behind its last.
    pub end: u32,
    /// First address of the payload.
    pub payload: u32,
}

/// Finds the kernel's place. The error says what is wrong with its ELF.
pub fn kernel_place(kernel: &Program, kernel_address: u64) -> Result<KernelPlace, String> {
    let base = kernel.pieces.iter().map(|piece| piece.physical).min().unwrap_or(0);
    let end =
        kernel.pieces.iter().map(|piece| u64::from(piece.physical) + u64::from(piece.memory_bytes)).max().unwrap_or(0);
    if u64::from(base) != kernel_address {
        return Err(format!("the kernel is linked to {base:#x}, and the board wants it at {kernel_address:#x}"));
    }
    let payload = end.next_multiple_of(u64::from(PAYLOAD_ALIGN));
    match u32::try_from(payload) {
        Ok(payload) => Ok(KernelPlace { base, end: end as u32, payload }),
        Err(_) => Err("the kernel lies at the end of the address space".to_owned()),
    }
}

/// A whole payload.
pub fn payload(
    header: &[u8],
    root: &Program,
    programs: &[Program],
    system: &[u8],
    regions: &[Region],
    arrangement: &Arrangement,
) -> Vec<u8> {
    let mut payload = vec![0; arrangement.bytes as usize];
    let mut put = |at: u32, bytes: &[u8]| payload[at as usize..][..bytes.len()].copy_from_slice(bytes);
    put(0, header);
    for (piece, &at) in root.pieces.iter().zip(&arrangement.root) {
        put(at, &piece.bytes);
    }
    for (program, offsets) in programs.iter().zip(&arrangement.pieces) {
        program.pieces.iter().zip(offsets).for_each(|(piece, &at)| put(at, &piece.bytes));
    }
    put(arrangement.system, system);
    for (region, &first) in regions.iter().zip(&arrangement.regions) {
        region.files.iter().for_each(|file| put(first * PAYLOAD_ALIGN + file.offset, &file.bytes));
    }
    header::seal(&mut payload);
    payload
}

/// The image as pieces, by address: the kernel's, and the payload's. Between guests' files there are no bytes, only memory.
pub fn pieces(kernel: &Program, place: KernelPlace, payload: &[u8], arrangement: &Arrangement) -> Vec<Piece> {
    let mut starts: Vec<u32> = vec![0];
    starts.extend(arrangement.regions.iter().map(|first| first * PAYLOAD_ALIGN));
    let mut pieces = kernel.pieces.clone();
    for (n, &start) in starts.iter().enumerate() {
        let end = arrangement.ends[n];
        let next = starts.get(n + 1).copied().unwrap_or_else(|| end.next_multiple_of(PAYLOAD_ALIGN));
        let address = place.payload + start;
        pieces.push(Piece {
            address,
            physical: address,
            bytes: payload[start as usize..end as usize].to_vec(),
            memory_bytes: next - start,
            flags: MapFlags::READ,
        });
    }
    pieces
}

/// The image as bytes from the kernel's first address on.
pub fn image_bin(kernel: &Program, place: KernelPlace, payload: &[u8]) -> Vec<u8> {
    let start = (place.payload - place.base) as usize;
    let mut image = vec![0; start];
    for piece in &kernel.pieces {
        let at = (piece.physical - place.base) as usize;
        image[at..at + piece.bytes.len()].copy_from_slice(&piece.bytes);
    }
    image.extend_from_slice(payload);
    image
}
