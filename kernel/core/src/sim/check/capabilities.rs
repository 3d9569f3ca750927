//! Invariants of capabilities and of the memory that objects are made of.

use super::census::{Addresses, Census};
use super::{Found, hold};
use crate::arena::Handle;
use crate::cap::{Cap, UntypedFlags};
use crate::objects::CNode;
use abi::object::*;
use std::collections::BTreeMap;
use std::vec::Vec;

/// Siblings know each other, a parent its first child and each child its parent, and nobody is its own ancestor.
pub(super) fn derivation_forest_is_well_formed(census: &Census) -> Found {
    for &slot in &census.slots {
        let node = census.get(slot);
        if let Some(next) = node.next {
            let next_node = census.get(next);
            hold!(next_node.prev == Some(slot) && next_node.parent == node.parent, "{slot:?} next {next:?}");
            hold!(!next_node.cap.is_null(), "{slot:?}: next is empty");
        }
        if let Some(prev) = node.prev {
            hold!(census.get(prev).next == Some(slot), "{slot:?} prev {prev:?}");
        }
        if let Some(child) = node.child {
            let first = census.get(child);
            hold!(first.parent == Some(slot) && first.prev.is_none(), "{slot:?} child {child:?}");
            hold!(!first.cap.is_null(), "{slot:?}: child is empty");
        }
        match node.parent {
            Some(parent) => {
                let parent_node = census.get(parent);
                hold!(node.prev.is_some() || parent_node.child == Some(slot), "{slot:?} is no child of {parent:?}");
                hold!(!parent_node.cap.is_null(), "{slot:?}: parent is empty");
            }
            None => hold!(node.prev.is_none() && node.next.is_none(), "{slot:?} has siblings and no parent"),
        }
    }
    // Upwards from each: whoever was seen to reach a root need not be followed again.
    let mut rooted = Addresses::default();
    for &slot in &census.slots {
        let (mut at, mut way) = (Some(slot), Vec::new());
        while let Some(this) = at.filter(|this| !rooted.contains(&this.address())) {
            hold!(way.len() <= census.slots.len(), "{slot:?} is its own ancestor");
            way.push(this.address());
            at = census.get(this).parent;
        }
        rooted.extend(way);
    }
    Ok(())
}

/// Rights and badges: what a copy may be.
pub(super) fn derived_has_no_more(census: &Census) -> Found {
    for (slot, cap) in census.caps() {
        let Some(parent) = census.get(slot).parent else { continue };
        let from = census.get(parent).cap;
        hold!(may_come_from(&cap, &from), "{slot:?}: {cap:?} derived from {from:?}");
    }
    Ok(())
}

/// Whether `cap` can have been derived from `from`: the same object, no more rights, the same badge if there is one; or an
/// object made of an untyped.
pub(super) fn may_come_from(cap: &Cap, from: &Cap) -> bool {
    let badged = |badge: u32, old: u32| old == 0 || badge == old;
    match (*cap, *from) {
        (Cap::IrqHandler { .. }, Cap::IrqControl) => true,
        (Cap::IrqHandler { .. } | Cap::IrqControl | Cap::Power | Cap::SchedControl | Cap::Null, _) => false,
        (Cap::Untyped { flags, .. }, Cap::Untyped { flags: from, .. }) => {
            flags.contains(UntypedFlags::DEVICE) == from.contains(UntypedFlags::DEVICE)
        }
        (Cap::Frame { flags, .. }, Cap::Untyped { flags: from, .. }) => {
            flags.contains(crate::cap::FrameFlags::DEVICE) == from.contains(UntypedFlags::DEVICE)
        }
        (_, Cap::Untyped { flags, .. }) => !flags.contains(UntypedFlags::DEVICE),
        (Cap::Frame { flags, page, .. }, Cap::Frame { flags: from, page: of, .. }) => {
            page == of && flags.bits_of_size() == from.bits_of_size() && from.contains(flags)
        }
        (Cap::Endpoint { rights, endpoint, badge }, Cap::Endpoint { rights: from, endpoint: of, badge: old }) => {
            endpoint == of && from.contains(rights) && badged(badge, old)
        }
        (
            Cap::Notification { rights, notification, badge },
            Cap::Notification { rights: from, notification: of, badge: old },
        ) => notification == of && from.contains(rights) && badged(badge, old),
        (Cap::CNode { cnode, .. }, Cap::CNode { cnode: of, .. }) => cnode == of,
        (Cap::VSpace { vspace }, Cap::VSpace { vspace: of }) => vspace == of,
        (Cap::Tcb { tcb }, Cap::Tcb { tcb: of }) => tcb == of,
        (Cap::Vcpu { vcpu }, Cap::Vcpu { vcpu: of }) => vcpu == of,
        (Cap::SchedContext { context }, Cap::SchedContext { context: of }) => context == of,
        _ => false,
    }
}

/// An object counts the capabilities that name it, and lives as long as there is one.
pub(super) fn capabilities_are_counted(census: &Census) -> Found {
    let mut counts: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
    for (_, cap) in census.caps() {
        let (address, refs) = match cap {
            Cap::CNode { cnode, .. } => (cnode.address(), census.get(cnode).refs),
            Cap::VSpace { vspace } => (vspace.address(), census.get(vspace).refs),
            Cap::Tcb { tcb } => (tcb.address(), census.get(tcb).refs),
            Cap::Vcpu { vcpu } => (vcpu.address(), census.get(vcpu).refs),
            Cap::Endpoint { endpoint, .. } => (endpoint.address(), census.get(endpoint).refs),
            Cap::Notification { notification, .. } => (notification.address(), census.get(notification).refs),
            Cap::SchedContext { context } => (context.address(), census.get(context).refs),
            // What is not counted can't be copied: there is one.
            Cap::Reply { reply } => (reply.address(), 1),
            Cap::Table { table, .. } => (table.address(), 1),
            Cap::IrqHandler { intid } => (u32::from(intid), 1),
            _ => continue,
        };
        counts.entry(address).or_insert((0, refs)).0 += 1;
    }
    for (address, (counted, refs)) in counts {
        hold!(counted == refs, "@{address:#x}: {counted} capabilities, {refs} counted");
    }
    Ok(())
}

