//! What threads and guests on two cores do to each other.

mod common;

use abi::boot::root_slot;
use abi::exit::ExitReply;
use abi::method::*;
use abi::object::ObjectType;
use abi::{Error, Syscall};
use common::Desk;
use kernel_core::sim::step::{GuestStep, Step};
use kernel_core::tcb::State;

/// A thread of core 1 that waits for a notification, and a core 0 on which root runs: `(thread, notification)`.
fn waiter(desk: &mut Desk) -> (u32, u32) {
    let notification = desk.make(ObjectType::Notification, 0, 1);
    let (tcb, _) = desk.thread_on(1, 150);
    desk.on(1);
    assert!(desk.runs(tcb), "it was started on core 1");
    desk.svc(Syscall::Wait, notification, 0, &[], 0);
    assert_eq!(desk.world.kernel.running(), None);
    desk.on(0);
    (tcb, notification)
}

#[test]
fn a_signal_wakes_who_waits_on_another_core() {
    let mut desk = Desk::with_cores(2);
    let (tcb, notification) = waiter(&mut desk);
    let root = desk.world.kernel.running();
    desk.svc(Syscall::Signal, notification, 0, &[], 0);
    assert_eq!(desk.world.kernel.running(), root, "a thread of another core, however urgent, takes nobody's turn here");
    desk.on(1);
    assert!(desk.runs(tcb));
    assert_eq!(desk.registers(tcb).r[0], 0);
}

#[test]
fn a_call_to_a_server_with_time_of_its_own_on_another_core_is_answered_there() {
    let mut desk = Desk::with_cores(2);
    let endpoint = desk.make(ObjectType::Endpoint, 0, 1);
    let reply = desk.make(ObjectType::Reply, 0, 1);
    let (server, _) = desk.thread_on(1, 150);
    desk.on(1);
    desk.svc(Syscall::Recv, endpoint, 0, &[], reply);
    desk.on(0);
    let (client, _) = desk.thread_on(0, 220);
    assert!(desk.runs(client));
    desk.svc(Syscall::Call, endpoint, 7, &[1, 2, 3, 4], 0);
    assert!(!desk.runs(client));
    desk.on(1);
    assert!(desk.runs(server));
    assert_eq!(desk.registers(server).r[2..6], [1, 2, 3, 4]);
    desk.svc(Syscall::ReplyRecv, endpoint, 0, &[5, 6, 7, 8], reply);
    assert_eq!(desk.world.kernel.running(), None);
    desk.on(0);
    assert!(desk.runs(client));
    assert_eq!(desk.registers(client).r[2..6], [5, 6, 7, 8]);
}

#[test]
fn a_passive_server_runs_on_the_core_of_each_of_its_callers() {
    let mut desk = Desk::with_cores(2);
    let endpoint = desk.make(ObjectType::Endpoint, 0, 1);
    let reply = desk.make(ObjectType::Reply, 0, 1);
    let (server, context) = desk.thread_on(0, 230);
    desk.svc(Syscall::Recv, endpoint, 0, &[], reply);
    desk.ok(context, SchedContextMethod::Unbind as u16, &[]);
    for core in [1, 0, 1] {
        desk.on(0);
        let (client, _) = desk.thread_on(core, 220);
        desk.on(core as usize);
        assert!(desk.runs(client));
        desk.svc(Syscall::Call, endpoint, 1, &[], 0);
        assert!(desk.runs(server), "it runs where its caller did");
        desk.svc(Syscall::ReplyRecv, endpoint, 0, &[], reply);
        assert!(desk.runs(client));
        desk.svc(Syscall::Call, root_slot::TCB, TcbMethod::ReadState as u16, &[], 0);
        desk.ok(client, TcbMethod::Suspend as u16, &[]);
    }
}

