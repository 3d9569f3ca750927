//! Messages between threads: who gets what, who waits, and on whose time a server runs.

mod common;

use abi::error::Error;
use abi::method::*;
use abi::object::ObjectType;
use abi::{MessageInfo, Syscall};
use common::{Desk, status};
use kernel_core::tcb::State;

/// A passive server that waits at an endpoint, and a client with a context: `(client, server, endpoint, reply)`.
fn client_and_passive_server(desk: &mut Desk) -> (u32, u32, u32, u32) {
    let endpoint = desk.make(ObjectType::Endpoint, 0, 1);
    let reply = desk.make(ObjectType::Reply, 0, 1);
    let server = desk.thread(230);
    let client = desk.thread(220);
    let context = desk.context(10_000, 10_000);
    // The server runs on the client's context until it waits, as a VMM's exit thread does.
    desk.ok(server, TcbMethod::Resume as u16, &[]);
    desk.ok(context, SchedContextMethod::Bind as u16, &[server]);
    assert!(desk.runs(server));
    desk.svc(Syscall::Recv, endpoint, 0, &[], reply);
    assert!(matches!(desk.state(server), State::Receiving(_)));
    desk.ok(context, SchedContextMethod::Unbind as u16, &[]);
    desk.ok(client, TcbMethod::Resume as u16, &[]);
    desk.ok(context, SchedContextMethod::Bind as u16, &[client]);
    assert!(desk.runs(client));
    (client, server, endpoint, reply)
}

#[test]
fn a_call_runs_the_passive_server_on_the_callers_time_and_the_reply_gives_it_back() {
    let mut desk = Desk::new();
    let (client, server, endpoint, reply) = client_and_passive_server(&mut desk);
    for round in 0..3 {
        desk.svc(Syscall::Call, endpoint, 0x123, &[1, 2, 3, round], 0);
        assert!(desk.runs(server));
        assert!(matches!(desk.state(client), State::AwaitingReply(_)));
        let got = desk.registers(server);
        assert_eq!((got.r[0], got.r[1] >> 16, &got.r[2..6]), (0, 0x123, &[1, 2, 3, round][..]));
        desk.svc(Syscall::ReplyRecv, endpoint, 0x77, &[9, 8, 7, round + 100], reply);
        assert!(desk.runs(client));
        let got = desk.registers(client);
        assert_eq!((got.r[0], got.r[1] >> 16, &got.r[2..6]), (0, 0x77, &[9, 8, 7, round + 100][..]));
        assert!(matches!(desk.state(server), State::Receiving(_)));
    }
}

/// A server with time of its own that waits, at an endpoint: `(server, endpoint, reply)`.
fn server_with_time(desk: &mut Desk) -> (u32, u32, u32) {
    let endpoint = desk.make(ObjectType::Endpoint, 0, 1);
    let reply = desk.make(ObjectType::Reply, 0, 1);
    let server = desk.thread(230);
    let context = desk.context(10_000, 10_000);
    desk.ok(server, TcbMethod::Resume as u16, &[]);
    desk.ok(context, SchedContextMethod::Bind as u16, &[server]);
    desk.svc(Syscall::Recv, endpoint, 0, &[], reply);
    (server, endpoint, reply)
}

#[test]
fn a_long_message_that_wants_no_answer_reaches_a_server_with_time_of_its_own() {
    let mut desk = Desk::new();
    let (server, endpoint, _) = server_with_time(&mut desk);
    desk.world.syscall(Syscall::Send, endpoint, MessageInfo::new(5, 24).0, [1, 2, 3, 4], 0);
    desk.check();
    assert!(desk.runs(server));
    assert_eq!(desk.registers(server).r[2..6], [1, 2, 3, 4]);
    assert_eq!(desk.world.kernel.arena.get(desk.world.root).context.r[0], 0, "it was sent");
}

