//! Two compartments without a channel: in each a component, a guest with its VMM, memory and an interrupt, in a capability
//! space of its own.

use crate::arena::Handle;
use crate::cap::Cap;
use crate::sim::maker::{FIRST, Maker};
use crate::sim::random::Powers;
use crate::sim::world::World;
use crate::tcb::Tcb;
use abi::Syscall;
use abi::boot::root_slot;
use abi::method::*;
use abi::object::ObjectType;

/// Slots of a compartment's own CNode.
const SLOTS: u32 = 32;
// Where its threads find things in it: the CNode, and what follows.
const OWN: u32 = 1;
const MEMORY: u32 = 2;
const ENDPOINT: u32 = 3;
const NOTIFICATION: u32 = 4;
const REPLY: u32 = 5;
const FRAMES: u32 = 6;
const THREADS: [u32; 3] = [8, 9, 10];
const VCPU: u32 = 11;
const SPACES: u32 = 12;
const TABLES: u32 = 14;
const HANDLER: u32 = 16;
const CONTEXTS: u32 = 17;

/// One of the two.
#[derive(Clone, Copy, Debug)]
pub struct Compartment {
    /// Its capability space.
    pub powers: Powers,
    /// Its component, its VMM, its guest.
    pub threads: [Handle<Tcb>; 3],
}

/// Both of them, in a world that has just been built.
pub fn compartments(world: &World) -> [Compartment; 2] {
    [0, 1].map(|which| {
        let Cap::CNode { cnode, .. } = world.cap(node(which)) else { panic!("no CNode") };
        let powers = Powers { cnode, slots: (2, SLOTS), own: OWN, irqs: (irq(which), irq(which) + 1) };
        let thread = |slot| match powers.cap(world, slot) {
            Cap::Tcb { tcb } => tcb,
            other => panic!("{other:?} is no thread"),
        };
        Compartment { powers, threads: THREADS.map(thread) }
    })
}

/// Where root has the CNode of each.
fn node(which: u32) -> u32 {
    FIRST + 1 + which
}

/// Its physical interrupt, which goes to its guest.
fn irq(which: u32) -> u32 {
    33 + which
}

/// Both, with their components and guests started.
pub fn build() -> World {
    let mut maker = Maker::new(18);
    for which in 0..2 {
        assert_eq!(maker.make(ObjectType::CNode, SLOTS.ilog2(), 1), node(which));
    }
    let starts = [0, 1].map(|which| compartment(&mut maker, which));
    for (tcb, context) in starts.into_iter().flatten() {
        maker.start(tcb, context);
    }
    maker.done()
}

/// Everything of one, made by root and moved to its CNode. What is to be started, and on which context.
fn compartment(maker: &mut Maker, which: u32) -> [(u32, u32); 2] {
    let own = node(which);
    let to = |maker: &mut Maker, method: CNodeMethod, slot: u32, cap: u32| {
        maker.ok(own, method as u16, &[slot, cap, 0xf]);
    };
    let (copied, moved) = (CNodeMethod::Copy, CNodeMethod::Move);
    to(maker, copied, OWN, own);
    let memory = maker.make(ObjectType::Untyped, 14, 1);
    to(maker, moved, MEMORY, memory);
    let endpoint = maker.make(ObjectType::Endpoint, 0, 1);
    to(maker, copied, ENDPOINT, endpoint);
    let notification = maker.make(ObjectType::Notification, 0, 1);
    to(maker, moved, NOTIFICATION, notification);
    let reply = maker.make(ObjectType::Reply, 0, 1);
    to(maker, moved, REPLY, reply);
    let spaces = maker.make(ObjectType::VSpace, 0, 2);
    for n in 0..2 {
        let table = maker.make(ObjectType::Table, 2 + n, 1);
        maker.ok(table, TableMethod::Map as u16, &[spaces, 0]);
        to(maker, moved, TABLES + n, table);
        to(maker, copied, SPACES + n, spaces + n);
    }
    for n in 0..2 {
        let frame = maker.make(ObjectType::Frame, 12, 1);
        maker.ok(frame, FrameMethod::Map as u16, &[spaces, 0x5000 + n * 0x1000, 3]);
        to(maker, moved, FRAMES + n, frame);
    }
    let vcpu = maker.make(ObjectType::Vcpu, 0, 1);
    to(maker, copied, VCPU, vcpu);
    let handler = maker.slot();
    let get = [irq(which), root_slot::CNODE, handler, 0];
    maker.ok(root_slot::IRQ_CONTROL, IrqControlMethod::Get as u16, &get);
    maker.ok(handler, IrqHandlerMethod::BindVcpu as u16, &[vcpu, irq(which), 0x40]);
    to(maker, moved, HANDLER, handler);
    let threads = maker.make(ObjectType::Tcb, 0, 3);
    for (n, priority) in [170 + which, 210, 160 + which].into_iter().enumerate() {
        let tcb = threads + n as u32;
        maker.ok(tcb, TcbMethod::SetSpaces as u16, &[own, spaces + n as u32 / 2]);
        maker.ok(tcb, TcbMethod::SetPriority as u16, &[root_slot::TCB, priority, 170]);
        to(maker, copied, THREADS[n], tcb);
    }
    let [component, vmm, guest] = [threads, threads + 1, threads + 2];
    maker.ok(guest, TcbMethod::SetFaultHandler as u16, &[endpoint]);
    maker.ok(guest, TcbMethod::BindVcpu as u16, &[vcpu]);
    let spare = maker.context(10_000, 10_000);
    maker.block(vmm, spare, Syscall::Recv, ENDPOINT, REPLY);
    let contexts = [maker.context(BUDGET_US, PERIOD_US), maker.context(BUDGET_US, PERIOD_US)];
    for (n, context) in contexts.into_iter().enumerate() {
        to(maker, copied, CONTEXTS + n as u32, context);
    }
    [(component, contexts[0]), (guest, contexts[1])]
}

/// Time of each component and each guest.
pub const BUDGET_US: u32 = 200;
/// In each of these.
pub const PERIOD_US: u32 = 1000;
