//! The device's side of a split virtqueue (virtio 1.2, section 2.7).
//!
//! The guest can write the rings at any time, so each index and each descriptor is copied once and checked in
//! the copy. An index that makes no sense is a [`Misuse`]; it never becomes an access outside of the guest's memory.

use super::chain::{Buffer, Chain};
use super::memory::{Fault, GuestMemory, Misuse};
use core::sync::atomic::{Ordering, fence};

/// Descriptor flags (2.7.5).
const NEXT: u16 = 1;
const WRITE: u16 = 2;
const INDIRECT: u16 = 4;
/// Flag of the available ring: no interrupts, please (2.7.6).
const NO_INTERRUPT: u16 = 1;
/// Flag of the used ring: no notifications, please (2.7.8).
const NO_NOTIFY: u16 = 1;

/// One queue.
#[derive(Clone, Debug)]
pub struct Queue {
    number: u16,
    size_max: u16,
    pub(super) size: u16,
    pub(super) descriptors: u64,
    pub(super) driver: u64,
    pub(super) device: u64,
    ready: bool,
    event_idx: bool,
    next_available: u16,
    next_used: u16,
    /// The used index when interrupts were last considered.
    signalled: u16,
    /// What the driver was last told about notifications.
    listening: bool,
}

impl Queue {
    /// A queue that is not ready, of the greatest size, in descriptors.
    pub const fn new(number: u16, size_max: u16) -> Self {
        Self {
            number,
            size_max,
            size: size_max,
            descriptors: 0,
            driver: 0,
            device: 0,
            ready: false,
            event_idx: false,
            next_available: 0,
            next_used: 0,
            signalled: 0,
            listening: true,
        }
    }

    /// The greatest size, in descriptors.
    pub fn size_max(&self) -> u16 {
        self.size_max
    }

    /// Whether the driver has set it up.
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// The driver made it ready. `event_idx`: VIRTIO_F_EVENT_IDX was negotiated.
    pub(super) fn start(&mut self, event_idx: bool) -> Result<(), Fault> {
        let size = u64::from(self.size);
        let fits = |base: u64, align: u64, bytes: u64| base.is_multiple_of(align) && base.checked_add(bytes).is_some();
        if !self.size.is_power_of_two()
            || self.size > self.size_max
            || !fits(self.descriptors, 16, 16 * size)
            || !fits(self.driver, 2, 6 + 2 * size)
            || !fits(self.device, 4, 6 + 8 * size)
        {
            return Err(Fault::Setup);
        }
        *self = Self {
            ready: true,
            event_idx,
            size: self.size,
            descriptors: self.descriptors,
            driver: self.driver,
            device: self.device,
            ..Self::new(self.number, self.size_max)
        };
        Ok(())
    }

    /// Puts it back to its reset state.
    pub(super) fn reset(&mut self) {
        *self = Self::new(self.number, self.size_max);
    }

    /// The driver takes it back.
    pub(super) fn stop(&mut self) {
        self.ready = false;
    }

    /// The blame for something found in this queue.
    pub fn misuse(&self, fault: Fault) -> Misuse {
        Misuse { queue: self.number, fault }
    }

    /// Fills `chain` with the next one that the driver has made available; false if there is none or the queue is not ready.
    #[inline(never)]
    pub fn pop<M: GuestMemory>(&mut self, chain: &mut Chain, memory: &M) -> Result<bool, Fault> {
        if !self.ready || !self.has_available(memory)? {
            return Ok(false);
        }
        // The ring is read after the index that says that it is filled.
        fence(Ordering::SeqCst);
        let slot = u64::from(self.next_available & (self.size - 1));
        let head = self.read16(memory, self.driver + 4 + 2 * slot)?;
        self.follow(head, chain, memory)?;
        self.next_available = self.next_available.wrapping_add(1);
        Ok(true)
    }

    /// Undoes the last `pop`, of whose chain nothing was used: the next one fetches it again.
    pub fn unpop(&mut self) {
        self.next_available = self.next_available.wrapping_sub(1);
    }

