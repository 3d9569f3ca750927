//! Systems that are composed from fake programs, and what must hold of the records that root will read.

use super::fake::{checked, materials};
use crate::compose::assemble::{Composed, assemble};
use crate::compose::elf;
use crate::compose::report;
use abi::boot::{PAYLOAD_ALIGN, PAYLOAD_MAGIC, root_slot};
use abi::rights::{MapFlags, Rights};
use protocol::config::Config;
use protocol::layout;
use std::collections::{BTreeMap, BTreeSet};
use system::{ObjectId, ObjectKind, ROOT_VSPACE, Reader, Record};

pub const SYSTEM: &str = r#"
    [system]
    version = 1
    on-fault = { reset-after = "2s" }
    [vm.linux]
    kernel = "debian:armmp-lpae"
    initrd = "shell"
    ram = "128MiB"
    console = "virtio"
    [vm.second]
    kernel = "debian:armmp-lpae"
    ram = "64MiB"
    [component.server]
    crate = "server"
    priority = 130
    devices = ["rtc"]
    [component.client]
    crate = "client"
    budget = "1ms"
    [component.quiet]
    crate = "client"
    console = false
    [channel.service]
    from = ["client", "quiet"]
    to = "server"
    [channel.bell]
    kind = "signal"
    from = "client"
    to = "server"
    [channel.table]
    kind = "memory"
    from = "server"
    to = ["client"]
    bytes = "2MiB"
"#;

pub fn composed(text: &str) -> Composed {
    let checked = checked(text).unwrap();
    assemble(&checked.system, &materials(&checked.system)).unwrap()
}

/// What root would know after reading all records.
pub struct Seen<'a> {
    pub records: Vec<Record<'a>>,
    groups: Vec<&'a str>,
    pub objects: Vec<(u16, u32, ObjectKind)>,
}

pub fn read(bytes: &[u8]) -> Seen<'_> {
    let (reader, header) = Reader::new(bytes).unwrap();
    let mut records = vec![header];
    records.extend(reader.map(Result::unwrap));
    let mut seen = Seen { groups: Vec::new(), objects: Vec::new(), records };
    for record in &seen.records {
        match *record {
            Record::Group { name, .. } => seen.groups.push(name),
            Record::Object { group, slot, kind, .. } => seen.objects.push((group, slot, kind)),
            _ => {}
        }
    }
    seen
}

impl Seen<'_> {
    fn count(&self, object: ObjectId) -> u32 {
        match self.objects[usize::from(object)].2 {
            ObjectKind::Frames { count, .. } | ObjectKind::Payload { count, .. } | ObjectKind::Device { count, .. } => {
                count.into()
            }
            _ => 1,
        }
    }

    fn frame_bytes(&self, object: ObjectId) -> u32 {
        match self.objects[usize::from(object)].2 {
            ObjectKind::Frames { bits, .. } => 1 << bits,
            ObjectKind::Payload { .. } => PAYLOAD_ALIGN,
            _ => 4096,
        }
    }

    pub fn owner(&self, object: ObjectId) -> &str {
        if object == ROOT_VSPACE { "root" } else { self.groups[usize::from(self.objects[usize::from(object)].0)] }
    }

    pub fn config(&self, name: &str) -> Config<'_> {
        let configs = self.records.iter().filter_map(|record| match record {
            Record::FillBytes { bytes, .. } => Some(Config::read(bytes).unwrap()),
            _ => None,
        });
        { configs }.find(|config| config.name == name).unwrap()
    }
}

#[test]
fn the_header_counts_and_objects_come_before_what_names_them() {
    let composed = composed(SYSTEM);
    let seen = read(&composed.system);
    let Record::Header { groups, objects, first_slot, free_slot, .. } = seen.records[0] else { panic!() };
    assert_eq!((usize::from(groups), usize::from(objects)), (seen.groups.len(), seen.objects.len()));
    assert_eq!(first_slot, root_slot::FIRST_FREE);
    assert!(free_slot + 64 <= 1 << composed.plan.root_cnode_bits);
    let bits = seen.records.iter().filter_map(|record| match record {
        Record::Untyped { bits, .. } => Some(*bits),
        _ => None,
    });
    assert!(bits.is_sorted_by(|a, b| a >= b));
    let rank = |record: &Record<'_>| match record {
        Record::Header { .. } => 0,
        Record::Group { .. } => 1,
        Record::Untyped { .. } => 2,
        Record::Object { .. } => 3,
        Record::RootEndpoint { .. } => 4,
        Record::MapTable { .. } => 5,
        Record::Fill { .. } | Record::FillBytes { .. } => 6,
        Record::MapFrames { .. } => 7,
        Record::Interrupt { .. } => 8,
        Record::Grant { .. } | Record::GrantRoot { .. } => 9,
        Record::Thread { .. } => 10,
        Record::BindNotification { .. } => 11,
        Record::Start { .. } | Record::StartPassive { .. } => 12,
    };
    assert!(seen.records.is_sorted_by_key(rank));
}

