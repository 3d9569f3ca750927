//! The guest's memory, and the way in which the driver gets at it. A vault.
#![allow(unsafe_code, reason = "the driver's interface to memory is unsafe; the devices' is not")]

use std::cell::RefCell;
use std::ptr::NonNull;
use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};
use vmm_devices::virtio::{GuestMemory, OutOfRange};

const RAM_BASE: u64 = 0x4000_0000;
const RAM_BYTES: usize = 64 << 20;

/// The guest's RAM, one for each test's thread. It is never freed, so its addresses stay good.
struct Ram {
    base: NonNull<u8>,
    next: usize,
}

thread_local! {
    static RAM: RefCell<Ram> = RefCell::new({
        let layout = std::alloc::Layout::from_size_align(RAM_BYTES, PAGE_SIZE).unwrap();
        // SAFETY: the layout's size is not zero.
        let base = unsafe { std::alloc::alloc_zeroed(layout) };
        Ram { base: NonNull::new(base).unwrap(), next: 0 }
    });
}

/// A new piece of the guest's RAM.
fn allocate(bytes: usize, align: usize) -> (PhysAddr, NonNull<u8>) {
    RAM.with_borrow_mut(|ram| {
        let first = ram.next.next_multiple_of(align);
        ram.next = first + bytes;
        assert!(ram.next <= RAM_BYTES, "the test's RAM is too small");
        // SAFETY: the offset is below the size of the allocation.
        (RAM_BASE + first as u64, unsafe { ram.base.add(first) })
    })
}

/// The host's address of a range of guest memory.
fn locate(ipa: u64, len: usize) -> core::result::Result<NonNull<u8>, OutOfRange> {
    let offset = usize::try_from(ipa.checked_sub(RAM_BASE).ok_or(OutOfRange)?).map_err(|_| OutOfRange)?;
    if offset.checked_add(len).is_none_or(|end| end > RAM_BYTES) {
        return Err(OutOfRange);
    }
    // SAFETY: the offset is below the size of the allocation.
    Ok(RAM.with_borrow(|ram| unsafe { ram.base.add(offset) }))
}

/// Memory that bounces: a shared buffer is a copy, so a driver that forgets to share or unshare fails.
pub struct Bounce;

// SAFETY: pieces come from a live allocation, are page-aligned and zeroed, and are handed out once.
unsafe impl Hal for Bounce {
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        allocate(pages * PAGE_SIZE, PAGE_SIZE)
    }
    unsafe fn dma_dealloc(_: PhysAddr, _: NonNull<u8>, _: usize) -> i32 {
        0
    }
    unsafe fn mmio_phys_to_virt(_: PhysAddr, _: usize) -> NonNull<u8> {
        unreachable!("there is no PCI")
    }
    unsafe fn share(buffer: NonNull<[u8]>, direction: BufferDirection) -> PhysAddr {
        let (ipa, copy) = allocate(buffer.len(), 1);
        if direction != BufferDirection::DeviceToDriver {
            // SAFETY: both are valid for that length and do not overlap.
            unsafe { copy.copy_from(buffer.cast(), buffer.len()) };
        }
        ipa
    }
    unsafe fn unshare(ipa: PhysAddr, buffer: NonNull<[u8]>, direction: BufferDirection) {
        if direction != BufferDirection::DriverToDevice {
            let copy = locate(ipa, buffer.len()).unwrap();
            // SAFETY: as above.
            unsafe { buffer.cast().copy_from(copy, buffer.len()) };
        }
    }
}

pub struct Memory;

impl GuestMemory for Memory {
    fn read(&self, ipa: u64, into: &mut [u8]) -> core::result::Result<(), OutOfRange> {
        let from = locate(ipa, into.len())?;
        // SAFETY: the range was checked, and the driver does not run meanwhile.
        unsafe { NonNull::from(&mut *into).cast().copy_from(from, into.len()) };
        Ok(())
    }
    fn write(&mut self, ipa: u64, from: &[u8]) -> core::result::Result<(), OutOfRange> {
        let to = locate(ipa, from.len())?;
        // SAFETY: as above.
        unsafe { to.copy_from(NonNull::from(from).cast(), from.len()) };
        Ok(())
    }
}
