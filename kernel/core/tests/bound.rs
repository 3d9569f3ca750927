//! Notifications that are bound to a thread.

mod common;

use abi::boot::root_slot;
use abi::method::*;
use abi::object::ObjectType;
use abi::syscall::NOTIFIED;
use abi::{Error, Syscall};
use common::Desk;
use kernel_core::cap::Cap;
use kernel_core::tcb::State;

/// A thread with time of its own that receives into `reply` from an endpoint, and has a notification bound to it.
fn bound(desk: &mut Desk) -> (u32, u32, u32, u32) {
    let endpoint = desk.make(ObjectType::Endpoint, 0, 1);
    let reply = desk.make(ObjectType::Reply, 0, 1);
    let notification = desk.make(ObjectType::Notification, 0, 1);
    let server = desk.thread(230);
    let context = desk.context(10_000, 10_000);
    desk.ok(server, TcbMethod::BindNotification as u16, &[notification]);
    desk.ok(server, TcbMethod::Resume as u16, &[]);
    desk.ok(context, SchedContextMethod::Bind as u16, &[server]);
    desk.svc(Syscall::Recv, endpoint, 0, &[], reply);
    assert!(matches!(desk.state(server), State::Receiving(_)));
    (server, endpoint, reply, notification)
}

/// A copy of a notification with that badge.
fn badged(desk: &mut Desk, notification: u32, badge: u32) -> u32 {
    let slot = desk.slot();
    desk.ok(root_slot::CNODE, CNodeMethod::Mint as u16, &[slot, notification, 3, badge]);
    slot
}

#[test]
fn a_thread_receives_the_word_of_its_bound_notification_where_it_receives_messages() {
    let mut desk = Desk::new();
    let (server, endpoint, reply, notification) = bound(&mut desk);
    let (one, two) = (badged(&mut desk, notification, 1), badged(&mut desk, notification, 2));
    desk.svc(Syscall::Signal, one, 0, &[], 0);
    assert!(desk.runs(server));
    let r = desk.registers(server).r;
    assert_eq!((r[0], r[1], r[12]), (NOTIFIED, 0, 1));
    // What is signalled while it is busy comes with its next receive, before any message, and all at once.
    desk.svc(Syscall::Signal, one, 0, &[], 0);
    desk.svc(Syscall::Signal, two, 0, &[], 0);
    let answer = desk.svc(Syscall::Recv, endpoint, 0, &[], reply);
    assert_eq!((answer[0], answer[6]), (NOTIFIED, 3));
    desk.svc(Syscall::Recv, endpoint, 0, &[], reply);
    assert!(matches!(desk.state(server), State::Receiving(_)));
    // Messages still come.
    desk.svc(Syscall::Call, endpoint, 7, &[1], 0);
    let r = desk.registers(server).r;
    assert!(desk.runs(server) && r[0] == 0 && r[2] == 1);
    desk.svc(Syscall::ReplyRecv, endpoint, 0, &[], reply);
}

#[test]
fn a_binding_is_one_to_one_needs_the_right_and_ends_with_its_capability() {
    let mut desk = Desk::new();
    let (server, _, _, notification) = bound(&mut desk);
    let other = desk.thread(10);
    desk.fails(other, TcbMethod::BindNotification as u16, &[notification], Error::WrongState);
    let second = desk.make(ObjectType::Notification, 0, 1);
    desk.fails(server, TcbMethod::BindNotification as u16, &[second], Error::WrongState);
    let blind = desk.slot();
    desk.ok(root_slot::CNODE, CNodeMethod::Mint as u16, &[blind, second, 2, 1]);
    desk.fails(other, TcbMethod::BindNotification as u16, &[blind], Error::NoRights);
    desk.fails(other, TcbMethod::BindNotification as u16, &[server], Error::WrongType);
    // Revoked, it is unbound, and the thread waits on.
    desk.ok(root_slot::CNODE, CNodeMethod::Revoke as u16, &[notification]);
    let one = badged(&mut desk, notification, 1);
    desk.svc(Syscall::Signal, one, 0, &[], 0);
    assert!(matches!(desk.state(server), State::Receiving(_)));
    desk.ok(other, TcbMethod::BindNotification as u16, &[notification]);
    desk.ok(other, TcbMethod::UnbindNotification as u16, &[]);
    // Bound again to a thread that waits, the word that is there is taken at once.
    desk.ok(server, TcbMethod::BindNotification as u16, &[notification]);
    assert!(desk.runs(server));
    assert_eq!(desk.registers(server).r[12], 1);
}

#[test]
fn a_passive_server_gets_no_word_and_loses_none() {
    let mut desk = Desk::new();
    let (server, endpoint, reply, notification) = bound(&mut desk);
    let context = desk.context(10_000, 10_000);
    let one = badged(&mut desk, notification, 1);
    let own = desk.world.kernel.arena.get(desk.tcb(server)).home.is_some();
    assert!(own);
    // Its own context goes: root deletes the one that `bound` made, which lies right before the endpoint's messages.
    let first = (0..1024).find(|&slot| {
        matches!(desk.world.cap(slot), Cap::SchedContext { context } if desk.world.kernel.arena.get(desk.tcb(server)).home == Some(context))
    });
    desk.ok(first.expect("it has one"), SchedContextMethod::Unbind as u16, &[]);
    desk.svc(Syscall::Signal, one, 0, &[], 0);
    assert!(matches!(desk.state(server), State::Receiving(_)), "it has no time to look at it");
    desk.svc(Syscall::Call, endpoint, 7, &[], 0);
    assert!(desk.runs(server));
    desk.svc(Syscall::ReplyRecv, endpoint, 0, &[], reply);
    assert!(matches!(desk.state(server), State::Receiving(_)));
    // With time of its own again, it is told at its next receive.
    desk.ok(context, SchedContextMethod::Bind as u16, &[server]);
    desk.svc(Syscall::Call, endpoint, 7, &[], 0);
    desk.svc(Syscall::ReplyRecv, endpoint, 0, &[], reply);
    assert_eq!(desk.registers(server).r[0], NOTIFIED);
}