#[test]
fn root_uses_no_slot_twice_and_none_of_the_kernels() {
    let composed = composed(SYSTEM);
    let seen = read(&composed.system);
    let mut used = BTreeSet::new();
    let Record::Header { free_slot, .. } = seen.records[0] else { panic!() };
    let mut take = |slot: u32, count: u32| {
        for slot in slot..slot + count {
            assert!(slot >= root_slot::FIRST_FREE && slot < free_slot && used.insert(slot), "slot {slot}");
        }
    };
    for record in &seen.records {
        match *record {
            Record::Group { slot, untypeds, .. } => take(slot, untypeds.into()),
            Record::MapFrames { slot, count, .. } => take(slot, count),
            _ => {}
        }
    }
    for (id, &(_, slot, kind)) in seen.objects.iter().enumerate() {
        match kind {
            ObjectKind::KernelLog => assert_eq!(slot, root_slot::KERNEL_LOG),
            ObjectKind::Payload { first, .. } => assert_eq!(slot, root_slot::PAYLOAD + u32::from(first)),
            _ => take(slot, seen.count(id as u16)),
        }
    }
}

#[test]
fn every_mapping_has_its_tables_and_none_overlaps_another() {
    let composed = composed(SYSTEM);
    let seen = read(&composed.system);
    let mut tables = BTreeSet::from([(ROOT_VSPACE, 2, 0)]);
    let mut mapped = BTreeSet::new();
    for record in &seen.records {
        match *record {
            Record::MapTable { table, vspace, address } => {
                let ObjectKind::Table { level } = seen.objects[usize::from(table)].2 else { panic!("not a table") };
                let covers = if level == 2 { 30 } else { 21 };
                assert!(level == 2 || tables.contains(&(vspace, 2, address >> 30)), "level 3 before level 2");
                assert!(tables.insert((vspace, level, address >> covers)), "a table twice");
                let owner = seen.owner(vspace).to_owned();
                assert!(vspace == ROOT_VSPACE || owner == seen.owner(table), "a table of another compartment");
            }
            Record::MapFrames { frames, first, count, vspace, address, flags, .. } => {
                let bytes = seen.frame_bytes(frames);
                assert!(first + count <= seen.count(frames));
                let flags = MapFlags::from_bits(flags).unwrap();
                let guest = !flags.contains(MapFlags::WRITE | MapFlags::EXECUTE) || address >= 0x4000_0000;
                assert!(guest, "writable and executable at {address:#x}");
                for n in 0..count {
                    let at = address + n * bytes;
                    assert_eq!(at % bytes, 0);
                    assert!(tables.contains(&(vspace, 2, at >> 30)), "no level 2 at {at:#x}");
                    assert_eq!(tables.contains(&(vspace, 3, at >> 21)), bytes == 4096, "level 3 at {at:#x}");
                    assert!(mapped.insert((vspace, at)), "twice at {at:#x}");
                }
            }
            _ => {}
        }
    }
}

#[test]
fn no_frame_is_writable_in_two_compartments_but_declared_ones() {
    let composed = composed(SYSTEM);
    let seen = read(&composed.system);
    let mut writers: BTreeMap<ObjectId, BTreeSet<&str>> = BTreeMap::new();
    for record in &seen.records {
        if let Record::MapFrames { frames, vspace, flags, .. } = *record
            && flags & MapFlags::WRITE.bits() != 0
        {
            writers.entry(frames).or_default().insert(seen.owner(vspace));
        }
    }
    let names: BTreeMap<ObjectId, &str> =
        composed.plan.objects.iter().map(|object| (object.id, object.name.as_str())).collect();
    for (object, writers) in writers {
        let declared = names[&object].starts_with("console ") || names[&object] == "registers of gicv";
        assert!(writers.len() == 1 || declared, "{}: {writers:?}", names[&object]);
    }
}

