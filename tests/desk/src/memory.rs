//! Accesses of a component: through the tables that root made and the machine's TLB, to RAM or to a device.

use crate::engine::Engine;
use crate::faults::Fault;
use abi::rights::MapFlags;

const PAGE_BYTES: u32 = 4096;

impl Engine {
    /// The physical address behind an address of the running thread's space.
    fn translate(&mut self, address: u32, wanted: MapFlags) -> Result<u64, bool> {
        let kernel = &mut *self.world.kernel;
        let found = kernel.platform.access(&kernel.arena, self.vttbr, address).ok_or(false)?;
        match found.flags.contains(wanted) {
            true => Ok(u64::from(found.page) << 12 | u64::from(address & (PAGE_BYTES - 1))),
            false => Err(true),
        }
    }

    /// The address in RAM, if it is one.
    fn in_ram(&self, physical: u64) -> Option<u32> {
        self.ram.iter().any(|ram| ram.contains(&physical)).then_some(physical as u32)
    }

    /// Loads 1, 2 or 4 bytes, aligned.
    pub fn load(&mut self, address: u32, bytes: u32) -> Result<u32, Fault> {
        let physical = self.translate(address, MapFlags::READ).map_err(|mapped| Fault::data(address, false, mapped))?;
        match self.in_ram(physical) {
            Some(at) => {
                let word = self.world.kernel.arena.read_word(at & !3) >> (8 * (at & 3));
                Ok(word & mask(bytes))
            }
            None => {
                let (device, offset) = self.bus.at(physical).ok_or(Fault::external(address, false))?;
                let value = device.load(offset, bytes) & mask(bytes);
                self.look();
                Ok(value)
            }
        }
    }

    /// Stores 1, 2 or 4 bytes, aligned.
    pub fn store(&mut self, address: u32, bytes: u32, value: u32) -> Result<(), Fault> {
        let physical = self.translate(address, MapFlags::WRITE).map_err(|mapped| Fault::data(address, true, mapped))?;
        match self.in_ram(physical) {
            Some(at) => {
                let (word, shift) = (at & !3, 8 * (at & 3));
                let kept = self.world.kernel.arena.read_word(word) & !(mask(bytes) << shift);
                self.world.kernel.arena.write_word(word, kept | (value & mask(bytes)) << shift);
            }
            None => {
                let (device, offset) = self.bus.at(physical).ok_or(Fault::external(address, true))?;
                device.store(offset, bytes, value & mask(bytes));
                self.look();
            }
        }
        Ok(())
    }

    /// What is mapped from `address` (a multiple of a page) on, up to `bytes` bytes of RAM.
    pub fn contents(&mut self, address: u32, bytes: u32) -> Vec<u8> {
        let mut found = Vec::with_capacity(bytes as usize);
        for page in (address..address.saturating_add(bytes)).step_by(PAGE_BYTES as usize) {
            let Some(at) = self.translate(page, MapFlags::READ).ok().and_then(|physical| self.in_ram(physical)) else {
                break;
            };
            let arena = &self.world.kernel.arena;
            (at..at + PAGE_BYTES).step_by(4).for_each(|at| found.extend_from_slice(&arena.read_word(at).to_le_bytes()));
        }
        found.truncate(bytes as usize);
        found
    }

    /// The words of the running thread's code from `address` on, if it may execute them.
    pub fn fetch(&mut self, address: u32) -> Result<[u32; 2], Fault> {
        let physical = self.translate(address, MapFlags::EXECUTE).map_err(|mapped| Fault::fetch(address, mapped))?;
        let at = self.in_ram(physical).ok_or(Fault::fetch(address, true))? & !3;
        Ok([self.world.kernel.arena.read_word(at), self.world.kernel.arena.read_word(at + 4)])
    }
}

const fn mask(bytes: u32) -> u32 {
    if bytes >= 4 { u32::MAX } else { (1 << (8 * bytes)) - 1 }
}
