//! Each way in which something can flow, alone, with the words in which it is told; and what is no way.

use super::made::*;
use crate::claims::model::Model;
use crate::claims::{Claim, End, Kind, Names, check};
use abi::boot::root_slot;
use abi::rights::Rights;
use system::{GroupId, ObjectKind, ROOT_VSPACE, Record};

pub fn no_flow(from: GroupId, to: GroupId) -> Claim {
    let kind = Kind::NoFlow(vec![(End::Group(from), End::Group(to))]);
    Claim { kind, trust: vec![], except: vec![], time: false }
}

/// The ways of a claim that does not hold.
pub fn told(made: &Made, claim: &Claim) -> Vec<String> {
    let model = made.model();
    let verdict = check(&model, &machine(), claim);
    verdict.paths.iter().map(|path| path.text(&model, &machine(), &Names::default())).collect()
}

/// Two components `a` and `b`, something between them, and the way from `a` to `b` and back.
fn between(build: impl FnOnce(&mut Made, &Component, &Component)) -> [Option<String>; 2] {
    let mut made = Made::new();
    let (a, b) = (made.component("a"), made.component("b"));
    build(&mut made, &a, &b);
    [no_flow(a.group, b.group), no_flow(b.group, a.group)].map(|claim| told(&made, &claim).into_iter().next())
}

fn one_way(way: &str, build: impl FnOnce(&mut Made, &Component, &Component)) {
    assert_eq!(between(build), [Some(way.to_owned()), None]);
}

fn both_ways(way: &str, build: impl FnOnce(&mut Made, &Component, &Component)) {
    let [there, back] = between(build);
    assert_eq!(there.as_deref(), Some(way));
    assert!(back.is_some(), "there and not back: {way}");
}

#[test]
fn what_has_nothing_in_common_is_apart() {
    assert_eq!(between(|_, _, _| ()), [None, None]);
}

#[test]
fn memory_flows_from_who_writes_to_who_reads() {
    one_way("`a` -> writes at 0x20100000 -> memory that is shared -> reads at 0x20200000 -> `b`", |made, a, b| {
        let shared = made.memory(0);
        made.map(shared, a.space, READ_WRITE);
        made.map(shared, b.space, READ);
    });
    assert_eq!(
        between(|made, a, b| {
            let shared = made.memory(0);
            made.map(shared, a.space, READ);
            made.map(shared, b.space, READ);
        }),
        [None, None]
    );
}

#[test]
fn who_could_map_memory_has_it_mapped() {
    let way = "`a` -> capability (slot 6 of `a`) -> memory of `b` -> reads at 0x20100000 -> `b`";
    one_way(way, |made, a, b| {
        let own = made.memory(b.group);
        assert_eq!(made.grant(a.cnode, own, Rights::WRITE), 6);
        made.map(own, b.space, READ_WRITE);
    });
}

#[test]
fn signals_flow_one_way_and_calls_both() {
    let way = "`a` -> capability (slot 6 of `a`) -> notification of `b` -> capability (slot 7 of `b`) -> `b`";
    one_way(way, |made, a, b| {
        let bell = made.object(b.group, ObjectKind::Notification);
        made.grant(a.cnode, bell, Rights::WRITE);
        made.grant(b.cnode, bell, Rights::READ);
    });
    both_ways(
        "`a` -> capability (slot 6 of `a`) -> endpoint of `b` -> capability (slot 7 of `b`) -> `b`",
        |made, a, b| {
            let service = made.object(b.group, ObjectKind::Endpoint);
            made.grant(a.cnode, service, Rights::WRITE);
            made.grant(b.cnode, service, Rights::READ);
        },
    );
}

#[test]
fn callers_of_one_server_do_not_reach_each_other_but_through_it() {
    let mut made = Made::new();
    let (a, b, server) = (made.component("a"), made.component("b"), made.component("server"));
    let service = made.object(server.group, ObjectKind::Endpoint);
    made.grant(a.cnode, service, CALL);
    made.grant(b.cnode, service, CALL);
    made.grant(server.cnode, service, Rights::READ);
    let claim = no_flow(a.group, b.group);
    assert!(told(&made, &claim)[0].contains("-> `server` ->"));
    assert_eq!(told(&made, &Claim { trust: vec![server.group], ..claim.clone() }), [""; 0]);
    // Who can receive there gets what was meant for the server.
    made.grant(b.cnode, service, Rights::READ);
    assert_eq!(told(&made, &Claim { trust: vec![server.group], ..claim }).len(), 1);
}

