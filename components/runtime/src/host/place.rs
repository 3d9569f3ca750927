//! Vault: places on the host. Either memory of the test itself, or an address in the space of the thread, which whoever
//! installed the thread's kernel translates for each access.
#![allow(unsafe_code, reason = "volatile access to memory that tests share")]

use crate::mapped::Word;
use core::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::vec::Vec;

/// A place in memory that someone else can see or change.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    /// Memory of the test, never given back.
    Own(*mut u8),
    /// An address in the thread's space.
    Space(u32),
}

// SAFETY: M (see `mapped`): all access is volatile or atomic, and no reference is ever made.
unsafe impl Send for Place {}
// SAFETY: M.
unsafe impl Sync for Place {}

impl Place {
    /// The place at an address of the thread's space.
    pub(crate) const fn fixed(address: u32) -> Self {
        Self::Space(address)
    }

    /// Zeroed memory of the test's own.
    pub(crate) fn allocate(bytes: usize) -> Self {
        Self::Own(std::vec![0_u64; bytes.div_ceil(8)].leak().as_mut_ptr().cast())
    }

    /// The place that many bytes behind.
    pub(crate) const fn plus(self, bytes: usize) -> Self {
        match self {
            Self::Own(base) => Self::Own(base.wrapping_add(bytes)),
            Self::Space(address) => Self::Space(address.wrapping_add(bytes as u32)),
        }
    }

    /// Whether its address is a multiple of that.
    pub(crate) fn is_multiple_of(self, bytes: usize) -> bool {
        match self {
            Self::Own(base) => base.addr().is_multiple_of(bytes),
            Self::Space(address) => (address as usize).is_multiple_of(bytes),
        }
    }

    /// Reads what is there.
    ///
    /// # Safety
    /// M: a `T` lies here, aligned; an address in the thread's space may be anything. So for all that follows.
    pub(crate) unsafe fn load<T: Word>(self) -> T {
        match self {
            // SAFETY: what the caller promised.
            Self::Own(base) => unsafe { base.cast::<T>().read_volatile() },
            Self::Space(address) => T::of(load(address, size_of::<T>())),
        }
    }

    /// Writes it.
    ///
    /// # Safety
    /// M.
    pub(crate) unsafe fn store<T: Word>(self, value: T) {
        match self {
            // SAFETY: what the caller promised.
            Self::Own(base) => unsafe { base.cast::<T>().write_volatile(value) },
            Self::Space(address) => store(address, size_of::<T>(), value.into()),
        }
    }

    /// Reads a word; nothing that follows happens before.
    ///
    /// # Safety
    /// M.
    pub(crate) unsafe fn acquire(self) -> u32 {
        match self {
            // SAFETY: what the caller promised; atomics may race with anything.
            Self::Own(base) => unsafe { AtomicU32::from_ptr(base.cast()) }.load(Ordering::Acquire),
            Self::Space(address) => load(address, 4),
        }
    }

    /// Writes a word after all that was written before.
    ///
    /// # Safety
    /// M.
    pub(crate) unsafe fn release(self, value: u32) {
        match self {
            // SAFETY: what the caller promised; atomics may race with anything.
            Self::Own(base) => unsafe { AtomicU32::from_ptr(base.cast()) }.store(value, Ordering::Release),
            Self::Space(address) => store(address, 4, value),
        }
    }

    /// A copy of the bytes from here on that outlives the program; of a thread's space, as much as is mapped.
    ///
    /// # Safety
    /// M.
    pub(crate) unsafe fn constant(self, bytes: usize) -> &'static [u8] {
        match self {
            // SAFETY: what the caller promised.
            Self::Own(_) => keep((0..bytes).map(|at| unsafe { self.plus(at).load::<u8>() }).collect()),
            Self::Space(address) => keep(super::must("a load", |kernel| kernel.contents(address, bytes as u32))),
        }
    }
}

fn load(address: u32, bytes: usize) -> u32 {
    super::must("a load", |kernel| kernel.load(address, bytes as u32))
}

fn store(address: u32, bytes: usize, value: u32) {
    super::must("a store", |kernel| kernel.store(address, bytes as u32, value));
}

/// Keeps bytes for good. The same bytes are kept once, so that a hundred runs of one system cost no more than one.
fn keep(bytes: Vec<u8>) -> &'static [u8] {
    static KEPT: Mutex<Vec<&'static [u8]>> = Mutex::new(Vec::new());
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    // There are few, and most differ in length: that is faster than to hash a payload.
    let known = kept.iter().find(|known| ***known == bytes[..]).copied();
    known.unwrap_or_else(|| {
        let new: &'static [u8] = bytes.leak();
        kept.push(new);
        new
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_are_kept_once() {
        let first = keep(std::vec![1, 2, 3]);
        assert_eq!((first, first.as_ptr()), (&[1, 2, 3][..], keep(std::vec![1, 2, 3]).as_ptr()));
        assert_ne!(first.as_ptr(), keep(std::vec![1, 2]).as_ptr());
    }

    #[test]
    fn an_address_goes_to_the_threads_kernel_with_its_width() {
        use crate::Mapped;
        use std::cell::RefCell;
        use std::rc::Rc;
        type Log = Rc<RefCell<Vec<(u32, u32, Option<u32>)>>>;
        struct Memory(Log);
        impl crate::host::Kernel for Memory {
            fn syscall(&mut self, _: u32, _: &mut [u32; 7]) {}
            fn load(&mut self, address: u32, bytes: u32) -> u32 {
                self.0.borrow_mut().push((address, bytes, None));
                0x0403_0201
            }
            fn store(&mut self, address: u32, bytes: u32, value: u32) {
                self.0.borrow_mut().push((address, bytes, Some(value)));
            }
        }
        let log = Log::default();
        crate::host::install(Memory(log.clone()));
        let page: Mapped = crate::entry::fixed(0x1820_0000, 4096);
        let mut bytes = [0; 7];
        assert!(page.try_read(4, &mut bytes) && page.try_write(2, &[5, 6]));
        assert_eq!((bytes, page.read_u8(9)), ([1, 2, 3, 4, 1, 1, 1], 1));
        page.release(16, 7);
        let at = 0x1820_0000;
        let loads = [(at + 4, 4, None), (at + 8, 1, None), (at + 9, 1, None), (at + 10, 1, None)];
        assert_eq!(log.borrow()[..4], loads);
        assert_eq!(log.borrow()[4..], [(at + 2, 2, Some(0x0605)), (at + 9, 1, None), (at + 16, 4, Some(7))]);
        assert!(!page.try_read(4095, &mut bytes[..2]));
        assert_eq!(log.borrow().len(), 7);
    }
}