#[test]
fn capabilities_stand_in_different_slots_and_are_what_the_configuration_says() {
    let composed = composed(SYSTEM);
    let seen = read(&composed.system);
    let mut slots: BTreeMap<(ObjectId, u32), (ObjectId, u32, u8, u32)> = BTreeMap::new();
    for record in &seen.records {
        if let Record::Grant { cnode, index, object, part, rights, badge } = *record {
            let ObjectKind::CNode { bits } = seen.objects[usize::from(cnode)].2 else { panic!("not a CNode") };
            assert!(index > 0 && index < 1 << bits && part < seen.count(object));
            assert!(slots.insert((cnode, index), (object, part, rights, badge)).is_none(), "slot {index} twice");
            if matches!(seen.objects[usize::from(object)].2, ObjectKind::Reply | ObjectKind::Irq { .. }) {
                assert_eq!(seen.owner(object), seen.owner(cnode), "what is moved belongs to who gets it");
                assert_eq!(badge, 0);
            }
        }
    }
    let held = |who: &str, name: &str| {
        let slot = seen.config(who).capability(name).unwrap_or_else(|| panic!("{who} has no {name}"));
        let large = slots.iter().filter(|((cnode, index), _)| seen.owner(*cnode) == who && *index == slot);
        let &(object, _, rights, badge) = { large }.next().unwrap().1;
        (seen.owner(object).to_owned(), seen.objects[usize::from(object)].2, rights, badge)
    };
    let owned = |who: &str, kind, rights: Rights, badge| (who.to_owned(), kind, rights.bits(), badge);
    let (call, signal) = (Rights::WRITE | Rights::GRANT, Rights::WRITE);
    assert_eq!(held("server", "service"), owned("server", ObjectKind::Endpoint, Rights::READ, 0));
    assert_eq!(held("client", "service"), owned("server", ObjectKind::Endpoint, call, 1));
    assert_eq!(held("quiet", "service"), owned("server", ObjectKind::Endpoint, call, 2));
    assert_eq!(
        held("client", "bell"),
        owned("server", ObjectKind::Notification, signal, seen.config("server").event("bell"))
    );
    assert_eq!(held("linux", "console.signal"), owned("console", ObjectKind::Notification, signal, 1));
    assert_eq!(held("console", "client.0.signal"), owned("linux", ObjectKind::Notification, signal, 2));
    assert_eq!(held("linux", "exits.0"), owned("linux", ObjectKind::Endpoint, Rights::READ, 0));
    assert_eq!(held("linux", "lock"), owned("linux", ObjectKind::Notification, Rights::READ | Rights::WRITE, 1));
    assert_eq!(held("linux", "vcpu.0").1, ObjectKind::Vcpu { number: 0 });
    assert_eq!(held("linux", "ram.0").1, ObjectKind::Frames { bits: 21, count: 64 });
    assert_eq!(held("console", "uart.irq").1, ObjectKind::Irq { intid: 33, edge: false });
    assert_eq!(held("server", "rtc.irq").1, ObjectKind::Irq { intid: 34, edge: false });
    assert!(seen.config("quiet").capability("console.signal").is_none());
    assert_eq!(seen.config("server").event("rtc.irq"), 1 << 31);
}

#[test]
fn memories_have_the_tags_that_console_and_log_go_by() {
    let composed = composed(SYSTEM);
    let seen = read(&composed.system);
    let console = seen.config("console");
    let tags: Vec<_> = (0..5).map(|n| console.memory(&format!("client.{n}.tx")).unwrap().tag).collect();
    assert_eq!(tags, [4, 5, 6, 7, 0xff], "two VMs, two components, the log");
    let log = seen.config("log");
    let tags: BTreeSet<_> = (0..9).map(|n| log.memory(&format!("ring.{n}")).unwrap().tag).collect();
    assert_eq!(tags, (0..9).collect());
    assert_eq!(seen.config("linux").wire_id, 4);
    let table = |who: &str| seen.config(who).memory("table").unwrap().bytes;
    assert_eq!((table("server"), table("client")), (2 << 20, 2 << 20));
}