/// An object's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Extent {
    start: u64,
    end: u64,
    /// 0 for untyped memory, else a number of its type.
    kind: u8,
}

fn cnode_extent(census: &Census, cnode: Handle<CNode>) -> Extent {
    let start = u64::from(cnode.address());
    Extent { start, end: start + (u64::from(SLOT_BYTES) << census.get(cnode).bits), kind: 2 }
}

fn extent(census: &Census, cap: &Cap) -> Option<Extent> {
    let of = |kind, address: u32, bytes: u64| {
        let start = u64::from(address);
        Some(Extent { start, end: start + bytes, kind })
    };
    let pages = |kind, page: u32, bits: u32| {
        let start = u64::from(page) << 12;
        Some(Extent { start, end: start + (1u64 << bits), kind })
    };
    match *cap {
        Cap::Untyped { bits, page, .. } => pages(0, page, bits.into()),
        Cap::Frame { flags, page, .. } => pages(1, page, flags.bits_of_size()),
        Cap::CNode { cnode, .. } => Some(cnode_extent(census, cnode)),
        Cap::Table { table, .. } => of(3, table.address(), TABLE_BYTES.into()),
        Cap::VSpace { vspace } => of(4, vspace.address(), VSPACE_BYTES.into()),
        Cap::Tcb { tcb } => of(5, tcb.address(), TCB_BYTES.into()),
        Cap::Vcpu { vcpu } => of(6, vcpu.address(), VCPU_BYTES.into()),
        Cap::Endpoint { endpoint, .. } => of(7, endpoint.address(), ENDPOINT_BYTES.into()),
        Cap::Notification { notification, .. } => of(8, notification.address(), NOTIFICATION_BYTES.into()),
        Cap::Reply { reply } => of(9, reply.address(), REPLY_BYTES.into()),
        Cap::SchedContext { context } => of(10, context.address(), SCHED_CONTEXT_BYTES.into()),
        _ => None,
    }
}

/// All objects, condemned ones too, by where they begin, each once.
fn objects(census: &Census) -> Vec<Extent> {
    let mut all: Vec<Extent> = census.caps().filter_map(|(_, cap)| extent(census, &cap)).collect();
    all.extend(census.cnodes.all.iter().map(|&cnode| cnode_extent(census, cnode)));
    all.extend(census.spaces.all.iter().filter_map(|&vspace| extent(census, &Cap::VSpace { vspace })));
    all.sort();
    all.dedup();
    all
}

/// Two objects that are not the same share no byte.
pub(super) fn no_two_objects_overlap(census: &Census) -> Found {
    let mut last: Option<Extent> = None;
    for object in objects(census).into_iter().filter(|object| object.kind != 0) {
        if let Some(last) = last {
            hold!(last.end <= object.start, "{last:x?} and {object:x?}");
        }
        last = Some(object);
    }
    Ok(())
}

/// What an untyped may give out again holds no object, and no slot stands outside of objects that live.
pub(super) fn no_capability_names_a_dead_object(census: &Census) -> Found {
    let objects = objects(census);
    for (slot, cap) in census.caps() {
        let Cap::Untyped { bits, flags, page, used } = cap else { continue };
        if flags.contains(UntypedFlags::CONDEMNED) {
            continue;
        }
        let own = Extent { start: u64::from(page) << 12, end: (u64::from(page) << 12) + (1u64 << bits), kind: 0 };
        let free = own.start + (u64::from(used) << 6);
        let inside = objects.iter().find(|object| {
            let above = object.kind == 0 && object.start <= own.start && object.end >= own.end;
            object.start < own.end && object.end > free && !above
        });
        hold!(inside.is_none(), "{slot:?} can give out {free:#x}..{:#x}, where {inside:x?} is", own.end);
    }
    let mut homes: Vec<(u32, u32)> = Vec::new();
    for &cnode in &census.cnodes.all {
        homes.push((cnode.address(), SLOT_BYTES << census.get(cnode).bits));
    }
    homes.extend(census.threads.all.iter().map(|tcb| (tcb.address(), TCB_BYTES)));
    homes.sort_unstable();
    for &slot in &census.slots {
        let at = homes.partition_point(|&(start, _)| start <= slot.address());
        let lives = at > 0 && slot.address() < homes[at - 1].0 + homes[at - 1].1;
        // Boot's own slots stand in memory that no untyped has.
        let address = u64::from(slot.address());
        let owned = || objects.iter().any(|o| o.kind == 0 && (o.start..o.end).contains(&address));
        hold!(lives || !owned(), "{slot:?} is a slot of nobody's");
    }
    Ok(())
}

/// What was made of an untyped lies in the part of it that is taken.
pub(super) fn children_lie_in_their_untyped(census: &Census) -> Found {
    for (slot, cap) in census.caps() {
        let Some(parent) = census.get(slot).parent else { continue };
        let (Cap::Untyped { page, used, .. }, Some(extent)) = (census.get(parent).cap, extent(census, &cap)) else {
            continue;
        };
        let (start, end) = (u64::from(page) << 12, (u64::from(page) << 12) + (u64::from(used) << 6));
        hold!(extent.start >= start && extent.end <= end, "{slot:?} is outside of {parent:?}");
    }
    Ok(())
}
