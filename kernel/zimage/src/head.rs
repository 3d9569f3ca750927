//! Vault: the code of the head, with the places of what the composer writes into it.
//!
//! Invariant **Z (zImage)**: it is entered once by each core, by a boot loader that leaves the machine to it, and calls
//! nothing that is not in `head.s`; it writes behind the file, and where the composer says that the system goes.

#![allow(unsafe_code, reason = "a whole program in assembly")]

use abi::zimage::{CORES_MAX, HEADER_OFFSET, MAGIC, ZimageHeader, ZimagePiece};
use core::arch::naked_asm;
use core::mem::{offset_of, size_of};

const HEADER: usize = HEADER_OFFSET as usize;
// `head.s` steps through the table by this much, and counts so many cores.
const _: () = assert!(size_of::<ZimagePiece>() == 16 && CORES_MAX == 4);

/// The first byte of a zImage.
// SAFETY: Z; the link script puts it first, and no Rust is in it.
#[unsafe(naked)]
// SAFETY: Z: the link script asks for this name, and nothing else has it.
#[unsafe(no_mangle)]
// SAFETY: Z.
#[unsafe(link_section = ".text.head")]
extern "C" fn _start() -> ! {
    naked_asm!(
        include_str!("head.s"),
        header = const HEADER_OFFSET,
        header_bytes = const size_of::<ZimageHeader>(),
        magic = const MAGIC,
        end = const HEADER + offset_of!(ZimageHeader, end),
        entry = const HEADER + offset_of!(ZimageHeader, entry),
        destination_end = const HEADER + offset_of!(ZimageHeader, destination_end),
        pieces = const HEADER + offset_of!(ZimageHeader, pieces),
        piece_count = const HEADER + offset_of!(ZimageHeader, piece_count),
        others = const HEADER + offset_of!(ZimageHeader, others),
        ready = const HEADER + offset_of!(ZimageHeader, ready),
        saved = const HEADER + offset_of!(ZimageHeader, saved),
    )
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}
