//! Invariants of mappings and translations.

use super::check::{Found, Result, Violation, hold};
use super::machine::{Machine, walk};
use crate::Kernel;
use crate::cap::{Cap, FrameFlags};
use crate::objects::{SpaceKind, TABLE_ENTRIES};
use abi::rights::MapFlags;
use std::collections::BTreeSet;

pub(super) fn mappings_and_entries_agree(kernel: &Kernel<Machine>, found: &Found) -> Result {
    const NAME: &str = "every mapping has its entry, and every entry its capability";
    let arena = &kernel.arena;
    for &slot in found.slots.values() {
        match arena.get(slot).cap {
            Cap::Frame { index, table: Some(table), .. } | Cap::Table { index, parent: Some(table), .. } => {
                let owner = arena.get(table).owners[usize::from(index)];
                hold!(NAME, owner == Some(slot), "{slot:?}: entry {index} of {table:?} is {owner:?}'s");
            }
            Cap::Table { index, vspace: Some(vspace), .. } => {
                let owner = arena.get(vspace).owners[usize::from(index)];
                hold!(NAME, owner == Some(slot), "{slot:?}: entry {index} of {vspace:?} is {owner:?}'s");
            }
            _ => {}
        }
        if let Cap::Table { table, .. } = arena.get(slot).cap {
            let object = arena.get(table);
            for index in 0..TABLE_ENTRIES {
                let (entry, owner) = (object.entries[index], object.owners[index]);
                hold!(NAME, (entry != 0) == owner.is_some(), "{table:?}[{index}]: {entry:#x}, {owner:?}");
                if let Some(owner) = owner {
                    hold!(NAME, !arena.get(owner).cap.is_null(), "{table:?}[{index}]: owner is empty");
                }
            }
        }
    }
    Ok(())
}

pub(super) fn no_component_memory_is_writable_and_executable(kernel: &Kernel<Machine>, found: &Found) -> Result {
    for &slot in found.slots.values() {
        let Cap::Frame { flags, index, table: Some(table), vspace: Some(vspace), .. } = kernel.arena.get(slot).cap
        else {
            continue;
        };
        if kernel.arena.get(vspace).kind != SpaceKind::Component || flags.contains(FrameFlags::DEVICE) {
            continue;
        }
        let entry = kernel.arena.get(table).entries[usize::from(index)];
        let mapped = MapFlags::from_bits_truncate((entry >> 2 & 0x3f) as u32);
        hold!(
            "no component's memory is writable and executable",
            !mapped.contains(MapFlags::WRITE | MapFlags::EXECUTE),
            "{slot:?}"
        );
    }
    Ok(())
}

pub(super) fn no_stale_translation_is_reachable(kernel: &Kernel<Machine>, found: &Found) -> Result {
    for (&(vmid, page), &known) in &kernel.platform.tlb {
        for &vspace in found.spaces.values() {
            let space = kernel.arena.get(vspace);
            if space.generation != kernel.generation || space.vmid != u32::from(vmid) {
                continue;
            }
            let now = walk(&kernel.arena, vspace.address(), page << 12);
            hold!(
                "no stale translation is reachable",
                now == Some(known),
                "vmid {vmid} page {page:#x}: {known:?} in the TLB, {now:?} in the tables"
            );
        }
    }
    Ok(())
}

pub(super) fn vmids_are_unique(kernel: &Kernel<Machine>, found: &Found) -> Result {
    let mut seen = BTreeSet::new();
    for &vspace in found.spaces.values() {
        let space = kernel.arena.get(vspace);
        if space.generation == kernel.generation {
            hold!("a VMID is never shared within a generation", seen.insert(space.vmid), "{vspace:?}: {}", space.vmid);
        }
    }
    Ok(())
}
