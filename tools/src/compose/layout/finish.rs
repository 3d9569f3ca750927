//! Numbers for everything: the order of objects, their places in memory, and root's slots.

use super::plan::{GroupKey, Object, Plan, Untyped};
use abi::boot::root_slot;
use abi::object::{CNODE_BITS_MAX, GRANULE_BYTES, ObjectType, UNTYPED_BITS_MAX, UNTYPED_BITS_MIN};
use kernel_core::untyped::plan_retype;
use std::cmp::Reverse;
use system::ObjectKind;

const GRANULE: u64 = GRANULE_BYTES as u64;

/// Slots that root has for itself behind all others.
pub const ROOT_SPARE_SLOTS: u32 = 64;

/// The kernel's type of an object and its size, if it is made from its group's memory.
pub fn retyped(kind: ObjectKind) -> Option<(ObjectType, u32)> {
    Some(match kind {
        ObjectKind::Untyped { bits } => (ObjectType::Untyped, bits.into()),
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

/// Bytes and alignment of each of an object's parts, if it is made from its group's memory.
pub fn size(object: &Object) -> Option<(u64, u64)> {
    let (ty, bits) = retyped(object.kind)?;
    Some((ty.bytes(bits)?, ty.align(bits)))
}

/// Numbers everything. The error names the compartment that can't be built.
pub fn number(plan: &mut Plan) -> Result<(), String> {
    let mut order: Vec<usize> = (0..plan.objects.len()).collect();
    // Large alignments first: no gaps. Within one alignment, as they came.
    order.sort_by_key(|&n| Reverse(size(&plan.objects[n]).map_or(0, |(_, align)| align)));
    for group in 0..plan.groups.len() {
        let (name, untypeds) = (&plan.groups[group].name, plan.groups[group].untypeds.len());
        if untypeds > system::UNTYPEDS_MAX {
            return Err(format!(
                "`{name}` has {untypeds} pieces of memory, and root can keep {}",
                system::UNTYPEDS_MAX
            ));
        }
        (0..untypeds).try_for_each(|part| place(plan, GroupKey(group), part as u8, &order))?;
    }
    let mut groups: Vec<usize> = (0..plan.groups.len()).collect();
    groups.sort_by_key(|&n| Reverse(plan.groups[n].bytes()));
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

/// Finds the smallest untyped that holds what is made of it, by the kernel's own rule.
fn place(plan: &mut Plan, group: GroupKey, part: u8, order: &[usize]) -> Result<(), String> {
    let mine = |&n: &usize| plan.objects[n].group == group && plan.objects[n].part == part;
    let mine: Vec<usize> = order.iter().copied().filter(mine).collect();
    let fit = |bits: u32| replay(plan, &mine, bits).ok().map(|(offsets, used)| (bits, offsets, used));
    let Some((bits, offsets, used)) = (UNTYPED_BITS_MIN..=UNTYPED_BITS_MAX).find_map(fit) else {
        return Err(format!("`{}` needs more memory than there can be", plan.groups[group.0].name));
    };
    for (n, offset) in mine.into_iter().zip(offsets) {
        plan.objects[n].offset = offset;
    }
    plan.groups[group.0].untypeds[usize::from(part)] = Untyped { bits, used_bytes: u64::from(used) * GRANULE };
    Ok(())
}

/// Where the kernel puts each of these objects in an untyped of that size, and the granules that are used then.
fn replay(plan: &Plan, objects: &[usize], bits: u32) -> Result<(Vec<Option<u64>>, u32), abi::Error> {
    let mut used = 0;
    let mut offsets = Vec::with_capacity(objects.len());
    for &n in objects {
        let object = &plan.objects[n];
        let Some((ty, size_bits)) = retyped(object.kind) else {
            offsets.push(None);
            continue;
        };
        let made = plan_retype(bits as u8, used, ty, size_bits, object.count())?;
        used = made.used;
        offsets.push(Some(u64::from(made.first) * GRANULE));
    }
    Ok((offsets, used))
}

fn slots(plan: &mut Plan, groups: &[usize], order: &[usize]) -> Result<(), String> {
    let mut next = root_slot::FIRST_FREE;
    let mut take = |count: u32| {
        next += count;
        next - count
    };
    for &n in groups {
        plan.groups[n].slot = take(plan.groups[n].untypeds.len() as u32);
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
