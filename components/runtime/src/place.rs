//! Vault: places in the component's own address space, as pointers.
#![allow(unsafe_code, reason = "volatile access to memory at addresses that the composer chose")]

use crate::mapped::Word;
use core::sync::atomic::{AtomicU32, Ordering};

/// A place in memory that someone else can see or change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place(*mut u8);

// SAFETY: M (see `mapped`): all access is volatile or atomic, and no reference is ever made.
unsafe impl Send for Place {}
// SAFETY: M.
unsafe impl Sync for Place {}

impl Place {
    /// The place at an address.
    pub(crate) const fn fixed(address: u32) -> Self {
        Self(core::ptr::without_provenance_mut(address as usize))
    }

    /// The place that many bytes behind.
    #[inline(always)]
    pub(crate) const fn plus(self, bytes: usize) -> Self {
        Self(self.0.wrapping_add(bytes))
    }

    /// Whether its address is a multiple of that.
    #[inline(always)]
    pub(crate) fn is_multiple_of(self, bytes: usize) -> bool {
        self.0.addr().is_multiple_of(bytes)
    }

    /// Reads what is there.
    ///
    /// # Safety
    /// M: a `T` that is mapped lies here, aligned. So for all that follows.
    #[inline(always)]
    pub(crate) unsafe fn load<T: Word>(self) -> T {
        // SAFETY: what the caller promised.
        unsafe { self.0.cast::<T>().read_volatile() }
    }

    /// Writes it.
    ///
    /// # Safety
    /// M.
    #[inline(always)]
    pub(crate) unsafe fn store<T: Word>(self, value: T) {
        // SAFETY: what the caller promised.
        unsafe { self.0.cast::<T>().write_volatile(value) }
    }

    /// Reads a word; nothing that follows happens before.
    ///
    /// # Safety
    /// M.
    #[inline(always)]
    pub(crate) unsafe fn acquire(self) -> u32 {
        // SAFETY: what the caller promised; atomics may race with anything.
        unsafe { AtomicU32::from_ptr(self.0.cast()) }.load(Ordering::Acquire)
    }

    /// Writes a word after all that was written before.
    ///
    /// # Safety
    /// M.
    #[inline(always)]
    pub(crate) unsafe fn release(self, value: u32) {
        // SAFETY: what the caller promised; atomics may race with anything.
        unsafe { AtomicU32::from_ptr(self.0.cast()) }.store(value, Ordering::Release);
    }

    /// The bytes from here on.
    ///
    /// # Safety
    /// M, and nobody writes them as long as the program runs.
    pub(crate) unsafe fn constant(self, bytes: usize) -> &'static [u8] {
        // SAFETY: what the caller promised.
        unsafe { core::slice::from_raw_parts(self.0, bytes) }
    }
}