#[test]
fn who_is_suspended_deleted_or_made_less_urgent_on_another_core_stops_at_once() {
    let mut desk = Desk::with_cores(2);
    let (tcb, _) = desk.thread_on(1, 150);
    let (other, _) = desk.thread_on(1, 100);
    desk.on(1);
    assert!(desk.runs(tcb));
    desk.on(0);
    desk.ok(tcb, TcbMethod::SetPriority as u16, &[root_slot::TCB, 50, 50]);
    desk.on(1);
    assert!(desk.runs(other));
    desk.on(0);
    desk.ok(other, TcbMethod::Suspend as u16, &[]);
    assert_eq!(desk.state(other), State::Inactive);
    desk.on(1);
    assert!(desk.runs(tcb), "what it was doing when its priority changed goes on");
    desk.on(0);
    desk.ok(root_slot::CNODE, CNodeMethod::Delete as u16, &[tcb]);
    desk.check();
    desk.on(1);
    assert_eq!(desk.world.kernel.running(), None);
}

#[test]
fn who_loses_its_space_on_another_core_stops() {
    let mut desk = Desk::with_cores(2);
    let (tcb, _) = desk.thread_on(1, 150);
    desk.on(1);
    assert!(desk.runs(tcb));
    desk.on(0);
    desk.ok(root_slot::CNODE, CNodeMethod::Revoke as u16, &[tcb + 1]);
    desk.check();
    desk.on(1);
    assert_eq!(desk.world.kernel.running(), None);
    assert_eq!(desk.state(tcb), State::Inactive);
}

#[test]
fn a_context_that_moves_takes_its_thread_along() {
    let mut desk = Desk::with_cores(2);
    let (tcb, context) = desk.thread_on(1, 220);
    for (core, other) in [(0, 1), (1, 0), (0, 1)] {
        desk.on(0);
        let words = [core, 10_000, 10_000, root_slot::SCHED_CONTROL];
        // If it comes to this core it takes root's turn, and makes no call: root's answer waits.
        let _ = desk.world.invoke(context, SchedContextMethod::Configure as u16, &words);
        desk.on(core as usize);
        assert!(desk.runs(tcb), "it runs on core {core}");
        desk.on(other);
        assert!(!desk.runs(tcb), "and on no other");
        if core == 0 {
            desk.on(0);
            desk.svc(Syscall::Yield, 0, 0, &[], 0);
            let words = [1, 10_000, 10_000, root_slot::SCHED_CONTROL];
            let _ = desk.world.invoke(context, SchedContextMethod::Configure as u16, &words);
            desk.check();
        }
    }
}

#[test]
fn when_vmids_change_hands_no_core_goes_on_under_an_old_one() {
    let mut desk = Desk::with_cores(2);
    let (there, _) = desk.thread_on(1, 150);
    desk.on(1);
    assert!(desk.runs(there));
    desk.on(0);
    let notification = desk.make(ObjectType::Notification, 0, 1);
    let mark = desk.mark();
    let mut told = 0;
    for _ in 0..600 {
        let (tcb, context) = desk.thread_on(0, 250);
        desk.svc(Syscall::Wait, notification, 0, &[], 0);
        for slot in [tcb, tcb + 1, context] {
            desk.ok(root_slot::CNODE, CNodeMethod::Delete as u16, &[slot]);
        }
        desk.rewind(mark);
        told += u32::from(desk.world.kernel.platform.kicked[1]);
        desk.on(1);
        assert!(desk.runs(there));
        desk.on(0);
    }
    assert!(told >= 2, "{told}");
}

/// A guest of core 1 and its VMM's thread, which waits: `(guest, vcpu, context)`.
fn guest_on_core_1(desk: &mut Desk) -> (u32, u32, u32) {
    let (guest, _, _, _, vcpu) = common::guest_and_vmm(desk);
    let context = desk.mark() - 1;
    let words = [1, 10_000, 10_000, root_slot::SCHED_CONTROL];
    // The guest runs on core 0 until now; it can't make calls: root must be let in.
    desk.world.kernel.platform.now += 1;
    desk.exit(kernel_core::vcpu::ExitRecord { kind: 1, ..Default::default() });
    desk.svc(Syscall::Call, context, SchedContextMethod::Configure as u16, &words, 0);
    (guest, vcpu, context)
}

