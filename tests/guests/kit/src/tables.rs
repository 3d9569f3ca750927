//! Stage 1 of a guest: the same addresses, RAM once more at [`ALIAS`], devices as Device memory that can't be executed.

use crate::cpu::{barrier, dacr, mair0, sctlr, tlbiall, ttbcr, ttbr0, ttbr0_32};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Where the first 2 MiB of RAM appear again.
pub const ALIAS: u32 = 0x8000_0000;
/// Nothing is mapped here by the guest's own tables.
pub const HOLE: u32 = 0xc000_0000;
/// The intermediate physical address in bits 39:21 of which [`map_far`] has the most say.
pub const FAR: u32 = 0xe000_0000;

#[repr(align(16384))]
struct Short([AtomicU32; 4096]);
#[repr(align(4096))]
struct Long([AtomicU32; 1024]);

static SHORT: Short = Short([const { AtomicU32::new(0) }; 4096]);
static LEVEL_1: Long = Long([const { AtomicU32::new(0) }; 1024]);
static DEVICES: Long = Long([const { AtomicU32::new(0) }; 1024]);
static FAR_AWAY: Long = Long([const { AtomicU32::new(0) }; 1024]);

const SECTION_RAM: u32 = 0x1_1c0e;
const SECTION_DEVICE: u32 = 0xc16;
// Bit 6: user mode may, too.
const BLOCK_RAM: u64 = 1 << 10 | 3 << 8 | 1 << 6 | 1;
const BLOCK_DEVICE: u64 = 1 << 54 | 1 << 10 | 1 << 6 | 1 << 2 | 1;
const SCTLR_MMU_AND_CACHES: u32 = 1 << 12 | 1 << 2 | 1;
const RAM: u32 = 0x4000_0000;

fn write(table: &Long, index: usize, descriptor: u64) {
    table.0[index * 2].store(descriptor as u32, Relaxed);
    table.0[index * 2 + 1].store((descriptor >> 32) as u32, Relaxed);
}

fn address(table: &Long) -> u64 {
    (&raw const *table) as u64
}

/// Switches stage 1 on with short descriptors: sections of 1 MiB.
pub fn enable_short() {
    for section in 0..0x400 {
        SHORT.0[(RAM >> 20) as usize + section].store(RAM + ((section as u32) << 20) | SECTION_RAM, Relaxed);
    }
    for device in [0x080, 0x090, 0x0a0] {
        SHORT.0[device].store((device as u32) << 20 | SECTION_DEVICE, Relaxed);
    }
    SHORT.0[(ALIAS >> 20) as usize].store(RAM | SECTION_RAM, Relaxed);
    barrier();
    ttbcr::write(0);
    dacr::write(1);
    ttbr0_32::write((&raw const SHORT) as u32);
    on();
}

/// Switches stage 1 on with long descriptors: blocks of 1 GiB and 2 MiB.
pub fn enable_long() {
    write(&LEVEL_1, 0, address(&DEVICES) | 3);
    write(&LEVEL_1, 1, u64::from(RAM) | BLOCK_RAM);
    write(&LEVEL_1, 2, u64::from(RAM) | BLOCK_RAM);
    write(&LEVEL_1, 3, address(&FAR_AWAY) | 3);
    for device in [0x080, 0x090, 0x0a0] {
        let block = (device << 20) / (2 << 20);
        write(&DEVICES, block, (block as u64 * (2 << 20)) | BLOCK_DEVICE);
    }
    barrier();
    ttbcr::write(1 << 31);
    mair0::write(0x04ff);
    ttbr0::write(address(&LEVEL_1));
    on();
}

/// Maps 2 MiB at [`FAR`] to an intermediate physical address, whatever its upper bits. Only with long descriptors.
pub fn map_far(ipa: u64) {
    write(&FAR_AWAY, (FAR as usize & 0x3fff_ffff) >> 21, ipa & !0x1f_ffff | BLOCK_DEVICE);
    barrier();
    tlbiall::write(0);
    barrier();
}

fn on() {
    tlbiall::write(0);
    barrier();
    sctlr::write(sctlr::read() | SCTLR_MMU_AND_CACHES);
    barrier();
}
