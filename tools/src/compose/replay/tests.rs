//! Boots that are replayed on the desk: all that is there must start, and what is damaged must be told.

use super::{Boot, Image, boot, explain, run, seat};
use crate::compose::assemble::{Composed, assemble};
use crate::compose::layout::plan::Object;
use crate::compose::problem::{Problem, Source};
use crate::compose::report;
use crate::compose::resolve::Resolved;
use crate::compose::tests::fake::{checked, materials};
use crate::compose::tests::round_trip::{SYSTEM, composed};
use abi::boot::PayloadHeader;
use kernel_core::sim::check_all;
use protocol::vm::Ending;
use root::Root;
use root::lifecycle::{Done, Outcome};
use runtime::Untyped;
use std::mem::offset_of;
use std::path::Path;
use system::{Action, ObjectKind, Reader, Record, Writer};

fn system(text: &str) -> Resolved {
    checked(text).unwrap().system
}

fn payload(composed: &Composed) -> &[u8] {
    &composed.bin[(composed.kernel.payload - composed.kernel.base) as usize..]
}

fn booted(system: &Resolved, composed: &Composed, payload: &[u8]) -> Boot {
    run(&Image { board: &system.board, kernel: composed.kernel, payload }).unwrap()
}

/// What a user is told: the message, what mends it, and the text that is pointed at.
fn shown(problem: Problem) -> [String; 3] {
    let source = Source::new("test.toml", SYSTEM.to_owned());
    let report = &source.reports(vec![problem])[0];
    let place = report.labels().and_then(|mut labels| labels.next());
    let text = place.map_or("", |label| &SYSTEM[label.offset()..][..label.len()]);
    [report.to_string(), report.help().unwrap().to_string(), text.to_owned()]
}

/// What a user is told of a system whose records were changed.
fn told(change: impl FnOnce(&mut Vec<Record<'_>>)) -> [String; 3] {
    let (system, composed) = (system(SYSTEM), composed(SYSTEM));
    let (reader, header) = Reader::new(&composed.system).unwrap();
    let mut records = vec![header];
    records.extend(reader.map(Result::unwrap));
    change(&mut records);
    let mut writer = Writer::default();
    records.iter().for_each(|record| writer.push(record));
    let compiled = writer.into_bytes();
    // Behind all else, in one frame more.
    let mut payload = payload(&composed).to_vec();
    let end = composed.arrangement.bytes;
    for (field, value) in [
        (offset_of!(PayloadHeader, bytes), end + (1 << 21)),
        (offset_of!(PayloadHeader, system_offset), end),
        (offset_of!(PayloadHeader, system_bytes), compiled.len() as u32),
    ] {
        payload[field..field + 4].copy_from_slice(&value.to_le_bytes());
    }
    payload.extend(compiled);
    told_of(&system, &composed, &payload)
}

fn told_of(system: &Resolved, composed: &Composed, payload: &[u8]) -> [String; 3] {
    let boot = booted(system, composed, payload);
    let failure = boot.built.unwrap_err();
    shown(explain::explain(&failure, system, &composed.plan, &boot.info, payload).problem)
}

fn group_of(name: &str) -> u16 {
    composed(SYSTEM).plan.groups.iter().find(|group| group.name == name).unwrap().id
}

fn cnode_of(name: &str) -> u16 {
    let plan = composed(SYSTEM).plan;
    let of = |object: &&Object| object.name == "capabilities" && plan.groups[object.group.0].name == name;
    plan.objects.iter().find(of).unwrap().id
}

fn number_of(records: &[Record<'_>], wanted: impl Fn(&Record<'_>) -> bool) -> usize {
    records.iter().position(wanted).unwrap()
}

#[test]
fn every_system_of_the_tests_is_built_without_an_error_and_keeps_every_invariant() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/systems");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        for board in boards::all() {
            // Another board than its own may lack a device.
            let own = crate::compose::check(&path, None).unwrap();
            let checked = crate::compose::check(&path, Some(&board));
            if checked.is_err() && own.board() != board {
                continue;
            }
            let system = checked.unwrap().system;
            let composed = assemble(&system, &materials(&system)).unwrap();
            let boot = booted(&system, &composed, payload(&composed));
            assert_eq!(boot.built, Ok(()), "{} on {board}", path.display());
            let world = boot.world.borrow();
            assert_eq!(check_all(&world.kernel, world.cnode), Ok(()), "{} on {board}", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 30, "{seen}");
}