#[test]
fn a_server_keeps_time_of_its_own_when_its_caller_has_lost_its() {
    let mut desk = Desk::new();
    let (server, endpoint, reply) = server_with_time(&mut desk);
    let client = desk.thread(220);
    let context = desk.context(10_000, 10_000);
    desk.ok(client, TcbMethod::Resume as u16, &[]);
    desk.ok(context, SchedContextMethod::Bind as u16, &[client]);
    desk.svc(Syscall::Call, endpoint, 0, &[], 0);
    assert!(desk.runs(server));
    desk.ok(context, SchedContextMethod::Unbind as u16, &[]);
    desk.svc(Syscall::ReplyRecv, endpoint, 0, &[], reply);
    assert_eq!(desk.state(client), State::Running, "it has its answer");
    assert!(!desk.runs(client), "and no time");
    // The next message finds the server with its own.
    desk.svc(Syscall::Send, endpoint, 0, &[7], 0);
    assert!(desk.runs(server));
    assert_eq!(desk.registers(server).r[2], 7);
}

#[test]
fn who_sends_without_a_call_to_a_passive_server_is_refused_when_it_gives_its_time_back() {
    let mut desk = Desk::new();
    let (client, server, endpoint, reply) = client_and_passive_server(&mut desk);
    desk.svc(Syscall::Call, endpoint, 0, &[], 0);
    assert!(desk.runs(server));
    let sender = desk.thread(240);
    let context = desk.context(10_000, 10_000);
    desk.ok(sender, TcbMethod::Resume as u16, &[]);
    desk.ok(context, SchedContextMethod::Bind as u16, &[sender]);
    assert!(desk.runs(sender));
    desk.svc(Syscall::Send, endpoint, 0, &[1], 0);
    assert!(desk.runs(server) && matches!(desk.state(sender), State::Sending(_)));
    desk.svc(Syscall::ReplyRecv, endpoint, 0, &[], reply);
    assert!(desk.runs(sender), "it goes on");
    assert_eq!(desk.registers(sender).r[0], Error::WrongState as u32);
    assert_eq!((desk.state(client), desk.registers(client).r[0]), (State::Running, 0));
}

#[test]
fn a_server_that_dies_while_it_answers_gives_its_caller_an_error_and_its_time_back() {
    let mut desk = Desk::new();
    let (client, server, endpoint, _) = client_and_passive_server(&mut desk);
    desk.svc(Syscall::Call, endpoint, 0, &[], 0);
    assert!(desk.runs(server));
    // The server deletes itself.
    desk.svc(Syscall::Call, abi::boot::root_slot::CNODE, CNodeMethod::Delete as u16, &[server], 0);
    assert!(desk.runs(client) || matches!(desk.state(client), State::AwaitingReply(_)));
    // Its caller still waits at the reply object; with that gone, it goes on.
    while !desk.runs(client) {
        let root = desk.world.kernel.running().expect("root runs");
        assert_eq!(root, desk.world.root);
        desk.ok(abi::boot::root_slot::CNODE, CNodeMethod::Delete as u16, &[endpoint + 1]);
    }
    assert_eq!(desk.registers(client).r[0], Error::PeerGone as u32);
}

#[test]
fn a_call_without_the_right_or_to_the_wrong_thing_fails_and_changes_nothing() {
    let mut desk = Desk::new();
    let endpoint = desk.make(ObjectType::Endpoint, 0, 1);
    let notification = desk.make(ObjectType::Notification, 0, 1);
    let read_only = desk.slot();
    desk.ok(abi::boot::root_slot::CNODE, CNodeMethod::Copy as u16, &[read_only, endpoint, 1]);
    assert_eq!(status(desk.svc(Syscall::Call, read_only, 1, &[], 0)), Err(Error::NoRights));
    assert_eq!(status(desk.svc(Syscall::Call, notification, 1, &[], 0)), Err(Error::WrongType));
    assert_eq!(status(desk.svc(Syscall::Recv, notification, 1, &[], 0)), Err(Error::WrongType));
    assert_eq!(status(desk.svc(Syscall::Wait, endpoint, 1, &[], 0)), Err(Error::WrongType));
    assert_eq!(status(desk.svc(Syscall::Call, 0, 1, &[], 0)), Err(Error::EmptySlot));
    assert_eq!(status(desk.svc(Syscall::Call, 1 << 20, 1, &[], 0)), Err(Error::OutOfRange));
    assert_eq!(status(desk.svc(Syscall::NbRecv, endpoint, 1, &[], 0)), Err(Error::WouldBlock));
    assert_eq!(status(desk.svc(Syscall::Poll, notification, 1, &[], 0)), Err(Error::WouldBlock));
    assert_eq!(status(desk.svc(Syscall::NbSend, endpoint, 1, &[], 0)), Ok(()));
}

