//! Two clients with time of their own, two servers without, two endpoints, two reply objects, a notification.

use super::Step;
use crate::sim::maker::{FIRST, Maker};
use crate::sim::step::Svc;
use crate::sim::world::World;
use abi::Syscall;
use abi::boot::root_slot;
use abi::method::*;
use abi::object::ObjectType;
use std::vec::Vec;

const ENDPOINTS: u32 = FIRST + 1;
const REPLIES: u32 = FIRST + 3;
const NOTIFICATION: u32 = FIRST + 5;
const THREADS: u32 = FIRST + 7;
const CLIENTS: [u32; 2] = [THREADS, THREADS + 1];
const CONTEXTS: u32 = FIRST + 11;
/// To set two servers up.
const SPARE: u32 = FIRST + 13;

pub fn build() -> World {
    let mut maker = Maker::new(14);
    assert_eq!(maker.make(ObjectType::Endpoint, 0, 2), ENDPOINTS);
    assert_eq!(maker.make(ObjectType::Reply, 0, 2), REPLIES);
    assert_eq!(maker.make(ObjectType::Notification, 0, 1), NOTIFICATION);
    let space = maker.make(ObjectType::VSpace, 0, 1);
    // The second client is more urgent than the first, the second server more than the first.
    for (n, priority) in [190, 195, 210, 220].into_iter().enumerate() {
        assert_eq!(maker.thread(priority, space), THREADS + n as u32);
    }
    for n in 0..3 {
        assert_eq!(maker.context(10_000, 10_000), CONTEXTS + n);
    }
    for n in 0..2 {
        maker.block(THREADS + 2 + n, SPARE, Syscall::Recv, ENDPOINTS + n, REPLIES + n);
    }
    maker.ok(root_slot::CNODE, CNodeMethod::Delete as u16, &[SPARE]);
    for (n, client) in CLIENTS.into_iter().enumerate() {
        maker.start(client, CONTEXTS + n as u32);
    }
    maker.done()
}

pub fn steps(world: &World, steps: &mut Vec<Step>) {
    if world.kernel.running().is_none() {
        return;
    }
    for n in 0..2 {
        let (endpoint, reply) = (ENDPOINTS + n, REPLIES + n);
        steps.push(Svc::call(Syscall::Call, endpoint, 0));
        steps.push(Svc::call(Syscall::Send, endpoint, 0));
        steps.push(Svc::call(Syscall::NbSend, endpoint, 0));
        steps.push(Svc::call(Syscall::Recv, endpoint, reply));
        steps.push(Svc::call(Syscall::NbRecv, endpoint, reply));
        steps.push(Svc::call(Syscall::ReplyRecv, endpoint, reply));
        steps.push(Svc::call(Syscall::Reply, reply, 0));
        steps.push(Svc::method(root_slot::CNODE, CNodeMethod::Delete as u16, &[endpoint]));
        steps.push(Svc::method(root_slot::CNODE, CNodeMethod::Delete as u16, &[reply]));
    }
    // Where no caller can be kept, and one kept elsewhere.
    steps.push(Svc::call(Syscall::Recv, ENDPOINTS, 0));
    steps.push(Svc::call(Syscall::ReplyRecv, ENDPOINTS, REPLIES + 1));
    steps.push(Svc::call(Syscall::Signal, NOTIFICATION, 0));
    steps.push(Svc::call(Syscall::Wait, NOTIFICATION, 0));
    steps.push(Svc::call(Syscall::Poll, NOTIFICATION, 0));
    steps.push(Svc::call(Syscall::Yield, 0, 0));
    steps.push(Step::Fault);
    for thread in THREADS..THREADS + 4 {
        steps.push(Svc::method(thread, TcbMethod::Suspend as u16, &[]));
        steps.push(Svc::method(thread, TcbMethod::Resume as u16, &[]));
    }
    for (n, client) in CLIENTS.into_iter().enumerate() {
        let context = CONTEXTS + n as u32;
        steps.push(Svc::method(context, SchedContextMethod::Unbind as u16, &[]));
        steps.push(Svc::method(context, SchedContextMethod::Bind as u16, &[client]));
        steps.push(Svc::method(context, SchedContextMethod::Bind as u16, &[THREADS + 2]));
    }
    steps.push(Svc::method(root_slot::CNODE, CNodeMethod::Delete as u16, &[THREADS + 2]));
    steps.push(Svc::method(root_slot::CNODE, CNodeMethod::Delete as u16, &[CONTEXTS]));
}
