//! Stage-2 tables: mapping and unmapping. There is one walker, and every entry knows which capability made it.

use crate::arena::Handle;
use crate::cap::{Cap, FrameFlags, Slot};
use crate::objects::{SpaceKind, TABLE_ENTRIES, Table, VSpace};
use crate::platform::CacheOp;
use crate::{Kernel, Platform};
use abi::Error;
use abi::object::{BLOCK_BITS, PAGE_BITS};
use abi::rights::MapFlags;

/// Entries that one step of emptying a table looks at.
const EMPTY_STEP: usize = 64;

/// Where an address is translated at each level.
const fn root_index(address: u32) -> usize {
    (address >> 30) as usize
}
const fn block_index(address: u32) -> usize {
    (address >> 21) as usize & (TABLE_ENTRIES - 1)
}
const fn page_index(address: u32) -> usize {
    (address >> 12) as usize & (TABLE_ENTRIES - 1)
}

impl<P: Platform> Kernel<P> {
    /// The table that an entry's owner is the capability of.
    fn table_of(&self, owner: Option<Handle<Slot>>) -> Option<Handle<Table>> {
        match self.arena.get(owner?).cap {
            Cap::Table { table, .. } => Some(table),
            _ => None,
        }
    }

    /// The level-2 table under which an address is translated.
    fn level2(&self, vspace: Handle<VSpace>, address: u32) -> Result<Handle<Table>, Error> {
        self.table_of(self.arena.get(vspace).owners[root_index(address)]).ok_or(Error::MissingTable)
    }

    /// Maps the frame in `slot` at `address`.
    ///
    /// # Errors
    /// `AlreadyMapped`, `Misaligned`, `NoRights`, `DeviceMemory`, `WriteExecute`, `MissingTable`, `AddressOccupied`,
    /// `OutOfRange` (a large frame can be mapped cached only).
    pub(crate) fn map_frame(
        &mut self,
        slot: Handle<Slot>,
        vspace: Handle<VSpace>,
        address: u32,
        flags: MapFlags,
    ) -> Result<(), Error> {
        let Cap::Frame { flags: frame, page, table: mapped, .. } = self.arena.get(slot).cap else {
            return Err(Error::WrongType);
        };
        let bits = frame.bits_of_size();
        if mapped.is_some() {
            return Err(Error::AlreadyMapped);
        }
        if address & ((1 << bits) - 1) != 0 {
            return Err(Error::Misaligned);
        }
        if !frame.rights().contains(flags.rights()) || !flags.contains(MapFlags::READ) {
            return Err(Error::NoRights);
        }
        if frame.contains(FrameFlags::DEVICE) != flags.contains(MapFlags::DEVICE) {
            return Err(Error::DeviceMemory);
        }
        if flags.contains(MapFlags::UNCACHED) && bits != PAGE_BITS {
            return Err(Error::OutOfRange);
        }
        let write_execute = flags.contains(MapFlags::WRITE | MapFlags::EXECUTE);
        if write_execute && self.arena.get(vspace).kind == SpaceKind::Component {
            return Err(Error::WriteExecute);
        }
        let level2 = self.level2(vspace, address)?;
        let (table, index, level) = if bits == BLOCK_BITS {
            (level2, block_index(address), 2)
        } else {
            let owner = self.arena.get(level2).owners[block_index(address)];
            match self.table_of(owner) {
                Some(table) => (table, page_index(address), 3),
                None => return Err(if owner.is_some() { Error::AddressOccupied } else { Error::MissingTable }),
            }
        };
        if self.arena.get(table).owners[index].is_some() {
            return Err(Error::AddressOccupied);
        }

        if write_execute {
            self.arena.get_mut(vspace).kind = SpaceKind::Guest;
        }
        if !frame.contains(FrameFlags::DEVICE) {
            // An uncached reader must find what the cache holds, and instruction fetch what was written. A block is too large to
            // be cleaned here: who writes to it unifies it; what instruction caches still hold of its last owner goes.
            let bytes = if bits == PAGE_BITS { 1 << PAGE_BITS } else { 0 };
            if flags.contains(MapFlags::UNCACHED) {
                self.order().cache(CacheOp::CleanInvalidate, page << PAGE_BITS, bytes);
            } else if flags.contains(MapFlags::EXECUTE) {
                self.order().cache(CacheOp::Unify, page << PAGE_BITS, bytes);
            }
        }
        let entries = self.arena.get_mut(table);
        self.platform.write_descriptor(&mut entries.entries[index], P::leaf(level, page, flags));
        entries.owners[index] = Some(slot);
        self.arena.get_mut(slot).cap =
            Cap::Frame { flags: frame, index: index as u16, page, table: Some(table), vspace: Some(vspace) };
        self.order().descriptors_written();
        Ok(())
    }

    /// Takes back the mapping of the frame in `slot`; nothing happens if it has none.
    pub(crate) fn unmap_frame(&mut self, slot: Handle<Slot>) {
        if let Some(vspace) = self.forget_frame(slot) {
            self.flush(vspace);
        }
    }

