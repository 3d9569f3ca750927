//! Where a guest's files go in its RAM.
//!
//! Linux asks (its booting document for Arm): the device tree not where the kernel unpacks to, in a 2 MiB region
//! of its own; the zImage anywhere in the first 128 MiB, best above 32 MiB; the initial file system in low
//! memory. We put the device tree to the top of RAM, the initial file system below it, and the zImage above
//! what it unpacks to.

use super::devicetree::{self, Machine};
use super::kernel::Kernel;
use crate::compose::check::GUEST_RAM_BASE;
use crate::compose::parse::units::show_size;
use std::sync::Arc;

const MIB: u64 = 1 << 20;
/// Alignment of the device tree, and what it has for itself.
const TREE_BYTES: u64 = 2 * MIB;
/// Linux can reach this much RAM early, whatever its memory split.
const LOW_MEMORY: u64 = 512 * MIB;
/// A zImage finds the start of RAM by masking its own address with this.
const ZIMAGE_REACH: u64 = 128 * MIB;
/// Where a zImage lies best: it need not move itself before it unpacks.
const ZIMAGE_BEST: u64 = 32 * MIB;
/// What a zImage needs behind itself for stack and heap while it unpacks.
const ZIMAGE_HEAP: u64 = MIB;
/// Where Linux unpacks to, from the start of RAM (the largest offset of a multi-platform kernel).
const TEXT_OFFSET: u64 = 0x20_8000;

/// What is to be loaded.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// What the kernel is.
    pub kernel: &'a Kernel,
    /// Its file.
    pub kernel_bytes: &'a Arc<Vec<u8>>,
    /// Initial file system.
    pub initrd: Option<&'a Arc<Vec<u8>>>,
    /// Bytes of RAM.
    pub ram_bytes: u64,
    /// Whether it starts in Thumb state.
    pub thumb: bool,
    /// Kernel command line.
    pub cmdline: &'a str,
    /// Whether the console is virtio.
    pub virtio_console: bool,
}

/// A file in a guest's RAM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// `kernel`, `initrd` or `device-tree`.
    pub name: &'static str,
    /// Where the guest sees it.
    pub address: u32,
    /// What it is.
    pub bytes: Arc<Vec<u8>>,
}

/// A guest that is ready to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Its files.
    pub files: Vec<Placed>,
    /// Where it starts; bit 0: Thumb.
    pub entry: u32,
    /// r0-r2.
    pub arguments: [u32; 3],
}

/// Places a guest's files. The error says what is wrong, and what mends it.
pub fn load(request: &Request<'_>) -> Result<Loaded, (String, String)> {
    let ram_end = GUEST_RAM_BASE + request.ram_bytes;
    let top = GUEST_RAM_BASE + request.ram_bytes.min(LOW_MEMORY);
    let initrd_bytes = request.initrd.map_or(0, |initrd| initrd.len() as u64);
    let below = initrd_bytes.next_multiple_of(4096) + TREE_BYTES;
    let too_small = |kernel: u64| {
        let needed = (kernel + below).next_multiple_of(2 * MIB);
        let message = format!(
            "{} of RAM can't hold the guest: its kernel needs {}, its initrd {}, its device tree {}",
            show_size(request.ram_bytes),
            show_size(kernel.next_multiple_of(MIB)),
            show_size(initrd_bytes.next_multiple_of(MIB)),
            show_size(TREE_BYTES)
        );
        (message, format!("write at least ram = \"{}\"", show_size(needed)))
    };
    let tree_at = (top / TREE_BYTES).saturating_sub(1) * TREE_BYTES;
    let initrd_at = tree_at.saturating_sub(initrd_bytes) & !4095;
    if top < GUEST_RAM_BASE + below {
        return Err(too_small(0));
    }
    let (mut files, entry, limit) = match request.kernel {
        Kernel::ZImage { unpacked_bytes } => {
            let (address, end) = zimage(*unpacked_bytes, request.kernel_bytes.len() as u64);
            let file = Placed { name: "kernel", address: address as u32, bytes: request.kernel_bytes.clone() };
            (vec![file], address as u32, end)
        }
        Kernel::Raw { load, entry } => {
            let file = Placed { name: "kernel", address: *load, bytes: request.kernel_bytes.clone() };
            let end = u64::from(*load) + request.kernel_bytes.len() as u64;
            (vec![file], *entry, end)
        }
        Kernel::Elf { program, entry } => {
            let mut files = Vec::new();
            let mut end = GUEST_RAM_BASE;
            for piece in &program.pieces {
                let (from, to) = (u64::from(piece.physical), u64::from(piece.physical) + u64::from(piece.memory_bytes));
                if from < GUEST_RAM_BASE || to > ram_end {
                    let message = format!("the kernel's segment {from:#x}-{to:#x} is outside its RAM");
                    return Err((
                        message,
                        format!("its RAM goes from {GUEST_RAM_BASE:#x} to {ram_end:#x}: link it there"),
                    ));
                }
                end = end.max(to);
                if !piece.bytes.is_empty() {
                    files.push(Placed {
                        name: "kernel",
                        address: piece.physical,
                        bytes: Arc::new(piece.bytes.clone()),
                    });
                }
            }
            (files, *entry, end)
        }
    };
    if limit > initrd_at {
        return Err(too_small(limit - GUEST_RAM_BASE));
    }
    if let Some(initrd) = request.initrd {
        files.push(Placed { name: "initrd", address: initrd_at as u32, bytes: initrd.clone() });
    }
    let tree = devicetree::generate(&Machine {
        ram_base: GUEST_RAM_BASE as u32,
        ram_bytes: request.ram_bytes as u32,
        vcpus: 1,
        cmdline: request.cmdline,
        initrd: request.initrd.map(|_| (initrd_at as u32, initrd_at as u32 + initrd_bytes as u32)),
        virtio_console: request.virtio_console,
    });
    files.push(Placed { name: "device-tree", address: tree_at as u32, bytes: Arc::new(tree) });
    Ok(Loaded { files, entry: entry | u32::from(request.thumb), arguments: [0, 0xffff_ffff, tree_at as u32] })
}