#[test]
fn what_is_root_s_alone_is_everything() {
    for (slot, what) in [
        (root_slot::CNODE, "everything there is"),
        (root_slot::IRQ_CONTROL, "everything there is"),
        (root_slot::UNTYPED + 3, "everything there is"),
        (258, "the memory that `b` is made of"),
    ] {
        let way = format!("`a` -> capability (slot 6 of `a`) -> {what} -> ");
        let [there, back] = between(|made, a, _| _ = made.grant_root(a.cnode, slot));
        assert!(there.is_some_and(|there| there.starts_with(&way)) && back.is_some(), "{slot}");
    }
}

#[test]
fn who_holds_a_part_of_a_thread_holds_the_thread() {
    let held = |what: &str| format!("`a` -> capability (slot 6 of `a`) -> {what} -> ");
    let holds = |way: String, build: &dyn Fn(&mut Made, &Component, &Component)| {
        let [there, back] = between(build);
        assert!(there.as_ref().is_some_and(|there| there.starts_with(&way)) && back.is_some(), "{there:?} {way}");
    };
    holds(held("`b`").trim_end_matches(" -> ").to_owned(), &|made, a, b| _ = made.grant(a.cnode, b.tcb, ALL));
    holds(held("CNode of `b`"), &|made, a, b| _ = made.grant(a.cnode, b.cnode, ALL));
    holds(held("address space of `b`"), &|made, a, b| _ = made.grant(a.cnode, b.space, ALL));
    holds(held("scheduling context of `b`"), &|made, a, b| _ = made.grant(a.cnode, b.tcb + 1, ALL));
    holds(held("stage-2 table of `b`"), &|made, a, b| {
        let table = made.object(b.group, ObjectKind::Table { level: 2 });
        made.push(Record::MapTable { table, vspace: b.space, address: 0 });
        made.grant(a.cnode, table, ALL);
    });
    holds("`a` -> its memory -> address space of `b` -> ".to_owned(), &|made, a, b| {
        made.thread(a.group, a.cnode, b.space, None);
    });
    // Its capabilities are those of the other, whose own CNode is among them.
    holds("`a` -> capability (slot 4 of `b`) -> CNode of `b` -> ".to_owned(), &|made, a, b| {
        made.thread(a.group, b.cnode, a.space, None);
    });
    holds("`a` -> runs as root -> everything there is -> ".to_owned(), &|made, a, _| {
        made.thread(a.group, a.cnode, ROOT_VSPACE, None);
    });
}

#[test]
fn a_cnode_in_a_cnode_gives_all_that_is_in_it() {
    let mut made = Made::new();
    let (a, b) = (made.component("a"), made.component("b"));
    let store = made.object(0, ObjectKind::CNode { bits: 4 });
    made.grant(a.cnode, store, ALL);
    let bell = made.object(b.group, ObjectKind::Notification);
    made.grant(store, bell, Rights::WRITE);
    made.grant(b.cnode, bell, Rights::READ);
    let way = "`a` -> capability (slot 6 of `a`), and by it capability (slot 7 of `root`) -> notification of `b` -> \
               capability (slot 8 of `b`) -> `b`";
    assert_eq!(told(&made, &no_flow(a.group, b.group)), [way]);
}

#[test]
fn faults_go_to_who_receives_them() {
    let mut made = Made::new();
    let (a, b) = (made.component("a"), made.component("b"));
    let faults = made.object(b.group, ObjectKind::Endpoint);
    let tcb = made.object(a.group, ObjectKind::Tcb);
    made.push(Record::Thread {
        tcb,
        cspace: a.cnode,
        vspace: a.space,
        ipc_buffer: None,
        fault: Some((faults, 0)),
        entry: 0,
        stack: 0,
        argument: 0,
        priority: 0,
        ceiling: 0,
        context: None,
        vcpu: None,
    });
    made.grant(b.cnode, faults, Rights::READ);
    let way = "`a` -> its faults and exits -> endpoint of `b` -> capability (slot 6 of `b`) -> `b`";
    assert_eq!(told(&made, &no_flow(a.group, b.group)), [way]);
    assert_eq!(told(&made, &no_flow(b.group, a.group)).len(), 1);
}