    /// Clears the entry of a mapped frame and the capability's memory of it, without invalidation.
    fn forget_frame(&mut self, slot: Handle<Slot>) -> Option<Handle<VSpace>> {
        let Cap::Frame { flags, index, page, table: Some(table), vspace } = self.arena.get(slot).cap else {
            return None;
        };
        let entries = self.arena.get_mut(table);
        self.platform.write_descriptor(&mut entries.entries[usize::from(index)], 0);
        entries.owners[usize::from(index)] = None;
        self.arena.get_mut(slot).cap = Cap::Frame { flags, index: 0, page, table: None, vspace: None };
        vspace
    }

    /// Makes sure that no core uses an entry of the space that is gone.
    #[inline(never)]
    fn flush(&mut self, vspace: Handle<VSpace>) {
        self.order().descriptors_written();
        let space = self.arena.get(vspace);
        if space.generation == self.generation {
            let vmid = space.vmid as u8;
            self.order().forget_translations(vmid);
        }
    }

    /// Puts the table in `slot` into the space where `address` is translated.
    ///
    /// # Errors
    /// `AlreadyMapped`, `MissingTable`, `AddressOccupied`.
    pub(crate) fn map_table(&mut self, slot: Handle<Slot>, vspace: Handle<VSpace>, address: u32) -> Result<(), Error> {
        let Cap::Table { level, table, vspace: mapped, .. } = self.arena.get(slot).cap else {
            return Err(Error::WrongType);
        };
        if mapped.is_some() {
            return Err(Error::AlreadyMapped);
        }
        let descriptor = P::table(table.address());
        let (index, parent) = if level == 2 {
            let index = root_index(address);
            let root = self.arena.get_mut(vspace);
            if root.owners[index].is_some() {
                return Err(Error::AddressOccupied);
            }
            self.platform.write_descriptor(&mut root.entries[index], descriptor);
            root.owners[index] = Some(slot);
            (index, None)
        } else {
            let parent = self.level2(vspace, address)?;
            let index = block_index(address);
            let entries = self.arena.get_mut(parent);
            if entries.owners[index].is_some() {
                return Err(Error::AddressOccupied);
            }
            self.platform.write_descriptor(&mut entries.entries[index], descriptor);
            entries.owners[index] = Some(slot);
            (index, Some(parent))
        };
        self.arena.get_mut(slot).cap = Cap::Table { level, index: index as u16, table, parent, vspace: Some(vspace) };
        self.order().descriptors_written();
        Ok(())
    }

    /// One step towards a table in `slot` that maps nothing and is mapped nowhere. `true`: that is so.
    pub(crate) fn unmap_table_step(&mut self, slot: Handle<Slot>) -> bool {
        let Cap::Table { level, index, table, parent, vspace } = self.arena.get(slot).cap else { return true };
        let Some(vspace) = vspace else { return true };
        if !self.empty_table_step(table, vspace) {
            return false;
        }
        let index = usize::from(index);
        match parent {
            Some(parent) => {
                let entries = self.arena.get_mut(parent);
                self.platform.write_descriptor(&mut entries.entries[index], 0);
                entries.owners[index] = None;
            }
            None => {
                let root = self.arena.get_mut(vspace);
                self.platform.write_descriptor(&mut root.entries[index], 0);
                root.owners[index] = None;
            }
        }
        self.arena.get_mut(slot).cap = Cap::Table { level, index: 0, table, parent: None, vspace: None };
        self.flush(vspace);
        true
    }

    /// Unmaps up to [`EMPTY_STEP`] entries of a table. `true`: none is left.
    fn empty_table_step(&mut self, table: Handle<Table>, vspace: Handle<VSpace>) -> bool {
        let mut work = 0;
        for index in 0..TABLE_ENTRIES {
            let Some(owner) = self.arena.get(table).owners[index] else { continue };
            if work == EMPTY_STEP {
                self.flush(vspace);
                return false;
            }
            work += 1;
            match self.arena.get(owner).cap {
                Cap::Table { .. } => {
                    // A table below: empty it first. At most one level deep. This counts as the whole step.
                    self.unmap_table_step(owner);
                    return false;
                }
                _ => {
                    self.forget_frame(owner);
                }
            }
        }
        if work > 0 {
            self.flush(vspace);
        }
        true
    }

    /// One step towards a space that maps nothing. `true`: it does not.
    pub(crate) fn empty_space_step(&mut self, vspace: Handle<VSpace>) -> bool {
        match self.arena.get(vspace).owners.iter().flatten().next() {
            Some(&owner) => {
                self.unmap_table_step(owner);
                false
            }
            None => true,
        }
    }

    /// Tells the table entry that the capability which made it stands in `slot` now.
    pub(crate) fn mapping_moved(&mut self, slot: Handle<Slot>) {
        match self.arena.get(slot).cap {
            Cap::Frame { index, table: Some(table), .. } | Cap::Table { index, parent: Some(table), .. } => {
                self.arena.get_mut(table).owners[usize::from(index)] = Some(slot);
            }
            Cap::Table { index, parent: None, vspace: Some(vspace), .. } => {
                self.arena.get_mut(vspace).owners[usize::from(index)] = Some(slot);
            }
            _ => {}
        }
    }
}
