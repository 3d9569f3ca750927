//! Invariants of mappings, translations and caches.

use super::census::Census;
use super::{Found, hold};
use crate::arena::Handle;
use crate::cap::{Cap, FrameFlags, Slot, UntypedFlags};
use crate::objects::{SpaceKind, TABLE_ENTRIES, Table, VSpace};
use crate::sim::machine::mmu::{Descriptor, decode};
use crate::untyped::granules;
use abi::rights::MapFlags;
use std::collections::{BTreeSet, HashMap};
use std::vec::Vec;

/// A capability that says it is mapped has the entry that it names; the entry maps no other memory, and with no more
/// rights than the capability has.
pub(super) fn mappings_are_backed(census: &Census) -> Found {
    for (slot, cap) in census.caps() {
        match cap {
            Cap::Frame { index, page, flags, table: Some(table), vspace: Some(vspace) } => {
                hold!(census.tables.has(table), "{slot:?} is mapped in {table:?}, which is dead");
                hold!(census.spaces.has(vspace), "{slot:?} is mapped in {vspace:?}, which is dead");
                let object = census.get(table);
                let index = usize::from(index);
                hold!(object.owners[index] == Some(slot), "{slot:?}: entry {index} of {table:?} is another's");
                let level = if flags.contains(FrameFlags::BLOCK) { 2 } else { 3 };
                let entry = decode(level, object.entries[index]);
                let Some(Descriptor::Leaf(found)) = entry else { return Err(format!("{slot:?}: {entry:x?}")) };
                hold!(found.page == page, "{slot:?}, page {page:#x}: {found:x?}");
                let granted = MapFlags::from_bits_truncate(flags.rights().bits().into());
                let rights = found.flags & (MapFlags::READ | MapFlags::WRITE | MapFlags::EXECUTE);
                hold!(granted.contains(rights), "{slot:?}, {flags:?}: {found:x?}");
                let device = flags.contains(FrameFlags::DEVICE);
                hold!(found.flags.contains(MapFlags::DEVICE) == device, "{slot:?}, {flags:?}: {found:x?}");
            }
            Cap::Frame { table: None, vspace: None, .. } | Cap::Table { parent: None, vspace: None, .. } => {}
            Cap::Table { index, table, parent, vspace: Some(vspace), level } => {
                hold!(census.spaces.has(vspace), "{slot:?} is mapped in {vspace:?}, which is dead");
                let index = usize::from(index);
                let (entry, owner) = match parent {
                    Some(parent) => (census.get(parent).entries[index], census.get(parent).owners[index]),
                    None => (census.get(vspace).entries[index], census.get(vspace).owners[index]),
                };
                hold!(owner == Some(slot), "{slot:?}: entry {index} is another's");
                let found = decode(level - 1, entry);
                hold!(found == Some(Descriptor::Table(table.address())), "{slot:?}, {table:?}: {found:x?}");
            }
            Cap::Frame { .. } | Cap::Table { .. } => return Err(format!("{slot:?} is half mapped: {cap:x?}")),
            _ => {}
        }
    }
    Ok(())
}

/// Entries of tables and roots are there if and only if a capability that names them is; and they are what the machine
/// was told to write.
pub(super) fn entries_are_mappings(census: &Census) -> Found {
    let check = |table: u32, index: usize, entry: u64, owner: Option<Handle<Slot>>| {
        hold!((entry != 0) == owner.is_some(), "@{table:#x}[{index}]: {entry:#x}, {owner:?}");
        let Some(owner) = owner else { return Ok(()) };
        let here = match census.get(owner).cap {
            Cap::Frame { index: at, table: Some(of), .. } => (of.address(), usize::from(at)) == (table, index),
            Cap::Table { index: at, parent: Some(of), .. } => (of.address(), usize::from(at)) == (table, index),
            Cap::Table { index: at, parent: None, vspace: Some(of), .. } => {
                (of.address(), usize::from(at)) == (table, index)
            }
            _ => false,
        };
        hold!(here, "@{table:#x}[{index}]: {owner:?} is mapped elsewhere");
        let written = census.kernel.platform.mmu.descriptor(table + 8 * index as u32);
        hold!(written == entry, "@{table:#x}[{index}]: {written:#x} was written, {entry:#x} is there");
        Ok(())
    };
    let mut live = 0;
    for &table in &census.tables.all {
        let object: &Table = census.get(table);
        for index in 0..TABLE_ENTRIES {
            let (entry, owner) = (object.entries[index], object.owners[index]);
            if entry != 0 || owner.is_some() {
                check(table.address(), index, entry, owner)?;
                live += 1;
            }
        }
    }
    for &space in &census.spaces.all {
        let object: &VSpace = census.get(space);
        for (index, (&entry, &owner)) in object.entries.iter().zip(&object.owners).enumerate() {
            check(space.address(), index, entry, owner)?;
            live += usize::from(entry != 0);
        }
    }
    let written = census.kernel.platform.mmu.descriptors();
    hold!(written == live, "{written} descriptors were written, {live} are in tables that live");
    Ok(())
}

