//! Threads with budgets, one with a slice, and a server without time.

use super::Step;
use crate::sim::maker::{FIRST, Maker};
use crate::sim::step::Svc;
use crate::sim::witness::Spent;
use crate::sim::world::World;
use abi::Syscall;
use abi::boot::root_slot;
use abi::method::*;
use abi::object::ObjectType;
use std::vec::Vec;

const ENDPOINT: u32 = FIRST + 1;
const REPLY: u32 = FIRST + 2;
const NOTIFICATION: u32 = FIRST + 3;
const THREADS: u32 = FIRST + 5;
const SERVER: u32 = THREADS + 3;
const CONTEXTS: u32 = FIRST + 9;
const SPARE: u32 = FIRST + 12;

pub fn build() -> World {
    let mut maker = Maker::new(14);
    assert_eq!(maker.make(ObjectType::Endpoint, 0, 1), ENDPOINT);
    assert_eq!(maker.make(ObjectType::Reply, 0, 1), REPLY);
    assert_eq!(maker.make(ObjectType::Notification, 0, 1), NOTIFICATION);
    let space = maker.make(ObjectType::VSpace, 0, 1);
    for (n, priority) in [180, 180, 190, 210].into_iter().enumerate() {
        assert_eq!(maker.thread(priority, space), THREADS + n as u32);
    }
    // A slice, and two budgets, one of them of the more urgent thread.
    for (n, (budget, period)) in [(300, 300), (100, 400), (200, 400)].into_iter().enumerate() {
        assert_eq!(maker.context(budget, period), CONTEXTS + n as u32);
    }
    assert_eq!(maker.context(10_000, 10_000), SPARE);
    maker.block(SERVER, SPARE, Syscall::Recv, ENDPOINT, REPLY);
    maker.ok(root_slot::CNODE, CNodeMethod::Delete as u16, &[SPARE]);
    for n in 0..3 {
        maker.start(THREADS + n, CONTEXTS + n);
    }
    let mut world = maker.done();
    world.witness.time = Some(Spent::default());
    world
}

pub fn steps(world: &World, steps: &mut Vec<Step>) {
    let machine = &world.kernel.platform;
    if machine.deadline != u64::MAX {
        steps.push(Step::Timer);
        // A part of the way, in steps that are not too small to tell apart.
        let left = machine.deadline.saturating_sub(machine.now);
        if left > 2 * QUANTUM {
            steps.push(Step::Pass((left / 2 / QUANTUM * QUANTUM) as u32));
        }
    }
    if world.kernel.running().is_none() {
        return;
    }
    steps.push(Svc::call(Syscall::Yield, 0, 0));
    steps.push(Svc::call(Syscall::Wait, NOTIFICATION, 0));
    steps.push(Svc::call(Syscall::Signal, NOTIFICATION, 0));
    steps.push(Svc::call(Syscall::Call, ENDPOINT, 0));
    steps.push(Svc::call(Syscall::ReplyRecv, ENDPOINT, REPLY));
    steps.push(Svc::method(THREADS, TcbMethod::SetPriority as u16, &[root_slot::TCB, 195, 195]));
    steps.push(Svc::method(CONTEXTS + 1, SchedContextMethod::Unbind as u16, &[]));
    steps.push(Svc::method(CONTEXTS + 1, SchedContextMethod::Bind as u16, &[THREADS + 1]));
}

/// Ticks: 50 us.
const QUANTUM: u64 = 3100;
