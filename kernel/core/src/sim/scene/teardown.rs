//! A guest with its VMM, a client with its server, mapped memory and interrupts, all below one untyped; and a thread that
//! takes them away in any order, interrupted at any time.

use super::Step;
use crate::cap::Cap;
use crate::sim::maker::{FIRST, Maker};
use crate::sim::step::{GuestStep, Svc};
use crate::sim::world::World;
use abi::Syscall;
use abi::boot::root_slot;
use abi::method::*;
use abi::object::ObjectType;
use abi::rights::MapFlags;
use std::vec::Vec;

/// What everything but the thread that takes it away is made of.
const ALL: u32 = FIRST + 5;
const ENDPOINT: u32 = FIRST + 6;
const REPLY: u32 = FIRST + 7;
const VCPU: u32 = FIRST + 8;
const SPACES: u32 = FIRST + 9;
const TABLES: u32 = FIRST + 11;
const VMM: u32 = FIRST + 13;
const GUEST: u32 = FIRST + 14;
const CONTEXT: u32 = FIRST + 15;
const FRAME: u32 = FIRST + 16;
const NODE: u32 = FIRST + 17;
const HANDLERS: u32 = FIRST + 18;
const NOTIFICATION: u32 = FIRST + 20;
/// Physical interrupts: one goes to the guest, one to the thread that takes away.
const IRQS: [u32; 2] = [35, 36];

pub fn build() -> World {
    let mut maker = Maker::new(17);
    // It must outlive the rest.
    let space = maker.make(ObjectType::VSpace, 0, 1);
    let actor = maker.thread(195, space);
    let time = maker.context(10_000, 10_000);
    let wakes = maker.make(ObjectType::Notification, 0, 1);
    assert_eq!(maker.make(ObjectType::Untyped, 16, 1), ALL);
    maker.from = ALL;
    assert_eq!(maker.make(ObjectType::Endpoint, 0, 1), ENDPOINT);
    assert_eq!(maker.make(ObjectType::Reply, 0, 1), REPLY);
    assert_eq!(maker.make(ObjectType::Vcpu, 0, 1), VCPU);
    assert_eq!(maker.make(ObjectType::VSpace, 0, 2), SPACES);
    for level in 2..4 {
        assert_eq!(maker.make(ObjectType::Table, level, 1), TABLES + level - 2);
        maker.ok(TABLES + level - 2, TableMethod::Map as u16, &[SPACES + 1, 0]);
    }
    assert_eq!(maker.thread(230, SPACES), VMM);
    assert_eq!(maker.thread(190, SPACES + 1), GUEST);
    assert_eq!(maker.context(5_000, 10_000), CONTEXT);
    assert_eq!(maker.make(ObjectType::Frame, 12, 1), FRAME);
    let flags = MapFlags::READ | MapFlags::WRITE | MapFlags::EXECUTE;
    maker.ok(FRAME, FrameMethod::Map as u16, &[SPACES + 1, 0x5000, flags.bits()]);
    assert_eq!(maker.make(ObjectType::CNode, 2, 1), NODE);
    maker.ok(NODE, CNodeMethod::Copy as u16, &[1, SPACES, 0xf]);
    maker.ok(NODE, CNodeMethod::Copy as u16, &[2, ENDPOINT, 0xf]);
    for (n, intid) in IRQS.into_iter().enumerate() {
        let handler = maker.slot();
        assert_eq!(handler, HANDLERS + n as u32);
        maker.ok(root_slot::IRQ_CONTROL, IrqControlMethod::Get as u16, &[intid, root_slot::CNODE, handler, 0]);
    }
    assert_eq!(maker.slot(), NOTIFICATION);
    maker.ok(root_slot::CNODE, CNodeMethod::Mint as u16, &[NOTIFICATION, wakes, 3, 1]);
    maker.ok(GUEST, TcbMethod::SetFaultHandler as u16, &[ENDPOINT]);
    maker.ok(GUEST, TcbMethod::BindVcpu as u16, &[VCPU]);
    maker.block(VMM, CONTEXT, Syscall::Recv, ENDPOINT, REPLY);
    maker.ok(HANDLERS, IrqHandlerMethod::BindVcpu as u16, &[VCPU, IRQS[0], 0x40]);
    maker.ok(HANDLERS + 1, IrqHandlerMethod::SetNotification as u16, &[NOTIFICATION]);
    maker.start(GUEST, CONTEXT);
    maker.start(actor, time);
    maker.done()
}

pub fn steps(world: &World, steps: &mut Vec<Step>) {
    let machine = &world.kernel.platform;
    for intid in IRQS {
        if machine.enabled.contains(&intid) && !machine.active.contains(&intid) {
            steps.push(Step::Irq(intid));
        }
    }
    if machine.deadline != u64::MAX && world.kernel.running().is_none() {
        steps.push(Step::Timer);
    }
    let Some(tcb) = world.kernel.running() else { return };
    if world.kernel.arena.get(tcb).vcpu.is_some() {
        steps.extend(
            [GuestStep::Exit, GuestStep::Wait, GuestStep::Float(1), GuestStep::Timer(1000, 1)].map(Step::Guest),
        );
        steps.push(Step::Store(0x5000, 1));
        if machine.takable().is_some() {
            steps.push(Step::Guest(GuestStep::Acknowledge));
        }
        return;
    }
    let root = root_slot::CNODE;
    for slot in ALL..=NOTIFICATION {
        if world.cap(slot).is_null() {
            continue;
        }
        let step = Svc::method(root, CNodeMethod::Delete as u16, &[slot]);
        steps.push(step);
        if !matches!(world.cap(slot), Cap::Endpoint { .. } | Cap::Notification { .. } | Cap::Reply { .. }) {
            steps.push(step.preempted());
        }
    }
    if world.has_children(ALL) {
        let step = Svc::method(root, CNodeMethod::Revoke as u16, &[ALL]);
        steps.extend([step, step.preempted()]);
    } else {
        steps.push(Svc::method(ALL, UntypedMethod::Reset as u16, &[]));
    }
    steps.push(Svc::method(GUEST, TcbMethod::Suspend as u16, &[]));
    steps.push(Svc::method(GUEST, TcbMethod::Resume as u16, &[]));
    steps.push(Svc::method(VCPU, VcpuMethod::Reset as u16, &[]));
    steps.push(Svc::method(VCPU, VcpuMethod::Inject as u16, &[40, 0x20, 0]));
    steps.push(Svc::method(HANDLERS, IrqHandlerMethod::Clear as u16, &[]));
    steps.push(Svc::method(HANDLERS + 1, IrqHandlerMethod::Ack as u16, &[]));
    steps.push(Svc::method(CONTEXT, SchedContextMethod::Unbind as u16, &[]));
    steps.push(Svc::call(Syscall::Wait, NOTIFICATION, 0));
    steps.push(Svc::call(Syscall::ReplyRecv, ENDPOINT, REPLY));
}
