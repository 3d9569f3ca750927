//! Root on a fake kernel: a small system is built, ends, and is built again.

use crate::failure::Cause;
use crate::fake::{Fake, Kind};
use crate::fill::Scratch;
use crate::lifecycle::{Done, Outcome};
use crate::{Failure, Root};
use abi::boot::{BootInfo, UNTYPED_MAX, UntypedInfo, root_slot};
use abi::rights::{MapFlags, Rights};
use abi::{Error, MessageInfo, ObjectType};
use protocol::vm::Ending;
use runtime::{Mapped, Received};
use std::boxed::Box;
use std::cell::RefCell;
use std::rc::Rc;
use std::vec::Vec;
use system::{Action, ObjectKind, Policy, ROOT_VSPACE, Record, Writer};

const CODE: &[u8] = &[0x77; 5000];
const SLOT: u32 = root_slot::FIRST_FREE;

fn policy(is_vm: bool, on_crash: Action) -> Policy {
    Policy { is_vm, on_crash, on_reboot: Action::Restart, on_off: Action::Stop }
}

/// The group `root` with what is shared, a VM and a component that share a page and an endpoint. The VM's RAM is an untyped
/// of its own.
pub fn records(vm_crash: Action) -> Vec<Record<'static>> {
    let mut all = Vec::new();
    all.push(Record::Header {
        version: system::SYSTEM_VERSION,
        groups: 3,
        objects: 0,
        first_slot: SLOT,
        free_slot: 3000,
    });
    let group = |name, untypeds, slot, policy| Record::Group { name, slot, untypeds, policy };
    all.push(group("vm", 2, SLOT, policy(true, vm_crash)));
    all.push(group("root", 1, SLOT + 2, policy(false, Action::Panic)));
    all.push(group("echo", 1, SLOT + 3, policy(false, Action::Restart)));
    let untyped = |group, part, bits| Record::Untyped { group, part, bits };
    all.extend([untyped(0, 1, 22), untyped(1, 0, 20), untyped(0, 0, 18), untyped(2, 0, 18)]);
    let mut slot = SLOT + 4;
    let mut object = |group, kind, count: u32| {
        slot += count;
        let part = u8::from(matches!(kind, ObjectKind::Frames { bits: 21, .. }));
        Record::Object { group, part, slot: slot - count, kind }
    };
    use ObjectKind::*;
    all.extend([
        object(1, Endpoint, 1),                                                  // 0: root's
        object(1, Reply, 1),                                                     // 1
        object(1, Frames { bits: 12, count: 1 }, 1),                             // 2: root's log ring
        object(1, Frames { bits: 12, count: 1 }, 1),                             // 3: shared page
        object(1, Device { page: 0x9001, count: 2 }, 2),                         // 4
        object(1, Irq { intid: 33, edge: false }, 1),                            // 5
        object(0, CNode { bits: 6 }, 1),                                         // 6
        object(0, VSpace, 1),                                                    // 7
        object(0, Frames { bits: 21, count: 2 }, 2),                             // 8: guest RAM
        object(0, Tcb, 1),                                                       // 9
        object(0, Endpoint, 1),                                                  // 10: a service
        object(0, SchedContext { core: 0, budget_us: 500, period_us: 1000 }, 1), // 11
        object(0, Notification, 1),                                              // 12
        object(0, Vcpu { number: 0 }, 1),                                        // 13
        object(0, Reply, 1),                                                     // 14
        object(0, Table { level: 3 }, 1),                                        // 15
        object(2, CNode { bits: 6 }, 1),                                         // 16
        object(2, VSpace, 1),                                                    // 17
        object(2, Frames { bits: 12, count: 3 }, 3),                             // 18
        object(2, Tcb, 1),                                                       // 19
        object(0, Payload { first: 1, count: 1 }, 0),                            // 20
        object(2, Untyped { bits: 14 }, 1),                                      // 21
    ]);
    let map = |frames, first, count, vspace, address, flags: MapFlags, slot| Record::MapFrames {
        frames,
        first,
        count,
        vspace,
        address,
        flags: flags.bits(),
        slot,
    };
    let rw = MapFlags::READ | MapFlags::WRITE;
    let grant = |cnode, index, object, badge| Record::Grant {
        cnode,
        index,
        object,
        part: 0,
        rights: Rights::all().bits(),
        badge,
    };
    let thread = |tcb, cspace, vspace, context, vcpu| Record::Thread {
        tcb,
        cspace,
        vspace,
        ipc_buffer: (tcb == 19).then_some((18, 1, 512)),
        fault: Some((0, if tcb == 9 { 1 } else { 3 })),
        entry: 0x1000_0001,
        stack: 0x1801_0000,
        argument: 0,
        priority: 10,
        ceiling: 10,
        context,
        vcpu,
    };
    all.extend([
        Record::RootEndpoint { endpoint: 0, reply: 1 },
        Record::MapTable { table: 15, vspace: 7, address: 0x1000_0000 },
        Record::Fill { object: 18, at: 100, payload_offset: 4, bytes: CODE.len() as u32, execute: true },
        Record::FillBytes { object: 8, at: (1 << 21) - 2, bytes: b"DTBx" },
        map(2, 0, 1, ROOT_VSPACE, protocol::layout::LOG_RING, rw, 2000),
        map(3, 0, 1, 7, 0x1820_0000, rw, 2001),
        map(3, 0, 1, 17, 0x1820_0000, rw, 2002),
        map(4, 1, 1, 7, 0x1820_1000, rw | MapFlags::DEVICE, 2003),
        map(8, 0, 2, 7, 0x4000_0000, rw, 2004),
        map(20, 0, 1, 7, 0x2000_0000, MapFlags::READ, 2006),
        map(18, 0, 3, 17, 0x1000_0000, rw, 2007),
        grant(6, 2, 12, 0),
        grant(6, 9, 14, 0),
        grant(6, 10, 5, 0),
        grant(16, 8, 10, 77),
        grant(16, 9, 21, 0),
        thread(9, 6, 7, Some(11), Some(13)),
        thread(19, 16, 17, None, None),
        Record::BindNotification { tcb: 9, notification: 12 },
        Record::Interrupt { irq: 5, notification: 12, badge: 1 << 31 },
        Record::Start { tcb: 9 },
        Record::Start { tcb: 19 },
    ]);
    all
}

