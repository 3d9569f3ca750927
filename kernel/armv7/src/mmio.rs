//! The vault of device registers.

#![allow(unsafe_code, reason = "the vault of device registers")]

/// A block of 32-bit device registers, mapped device-nGnRE at its physical address.
#[derive(Clone, Copy)]
pub struct Registers(u32);

impl Registers {
    /// The block at that address: one of [`crate::board`]'s constants, nothing else.
    pub(crate) const fn at(address: u32) -> Self {
        Self(address)
    }

    /// Reads the register at that offset.
    #[inline(always)]
    pub fn read(self, offset: u32) -> u32 {
        // SAFETY: the board's blocks are mapped for the kernel's life, hold no Rust object, and callers stay inside.
        unsafe { core::ptr::with_exposed_provenance::<u32>((self.0 + offset) as usize).read_volatile() }
    }

    /// Writes it.
    #[inline(always)]
    pub fn write(self, offset: u32, value: u32) {
        // SAFETY: as in `read`.
        unsafe { core::ptr::with_exposed_provenance_mut::<u32>((self.0 + offset) as usize).write_volatile(value) }
    }
}