#[test]
fn what_is_free_after_the_boot_is_what_the_report_says() {
    let (system, composed) = (system(SYSTEM), composed(SYSTEM));
    let report = report::json(&system, &composed);
    let boot = booted(&system, &composed, payload(&composed));
    // Asked of the kernel, as root could.
    let described = seat::seated(&boot.world, || {
        report.untypeds.iter().map(|line| Untyped(line.slot).describe().unwrap()).collect::<Vec<_>>()
    });
    assert!(report.untypeds.len() > 20);
    for (line, found) in report.untypeds.iter().zip(described) {
        let told = (line.base, line.bytes, line.free_bytes);
        assert_eq!(told, (u64::from(found.page) << 12, 1 << found.size_bits, found.free_bytes), "{line:?}");
        assert!(!found.device);
    }
    let linux = report.untypeds.iter().filter(|line| line.compartment.as_deref() == Some("linux"));
    assert!(linux.clone().any(|line| line.bytes == 128 << 20 && line.free_bytes == 0));
    assert!(linux.map(|line| line.bytes).sum::<u64>() < 132 << 20, "128 MiB of RAM cost little more");
    let own = report.untypeds.iter().filter(|line| line.compartment.is_none());
    let (bytes, free) = own.fold((0, 0), |sum, line| (sum.0 + line.bytes, sum.1 + line.free_bytes));
    let given: u64 = report.compartments.iter().map(|line| line.bytes).sum();
    assert!(bytes - free >= given && bytes - free < given + (4 << 20), "{bytes} {free} {given}");
}

#[test]
fn a_vm_of_several_untypeds_is_torn_down_and_built_again_as_it_was() {
    let text = SYSTEM.replace("128MiB", "66MiB").replace("ram = \"64MiB\"", "ram = \"42MiB\"");
    let checked = checked(&text).unwrap();
    let composed = assemble(&checked.system, &materials(&checked.system)).unwrap();
    let image = Image { board: &checked.system.board, kernel: composed.kernel, payload: payload(&composed) };
    let world = boot::boot(&image).unwrap();
    let info = world.boot_info().unwrap();
    let mut root = Box::new(Root::new());
    root.learn(&info, image.payload, seat::scratch());
    let world = std::rc::Rc::new(std::cell::RefCell::new(world));
    seat::seated(&world, || root.build(|_| ())).unwrap();
    let free = || {
        let slots =
            composed.plan.ordered_groups().into_iter().flat_map(|group| (group.slot..).take(group.untypeds.len()));
        let slots: Vec<u32> = slots.collect();
        seat::seated(&world, || slots.iter().map(|&slot| Untyped(slot).describe().unwrap()).collect::<Vec<_>>())
    };
    let before = free();
    let mut restarted = 0;
    for group in composed.plan.ordered_groups() {
        let (ending, action) = match group.policy.is_vm {
            true => (Ending::Reset, group.policy.on_reboot),
            false => (Ending::Crashed, group.policy.on_crash),
        };
        if action == Action::Restart {
            let ended = seat::seated(&world, || root.end(group.id, ending, 0));
            assert_eq!(ended, Ok((Done::Restarted(1), Outcome::GoOn)), "{}", group.name);
            restarted += 1;
        }
        assert_eq!(free(), before, "{}", group.name);
        let world = world.borrow();
        assert_eq!(check_all(&world.kernel, world.cnode), Ok(()), "{}", group.name);
    }
    assert!(restarted >= 3, "both VMs, and the log");
    let most = composed.plan.groups.iter().map(|group| group.untypeds.len()).max();
    assert_eq!(most, Some(5), "32, 8 and 2 MiB of RAM, the program's 2 MiB, and all else");
}