/// Root that has learned of a payload with these records, on a fake kernel.
pub fn root(records: &[Record<'_>]) -> (Root<'static>, Rc<RefCell<Fake>>) {
    let mut writer = Writer::default();
    records.iter().for_each(|record| writer.push(record));
    let system = writer.into_bytes();
    let mut payload = [&[1, 2, 3, 4], CODE].concat();
    let offset = payload.len();
    payload.extend(&system);
    let scratch = Scratch { page: Mapped::allocate(4096), block: Mapped::allocate(1 << 21) };
    // The first piece of RAM is too small for the largest group, and not clean.
    let pieces = [(0x4030_0000, 20, false, false), (0x4080_0000, 24, false, true), (0x0900_0000, 20, true, false)];
    let fake = Fake::new(&pieces, scratch.page, scratch.block).install();
    let mut untyped = [UntypedInfo::default(); UNTYPED_MAX];
    for (info, (base, bits, device, clean)) in untyped.iter_mut().zip(pieces) {
        *info = UntypedInfo { page: (base >> 12) as u32, size_bits: bits, device: device.into(), clean: clean.into() };
    }
    let boot = BootInfo {
        version: abi::boot::PAYLOAD_VERSION,
        cores: 1,
        counter_hz: 62_500_000,
        payload_frames: 2,
        system_offset: offset as u32,
        system_bytes: system.len() as u32,
        untyped_count: pieces.len() as u32,
        untyped,
    };
    let mut root = Root::new();
    root.learn(&boot, Box::leak(payload.into_boxed_slice()), scratch);
    (root, fake)
}

pub fn slot_of(id: usize) -> u32 {
    match records(Action::Stop).iter().filter(|record| matches!(record, Record::Object { .. })).nth(id) {
        Some(Record::Object { slot, .. }) => *slot,
        _ => unreachable!(),
    }
}

fn check_built(fake: &Fake) {
    let object = |id| fake.slots[&(0, slot_of(id))].object;
    // Code was written across the boundary of two frames, and unified in whole lines.
    let code = |part: u32, at: u32| fake.at(0, slot_of(18) + part).unwrap().bytes.get(&at).copied();
    assert_eq!((code(0, 99), code(0, 100), code(0, 4095)), (None, Some(0x77), Some(0x77)));
    assert_eq!((code(1, 0), code(1, 1003), code(1, 1004)), (Some(0x77), Some(0x77), None));
    assert_eq!(fake.at(0, slot_of(18)).unwrap().unified, 4096 - 64);
    assert_eq!(fake.at(0, slot_of(8)).unwrap().bytes.get(&((1 << 21) - 1)), Some(&b'T'));
    assert_eq!(fake.at(0, slot_of(8) + 1).unwrap().bytes.get(&0), Some(&b'B'));
    // Mappings.
    for (space, address) in [(object(7), 0x1820_0000), (object(17), 0x1820_0000), (object(7), 0x1820_1000)] {
        assert!(fake.mappings.contains_key(&(space, address)), "{address:#x}");
    }
    assert_eq!(fake.mappings[&(object(7), 0x4020_0000)].0, fake.slots[&(0, slot_of(8) + 1)].object);
    assert!(fake.mappings.contains_key(&(object(7), 0x2000_0000)));
    assert_eq!(fake.mappings.keys().filter(|(space, _)| *space == object(17)).count(), 4);
    // Grants: a reply and an untyped are moved, a badge is set, the interrupt arrives with its bit.
    assert_eq!(fake.at(object(6), 9).unwrap().kind, Kind::Made(ObjectType::Reply));
    assert!(fake.at(0, slot_of(14)).is_none());
    assert_eq!(fake.at(object(16), 9).unwrap().kind, Kind::Made(ObjectType::Untyped));
    assert!(fake.at(0, slot_of(21)).is_none());
    assert_eq!(fake.slots[&(object(16), 8)].badge, 77);
    assert_eq!(fake.slots[&(object(16), 8)].object, object(10));
    assert_eq!(fake.at(object(6), 10).unwrap().kind, Kind::Irq);
    assert_eq!(fake.at(object(6), 10).unwrap().notes, ["badge 0x80000000"]);
    assert!(fake.at(0, slot_of(5)).is_none());
    // Threads.
    assert_eq!(fake.at(0, slot_of(9)).unwrap().notes, ["fault badge 1"]);
    let echo = fake.at(0, slot_of(19)).unwrap();
    assert_eq!(echo.notes, ["fault badge 3", "registers [10000000, 18010000, 0, 1]"]);
    assert!(echo.started && fake.at(0, slot_of(9)).unwrap().started);
    // Root's spare slot is empty again, and no frame stayed in its windows.
    assert!(fake.at(0, 3000).is_none());
    assert!(
        fake.mappings
            .keys()
            .filter(|(space, _)| *space == 1)
            .all(|(_, address)| *address == protocol::layout::LOG_RING)
    );
}

pub fn message(label: u16, badge: u32, bytes: &[u8]) -> Received {
    let (info, words) = runtime::ipc::pack(label, bytes);
    assert!(info == MessageInfo::new(label, bytes.len()));
    Received { info, words, badge }
}

fn ended(ending: Ending, badge: u32) -> Received {
    let byte = postcard::to_stdvec(&protocol::vm::Ended(ending)).unwrap();
    message(0x100, badge, &byte)
}

#[test]
fn a_system_is_built_as_its_records_say() {
    let (mut root, fake) = root(&records(Action::Stop));
    let mut mapped = Vec::new();
    root.build(|address| mapped.push(address)).unwrap();
    assert_eq!(mapped, [protocol::layout::LOG_RING]);
    check_built(&fake.borrow());
}

#[test]
fn an_interrupt_may_be_bound_before_it_is_given_away_and_belong_to_who_gets_it() {
    let mut all = records(Action::Stop);
    let bind = all.iter().position(|record| matches!(record, Record::Interrupt { .. })).unwrap();
    let bind = all.remove(bind);
    let first = all.iter().position(|record| matches!(record, Record::Grant { .. })).unwrap();
    all.insert(first, bind);
    for record in &mut all {
        if let Record::Object { group, kind: ObjectKind::Irq { .. }, .. } = record {
            *group = 0;
        }
    }
    let (mut root, fake) = root(&all);
    root.build(|_| ()).unwrap();
    check_built(&fake.borrow());
    root.handle(&ended(Ending::Reset, 1), 0).unwrap();
    check_built(&fake.borrow());
}

#[test]
fn a_vm_that_reboots_and_a_component_that_crashes_are_built_again() {
    let (mut root, fake) = root(&records(Action::Stop));
    root.build(|_| ()).unwrap();
    for round in 0..3 {
        assert_eq!(root.handle(&ended(Ending::Reset, 1), round * 20_000_000), Ok(Outcome::GoOn));
        check_built(&fake.borrow());
        let fault = message(0x21, 3, &[0; 16]);
        assert_eq!(root.handle(&fault, round * 20_000_000), Ok(Outcome::GoOn));
        check_built(&fake.borrow());
    }
}

#[test]
fn the_last_vm_takes_the_machine_along_and_a_crash_without_policy_does_too() {
    let (mut root, _fake) = root(&records(Action::Stop));
    root.build(|_| ()).unwrap();
    assert_eq!(root.handle(&ended(Ending::Off, 1), 0), Ok(Outcome::Off));
    assert_eq!(root.end(0, Ending::Off, 0), Ok((Done::Stopped, Outcome::GoOn)));

    let (mut root, _fake) = self::root(&records(Action::Panic));
    root.build(|_| ()).unwrap();
    assert_eq!(root.handle(&message(0x23, 1, &[0; 16]), 0), Ok(Outcome::Crashed));
    assert_eq!(root.handle(&message(0x23, 2, &[0; 16]), 0), Ok(Outcome::Crashed));
}

#[test]
fn a_restart_loop_is_stopped() {
    let (mut root, _fake) = root(&records(Action::Restart));
    root.build(|_| ()).unwrap();
    for round in 0..5 {
        assert_eq!(root.end(0, Ending::Crashed, 1000 * round).unwrap().0, Done::Restarted(round as u32 + 1));
    }
    assert_eq!(root.end(0, Ending::Crashed, 9_000_000), Ok((Done::Looped, Outcome::Off)));
    // Slowly enough, it may go on for ever.
    let (mut root, _fake) = self::root(&records(Action::Restart));
    root.build(|_| ()).unwrap();
    for round in 0..20 {
        let now_us = 100_000_000 * round;
        assert_eq!(root.end(0, Ending::Crashed, now_us), Ok((Done::Restarted(round as u32 + 1), Outcome::GoOn)));
    }
}

#[test]
fn who_dies_slowly_again_and_again_waits_ever_longer_and_is_built_again() {
    let (mut root, fake) = root(&records(Action::Restart));
    root.build(|_| ()).unwrap();
    let mut now_us = 0;
    for round in 1..=5 {
        now_us += 3_000_000;
        assert_eq!(root.end(0, Ending::Crashed, now_us), Ok((Done::Restarted(round), Outcome::GoOn)));
    }
    for (round, wait_us) in [(6, 1_000_000), (7, 2_000_000), (8, 4_000_000)] {
        now_us += 3_000_000;
        assert!(!root.has_waiting());
        assert_eq!(root.end(0, Ending::Crashed, now_us), Ok((Done::Waits(wait_us, round), Outcome::GoOn)));
        // It is not there meanwhile, but it is not given up: the machine goes on, though it is the only VM.
        assert!(root.has_waiting());
        let before = fake.borrow().calls;
        assert_eq!(root.build_due(now_us + wait_us - 1), Ok(None));
        assert_eq!(root.end(0, Ending::Crashed, now_us + 1), Ok((Done::Stopped, Outcome::GoOn)));
        assert_eq!(fake.borrow().calls, before);
        now_us += wait_us;
        assert_eq!(root.build_due(now_us), Ok(Some(0)));
        assert_eq!(root.build_due(now_us), Ok(None));
        check_built(&fake.borrow());
    }
    // Who has run for a minute begins anew.
    now_us += 60_000_000;
    assert_eq!(root.end(0, Ending::Crashed, now_us), Ok((Done::Restarted(9), Outcome::GoOn)));
}

#[test]
fn what_is_no_message_for_root_changes_nothing() {
    let (mut root, fake) = root(&records(Action::Panic));
    root.build(|_| ()).unwrap();
    let before = fake.borrow().calls;
    for badge in [0, 4, 0x1_0000, u32::MAX] {
        assert_eq!(root.handle(&ended(Ending::Crashed, badge), 0), Ok(Outcome::GoOn));
    }
    assert_eq!(fake.borrow().calls, before);
}

#[test]
fn a_record_that_fails_is_named() {
    let mut all = records(Action::Stop);
    let at = all.iter().position(|record| matches!(record, Record::Thread { .. })).unwrap();
    all.insert(at, Record::Start { tcb: 999 });
    let (mut root, _fake) = root(&all);
    let failure = Failure { record: at as u32, kind: "start", cause: Cause::BadReference };
    assert_eq!(root.build(|_| ()), Err(failure));

    let mut all = records(Action::Stop);
    all.push(Record::Start { tcb: 7 });
    let (mut root, _fake) = self::root(&all);
    let failure = Failure { record: all.len() as u32 - 1, kind: "start", cause: Cause::Kernel(Error::WrongType) };
    assert_eq!(root.build(|_| ()), Err(failure));

    let mut all = records(Action::Stop);
    all[4] = Record::Untyped { group: 0, part: 1, bits: 25 };
    let (mut root, _fake) = self::root(&all);
    assert_eq!(root.build(|_| ()), Err(Failure { record: 4, kind: "untyped", cause: Cause::NoMemory }));

    let mut all = records(Action::Stop);
    all[4] = Record::Untyped { group: 0, part: 2, bits: 22 };
    let (mut root, _fake) = self::root(&all);
    assert_eq!(root.build(|_| ()), Err(Failure { record: 4, kind: "untyped", cause: Cause::BadReference }));
}