#[test]
fn threads_have_what_they_run_on() {
    let composed = composed(SYSTEM);
    let seen = read(&composed.system);
    let Some(Record::RootEndpoint { endpoint, .. }) =
        seen.records.iter().find(|record| matches!(record, Record::RootEndpoint { .. }))
    else {
        panic!("no root endpoint")
    };
    let started: Vec<ObjectId> = seen
        .records
        .iter()
        .filter_map(|record| if let Record::Start { tcb } = record { Some(*tcb) } else { None })
        .collect();
    let mut guests = 0;
    for record in &seen.records {
        let Record::Thread { tcb, vspace, ipc_buffer, fault, stack, priority, context, vcpu, entry, .. } = record
        else {
            continue;
        };
        let group = seen.objects[usize::from(*tcb)].0;
        assert!(started.contains(tcb) == context.is_some() && *priority < 200);
        assert_eq!(seen.owner(*vspace), seen.owner(*tcb));
        if vcpu.is_some() {
            guests += 1;
            assert!(ipc_buffer.is_none() && context.is_none() && fault.unwrap().1 == 1);
            continue;
        }
        assert_eq!(fault.unwrap(), (*endpoint, u32::from(group) + 1));
        assert_eq!(*entry, layout::LINK + 0x11);
        let thread = layout::thread_of_stack(*stack);
        assert_eq!((layout::stack_top(thread), ipc_buffer.unwrap().1), (*stack, thread));
    }
    assert_eq!((guests, started.len()), (2, 7));
}

#[test]
fn the_image_holds_what_the_records_say() {
    let composed = composed(SYSTEM);
    let seen = read(&composed.system);
    let image = elf::read(&composed.elf).unwrap();
    let word = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let place = composed.kernel;
    assert_eq!((place.base, place.payload, image.entry), (0x4020_0000, 0x4040_0000, 0x4020_0000));
    let payload = &composed.bin[(place.payload - place.base) as usize..];
    assert_eq!((word(payload, 0), word(payload, 8)), (PAYLOAD_MAGIC, composed.arrangement.bytes));
    let system = composed.arrangement.system as usize;
    assert_eq!(payload[system..system + composed.system.len()], composed.system);
    assert!(composed.arrangement.regions[0] * PAYLOAD_ALIGN >= composed.arrangement.ends[0]);
    for piece in &image.pieces {
        let at = (piece.physical - place.base) as usize;
        assert_eq!(composed.bin[at..at + piece.bytes.len()], piece.bytes[..]);
    }
    for record in &seen.records {
        if let Record::Fill { object, at, payload_offset, bytes, .. } = *record {
            assert!(at + bytes <= seen.count(object) * seen.frame_bytes(object));
            let copied = &payload[payload_offset as usize..(payload_offset + bytes) as usize];
            assert!(copied.iter().all(|&byte| byte == 0xa5 || byte == 0));
        }
    }
    for who in ["linux", "second"] {
        let vm = seen.config(who).vm.unwrap();
        let region = composed
            .plan
            .regions
            .iter()
            .position(|region| composed.plan.object(region.object).name == format!("files of {who}"));
        let base = composed.arrangement.regions[region.unwrap()] * PAYLOAD_ALIGN;
        for file in &vm.files {
            let at = (base + file.source - layout::PAYLOAD) as usize;
            let first = match file.name {
                "kernel" => 0x5a,
                "initrd" => 7,
                _ => 0xd0,
            };
            assert_eq!((file.source % 4096, payload[at]), (0, first), "{who}: {}", file.name);
            assert!(file.address >= vm.ram_base && file.address + file.bytes <= vm.ram_base + vm.ram_bytes);
        }
        assert_eq!(vm.arguments[2], vm.files.iter().find(|file| file.name == "device-tree").unwrap().address);
    }
}

#[test]
fn the_same_manifest_gives_the_same_image_and_a_report() {
    let checked = checked(SYSTEM).unwrap();
    let materials = materials(&checked.system);
    let (one, two) = (assemble(&checked.system, &materials).unwrap(), assemble(&checked.system, &materials).unwrap());
    assert_eq!((one.elf == two.elf, one.build), (true, two.build));
    let json = report::json(&checked.system, &one);
    assert_eq!(json.compartments.len(), 8);
    assert!(json.memory.is_sorted_by_key(|range| range.base));
    let unchecked: Vec<_> = json.interfaces.iter().map(|line| (line.client.as_str(), line.unchecked)).collect();
    let why = Some("neither end declares its requests");
    assert_eq!(unchecked, [("client", why), ("quiet", why)], "the fakes declare nothing");
    let html = report::html(&json);
    assert!(html.contains("<svg") && html.contains("service"), "{html}");
}

#[test]
fn every_system_of_the_tests_is_without_fault() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/systems");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            seen += 1;
            let checked = crate::compose::check(&path, None);
            assert!(checked.is_ok(), "{}", crate::compose::render(&checked.unwrap_err(), false));
        }
    }
    assert!(seen > 0);
}

#[test]
fn the_other_board_takes_it_too() {
    let text = SYSTEM.replace("version = 1", "version = 1\nboard = \"vexpress-a15\"");
    let composed = composed(&text);
    assert_eq!(composed.kernel.base, 0x8020_0000);
}
