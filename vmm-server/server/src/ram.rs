//! The guest's RAM as its devices see it.

use runtime::Mapped;
use vmm_devices::virtio::{GuestMemory, OutOfRange};

/// RAM, and where the guest sees it.
#[derive(Clone, Copy, Debug)]
pub struct Ram {
    /// The memory.
    pub memory: Mapped,
    /// Its first address in the guest.
    pub base: u32,
}

impl Ram {
    fn offset(&self, ipa: u64) -> Result<usize, OutOfRange> {
        let offset = ipa.checked_sub(self.base.into()).ok_or(OutOfRange)?;
        usize::try_from(offset).map_err(|_| OutOfRange)
    }

    /// The aligned word at an address.
    pub fn word(&self, ipa: u64) -> Option<u32> {
        let mut bytes = [0; 4];
        self.read(ipa, &mut bytes).ok()?;
        Some(u32::from_le_bytes(bytes))
    }
}

impl GuestMemory for Ram {
    fn read(&self, ipa: u64, into: &mut [u8]) -> Result<(), OutOfRange> {
        if self.memory.try_read(self.offset(ipa)?, into) { Ok(()) } else { Err(OutOfRange) }
    }

    fn write(&mut self, ipa: u64, from: &[u8]) -> Result<(), OutOfRange> {
        if self.memory.try_write(self.offset(ipa)?, from) { Ok(()) } else { Err(OutOfRange) }
    }
}
