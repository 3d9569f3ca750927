//! Where a guest's files go in its RAM.
//!
//! Linux asks (its booting document for Arm): the device tree not where the kernel unpacks to, in a 2 MiB region
//! of its own; the zImage anywhere in the first 128 MiB, best above 32 MiB; the initial file system in low
//! memory. We put the device tree to the top of RAM, the initial file system below it, and the zImage above
//! what it unpacks to.

use super::devicetree::{self, Machine};
use super::kernel::Kernel;
use crate::compose::check::GUEST_RAM_BASE;
use crate::compose::elf;
use crate::compose::parse::units::{show_about, show_below, show_size};
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
    /// How many vCPUs.
    pub vcpus: u32,
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

/// What is wrong, and what mends it.
pub type Complaint = (String, String);

/// Places a guest's files.
pub fn load(request: &Request<'_>) -> Result<Loaded, Complaint> {
    let initrd_bytes = request.initrd.map(|initrd| initrd.len() as u64);
    let (mut files, entry, end) = match request.kernel {
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
                end = end.max(segment_end(piece)?);
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
    let Room { initrd_at, tree_at } = room(request.ram_bytes, Some(end), initrd_bytes)?;
    if let Some(initrd) = request.initrd {
        files.push(Placed { name: "initrd", address: initrd_at as u32, bytes: initrd.clone() });
    }
    let tree = devicetree::generate(&Machine {
        ram_base: GUEST_RAM_BASE as u32,
        ram_bytes: request.ram_bytes as u32,
        vcpus: request.vcpus,
        cmdline: request.cmdline,
        initrd: initrd_bytes.map(|bytes| (initrd_at as u32, (initrd_at + bytes) as u32)),
        virtio_console: request.virtio_console,
    });
    files.push(Placed { name: "device-tree", address: tree_at as u32, bytes: Arc::new(tree) });
    Ok(Loaded { files, entry: entry | u32::from(request.thumb), arguments: [0, 0xffff_ffff, tree_at as u32] })
}

/// The end of an ELF's segment, if a guest's RAM can be there.
fn segment_end(piece: &elf::Piece) -> Result<u64, Complaint> {
    let (from, to) = (u64::from(piece.physical), u64::from(piece.physical) + u64::from(piece.memory_bytes));
    let most = GUEST_RAM_BASE + LOW_MEMORY - TREE_BYTES;
    if from >= GUEST_RAM_BASE && to <= most {
        return Ok(to);
    }
    let message = format!("the kernel's segment {from:#x}-{to:#x} is outside its RAM");
    Err((
        message,
        format!(
            "a guest's RAM begins at {GUEST_RAM_BASE:#x}, and a kernel can be there up to {most:#x}: link it there"
        ),
    ))
}

/// Where what is at the top of RAM goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    initrd_at: u64,
    tree_at: u64,
}

/// Finds room for the device tree and the initial file system of so many bytes above a kernel that ends there. What is not known is
/// `None`, and then what is missed is missed in any case.
pub fn room(ram_bytes: u64, kernel_end: Option<u64>, initrd_bytes: Option<u64>) -> Result<Room, Complaint> {
    let kernel = kernel_end.map(|end| end - GUEST_RAM_BASE);
    let initrd = initrd_bytes.unwrap_or(0).next_multiple_of(4096);
    let needed = (kernel.unwrap_or(0) + initrd).next_multiple_of(TREE_BYTES) + TREE_BYTES;
    if needed <= ram_bytes.min(LOW_MEMORY) {
        let top = GUEST_RAM_BASE + ram_bytes.min(LOW_MEMORY);
        let tree_at = (top / TREE_BYTES - 1) * TREE_BYTES;
        return Ok(Room { initrd_at: tree_at - initrd, tree_at });
    }
    let parts = [("its kernel", kernel), ("its initrd", initrd_bytes), ("its device tree", Some(TREE_BYTES))];
    let parts = parts.iter().filter_map(|(what, bytes)| Some(format!("{what} needs {}", show_about((*bytes)?))));
    let parts = parts.collect::<Vec<_>>().join(", ");
    if needed <= LOW_MEMORY {
        let message = format!("{} of RAM can't hold the guest: {parts}", show_size(ram_bytes));
        return Err((message, format!("write at least ram = \"{}\"", show_size(needed))));
    }
    let low = show_size(LOW_MEMORY);
    let message = format!("no RAM is enough for the guest, whose files lie in its first {low}: {parts}");
    let left = LOW_MEMORY.saturating_sub(TREE_BYTES + kernel.unwrap_or(0)) & !4095;
    let help = match initrd_bytes {
        Some(_) if left > 0 => format!("make the initrd smaller: {} are left for it", show_below(left)),
        _ => format!("the kernel must end below {:#x}", GUEST_RAM_BASE + LOW_MEMORY - TREE_BYTES),
    };
    Err((message, help))
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
            vcpus: 1,
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
        let needed = help.split('"').nth(1).and_then(|size| crate::compose::parse::units::size(size).ok()).unwrap();
        assert!(load(&request(&kernel, &bytes, &initrd, needed)).is_ok(), "{help}");
    }

    #[test]
    fn every_remedy_is_the_least_that_mends() {
        use crate::compose::parse::units::size;
        let end = |bytes: u64| Some(GUEST_RAM_BASE + bytes);
        let odd = [1, 4095, 4096, MIB + 1, 5 * MIB, 21 * MIB + 12_345];
        for (kernel, initrd) in odd.iter().flat_map(|kernel| odd.map(|initrd| (end(*kernel), Some(initrd)))) {
            for (kernel, initrd) in [(kernel, initrd), (kernel, None), (None, initrd)] {
                let (message, help) = room(0, kernel, initrd).unwrap_err();
                let needed = help.split('"').nth(1).and_then(|text| size(text).ok()).unwrap();
                assert!(room(needed, kernel, initrd).is_ok(), "{help}");
                assert!(room(needed - 2 * MIB, kernel, initrd).is_err(), "{help}");
                assert_eq!(
                    (message.contains("initrd"), message.contains("kernel")),
                    (initrd.is_some(), kernel.is_some())
                );
            }
        }
        // Beyond low memory no RAM helps: what is left for the initial file system is told instead.
        let kernel = end(50 * MIB);
        let (message, help) = room(2048 * MIB, kernel, Some(600 * MIB)).unwrap_err();
        assert!(message.contains("no RAM is enough") && help.contains("460MiB are left"), "{message} {help}");
        assert!(
            room(2048 * MIB, kernel, Some(460 * MIB)).is_ok() && room(2048 * MIB, kernel, Some(460 * MIB + 1)).is_err()
        );
        let (_, help) = room(2048 * MIB, end(511 * MIB), Some(1)).unwrap_err();
        assert!(help.contains("end below 0x5fe00000"), "{help}");
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
