//! Claims about composed systems: they hold, and they stop holding when the compiled system is changed by hand after it was emitted.

use super::fake::{checked, materials};
use super::round_trip::SYSTEM;
use crate::compose::Checked;
use crate::compose::assemble::assemble;
use crate::compose::claims::{compiled_of, judge};
use abi::boot::root_slot;
use abi::rights::{MapFlags, Rights};
use std::sync::OnceLock;
use system::{GroupId, ObjectId, ObjectKind, Reader, Record, Writer};

/// What is claimed of [`SYSTEM`].
const CLAIMS: &str = r#"
    [[claim]]
    no-flow = ["vm.linux", "vm.second", "component.quiet"]
    trust = ["console", "server"]
    [[claim]]
    only-via = { from = "client", to = "server", via = ["channel.service", "channel.bell"] }
    trust = ["console", "log", "quiet"]
    [[claim]]
    exclusive = "device.rtc"
    [[claim]]
    exclusive = "vm.linux"
    trust = "log"
    [[claim]]
    exclusive = "channel.table"
"#;

fn text() -> String {
    format!("{SYSTEM}{CLAIMS}")
}

/// A compiled system to be changed.
struct Broken<'a> {
    records: Vec<Record<'a>>,
    objects: Vec<(GroupId, ObjectKind, u32)>,
    groups: Vec<&'a str>,
}

impl<'a> Broken<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        let (reader, header) = Reader::new(bytes).unwrap();
        let mut records = vec![header];
        records.extend(reader.map(Result::unwrap));
        let objects = records.iter().filter_map(|record| match *record {
            Record::Object { group, kind, slot, .. } => Some((group, kind, slot)),
            _ => None,
        });
        let groups = records.iter().filter_map(|record| match *record {
            Record::Group { name, .. } => Some(name),
            _ => None,
        });
        Self { objects: objects.collect(), groups: groups.collect(), records }
    }

    fn group(&self, name: &str) -> GroupId {
        self.groups.iter().position(|group| *group == name).unwrap() as GroupId
    }

    /// The objects of a compartment that are of a kind, in order.
    fn all(&self, owner: &str, is: impl Fn(ObjectKind) -> bool) -> Vec<ObjectId> {
        let group = self.group(owner);
        let ids = 0..self.objects.len() as ObjectId;
        ids.filter(|&id| self.objects[usize::from(id)].0 == group && is(self.objects[usize::from(id)].1)).collect()
    }

    /// The thread of that number of a compartment: CNode, space and thread.
    fn thread(&self, owner: &str, number: usize) -> (ObjectId, ObjectId, ObjectId) {
        let group = self.group(owner);
        let mut threads = self.records.iter().filter_map(|record| match *record {
            Record::Thread { tcb, cspace, vspace, .. } if self.objects[usize::from(tcb)].0 == group => {
                Some((cspace, vspace, tcb))
            }
            _ => None,
        });
        threads.nth(number).unwrap()
    }

    fn grant(&mut self, to: &str, object: ObjectId, rights: Rights) {
        let cnode = self.thread(to, 0).0;
        self.records.push(Record::Grant { cnode, index: 63, object, part: 0, rights: rights.bits(), badge: 0 });
    }

    fn grant_root(&mut self, to: &str, slot: u32) {
        let cnode = self.thread(to, 0).0;
        self.records.push(Record::GrantRoot { cnode, index: 63, slot, rights: 15, badge: 0 });
    }

    fn map(&mut self, into: &str, frames: ObjectId, first: u32, flags: MapFlags) {
        let vspace = self.thread(into, 0).1;
        let (count, address) = (1, 0x7000_0000);
        let flags = flags.bits();
        self.records.push(Record::MapFrames { frames, first, count, vspace, address, flags, slot: 1 });
    }

    fn bytes(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        self.records.iter().for_each(|record| writer.push(record));
        writer.into_bytes()
    }
}

