//! The fast path takes no case that is not its own: rights, urgency and who else waits count there as anywhere.

mod common;

use abi::boot::root_slot;
use abi::method::*;
use abi::object::ObjectType;
use abi::{Error, Syscall};
use common::{Desk, status};
use kernel_core::tcb::State;

const READ: u32 = 1;
const WRITE: u32 = 2;

/// A capability like that one, with these rights only.
fn weaker(desk: &mut Desk, cap: u32, rights: u32) -> u32 {
    let slot = desk.slot();
    desk.ok(root_slot::CNODE, CNodeMethod::Copy as u16, &[slot, cap, rights]);
    slot
}

/// A thread with that context of its own, which runs if it is the most urgent.
fn started(desk: &mut Desk, priority: u32) -> (u32, u32) {
    let thread = desk.thread(priority);
    let context = desk.context(10_000, 10_000);
    desk.ok(thread, TcbMethod::Resume as u16, &[]);
    desk.ok(context, SchedContextMethod::Bind as u16, &[thread]);
    (thread, context)
}

/// A passive server that waits at an endpoint: `(server, endpoint, reply)`.
fn passive(desk: &mut Desk, priority: u32) -> (u32, u32, u32) {
    let endpoint = desk.make(ObjectType::Endpoint, 0, 1);
    let reply = desk.make(ObjectType::Reply, 0, 1);
    let (server, context) = started(desk, 240);
    assert!(desk.runs(server));
    desk.svc(Syscall::Recv, endpoint, 0, &[], reply);
    desk.ok(context, SchedContextMethod::Unbind as u16, &[]);
    desk.ok(server, TcbMethod::SetPriority as u16, &[root_slot::TCB, priority, 255]);
    (server, endpoint, reply)
}

#[test]
fn without_the_right_nobody_who_waits_is_reached() {
    let mut desk = Desk::new();
    let (server, endpoint, _) = passive(&mut desk, 230);
    let deaf = weaker(&mut desk, endpoint, READ);
    for call in [Syscall::Call, Syscall::Send, Syscall::NbSend] {
        assert_eq!(status(desk.svc(call, deaf, 1, &[], 0)), Err(Error::NoRights), "{call:?}");
        assert!(matches!(desk.state(server), State::Receiving(_)), "{call:?}");
    }
    let point = desk.make(ObjectType::Endpoint, 0, 1);
    let (active, _) = started(&mut desk, 235);
    desk.svc(Syscall::Recv, point, 0, &[], 0);
    let deaf = weaker(&mut desk, point, READ);
    for call in [Syscall::Call, Syscall::Send, Syscall::NbSend] {
        assert_eq!(status(desk.svc(call, deaf, 1, &[], 0)), Err(Error::NoRights), "{call:?}");
        assert!(matches!(desk.state(active), State::Receiving(_)), "{call:?}");
    }
    let notification = desk.make(ObjectType::Notification, 0, 1);
    let deaf = weaker(&mut desk, notification, READ);
    assert_eq!(status(desk.svc(Syscall::Signal, deaf, 0, &[], 0)), Err(Error::NoRights));
    assert_eq!(status(desk.svc(Syscall::Poll, notification, 0, &[], 0)), Err(Error::WouldBlock));
}

#[test]
fn who_may_not_receive_answers_and_does_not_wait() {
    let mut desk = Desk::new();
    let (server, endpoint, reply) = passive(&mut desk, 230);
    let mute = weaker(&mut desk, endpoint, WRITE);
    let (client, _) = started(&mut desk, 220);
    desk.svc(Syscall::Call, endpoint, 0, &[], 0);
    assert!(desk.runs(server));
    desk.svc(Syscall::ReplyRecv, mute, 0, &[], reply);
    assert!(!matches!(desk.state(server), State::Receiving(_)));
    assert_eq!(desk.registers(server).r[0], Error::NoRights as u32);
    let _ = client;
}

#[test]
fn a_call_to_a_server_that_is_less_urgent_than_who_is_ready_runs_that_one() {
    let mut desk = Desk::new();
    let (server, endpoint, reply) = passive(&mut desk, 200);
    let (client, _) = started(&mut desk, 230);
    let (ready, _) = started(&mut desk, 220);
    assert!(desk.runs(client));
    desk.svc(Syscall::Call, endpoint, 5, &[1, 2], 0);
    assert!(desk.runs(ready), "it is more urgent than the server");
    desk.ok(ready, TcbMethod::Suspend as u16, &[]);
    assert!(desk.runs(server));
    assert_eq!((desk.registers(server).r[1] >> 16, desk.registers(server).r[2]), (5, 1));
    desk.svc(Syscall::ReplyRecv, endpoint, 0, &[], reply);
    assert!(desk.runs(client));
}

#[test]
fn an_answer_to_a_client_that_is_less_urgent_than_who_is_ready_runs_that_one() {
    let mut desk = Desk::new();
    let (server, endpoint, reply) = passive(&mut desk, 240);
    let (client, _) = started(&mut desk, 210);
    assert!(desk.runs(client));
    desk.svc(Syscall::Call, endpoint, 0, &[], 0);
    assert!(desk.runs(server));
    let (ready, _) = started(&mut desk, 220);
    assert!(desk.runs(server));
    desk.svc(Syscall::ReplyRecv, endpoint, 0, &[], reply);
    assert!(desk.runs(ready));
    assert_eq!(desk.state(client), State::Running);
}

#[test]
fn of_two_servers_that_wait_at_one_endpoint_the_other_goes_on_waiting() {
    let mut desk = Desk::new();
    let (first, endpoint, _) = passive(&mut desk, 230);
    let (second, context) = started(&mut desk, 240);
    let reply = desk.make(ObjectType::Reply, 0, 1);
    desk.svc(Syscall::Recv, endpoint, 0, &[], reply);
    desk.ok(context, SchedContextMethod::Unbind as u16, &[]);
    let (one, _) = started(&mut desk, 220);
    desk.svc(Syscall::Call, endpoint, 0, &[], 0);
    assert!(desk.runs(first));
    let (two, _) = started(&mut desk, 235);
    assert!(desk.runs(two));
    desk.svc(Syscall::Call, endpoint, 0, &[], 0);
    assert!(desk.runs(second));
    assert!([one, two].iter().all(|&client| matches!(desk.state(client), State::AwaitingReply(_))));
}
