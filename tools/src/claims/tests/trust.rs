//! What does not count: who is trusted, and doors; and what somebody has alone.

use super::made::*;
use super::ways::{no_flow, told};
use crate::claims::{Claim, Door, Kind, Names, Thing, check};
use abi::boot::root_slot;
use abi::rights::Rights;
use system::{GroupId, ObjectKind, Record};

#[test]
fn who_controls_the_trusted_is_not_stopped_by_them() {
    let path = |meddle: &dyn Fn(&mut Made, &Component, &Component)| {
        let mut made = Made::new();
        let (a, b, server) = (made.component("a"), made.component("b"), made.component("server"));
        for client in [&a, &b] {
            let memory = made.memory(server.group);
            made.map(memory, client.space, READ_WRITE);
            made.map(memory, server.space, READ_WRITE);
        }
        meddle(&mut made, &a, &server);
        let claim = Claim { trust: vec![server.group], ..no_flow(a.group, b.group) };
        let model = made.model();
        let verdict = check(&model, &machine(), &claim);
        assert_eq!(verdict.holds(), verdict.distrusted.is_empty());
        verdict.distrusted.first().map(|(_, path)| path.text(&model, &machine(), &Names::default()))
    };
    assert_eq!(path(&|_, _, _| ()), None);
    let told = |meddle: &dyn Fn(&mut Made, &Component, &Component), how: &str| {
        assert_eq!(path(meddle).as_deref(), Some(how));
    };
    told(&|made, a, it| _ = made.grant(a.cnode, it.tcb, ALL), "`a` -> capability (slot 8 of `a`) -> `server`");
    told(
        &|made, a, it| _ = made.grant(a.cnode, it.cnode, ALL),
        "`a` -> capability (slot 8 of `a`) -> CNode of `server`",
    );
    told(&|made, a, it| _ = made.map(it.program, a.space, READ), "`a` -> writes at 0x20500000 -> memory of `server`");
    told(
        &|made, a, it| _ = made.grant(a.cnode, it.space, ALL),
        "`a` -> capability (slot 8 of `a`) -> address space of `server`",
    );
    told(
        &|made, a, it| {
            let table = made.object(it.group, ObjectKind::Table { level: 2 });
            made.push(Record::MapTable { table, vspace: it.space, address: 0 });
            made.grant(a.cnode, table, ALL);
        },
        "`a` -> capability (slot 8 of `a`) -> stage-2 table of `server`",
    );
    told(
        &|made, a, it| _ = made.grant(a.cnode, it.tcb + 1, ALL),
        "`a` -> capability (slot 8 of `a`) -> scheduling context of `server`",
    );
    told(
        &|made, a, it| _ = made.thread(a.group, a.cnode, it.space, None),
        "`a` -> its memory -> address space of `server`",
    );
    told(
        &|made, a, it| _ = made.thread(a.group, it.cnode, a.space, None),
        "`a` -> its capabilities -> CNode of `server`",
    );
    told(
        &|made, a, it| _ = made.grant(a.cnode, it.program, Rights::READ),
        "`a` -> capability (slot 8 of `a`) -> memory of `server`",
    );
    told(
        &|made, a, _| _ = made.grant_root(a.cnode, root_slot::TCB),
        "`a` -> capability (slot 8 of `a`) -> everything there is",
    );
    told(
        &|made, a, _| {
            let disk = made.object(0, ObjectKind::Device { page: DISK, count: 1 });
            made.map(disk, a.space, DEVICE);
        },
        "`a` -> the DMA of its device -> everything there is",
    );
}

#[test]
fn trust_is_lost_through_others_that_were_trusted() {
    let mut made = Made::new();
    let (a, b) = (made.component("a"), made.component("b"));
    let (one, two) = (made.component("one"), made.component("two"));
    for client in [&a, &b] {
        let memory = made.memory(two.group);
        made.map(memory, client.space, READ_WRITE);
        made.map(memory, two.space, READ_WRITE);
    }
    made.grant(one.cnode, two.tcb, ALL);
    let claim = Claim { trust: vec![one.group, two.group], ..no_flow(a.group, b.group) };
    assert_eq!(told(&made, &claim), [""; 0]);
    made.grant(a.cnode, one.tcb, ALL);
    let verdict = check(&made.model(), &machine(), &claim);
    let lost: Vec<GroupId> = verdict.distrusted.iter().map(|(group, _)| *group).collect();
    assert!(!verdict.holds() && lost == [one.group, two.group], "{verdict:?}");
}

