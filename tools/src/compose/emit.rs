//! A plan as the records that root executes, in the order in which it does.

use super::layout::plan::{Badge, Key, Plan, Space};
use super::pack::Arrangement;
use abi::boot::root_slot;
use system::{ObjectId, ObjectKind, ROOT_VSPACE, Record, SYSTEM_VERSION, Writer};

/// The compiled system.
pub fn emit(plan: &Plan, arrangement: &Arrangement) -> Vec<u8> {
    let mut writer = Writer::default();
    records(plan, arrangement).iter().for_each(|record| writer.push(record));
    writer.into_bytes()
}

/// Its records.
pub fn records<'a>(plan: &'a Plan, arrangement: &Arrangement) -> Vec<Record<'a>> {
    let mut records = vec![Record::Header {
        version: SYSTEM_VERSION,
        groups: plan.groups.len() as u16,
        objects: plan.objects.len() as u16,
        first_slot: root_slot::FIRST_FREE,
        free_slot: plan.free_slot,
    }];
    makings(plan, arrangement, &mut records);
    contents(plan, arrangement, &mut records);
    authority(plan, &mut records);
    threads(plan, &mut records);
    records
}

fn id(plan: &Plan, key: Key) -> ObjectId {
    plan.object(key).id
}

fn space(plan: &Plan, space: Space) -> ObjectId {
    match space {
        Space::Root => ROOT_VSPACE,
        Space::Of(key) => id(plan, key),
    }
}

fn badge(plan: &Plan, badge: Badge) -> u32 {
    match badge {
        Badge::None => 0,
        Badge::Bits(bits) => bits,
        Badge::Group(group) => u32::from(plan.groups[group.0].id) + 1,
    }
}

fn makings<'a>(plan: &'a Plan, arrangement: &Arrangement, records: &mut Vec<Record<'a>>) {
    records.extend(plan.ordered_groups().into_iter().map(|group| Record::Group {
        name: &group.name,
        slot: group.slot,
        untypeds: group.untypeds.len() as u8,
        policy: group.policy,
    }));
    records.extend(plan.ordered_untypeds().into_iter().map(|(group, part)| Record::Untyped {
        group: group.id,
        part,
        bits: group.untypeds[usize::from(part)].bits as u8,
    }));
    records.extend(plan.ordered_objects().into_iter().map(|object| {
        let (group, part) = (plan.groups[object.group.0].id, object.part);
        match object.kind {
            ObjectKind::Payload { count, .. } => {
                let region = plan.regions.iter().position(|region| plan.object(region.object).id == object.id);
                let first = region.map_or(0, |region| arrangement.regions[region]);
                let slot = root_slot::PAYLOAD + first;
                Record::Object { group, part, slot, kind: ObjectKind::Payload { first: first as u16, count } }
            }
            kind => Record::Object { group, part, slot: object.slot, kind },
        }
    }));
    if let Some((endpoint, reply)) = plan.root {
        records.push(Record::RootEndpoint { endpoint: id(plan, endpoint), reply: id(plan, reply) });
    }
    for level in [2, 3] {
        records.extend(plan.tables.iter().filter(|map| map.level == level).map(|map| Record::MapTable {
            table: id(plan, map.table),
            vspace: space(plan, map.space),
            address: map.address,
        }));
    }
}

fn contents<'a>(plan: &'a Plan, arrangement: &Arrangement, records: &mut Vec<Record<'a>>) {
    records.extend(plan.fills.iter().map(|fill| Record::Fill {
        object: id(plan, fill.object),
        at: 0,
        payload_offset: arrangement.pieces[fill.program][fill.piece] + fill.from,
        bytes: fill.bytes,
        execute: fill.execute,
    }));
    records.extend(plan.fill_bytes.iter().map(|(object, bytes)| Record::FillBytes {
        object: id(plan, *object),
        at: 0,
        bytes,
    }));
    records.extend(plan.maps.iter().map(|map| Record::MapFrames {
        frames: id(plan, map.frames),
        first: map.first,
        count: map.count,
        vspace: space(plan, map.space),
        address: map.address,
        flags: map.flags.bits(),
        slot: map.slot,
    }));
}

/// Interrupts first: their handlers are moved to who gets them.
fn authority(plan: &Plan, records: &mut Vec<Record<'_>>) {
    records.extend(plan.interrupts.iter().map(|interrupt| Record::Interrupt {
        irq: id(plan, interrupt.irq),
        notification: id(plan, interrupt.notification),
        badge: interrupt.badge,
    }));
    records.extend(plan.grants.iter().map(|grant| Record::Grant {
        cnode: id(plan, grant.cnode),
        index: grant.index,
        object: id(plan, grant.object),
        part: grant.part,
        rights: grant.rights.bits(),
        badge: badge(plan, grant.badge),
    }));
}

fn threads(plan: &Plan, records: &mut Vec<Record<'_>>) {
    records.extend(plan.threads.iter().map(|thread| Record::Thread {
        tcb: id(plan, thread.tcb),
        cspace: id(plan, thread.cnode),
        vspace: id(plan, thread.space),
        ipc_buffer: thread.ipc_buffer.map(|(buffers, page)| (id(plan, buffers), page, 0)),
        fault: Some((id(plan, thread.fault.0), badge(plan, thread.fault.1))),
        entry: thread.entry,
        stack: thread.stack,
        argument: thread.argument,
        priority: thread.priority,
        ceiling: thread.priority,
        context: thread.context.map(|context| id(plan, context)),
        vcpu: thread.vcpu.map(|vcpu| id(plan, vcpu)),
    }));
    let bound = plan.threads.iter().filter_map(|thread| Some((thread.tcb, thread.bound?)));
    records.extend(bound.map(|(tcb, notification)| Record::BindNotification {
        tcb: id(plan, tcb),
        notification: id(plan, notification),
    }));
    let passive = plan.threads.iter().filter(|thread| thread.passive);
    records.extend(passive.filter_map(|thread| {
        Some(Record::StartPassive { tcb: id(plan, thread.tcb), context: id(plan, thread.context?) })
    }));
    let starts = plan.threads.iter().filter(|thread| thread.starts && !thread.passive);
    records.extend(starts.map(|thread| Record::Start { tcb: id(plan, thread.tcb) }));
}