/// What is said about the system when something was done to it: for each problem its message, and the way.
fn told(break_it: impl FnOnce(&mut Broken<'_>)) -> Vec<String> {
    // Composed once for all tests.
    static WHOLE: OnceLock<(Checked, Vec<u8>)> = OnceLock::new();
    let (checked, compiled) = WHOLE.get_or_init(|| {
        let checked = checked(&text()).unwrap_or_else(|reports| panic!("{reports:?}"));
        let composed = assemble(&checked.system, &materials(&checked.system)).unwrap();
        (checked, composed.system)
    });
    let mut broken = Broken::read(compiled);
    break_it(&mut broken);
    let Err(problems) = judge(&checked.system, &broken.bytes()) else { return Vec::new() };
    let line = |report: &miette::Report| {
        let help = report.help().unwrap().to_string();
        format!("{report}: {}", help.lines().next().unwrap())
    };
    checked.source.reports(problems).iter().map(line).collect()
}

#[track_caller]
fn tells(expected: &[&str], break_it: impl FnOnce(&mut Broken<'_>)) {
    let told = told(break_it);
    for line in expected {
        assert!(told.iter().any(|one| one == line), "nobody says\n{line}\nbut\n{}", told.join("\n"));
    }
    assert!(!expected.is_empty());
}

const FLOW: &str = "a claim does not hold: something can flow from";
const HAS: &str = "a claim does not hold:";

#[test]
fn claims_hold_and_stand_in_the_report() {
    assert_eq!(told(|_| ()), [""; 0]);
    let checked = checked(&text()).unwrap();
    let composed = assemble(&checked.system, &materials(&checked.system)).unwrap();
    let report = crate::compose::report::json(&checked.system, &composed);
    assert_eq!(report.claims.len(), 5);
    assert_eq!(report.claims[0].claim, r#"no-flow = ["vm.linux", "vm.second", "component.quiet"]"#);
    assert_eq!(report.claims[1].except, ["service", "bell"]);
    // What is compared with another system can be had from the image as well.
    assert_eq!(compiled_of(&composed.elf), Ok(composed.system));
    assert!(compiled_of(&crate::compose::tests::fake::component(4096)).is_err());
}

#[test]
fn a_guests_memory_in_another_vm_is_found() {
    tells(
        &[
            &format!(
                "{FLOW} `linux` to `second`, and back: `linux` -> capability `ram.0` (slot 15 of `linux`) -> memory of `linux` -> reads at 0x70000000 -> `second`"
            ),
            &format!("{HAS} `second` has `linux`, too: `second` -> reads at 0x70000000 -> memory of `linux`"),
        ],
        |it| {
            let ram = it.all("linux", |kind| matches!(kind, ObjectKind::Frames { bits: 21, .. }))[0];
            it.map("second", ram, 0, MapFlags::READ | MapFlags::WRITE);
        },
    );
}

#[test]
fn capabilities_to_parts_of_a_vm_are_found() {
    let has =
        |what: &str| format!("{HAS} `second` has `linux`, too: `second` -> capability (slot 63 of `second`) -> {what}");
    tells(&[&has("vCPU of `linux`")], |it| {
        let vcpu = it.all("linux", |kind| matches!(kind, ObjectKind::Vcpu { .. }))[0];
        it.grant("second", vcpu, Rights::all());
    });
    tells(&[&has("`linux`")], |it| {
        let guest = it.thread("linux", 1).2;
        it.grant("second", guest, Rights::all());
    });
    tells(&[&has("CNode of `linux`")], |it| {
        let cnode = it.thread("linux", 0).0;
        it.grant("second", cnode, Rights::empty());
    });
    tells(&[&has("address space of `linux`")], |it| {
        let space = it.thread("linux", 1).1;
        it.grant("second", space, Rights::all());
    });
    tells(&[&has("the memory that `linux` is made of")], |it| {
        let group = it.group("linux");
        let slot = it.records.iter().filter_map(|record| match *record {
            Record::Group { slot, .. } => Some(slot),
            _ => None,
        });
        let slot = { slot }.nth(group.into()).unwrap();
        it.grant_root("second", slot);
    });
}

#[test]
fn an_exit_that_another_could_take_is_found() {
    tells(
        &[&format!(
            "{FLOW} `linux` to `second`, and back: `linux` -> capability `exits.0` (slot 9 of `linux`) -> endpoint of `linux` -> capability (slot 63 of `second`) -> `second`"
        )],
        |it| {
            let exits = it.all("linux", |kind| kind == ObjectKind::Endpoint)[0];
            it.grant("second", exits, Rights::READ);
        },
    );
}

#[test]
fn a_bell_that_no_channel_is_is_found() {
    tells(
        &[&format!(
            "{FLOW} `linux` to `second`: `linux` -> capability (slot 63 of `linux`) -> notification of `second` -> capability `events` (slot 2 of `second`) -> `second`"
        )],
        |it| {
            let events = it.all("second", |kind| kind == ObjectKind::Notification)[0];
            it.grant("linux", events, Rights::WRITE);
        },
    );
}

#[test]
fn a_guest_that_runs_in_another_s_space_is_found() {
    let told = told(|it| {
        let (theirs, mine) = (it.thread("linux", 2).1, it.thread("second", 2).2);
        for record in &mut it.records {
            if let Record::Thread { tcb, vspace, .. } = record
                && *tcb == mine
            {
                *vspace = theirs;
            }
        }
    });
    let expected = format!("{HAS} `second` has `linux`, too: `second` -> reads at 0x40000000 -> memory of `linux`");
    assert!(told.contains(&expected) && told[0].starts_with(FLOW), "{}", told.join("\n"));
}

#[test]
fn a_devices_interrupt_that_goes_elsewhere_is_found() {
    tells(
        &[&format!(
            "{HAS} `quiet` has `device.rtc`, too: `quiet` -> capability `events` (slot 2 of `quiet`) -> notification of `quiet`"
        )],
        |it| {
            let irq = it.all("server", |kind| matches!(kind, ObjectKind::Irq { .. }))[0];
            let notification = it.all("quiet", |kind| kind == ObjectKind::Notification)[0];
            it.records.push(Record::Interrupt { irq, notification, badge: 1 });
        },
    );
}

#[test]
fn what_is_roots_alone_is_found_in_any_hands() {
    for slot in [root_slot::IRQ_CONTROL, root_slot::CNODE, root_slot::SCHED_CONTROL, root_slot::UNTYPED + 1] {
        tells(
            &[&format!(
                "{FLOW} `linux` to `second`, and back: `linux` -> is a part of -> everything there is -> capability (slot 63 of `client`) -> `client` -> capability (slot 63 of `client`) -> everything there is -> holds -> `second`"
            )],
            |it| it.grant_root("client", slot),
        );
    }
}

#[test]
fn a_page_of_the_interrupt_controller_is_found() {
    tells(
        &[&format!("{HAS} `client` has `device.rtc`, too: `client` -> reads at 0x70000000 -> everything there is")],
        |it| {
            // The distributor of this board.
            let copy = it.objects.len() as ObjectId;
            let group = it.group("root");
            it.records.push(Record::Object {
                group,
                part: 0,
                slot: 60_000,
                kind: ObjectKind::Device { page: 0x8000, count: 1 },
            });
            it.map("client", copy, 0, MapFlags::READ | MapFlags::WRITE | MapFlags::DEVICE);
        },
    );
}

#[test]
fn trust_in_who_could_be_changed_is_lost() {
    let told = told(|it| {
        let program = it.records.iter().find_map(|record| match *record {
            Record::Fill { object, execute: true, .. } if it.objects[usize::from(object)].0 == it.group("console") => {
                Some(object)
            }
            _ => None,
        });
        it.map("second", program.unwrap(), 0, MapFlags::READ | MapFlags::WRITE);
    });
    assert!(told[0].starts_with(&format!("{FLOW} `linux` to `second`, and back: `linux` -> ")), "{}", told.join("\n"));
    assert!(told[0].contains("-> `console` ->"), "{}", told.join("\n"));
}

#[test]
fn a_reader_that_could_write_is_found() {
    tells(
        &[&format!(
            "{FLOW} `client` to `server`: `client` -> writes `table` at 0x18200000 -> memory that is shared -> reads `table` at 0x18201000 -> `server`"
        )],
        |it| {
            let (space, root) = (it.thread("client", 0).1, it.group("root"));
            let objects = it.objects.clone();
            for record in &mut it.records {
                if let Record::MapFrames { frames, vspace, flags, .. } = record
                    && *vspace == space
                    && matches!(objects[usize::from(*frames)], (group, ObjectKind::Frames { count, .. }, _) if group == root && count > 1)
                {
                    *flags = (MapFlags::READ | MapFlags::WRITE).bits();
                }
            }
        },
    );
}

#[test]
fn an_end_that_was_given_something_else_is_no_end() {
    // The client's `bell` is that of another: what it signals there does not go through the channel.
    tells(
        &[&format!(
            "{FLOW} `client` to `server`: `client` -> capability `bell` (slot 9 of `client`) -> notification of `linux` -> capability `events` (slot 2 of `linux`) -> `linux` -> capability (slot 63 of `linux`) -> notification of `server` -> capability `events` (slot 2 of `server`) -> `server`"
        )],
        |it| {
            let client = it.thread("client", 0).0;
            let bells = |it: &Broken<'_>, owner: &str| it.all(owner, |kind| kind == ObjectKind::Notification)[0];
            let (linux, server) = (bells(it, "linux"), bells(it, "server"));
            for record in &mut it.records {
                if let Record::Grant { cnode, object, .. } = record
                    && *cnode == client
                    && *object == server
                {
                    *object = linux;
                }
            }
            it.grant("linux", server, Rights::WRITE);
        },
    );
}

#[test]
fn a_compiled_system_that_makes_no_sense_is_not_judged() {
    let told = told(|it| it.records.push(Record::Start { tcb: 60_000 }));
    let expected = "the compiled system can't be judged: record ";
    assert!(told.len() == 1 && told[0].starts_with(expected), "{told:?}");
    assert!(told[0].contains("it names an object that there is not"), "{told:?}");
}