#[test]
fn ram_in_pieces_is_filled_by_smaller_pieces() {
    let text = "[system]\nversion = 1\n[vm.a]\nkernel = \"debian:armmp\"\nram = \"512MiB\"\n";
    let mut system = system(text);
    // No 512 MiB in one piece.
    system.board.ram[0].bytes = 0x3000_0000;
    let composed = assemble(&system, &materials(&system)).unwrap();
    let bits =
        |group: &crate::compose::layout::plan::Group| group.untypeds.iter().map(|untyped| untyped.bits).collect();
    let bits: Vec<u32> = composed.plan.groups.iter().find(|group| group.name == "a").map(bits).unwrap();
    assert_eq!(bits.iter().filter(|&&bits| bits == 28).count(), 2, "{bits:?}");
}

#[test]
fn one_object_too_many_is_told() {
    let mut at = 0;
    let told = told(|records| {
        at = number_of(records, |record| matches!(record, Record::RootEndpoint { .. }));
        let Some(Record::Header { free_slot, .. }) = records.first() else { panic!("a header stands first") };
        let kind = ObjectKind::Frames { bits: 12, count: 200 };
        let extra = Record::Object { group: group_of("client"), part: 0, slot: free_slot + 1, kind };
        records.insert(at, extra);
    });
    assert_eq!(
        told,
        [
            format!(
                "this system would not start: record {at} (object), for an object of `client`: the kernel refused: OutOfMemory"
            ),
            format!("the untyped that it is made of is full: it was laid out too small. {}", explain::COMPOSERS_FAULT),
            "client".to_owned(),
        ]
    );
}

#[test]
fn two_capabilities_in_one_slot_are_told() {
    let mut at = 0;
    let told = told(|records| {
        at = number_of(
            records,
            |record| matches!(record, Record::Grant { index: protocol::layout::slot::EVENTS, cnode, .. } if *cnode == cnode_of("server")),
        );
        let Record::Grant { index, .. } = &mut records[at] else { unreachable!() };
        *index = protocol::layout::slot::CNODE;
    });
    assert_eq!(
        told,
        [
            format!(
                "this system would not start: record {at} (grant), for `events` of `server` in slot 1 of \
                 `capabilities` of `server`: the kernel refused: SlotOccupied"
            ),
            explain::COMPOSERS_FAULT.to_owned(),
            "server".to_owned(),
        ]
    );
}

#[test]
fn a_slot_beyond_roots_cnode_is_told() {
    let (mut at, slots) = (0, 1 << composed(SYSTEM).plan.root_cnode_bits);
    let told = told(|records| {
        at = number_of(records, |record| matches!(record, Record::Object { kind: ObjectKind::Vcpu { .. }, .. }));
        let Record::Object { slot, .. } = &mut records[at] else { unreachable!() };
        *slot = slots;
    });
    let help = format!("root's CNode has {slots} slots; if the record names one beyond them, it needs more bits. ");
    assert_eq!(
        told,
        [
            format!(
                "this system would not start: record {at} (object), for an object of `linux`: the kernel refused: OutOfRange"
            ),
            format!("{help}{}", explain::COMPOSERS_FAULT),
            "linux".to_owned(),
        ]
    );
}

#[test]
fn a_system_that_is_cut_off_is_told() {
    let (system, composed) = (system(SYSTEM), composed(SYSTEM));
    let mut payload = payload(&composed).to_vec();
    let cut = composed.system.len() - 1;
    payload[offset_of!(PayloadHeader, system_bytes)..][..4].copy_from_slice(&(cut as u32).to_le_bytes());
    let records = Reader::new(&composed.system).unwrap().0.count();
    // The last record says how it begins: with its length, and the two bytes that are a start.
    let [message, ..] = told_of(&system, &composed, &payload);
    let last = composed.system.len() - 7;
    assert_eq!(
        message,
        format!("this system would not start: record {records} (record): the compiled system is damaged ({last})")
    );
}

#[test]
fn a_payload_that_contradicts_itself_is_told() {
    let (system, composed) = (system(SYSTEM), composed(SYSTEM));
    let mut payload = payload(&composed).to_vec();
    payload[offset_of!(PayloadHeader, root_cnode_bits)] = 4;
    let image = Image { board: &system.board, kernel: composed.kernel, payload: &payload };
    let Err(problem) = run(&image) else { panic!("16 slots are too few for root") };
    assert_eq!(shown(problem)[..2], ["the payload's header contradicts itself", explain::COMPOSERS_FAULT]);
}
