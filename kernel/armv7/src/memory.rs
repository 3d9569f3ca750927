//! The vault of stores that the compiler does not make so: zeroing RAM that is given back, and descriptors.

#![allow(unsafe_code, reason = "the vault of special stores")]

use kernel_core::Arena;

/// Zeroes `bytes` bytes from the physical address `address` on, both multiples of 64. Stores of eight words: one
/// instruction for 32 bytes, where a loop over words takes four for each. Who holds the token answers for the memory, as
/// with [`Arena::zero`].
pub fn zero(_token: &mut Arena, address: u32, bytes: u32) {
    if bytes == 0 {
        return;
    }
    // SAFETY: invariants W and L of the kernel's arena: managed RAM is mapped at its physical address, and the caller (a reset,
    // or boot) owns this piece of it, in which no object lives.
    unsafe {
        core::arch::asm!(
            "0: stm {at}!, {{r0, r1, r2, r3, r4, r5, r8, r9}}",
            "stm {at}!, {{r0, r1, r2, r3, r4, r5, r8, r9}}",
            "cmp {at}, {end}",
            "bne 0b",
            at = inout(reg) address => _,
            end = in(reg) address.wrapping_add(bytes),
            in("r0") 0, in("r1") 0, in("r2") 0, in("r3") 0, in("r4") 0, in("r5") 0, in("r8") 0, in("r9") 0,
            options(nostack),
        );
    }
}

/// Stores both words at once: `STRD` to an aligned place is single-copy atomic for table walks where there is the large
/// physical address extension (ARM DDI 0406C A3.5.3).
#[inline(always)]
pub fn store_whole(place: &mut u64, value: u64) {
    // SAFETY: an aligned store to a place that the reference makes ours.
    unsafe {
        core::arch::asm!(
            "strd r0, r1, [{place}]",
            place = in(reg) place,
            in("r0") value as u32,
            in("r1") (value >> 32) as u32,
            options(nostack, preserves_flags),
        );
    }
}