/// A frame's mapping, as its table has it.
struct Mapped {
    vspace: Handle<VSpace>,
    /// Virtual page.
    at: u32,
    page: u32,
    block: bool,
    flags: MapFlags,
}

/// What is mapped in all spaces.
fn mapped(census: &Census) -> Vec<Mapped> {
    // The table's capability says where the table is.
    let mut places = HashMap::new();
    for (_, cap) in census.caps() {
        if let Cap::Table { index, table, parent, .. } = cap {
            places.insert(table.address(), (u32::from(index), parent));
        }
    }
    let page_of = |table: Handle<Table>, index: u32| {
        let &(at, parent) = places.get(&table.address())?;
        Some(match parent {
            None => (at << 9 | index) << 9,
            Some(parent) => (places.get(&parent.address())?.0 << 9 | at) << 9 | index,
        })
    };
    let mut found = Vec::new();
    for (_, cap) in census.caps() {
        let Cap::Frame { flags, index, page, table: Some(table), vspace: Some(vspace) } = cap else { continue };
        let block = flags.contains(FrameFlags::BLOCK);
        let entry = census.get(table).entries[usize::from(index)];
        if let Some(Descriptor::Leaf(leaf)) = decode(if block { 2 } else { 3 }, entry)
            && let Some(at) = page_of(table, index.into())
        {
            found.push(Mapped { vspace, at, page, block, flags: leaf.flags });
        }
    }
    found
}

/// In a component's space nothing is both; in a guest's, what was mapped so by a capability with both rights.
pub(super) fn write_xor_execute(census: &Census) -> Found {
    for Mapped { vspace, at, flags, .. } in mapped(census) {
        let both = flags.contains(MapFlags::WRITE | MapFlags::EXECUTE);
        let kind = census.get(vspace).kind;
        hold!(!both || kind == SpaceKind::Guest, "{vspace:?}, a space of {kind:?}, at page {at:#x}");
    }
    Ok(())
}

/// Nothing that the machine remembers under the VMID of a space differs from the space's tables.
pub(super) fn no_stale_translation(census: &Census) -> Found {
    let kernel = census.kernel;
    for &vspace in &census.spaces.all {
        let space = census.get(vspace);
        if space.generation == kernel.generation {
            let stale = kernel.platform.mmu.stale(&kernel.arena, space.vmid as u8, vspace.address());
            hold!(stale.is_none(), "{vspace:?}: {}", stale.unwrap_or_default());
        }
    }
    Ok(())
}

/// Walkers have seen every descriptor.
pub(super) fn mappings_are_seen(census: &Census) -> Found {
    let unseen = census.kernel.platform.mmu.unseen();
    hold!(unseen.is_none(), "the descriptor at {:#x} need not have been seen", unseen.unwrap_or_default());
    Ok(())
}

/// VTTBR has the space of the thread that runs.
pub(super) fn the_right_space_is_current(census: &Census) -> Found {
    (0..census.kernel.cores.len()).try_for_each(|core| the_right_space_is_current_on(census, core))
}