#[test]
fn a_badge_is_told_and_cannot_be_changed() {
    let mut desk = Desk::new();
    let (_, server, endpoint, _) = client_and_passive_server(&mut desk);
    let badged = desk.slot();
    desk.ok(abi::boot::root_slot::CNODE, CNodeMethod::Mint as u16, &[badged, endpoint, 7, 0xbead]);
    let again = desk.slot();
    desk.fails(abi::boot::root_slot::CNODE, CNodeMethod::Mint as u16, &[again, badged, 7, 0x1], Error::NoRights);
    desk.svc(Syscall::Call, badged, 0, &[], 0);
    assert!(desk.runs(server));
    assert_eq!(desk.registers(server).r[12], 0xbead);
}

#[test]
fn a_signal_to_a_more_urgent_thread_switches_and_signals_add_up() {
    let mut desk = Desk::new();
    let notification = desk.make(ObjectType::Notification, 0, 1);
    let (one, two) = (desk.slot(), desk.slot());
    for (slot, badge) in [(one, 1), (two, 2)] {
        desk.ok(abi::boot::root_slot::CNODE, CNodeMethod::Mint as u16, &[slot, notification, 3, badge]);
    }
    let waiter = desk.thread(230);
    let context = desk.context(10_000, 10_000);
    desk.ok(waiter, TcbMethod::Resume as u16, &[]);
    desk.ok(context, SchedContextMethod::Bind as u16, &[waiter]);
    desk.svc(Syscall::Wait, notification, 0, &[], 0);
    assert!(matches!(desk.state(waiter), State::Waiting(_)));
    desk.svc(Syscall::Signal, one, 0, &[], 0);
    assert!(desk.runs(waiter));
    assert_eq!(desk.registers(waiter).r[12], 1);
    desk.svc(Syscall::Signal, one, 0, &[], 0);
    desk.svc(Syscall::Signal, two, 0, &[], 0);
    assert_eq!(desk.svc(Syscall::Wait, notification, 0, &[], 0)[6], 3);
}

#[test]
fn a_fault_becomes_a_message_and_the_answer_decides() {
    let mut desk = Desk::new();
    let endpoint = desk.make(ObjectType::Endpoint, 0, 1);
    let reply = desk.make(ObjectType::Reply, 0, 1);
    let culprit = desk.thread(230);
    desk.ok(culprit, TcbMethod::SetFaultHandler as u16, &[endpoint]);
    let context = desk.context(10_000, 10_000);
    for answer in [0u16, 1] {
        if answer == 0 {
            desk.ok(culprit, TcbMethod::Resume as u16, &[]);
            desk.ok(context, SchedContextMethod::Bind as u16, &[culprit]);
        }
        assert!(desk.runs(culprit));
        desk.world.kernel.on_component_fault(abi::fault::FaultKind::Data, 0xdead_0000, 0x9380_0006);
        desk.world.schedule();
        assert!(!desk.runs(culprit));
        let got = desk.svc(Syscall::Recv, endpoint, 0, &[], reply);
        assert_eq!((got[1] >> 16, got[2]), (abi::fault::FaultKind::Data as u32, 0xdead_0000));
        desk.svc(Syscall::Reply, reply, answer, &[], 0);
        assert_eq!(desk.runs(culprit), answer == 0);
    }
    assert_eq!(desk.state(culprit), State::Inactive);
}