#[test]
fn devices_and_their_interrupts_are_ways() {
    both_ways("`a` -> writes at 0x20100000 -> device `clock` -> reads at 0x20200000 -> `b`", |made, a, b| {
        let [one, other] = [0; 2].map(|group| made.object(group, ObjectKind::Device { page: CLOCK, count: 1 }));
        made.map(one, a.space, DEVICE);
        made.map(other, b.space, DEVICE);
    });
    let way = "`a` -> writes at 0x20100000 -> device `clock` -> raises -> interrupt 40 -> signals -> notification of `b` -> \
               capability (slot 6 of `b`) -> `b`";
    let irq = |intid: u16| {
        move |made: &mut Made, a: &Component, b: &Component| {
            let registers = made.object(0, ObjectKind::Device { page: CLOCK, count: 1 });
            made.map(registers, a.space, DEVICE);
            let bell = made.object(b.group, ObjectKind::Notification);
            let irq = made.object(b.group, ObjectKind::Irq { intid, edge: false });
            made.push(Record::Interrupt { irq, notification: bell, badge: 1 });
            made.grant(b.cnode, bell, Rights::READ);
        }
    };
    one_way(way, irq(40));
    // Nobody knows which device raises it.
    assert!(
        between(irq(77))[0].as_ref().is_some_and(|way| way.contains("device `clock` -> may raise -> interrupt 77"))
    );
}

#[test]
fn a_device_with_dma_and_a_page_that_is_nobody_s_are_everything() {
    let device = |page: u32| {
        move |made: &mut Made, a: &Component, _: &Component| {
            let registers = made.object(0, ObjectKind::Device { page, count: 1 });
            made.map(registers, a.space, DEVICE);
        }
    };
    let [there, back] = between(device(DISK));
    assert_eq!(there.as_deref(), Some("`a` -> the DMA of its device -> everything there is -> holds -> `b`"));
    assert!(back.is_some());
    let [there, back] = between(device(0x8000));
    assert_eq!(there.as_deref(), Some("`a` -> writes at 0x20100000 -> everything there is -> holds -> `b`"));
    assert!(back.is_some());
    // A device that nobody drives moves nothing.
    assert_eq!(between(device(CLOCK)), [None, None]);
}

#[test]
fn guests_share_their_interrupt_interface_and_components_do_not() {
    let gicv = |made: &mut Made| made.object(0, ObjectKind::Device { page: GICV, count: 1 });
    let guests = |made: &mut Made, a: &Component, b: &Component| {
        let registers = gicv(made);
        let [one, other] = [a, b].map(|of| made.guest(of));
        made.map(registers, one, DEVICE);
        made.map(registers, other, DEVICE);
        registers
    };
    assert_eq!(between(|made, a, b| _ = guests(made, a, b)), [None, None]);
    let [there, back] = between(|made, a, b| {
        let registers = guests(made, a, b);
        made.map(registers, a.space, DEVICE);
    });
    assert!(there.is_some_and(|way| way.contains("device `gicv`")) && back.is_some());
}

#[test]
fn a_thread_is_bound_only_to_what_it_has_a_capability_for() {
    let bound = |rights: Option<Rights>| {
        let mut made = Made::new();
        let (a, b) = (made.component("a"), made.component("b"));
        let bell = made.object(a.group, ObjectKind::Notification);
        if let Some(rights) = rights {
            made.grant(b.cnode, bell, rights);
        }
        let tcb = made.thread(b.group, b.cnode, b.space, None);
        made.push(Record::BindNotification { tcb, notification: bell });
        Model::read(&made.bytes()).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(bound(Some(Rights::READ)), Ok(()));
    for rights in [None, Some(Rights::WRITE)] {
        let told = bound(rights).unwrap_err();
        assert!(told.ends_with("a thread is bound to a notification for which it has no capability"), "{told}");
    }
}

#[test]
fn time_is_a_way_only_if_it_is_asked_for() {
    let mut made = Made::new();
    let (a, b) = (made.component("a"), made.component("b"));
    let claim = Claim { time: true, ..no_flow(a.group, b.group) };
    assert_eq!(told(&made, &claim), ["`a` -> runs in -> the time of core 0 -> runs in -> `b`"]);
    assert_eq!(told(&made, &no_flow(a.group, b.group)), [""; 0]);
}
