//! What a guest's kernel file is, told by its content.

use crate::compose::elf;

/// A kernel that can be booted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// Linux's self-extracting image.
    ZImage {
        /// Bytes that the kernel takes when it is unpacked, bss included.
        unpacked_bytes: u64,
    },
    /// An executable, loaded at its physical addresses.
    Elf {
        /// Pieces: physical address and range in `bytes`.
        program: elf::Program,
        /// Entry, as a physical address.
        entry: u32,
    },
    /// Bytes without form.
    Raw {
        /// Where they go.
        load: u32,
        /// Where it starts.
        entry: u32,
    },
}

/// Why it can't.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelError {
    /// What the file is.
    pub what: String,
    /// What mends it.
    pub help: String,
}

const ZIMAGE_MAGIC: u32 = 0x016f_2818;
/// Bytes of its header: eight instructions, magic, start and end, and the order of bytes.
const ZIMAGE_HEADER_BYTES: u32 = 0x34;
/// Says that the header has a table of further data ("another magic number").
const ZIMAGE_TABLE_MAGIC: u32 = 0x4545_4545;
/// Tag of the kernel's size in that table: "KLSZ".
const ZIMAGE_TAG_SIZE: u32 = 0x5a53_4c4b;
/// How much more an unpacked kernel is, at most, where the image does not tell.
const UNPACKING_FACTOR: u64 = 6;

impl Kernel {
    /// Looks at a file. `raw` is where a formless kernel goes and starts, if the manifest says so.
    pub fn identify(bytes: &[u8], raw: Option<(u32, u32)>) -> Result<Self, KernelError> {
        let error = |what: &str, help: &str| Err(KernelError { what: what.to_owned(), help: help.to_owned() });
        if let Some((load, entry)) = raw.filter(|_| !bytes.is_empty()) {
            let end = u64::from(load) + bytes.len() as u64;
            if !(u64::from(load)..end).contains(&u64::from(entry)) {
                let what = format!("it lies at {load:#x}-{end:#x}, and its entry {entry:#x} is not in it");
                return error(&what, &format!("write where it starts, such as entry = {load:#x}"));
            }
            return Ok(Self::Raw { load, entry });
        }
        if word(bytes, 0x24) == Some(ZIMAGE_MAGIC) {
            return match zimage_fault(bytes) {
                None => Ok(Self::ZImage { unpacked_bytes: unpacked_bytes(bytes) }),
                Some(what) => error(&what, "give the whole file, as Linux's build or Debian's package made it"),
            };
        }
        if elf::is_elf(bytes) {
            return match elf::read(bytes) {
                Ok(program) => match physical_entry(&program) {
                    Some(entry) => Ok(Self::Elf { entry, program }),
                    None => {
                        let what = format!("its entry {:#x} is in none of its segments", program.entry);
                        error(&what, "link it with an entry: its linker script says ENTRY(...)")
                    }
                },
                Err(what) => {
                    error(&what, "a guest's kernel is a zImage, an ELF for 32-bit Arm, or raw with `load` and `entry`")
                }
            };
        }
        let unpack =
            "unpack it first: a guest's kernel is a zImage, an ELF for 32-bit Arm, or raw with `load` and `entry`";
        match bytes {
            [0x27, 0x05, 0x19, 0x56, ..] => error(
                "it looks like a U-Boot uImage",
                "give the zImage that is inside: the file without its first 64 bytes",
            ),
            [0xd0, 0x0d, 0xfe, 0xed, ..] => error(
                "it looks like a device tree or a FIT image",
                "give the kernel itself; the device tree is made for it",
            ),
            [0x1f, 0x8b, ..] => error("it looks like a gzip file", unpack),
            [0xfd, b'7', b'z', b'X', b'Z', ..] => error("it looks like an xz file", unpack),
            [b'!', b'<', b'a', b'r', b'c', b'h', b'>', ..] => {
                error("it looks like a Debian package or an archive", unpack)
            }
            _ if bytes.get(0x38..0x3c) == Some(b"ARM\x64") => error(
                "it looks like a Linux kernel for 64-bit Arm",
                "give a kernel for 32-bit Arm, such as \"debian:armmp-lpae\"",
            ),
            [] => error("it is empty", "give a zImage or an ELF"),
            _ => error(
                "it is neither a zImage nor an ELF",
                "if it is a raw kernel, say where it goes: load = 0x40008000, entry = 0x40008000",
            ),
        }
    }
}