fn the_right_space_is_current_on(census: &Census, number: usize) -> Found {
    let (kernel, core) = (census.kernel, &census.kernel.cores[number]);
    let (Some(tcb), false) = (core.current, core.reschedule) else { return Ok(()) };
    let Cap::VSpace { vspace } = census.get(tcb).vspace.cap else { return Err(format!("{tcb:?} has no space")) };
    let space = census.get(vspace);
    let wanted = u64::from(space.vmid) << 48 | u64::from(vspace.address());
    let current = kernel.platform.mmu.current(number);
    hold!(current == wanted, "{tcb:?} needs {wanted:#x}, VTTBR is {current:#x}");
    let loaded = census.get(tcb).vcpu;
    hold!(loaded.is_none() || loaded == core.loaded, "{tcb:?} runs {loaded:?}, {:?} is loaded", core.loaded);
    Ok(())
}

/// No two spaces that have a VMID of this generation have the same, and it is one that was given out.
pub(super) fn vmids_are_unique(census: &Census) -> Found {
    let mut seen = BTreeSet::new();
    for core in 0..census.kernel.cores.len() {
        let current = census.kernel.platform.mmu.current(core) as u32;
        let space = census.spaces.all.iter().find(|space| space.address() == current);
        let over = space.filter(|&&space| census.get(space).generation != census.kernel.generation);
        hold!(over.is_none(), "{over:?} is current on core {core}, with a VMID that may be another's by now");
    }
    for &vspace in &census.spaces.all {
        let space = census.get(vspace);
        if space.generation == census.kernel.generation {
            hold!(seen.insert(space.vmid), "{vspace:?}: {} is another's, too", space.vmid);
            hold!((1..census.kernel.next_vmid).contains(&space.vmid), "{vspace:?}: {} was not given out", space.vmid);
        }
    }
    Ok(())
}

/// Bytes that are looked at together.
const PIECE: u32 = 4096;

/// What an untyped may give out is zero in memory, and no line of it is in the cache, so that it is zero past the cache too
/// and stays what is stored there.
pub(super) fn free_memory_is_zero(census: &Census) -> Found {
    let kernel = census.kernel;
    for (slot, cap) in census.caps() {
        let Cap::Untyped { bits, flags, page, used } = cap else { continue };
        if flags.intersects(UntypedFlags::DEVICE | UntypedFlags::DIRTY) {
            continue;
        }
        let (start, end) = ((page << 12) + (used << 6), (page << 12) + (granules(bits) << 6));
        // All of what is small; the ends and a sample of what is large.
        let pieces = ((end - start) / PIECE).max(1);
        let step = if pieces > 32 { pieces / 8 } else { 1 };
        for piece in (0..pieces).filter(|piece| piece % step == 0 || piece + 1 == pieces) {
            let from = start + piece * PIECE;
            let bytes = if piece + 1 == pieces { end - from } else { PIECE };
            hold!(kernel.arena.is_zero(from, bytes), "{slot:?}: {bytes} bytes from {from:#x} on are not zero");
        }
        let line = kernel.platform.caches.held_in(start, end - start);
        hold!(line.is_none(), "{slot:?}: line {:#x} is in the cache", line.unwrap_or_default());
    }
    Ok(())
}

/// Nothing that was written through the cache is missing in a page that somebody uses past it, but what was so written since.
pub(super) fn uncached_is_in_ram(census: &Census) -> Found {
    for Mapped { vspace, at, page, flags, .. } in mapped(census) {
        if flags.contains(MapFlags::UNCACHED) {
            let line = census.kernel.platform.caches.dirty_in(page);
            hold!(line.is_none(), "{vspace:?} at page {at:#x}: line {:#x} is dirty", line.unwrap_or_default());
        }
    }
    Ok(())
}

/// Instruction fetch from an executable mapping finds what was last written before it became one.
pub(super) fn executable_is_unified(census: &Census) -> Found {
    let kernel = census.kernel;
    for Mapped { vspace, at, page, block, flags } in mapped(census) {
        let space = census.get(vspace);
        if !flags.contains(MapFlags::EXECUTE) {
            continue;
        }
        let vmid = if space.generation == kernel.generation { space.vmid as u8 } else { 0 };
        for n in 0..if block { 512 } else { 1 } {
            let found = kernel.platform.caches.outdated_in(&kernel.arena, vmid, at + n, page + n, block);
            hold!(found.is_none(), "{vspace:?} at page {at:#x}: {}", found.unwrap_or_default());
        }
    }
    Ok(())
}