    /// Gives a chain back, of which the device has written the first `written` bytes of the writable part. A queue that
    /// is no longer ready takes nothing.
    #[inline(never)]
    pub fn push<M: GuestMemory>(&mut self, head: u16, written: u32, memory: &mut M) -> Result<(), Fault> {
        if !self.ready {
            return Ok(());
        }
        let slot = u64::from(self.next_used & (self.size - 1));
        let mut element = [0; 8];
        let (id, len) = element.split_at_mut(4);
        id.copy_from_slice(&u32::from(head).to_le_bytes());
        len.copy_from_slice(&written.to_le_bytes());
        let ipa = self.device + 4 + 8 * slot;
        memory.write(ipa, &element).map_err(|_| Fault::Memory(ipa))?;
        self.next_used = self.next_used.wrapping_add(1);
        // The index is written after what it points to.
        fence(Ordering::SeqCst);
        self.write16(memory, self.device + 2, self.next_used)
    }

    /// Whether the driver is to be interrupted for what was pushed since this was last asked.
    #[inline(never)]
    pub(super) fn interrupt_due<M: GuestMemory>(&mut self, memory: &M) -> Result<bool, Fault> {
        if !self.ready || self.signalled == self.next_used {
            return Ok(false);
        }
        let old = core::mem::replace(&mut self.signalled, self.next_used);
        // The driver's wish is read after the index is written, as it writes its wish and then reads the index.
        fence(Ordering::SeqCst);
        if !self.event_idx {
            return Ok(self.read16(memory, self.driver)? & NO_INTERRUPT == 0);
        }
        let event = self.read16(memory, self.driver + 4 + 2 * u64::from(self.size))?;
        // 2.7.10: the event lies in (old, new].
        Ok(self.next_used.wrapping_sub(event).wrapping_sub(1) < self.next_used.wrapping_sub(old))
    }

    /// Tells the driver whether it shall notify when it makes a chain available. True if one is there already, so that
    /// none is missed. A driver that was never told notifies.
    #[inline(never)]
    pub fn listen<M: GuestMemory>(&mut self, listen: bool, memory: &mut M) -> Result<bool, Fault> {
        if !self.ready {
            return Ok(false);
        }
        if self.event_idx {
            // An event that lies far ahead asks for nothing until the index gets there. (One that lies behind would do by
            // the book, but there are drivers that only compare.)
            let event = self.next_available.wrapping_add(if listen { 0 } else { 0x7fff });
            self.write16(memory, self.device + 4 + 8 * u64::from(self.size), event)?;
        } else if listen != self.listening {
            self.write16(memory, self.device, if listen { 0 } else { NO_NOTIFY })?;
        }
        self.listening = listen;
        fence(Ordering::SeqCst);
        self.has_available(memory)
    }

    fn has_available<M: GuestMemory>(&self, memory: &M) -> Result<bool, Fault> {
        let index = self.read16(memory, self.driver + 2)?;
        match index.wrapping_sub(self.next_available) {
            0 => Ok(false),
            ahead if ahead <= self.size => Ok(true),
            _ => Err(Fault::AvailableIndex),
        }
    }

    fn follow<M: GuestMemory>(&self, head: u16, chain: &mut Chain, memory: &M) -> Result<(), Fault> {
        chain.begin(head);
        let mut index = head;
        for _ in 0..self.size {
            if index >= self.size {
                return Err(Fault::DescriptorIndex(index));
            }
            let ipa = self.descriptors + 16 * u64::from(index);
            let mut raw = [0; 16];
            memory.read(ipa, &mut raw).map_err(|_| Fault::Memory(ipa))?;
            let raw = u128::from_le_bytes(raw);
            let (flags, next) = ((raw >> 96) as u16, (raw >> 112) as u16);
            if flags & INDIRECT != 0 {
                return Err(Fault::Indirect);
            }
            chain.append(Buffer { ipa: raw as u64, len: (raw >> 64) as u32 }, flags & WRITE != 0)?;
            if flags & NEXT == 0 {
                return Ok(());
            }
            index = next;
        }
        Err(Fault::Loop)
    }

    fn read16<M: GuestMemory>(&self, memory: &M, ipa: u64) -> Result<u16, Fault> {
        let mut bytes = [0; 2];
        memory.read(ipa, &mut bytes).map_err(|_| Fault::Memory(ipa))?;
        Ok(u16::from_le_bytes(bytes))
    }

    fn write16<M: GuestMemory>(&self, memory: &mut M, ipa: u64, value: u16) -> Result<(), Fault> {
        memory.write(ipa, &value.to_le_bytes()).map_err(|_| Fault::Memory(ipa))
    }
}