/// What its header says of itself that is not so.
fn zimage_fault(bytes: &[u8]) -> Option<String> {
    let (Some(start), Some(end)) = (word(bytes, 0x28), word(bytes, 0x2c)) else {
        return Some("it is a zImage that is cut off in its header".to_owned());
    };
    let (told, there) = (end.saturating_sub(start), bytes.len() as u64);
    if end <= start {
        return Some(format!("it is a zImage whose header is damaged: it would go from {start:#x} to {end:#x}"));
    }
    if told <= ZIMAGE_HEADER_BYTES || there <= u64::from(ZIMAGE_HEADER_BYTES) {
        return Some("it is the header of a zImage, and nothing else".to_owned());
    }
    (there < u64::from(told)).then(|| format!("it is a zImage of {told} bytes, of which the file has {there}"))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

/// From the image's own table (`KLSZ`: where the size of the unpacked kernel stands, and its bss), else guessed.
fn unpacked_bytes(bytes: &[u8]) -> u64 {
    let told = || {
        if word(bytes, 0x34)? != ZIMAGE_TABLE_MAGIC {
            return None;
        }
        let mut at = word(bytes, 0x38)? as usize;
        loop {
            let length = word(bytes, at)? as usize;
            if length == 0 {
                return None;
            }
            if word(bytes, at + 4)? == ZIMAGE_TAG_SIZE {
                let unpacked = word(bytes, word(bytes, at + 8)? as usize)?;
                return Some(u64::from(unpacked) + u64::from(word(bytes, at + 12)?));
            }
            at = at.checked_add(length.checked_mul(4)?)?;
        }
    };
    told().filter(|&told| told >= bytes.len() as u64 / 2).unwrap_or(bytes.len() as u64 * UNPACKING_FACTOR)
}

/// Linux's ELF has its entry as a virtual address, and is entered at the physical one.
fn physical_entry(program: &elf::Program) -> Option<u32> {
    let entry = program.entry;
    let holds = |piece: &&elf::Piece| (u64::from(piece.address)..piece.end()).contains(&u64::from(entry));
    if let Some(piece) = program.pieces.iter().find(holds) {
        return Some(entry - piece.address + piece.physical);
    }
    // Some are linked with their physical entry already.
    let physical = |piece: &elf::Piece| entry.checked_sub(piece.physical).is_some_and(|at| at < piece.memory_bytes);
    program.pieces.iter().any(physical).then_some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zimage(table: bool) -> Vec<u8> {
        let mut bytes = vec![0; 0x100];
        let mut put = |at: usize, word: u32| bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
        put(0x24, ZIMAGE_MAGIC);
        put(0x2c, 0x100);
        if table {
            put(0x34, ZIMAGE_TABLE_MAGIC);
            put(0x38, 0x40);
            for (n, word) in [4, ZIMAGE_TAG_SIZE, 0x60, 0x1000, 0].into_iter().enumerate() {
                put(0x40 + 4 * n, word);
            }
            put(0x60, 0x20_0000);
        }
        bytes
    }

    #[test]
    fn a_zimage_tells_its_size_or_it_is_guessed() {
        assert_eq!(Kernel::identify(&zimage(true), None), Ok(Kernel::ZImage { unpacked_bytes: 0x20_1000 }));
        assert_eq!(Kernel::identify(&zimage(false), None), Ok(Kernel::ZImage { unpacked_bytes: 0x600 }));
    }

    #[test]
    fn a_kernels_entry_is_physical() {
        let flags = abi::rights::MapFlags::READ | abi::rights::MapFlags::EXECUTE;
        let piece =
            elf::Piece { address: 0xc000_8000, physical: 0x4000_8000, bytes: vec![0; 8], memory_bytes: 8, flags };
        let file = elf::write(0xc000_8004, &[piece]);
        assert!(matches!(Kernel::identify(&file, None), Ok(Kernel::Elf { entry: 0x4000_8004, .. })));
    }

    #[test]
    fn a_zimage_that_is_not_whole_is_no_kernel() {
        let what = |bytes: &[u8]| Kernel::identify(bytes, None).unwrap_err().what;
        let whole = zimage(true);
        assert!(what(&whole[..0x28]).contains("cut off in its header"));
        assert!(what(&whole[..0x30]).contains("the header of a zImage, and nothing else"));
        assert!(what(&whole[..0xff]).contains("a zImage of 256 bytes, of which the file has 255"));
        let mut longer = whole.clone();
        longer.push(0);
        assert!(Kernel::identify(&longer, None).is_ok(), "what is appended, such as a device tree, does not matter");
        for end in [0_u32, 0x30] {
            let mut damaged = whole.clone();
            damaged[0x2c..0x30].copy_from_slice(&end.to_le_bytes());
            assert!(what(&damaged).contains(if end == 0 { "damaged" } else { "nothing else" }));
        }
    }

    #[test]
    fn a_kernel_starts_within_itself() {
        let what = |bytes: &[u8], raw| Kernel::identify(bytes, raw).unwrap_err().what;
        assert!(what(b"12345678", Some((0x4000_8000, 0x4000_8008))).contains("0x40008008 is not in it"));
        assert!(what(b"12345678", Some((0x4000_8000, 0x4000_7ffc))).contains("is not in it"));
        assert!(what(b"", Some((0x4000_8000, 0x4000_8000))).contains("empty"));
        let flags = abi::rights::MapFlags::READ | abi::rights::MapFlags::EXECUTE;
        let piece = |at| elf::Piece { address: at, physical: at, bytes: vec![0; 8], memory_bytes: 8, flags };
        assert!(what(&elf::write(0x5000_0000, &[piece(0x4000_8000)]), None).contains("0x50000000 is in none"));
    }

    #[test]
    fn what_is_no_kernel_is_named() {
        let what = |bytes: &[u8]| Kernel::identify(bytes, None).unwrap_err().what;
        assert!(what(&[0x1f, 0x8b, 8]).contains("gzip"));
        assert!(what(b"\x27\x05\x19\x56....").contains("uImage"));
        assert!(what(b"hello").contains("neither"));
        assert!(matches!(Kernel::identify(b"hello", Some((1, 2))), Ok(Kernel::Raw { load: 1, entry: 2 })));
    }
}
