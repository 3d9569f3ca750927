//! Numbers for everything: the order of objects, their places in memory, and root's slots.

use super::alloc::{Demand, fit};
use super::plan::{GroupKey, Object, Plan};
use abi::boot::root_slot;
use abi::object::{CNODE_BITS_MAX, ObjectType, UNTYPED_BITS_MAX, UNTYPED_BITS_MIN};
use system::ObjectKind;

/// Slots that root has for itself behind all others.
pub const ROOT_SPARE_SLOTS: u32 = 64;

/// The kernel's type of an object and its size, if it is made from its group's memory.
pub fn retyped(kind: ObjectKind) -> Option<(ObjectType, u32)> {
    Some(match kind {
        ObjectKind::CNode { bits } => (ObjectType::CNode, bits.into()),
        ObjectKind::Frames { bits, .. } => (ObjectType::Frame, bits.into()),
        ObjectKind::Table { level } => (ObjectType::Table, level.into()),
        ObjectKind::VSpace => (ObjectType::VSpace, 0),
        ObjectKind::Tcb => (ObjectType::Tcb, 0),
        ObjectKind::Vcpu { .. } => (ObjectType::Vcpu, 0),
        ObjectKind::Endpoint => (ObjectType::Endpoint, 0),
        ObjectKind::Notification => (ObjectType::Notification, 0),
        ObjectKind::Reply => (ObjectType::Reply, 0),
        ObjectKind::SchedContext { .. } => (ObjectType::SchedContext, 0),
        ObjectKind::Payload { .. } | ObjectKind::Device { .. } | ObjectKind::Irq { .. } | ObjectKind::KernelLog => {
            return None;
        }
    })
}

/// What an object needs of its group's memory.
pub fn demand(object: &Object) -> Option<Demand> {
    let (ty, bits) = retyped(object.kind)?;
    Some(Demand { bytes: ty.bytes(bits)?, align: ty.align(bits), count: object.count().into() })
}

/// Numbers everything. The error names the compartment that can't be built.
pub fn number(plan: &mut Plan) -> Result<(), String> {
    let mut order: Vec<usize> = (0..plan.objects.len()).collect();
    // Large alignments first: no gaps. Within one alignment, as they came.
    order.sort_by_key(|&n| std::cmp::Reverse(demand(&plan.objects[n]).map_or(0, |demand| demand.align)));
    for group in 0..plan.groups.len() {
        place(plan, GroupKey(group), &order)?;
    }
    let mut groups: Vec<usize> = (0..plan.groups.len()).collect();
    groups.sort_by_key(|&n| std::cmp::Reverse(plan.groups[n].untyped_bits));
    for (id, &n) in groups.iter().enumerate() {
        plan.groups[n].id = id as u16;
    }
    order.sort_by_key(|&n| plan.groups[plan.objects[n].group.0].id);
    for (what, count, most) in
        [("objects", order.len(), system::OBJECTS_MAX), ("compartments", groups.len(), system::GROUPS_MAX)]
    {
        if count > most {
            return Err(format!("the system has {count} {what}, and root can keep {most}"));
        }
    }
    slots(plan, &groups, &order)
}

fn place(plan: &mut Plan, group: GroupKey, order: &[usize]) -> Result<(), String> {
    let mine = order.iter().copied().filter(|&n| plan.objects[n].group == group);
    let made: Vec<(usize, Demand)> = mine.filter_map(|n| Some((n, demand(&plan.objects[n])?))).collect();
    let demands: Vec<Demand> = made.iter().map(|&(_, demand)| demand).collect();
    let Some((bits, offsets, used)) = fit(&demands, UNTYPED_BITS_MIN, UNTYPED_BITS_MAX) else {
        return Err(format!("`{}` needs more memory than there can be", plan.groups[group.0].name));
    };
    for (&(n, _), offset) in made.iter().zip(offsets) {
        plan.objects[n].offset = Some(offset);
    }
    (plan.groups[group.0].untyped_bits, plan.groups[group.0].used_bytes) = (bits, used);
    Ok(())
}

fn slots(plan: &mut Plan, groups: &[usize], order: &[usize]) -> Result<(), String> {
    let mut next = root_slot::FIRST_FREE;
    let mut take = |count: u32| {
        next += count;
        next - count
    };
    for &n in groups {
        plan.groups[n].slot = take(1);
    }
    for (id, &n) in order.iter().enumerate() {
        let object = &mut plan.objects[n];
        object.id = id as u16;
        object.slot = match object.kind {
            ObjectKind::KernelLog => root_slot::KERNEL_LOG,
            // The packer knows which frames it is.
            ObjectKind::Payload { .. } => 0,
            _ => take(object.count()),
        };
    }
    for map in &mut plan.maps {
        map.slot = take(map.count);
    }
    plan.free_slot = next;
    plan.root_cnode_bits = (next + ROOT_SPARE_SLOTS).next_power_of_two().trailing_zeros();
    if plan.root_cnode_bits > CNODE_BITS_MAX {
        return Err(format!("root needs {next} capabilities, more than one CNode holds"));
    }
    Ok(())
}
