//! Putting the guest's files into its RAM. It starts with its caches off, so what was written must be
//! cleaned, and no line may stay: the guest would find it again behind what it has written itself meanwhile.

use crate::ram::Ram;
use abi::Error;
use abi::method::CACHE_BYTES_MAX;
use abi::object::BLOCK_BITS;
use protocol::config::File;
use runtime::{Frame, Mapped};

/// Why a file could not be put into RAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// It does not lie in RAM, or its source is not there.
    OutOfRange,
    /// The kernel refused to clean it.
    Kernel(Error),
}

/// Copies a file from `source` and cleans it. `first_frame` is the capability of the first 2 MiB of RAM.
pub fn load(ram: &Ram, file: &File<'_>, source: &Mapped, first_frame: u32) -> Result<(), LoadError> {
    let offset = file.address.checked_sub(ram.base).ok_or(LoadError::OutOfRange)?;
    if !ram.memory.copy_from(offset as usize, source, 0, file.bytes as usize) {
        return Err(LoadError::OutOfRange);
    }
    clean(offset, file.bytes, first_frame).map_err(LoadError::Kernel)
}

/// Cleans a range of RAM for readers without caches, and for instruction fetch: whole lines, in pieces that are not too long and lie
/// in one frame each.
fn clean(offset: u32, bytes: u32, first_frame: u32) -> Result<(), Error> {
    const LINE: u32 = 64;
    let end = (u64::from(offset) + u64::from(bytes)).next_multiple_of(LINE.into());
    let mut at = u64::from(offset & !(LINE - 1));
    while at < end {
        let inside = (at & ((1 << BLOCK_BITS) - 1)) as u32;
        let piece = (end - at).min(u64::from(CACHE_BYTES_MAX.min((1 << BLOCK_BITS) - inside))) as u32;
        let frame = Frame(first_frame + (at >> BLOCK_BITS) as u32);
        frame.clean_invalidate(inside, piece)?;
        frame.unify(inside, piece)?;
        at += u64::from(piece);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use abi::MessageInfo;
    use std::cell::RefCell;
    use std::rc::Rc;

    #[test]
    fn a_file_is_copied_and_every_line_of_it_is_cleaned() {
        let ram = Ram { memory: Mapped::allocate(4 << 20), base: 0x4000_0000 };
        let source = Mapped::allocate(3 << 20);
        assert!(source.try_write(0, b"head") && source.try_write((3 << 20) - 4, b"tail"));
        let cleaned = Rc::new(RefCell::new(std::vec![0_u8; (4 << 20) / 64]));
        let seen = cleaned.clone();
        runtime::host::install(move |_: u32, r: &mut [u32; 7]| {
            let (label, frame, offset, bytes) = (MessageInfo(r[1]).label(), r[0], r[2], r[3]);
            assert!(offset % 64 == 0 && bytes % 64 == 0 && bytes <= CACHE_BYTES_MAX && offset + bytes <= 1 << 21);
            let first = ((frame - 50) << 21 | offset) as usize / 64;
            let bit = if label == 0x304 { 1 } else { 2 };
            seen.borrow_mut()[first..first + bytes as usize / 64].iter_mut().for_each(|line| *line |= bit);
            r[0] = 0;
        });
        let file = File { name: "kernel", source: 0, address: 0x4000_8010, bytes: 3 << 20 };
        load(&ram, &file, &source, 50).unwrap();
        let mut bytes = [0; 4];
        assert!(ram.memory.try_read(0x8010, &mut bytes) && &bytes == b"head");
        assert!(ram.memory.try_read(0x8010 + (3 << 20) - 4, &mut bytes) && &bytes == b"tail");
        let (first, last) = (0x8010 / 64, (0x8010 + (3 << 20) - 1) / 64);
        for (line, bits) in cleaned.borrow().iter().enumerate() {
            assert_eq!(*bits, if (first..=last).contains(&line) { 3 } else { 0 }, "line {line}");
        }
        for (address, bytes) in [(0x3fff_ffff, 8), (0x403f_ffff, 2), (0x4000_0000, u32::MAX)] {
            let file = File { name: "kernel", source: 0, address, bytes };
            assert_eq!(load(&ram, &file, &source, 50), Err(LoadError::OutOfRange));
        }
    }
}