#[test]
fn a_door_is_one_for_its_ends_alone() {
    let mut made = Made::new();
    let (a, b, c) = (made.component("a"), made.component("b"), made.component("c"));
    let shared = made.memory(0);
    made.map(shared, a.space, READ_WRITE);
    made.map(shared, b.space, READ_WRITE);
    let bell = made.object(b.group, ObjectKind::Notification);
    let slot = made.grant(a.cnode, bell, Rights::WRITE);
    made.grant(b.cnode, bell, Rights::READ);
    let ends = vec![a.group, b.group];
    let memory = Door { objects: vec![shared], ends: ends.clone(), ..Door::default() };
    let signal = Door { capabilities: vec![(a.cnode, slot)], ends, ..Door::default() };
    let claim = Claim { except: vec![memory, signal], ..no_flow(a.group, b.group) };
    assert_eq!(told(&made, &claim), [""; 0]);
    assert!(told(&made, &Claim { except: claim.except[..1].to_vec(), ..claim.clone() })[0].contains("notification"));
    // A third that reads what passes there is no end of it, and can tell.
    made.map(shared, c.space, READ);
    let other = made.memory(0);
    made.map(other, c.space, READ_WRITE);
    made.map(other, b.space, READ);
    assert!(told(&made, &claim)[0].contains("-> `c` ->"));
    // Nor is a second capability the one that is meant.
    let mut made = Made::new();
    let (a, b) = (made.component("a"), made.component("b"));
    let bell = made.object(b.group, ObjectKind::Notification);
    made.grant(b.cnode, bell, Rights::READ);
    let slot = made.grant(a.cnode, bell, Rights::WRITE);
    let signal = Door { capabilities: vec![(a.cnode, slot)], ends: vec![a.group, b.group], ..Door::default() };
    let claim = Claim { except: vec![signal], ..no_flow(a.group, b.group) };
    assert_eq!(told(&made, &claim), [""; 0]);
    made.grant(a.cnode, bell, Rights::WRITE);
    assert_eq!(told(&made, &claim).len(), 1);
}

#[test]
fn what_is_somebody_s_alone_is_nobody_else_s() {
    let mut made = Made::new();
    let (a, b, c) = (made.component("a"), made.component("b"), made.component("c"));
    let registers = made.object(0, ObjectKind::Device { page: CLOCK, count: 1 });
    made.map(registers, a.space, DEVICE);
    let claim = |thing: Thing, to: GroupId| Claim {
        kind: Kind::Exclusive(thing, vec![to]),
        trust: vec![],
        except: vec![],
        time: false,
    };
    let clock = claim(Thing::Device(0), a.group);
    assert_eq!(told(&made, &clock), [""; 0]);
    assert_eq!(told(&made, &claim(Thing::Group(a.group), a.group)), [""; 0]);
    // Who holds its driver's thread has it, and who holds the CNode in which that is held.
    made.grant(b.cnode, a.tcb, ALL);
    made.grant(c.cnode, b.cnode, ALL);
    let way = "capability (slot 8 of `b`) -> `a` -> controls -> `a` -> reads at 0x20100000 -> device `clock`";
    let of_c = format!("`c` -> capability (slot 9 of `c`), and by it {way}");
    assert_eq!(told(&made, &clock), [format!("`b` -> {way}"), of_c]);
    assert_eq!(told(&made, &claim(Thing::Group(a.group), a.group)).len(), 2);
    assert_eq!(told(&made, &Claim { trust: vec![b.group, c.group], ..clock }), [""; 0]);
    // What is sent to somebody is no authority over it; what is received for it is.
    let mut made = Made::new();
    let (a, b) = (made.component("a"), made.component("b"));
    let bell = made.object(a.group, ObjectKind::Notification);
    made.grant(b.cnode, bell, Rights::WRITE);
    let alone = claim(Thing::Group(a.group), a.group);
    assert_eq!(told(&made, &alone), [""; 0]);
    made.grant(b.cnode, bell, Rights::READ);
    assert_eq!(told(&made, &alone), ["`b` -> capability (slot 7 of `b`) -> notification of `a`"]);
}

#[test]
fn an_interrupt_of_a_device_is_a_part_of_it() {
    let mut made = Made::new();
    let (a, b) = (made.component("a"), made.component("b"));
    let irq = made.object(b.group, ObjectKind::Irq { intid: 40, edge: false });
    made.grant(b.cnode, irq, ALL);
    let kind = Kind::Exclusive(Thing::Device(0), vec![a.group]);
    let claim = Claim { kind, trust: vec![], except: vec![], time: false };
    assert_eq!(told(&made, &claim), ["`b` -> capability (slot 6 of `b`) -> interrupt 40"]);
}
