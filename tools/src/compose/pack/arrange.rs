//! Where everything lies in the payload.
//!
//! First a page with the header, then root, programs, and the compiled system; then, from the next 2 MiB on,
//! the files of each VM in frames of their own: what a VMM sees holds nothing of anybody else.

use crate::compose::elf::{PAGE, Program};
use crate::compose::layout::plan::Region;
use abi::boot::{PAYLOAD_ALIGN, root_slot};

/// Offsets in the payload, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrangement {
    /// Root's pieces.
    pub root: Vec<u32>,
    /// Pieces of each program.
    pub pieces: Vec<Vec<u32>>,
    /// The compiled system.
    pub system: u32,
    /// First 2 MiB frame of each VM's files.
    pub regions: Vec<u32>,
    /// Ends of what has bytes: of the first part, then of each region.
    pub ends: Vec<u32>,
    /// Bytes in all: whole 2 MiB frames, so that nothing else is in the last.
    pub bytes: u32,
}

/// Alignment of what is copied.
const LINE: u32 = 64;

/// Arranges a payload whose compiled system has at most `system_bytes`. The error says what is too much.
pub fn arrange(
    root: &Program,
    programs: &[Program],
    system_bytes: u32,
    regions: &[Region],
) -> Result<Arrangement, String> {
    let mut next = u64::from(PAGE);
    let mut take = |bytes: usize| {
        let at = next;
        next = (next + bytes as u64).next_multiple_of(u64::from(LINE));
        at as u32
    };
    let mut offsets = |program: &Program| program.pieces.iter().map(|piece| take(piece.bytes.len())).collect();
    let root = offsets(root);
    let pieces = programs.iter().map(offsets).collect();
    let system = take(system_bytes as usize);
    let mut end = u64::from(system) + u64::from(system_bytes);
    let mut arrangement = Arrangement { root, pieces, system, ends: vec![end as u32], ..Default::default() };
    for region in regions {
        let frame = end.div_ceil(u64::from(PAYLOAD_ALIGN));
        end = frame * u64::from(PAYLOAD_ALIGN) + u64::from(region.bytes);
        arrangement.regions.push(frame as u32);
        arrangement.ends.push(end as u32);
    }
    let most = u64::from(root_slot::PAYLOAD_FRAMES_MAX) * u64::from(PAYLOAD_ALIGN);
    if end > most {
        return Err(format!(
            "programs and guests' files have {} MiB, and an image holds {} MiB",
            end >> 20,
            most >> 20
        ));
    }
    arrangement.bytes = (end as u32).next_multiple_of(PAYLOAD_ALIGN);
    Ok(arrangement)
}