#[test]
fn a_guests_registers_are_found_wherever_they_are() {
    let mut desk = Desk::with_cores(2);
    let (guest, vcpu, context) = guest_on_core_1(&mut desk);
    let reply = ExitReply::empty().bits();
    // The VMM's thread moved with the context that it was lent, and answers there.
    desk.on(1);
    let tcb = desk.world.kernel.running().expect("the VMM runs on core 1");
    assert_ne!(tcb, desk.tcb(guest));
    let endpoint = common::FIRST;
    desk.svc(Syscall::ReplyRecv, endpoint, reply, &[], endpoint + 1);
    assert!(desk.runs(guest));
    assert_eq!(desk.world.step(&Step::Guest(GuestStep::Float(42))), Ok(true));
    desk.on(0);
    // An interrupt, injected from the other core, is in its list registers when it goes on.
    desk.ok(vcpu, VcpuMethod::Inject as u16, &[33, 0x80, 0]);
    desk.on(1);
    assert!(desk.runs(guest));
    assert!(desk.world.kernel.platform.lists.iter().any(|list| list.pending && list.intid == 33));
    // It moves to core 0, with what it has in floating-point registers.
    desk.on(0);
    let words = [0, 10_000, 10_000, root_slot::SCHED_CONTROL];
    let _ = desk.world.invoke(context, SchedContextMethod::Configure as u16, &words);
    desk.on(1);
    assert!(!desk.runs(guest));
    desk.on(0);
    assert!(desk.runs(guest));
    assert!(desk.world.kernel.platform.lists.iter().any(|list| list.pending && list.intid == 33));
    desk.world.kernel.on_guest_float();
    assert_eq!(desk.world.kernel.platform.registers.float(0), 42);
    desk.check();
}

#[test]
fn a_core_that_is_not_there_has_no_time() {
    for cores in [1, 2] {
        let mut desk = Desk::with_cores(cores);
        let context = desk.make(ObjectType::SchedContext, 0, 1);
        let words = [cores as u32, 1000, 1000, root_slot::SCHED_CONTROL];
        desk.fails(context, SchedContextMethod::Configure as u16, &words, Error::NoSuchCore);
    }
}

#[test]
fn time_on_another_core_is_counted_when_it_is_read_and_when_it_is_taken_away() {
    let mut desk = Desk::with_cores(2);
    let (tcb, context) = desk.thread_on(1, 150);
    desk.on(1);
    assert!(desk.runs(tcb));
    desk.on(0);
    desk.world.kernel.platform.now += 3_000 * 62;
    assert_eq!(desk.ok(context, SchedContextMethod::Consumed as u16, &[])[0], 3_000);
    desk.world.kernel.platform.now += 2_000 * 62;
    desk.ok(context, SchedContextMethod::Unbind as u16, &[]);
    desk.world.kernel.platform.now += 1_000 * 62;
    assert_eq!(desk.ok(context, SchedContextMethod::Consumed as u16, &[])[0], 5_000);
    desk.on(1);
    assert_eq!(desk.world.kernel.running(), None);
}

/// Erratum 798181 of the Cortex-A15.
#[test]
fn where_invalidations_complete_late_every_other_core_passes_a_barrier() {
    for late in [false, true] {
        let mut desk = Desk::with_cores(2);
        desk.world.kernel.platform.late = late;
        let tables = [desk.make(ObjectType::Table, 2, 1), desk.make(ObjectType::Table, 3, 1)];
        let frame = desk.make(ObjectType::Frame, 12, 1);
        let (tcb, _) = desk.thread_on(1, 150);
        for table in tables {
            desk.ok(table, TableMethod::Map as u16, &[tcb + 1, 0]);
        }
        desk.ok(frame, FrameMethod::Map as u16, &[tcb + 1, 0x5000, 3]);
        desk.on(1);
        assert!(desk.runs(tcb));
        desk.on(0);
        assert!(!desk.world.kernel.platform.kicked[1]);
        desk.ok(frame, FrameMethod::Unmap as u16, &[]);
        assert_eq!(desk.world.kernel.platform.kicked[1], late);
        desk.on(1);
        assert!(desk.runs(tcb));
    }
}