/// Where a zImage goes, and the end of what it uses of low addresses.
fn zimage(unpacked_bytes: u64, file_bytes: u64) -> (u64, u64) {
    let unpacked_end = TEXT_OFFSET + unpacked_bytes;
    let mut at = unpacked_end.next_multiple_of(2 * MIB).max(ZIMAGE_BEST);
    if at >= ZIMAGE_REACH {
        at = ZIMAGE_BEST;
    }
    (GUEST_RAM_BASE + at, GUEST_RAM_BASE + (at + file_bytes + ZIMAGE_HEAP).max(unpacked_end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request<'a>(
        kernel: &'a Kernel,
        bytes: &'a Arc<Vec<u8>>,
        initrd: &'a Arc<Vec<u8>>,
        ram_bytes: u64,
    ) -> Request<'a> {
        Request {
            kernel,
            kernel_bytes: bytes,
            initrd: Some(initrd),
            ram_bytes,
            thumb: false,
            cmdline: "",
            virtio_console: false,
        }
    }

    #[test]
    fn nothing_overlaps_whatever_the_sizes() {
        for unpacked in [MIB, 20 * MIB, 60 * MIB] {
            for ram in [64, 96, 128, 256, 1024, 2048] {
                let (kernel, initrd) = (Kernel::ZImage { unpacked_bytes: unpacked }, Arc::new(vec![1; 3_000_001]));
                let bytes = Arc::new(vec![0; 5_000_001]);
                let Ok(loaded) = load(&request(&kernel, &bytes, &initrd, ram * MIB)) else {
                    assert!(ram < 96, "{unpacked} in {ram} MiB");
                    continue;
                };
                let mut ranges: Vec<(u64, u64)> = vec![(GUEST_RAM_BASE, GUEST_RAM_BASE + TEXT_OFFSET + unpacked)];
                ranges.extend(
                    loaded
                        .files
                        .iter()
                        .map(|file| (u64::from(file.address), u64::from(file.address) + file.bytes.len() as u64)),
                );
                ranges.sort();
                assert!(ranges.is_sorted_by(|a, b| a.1 <= b.0), "{ranges:x?}");
                assert!(ranges.last().unwrap().1 <= GUEST_RAM_BASE + ram * MIB);
                assert_eq!(loaded.arguments[2] % (2 << 20), 0);
                assert_eq!(loaded.entry % 4, 0);
            }
        }
    }

    #[test]
    fn too_little_ram_is_told_with_what_is_needed() {
        let (kernel, bytes) = (Kernel::ZImage { unpacked_bytes: 20 * MIB }, Arc::new(vec![0; 8 << 20]));
        let initrd = Arc::new(vec![0; 10 << 20]);
        let (message, help) = load(&request(&kernel, &bytes, &initrd, 32 * MIB)).unwrap_err();
        assert!(message.contains("32MiB of RAM can't hold the guest"), "{message}");
        let needed = help.split('"').nth(1).and_then(crate::compose::parse::units::size).unwrap();
        assert!(load(&request(&kernel, &bytes, &initrd, needed)).is_ok(), "{help}");
    }

    #[test]
    fn tiny_raw_guests_need_little() {
        let (kernel, bytes) = (Kernel::Raw { load: 0x4000_8000, entry: 0x4000_8000 }, Arc::new(vec![0; 64]));
        let mut request = request(&kernel, &bytes, &bytes, 4 * MIB);
        request.initrd = None;
        request.thumb = true;
        let loaded = load(&request).unwrap();
        assert_eq!((loaded.entry, loaded.arguments[2]), (0x4000_8001, 0x4020_0000));
    }

    #[test]
    fn an_elf_outside_of_ram_is_refused() {
        let flags = abi::rights::MapFlags::READ;
        let piece =
            crate::compose::elf::Piece { address: 0x8000, physical: 0x8000, bytes: vec![1], memory_bytes: 1, flags };
        let program = crate::compose::elf::Program { entry: 0x8000, pieces: vec![piece] };
        let (kernel, bytes) = (Kernel::Elf { program, entry: 0x8000 }, Arc::new(vec![0; 64]));
        assert!(load(&request(&kernel, &bytes, &bytes, 4 * MIB)).unwrap_err().0.contains("outside its RAM"));
    }
}
