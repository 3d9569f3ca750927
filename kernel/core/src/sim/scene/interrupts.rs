//! A guest with two list registers, its VMM, a line that is linked to a physical interrupt, and the virtual timer.

use super::Step;
use crate::cap::Cap;
use crate::sim::maker::{FIRST, Maker};
use crate::sim::step::{GuestStep, Svc};
use crate::sim::witness::Expected;
use crate::sim::world::World;
use abi::Syscall;
use abi::boot::root_slot;
use abi::method::*;
use abi::object::ObjectType;
use std::vec::Vec;

const EXITS: u32 = FIRST + 1;
const REPLY: u32 = FIRST + 2;
const VCPU: u32 = FIRST + 3;
const HANDLER: u32 = FIRST + 10;
/// A physical interrupt, which has the same number for the guest.
const DIRECT: u32 = 35;
/// Interrupts of the VMM's own, with their priorities: a software interrupt, two that are pending once, a line.
const SOFTWARE: [u32; 2] = [2, 0x20];
const ONCE: [[u32; 2]; 2] = [[40, 0x50], [41, 0x30]];
const LINE: [u32; 2] = [33, 0x40];

pub fn build() -> World {
    let mut maker = Maker::new(15);
    maker.world.kernel.platform.list_count = 2;
    assert_eq!(maker.make(ObjectType::Endpoint, 0, 1), EXITS);
    assert_eq!(maker.make(ObjectType::Reply, 0, 1), REPLY);
    assert_eq!(maker.make(ObjectType::Vcpu, 0, 1), VCPU);
    let spaces = maker.make(ObjectType::VSpace, 0, 2);
    let vmm = maker.thread(230, spaces);
    let guest = maker.thread(190, spaces + 1);
    let context = maker.context(10_000, 10_000);
    let badged = maker.slot();
    assert_eq!(maker.slot(), HANDLER);
    maker.ok(root_slot::CNODE, CNodeMethod::Mint as u16, &[badged, EXITS, 7, 1]);
    maker.ok(guest, TcbMethod::SetFaultHandler as u16, &[badged]);
    maker.ok(guest, TcbMethod::BindVcpu as u16, &[VCPU]);
    maker.block(vmm, context, Syscall::Recv, EXITS, REPLY);
    let Cap::Vcpu { vcpu } = maker.world.cap(VCPU) else { panic!("no vCPU") };
    maker.world.witness.interrupts = Some(Expected::none(vcpu));
    maker.ok(root_slot::IRQ_CONTROL, IrqControlMethod::Get as u16, &[DIRECT, root_slot::CNODE, HANDLER, 0]);
    maker.ok(HANDLER, IrqHandlerMethod::BindVcpu as u16, &[VCPU, DIRECT, 0x48]);
    maker.take(Svc::method(VCPU, VcpuMethod::SetTimer as u16, &[1, 0x60]));
    maker.start(guest, context);
    maker.done()
}

pub fn steps(world: &World, steps: &mut Vec<Step>) {
    let machine = &world.kernel.platform;
    if machine.enabled.contains(&DIRECT) && !machine.active.contains(&DIRECT) {
        steps.push(Step::Irq(DIRECT));
    }
    if machine.deadline < 1 << 60 {
        steps.push(Step::Timer);
    }
    let Some(tcb) = world.kernel.running() else { return };
    if world.kernel.arena.get(tcb).vcpu.is_some() {
        steps.extend([Step::Guest(GuestStep::Exit), Step::Guest(GuestStep::Wait)]);
        steps.extend([Step::Guest(GuestStep::Timer(0, 1)), Step::Guest(GuestStep::Timer(0, 0))]);
        steps.push(Step::Guest(GuestStep::Timer(62_000, 1)));
        if machine.takable().is_some() {
            steps.push(Step::Guest(GuestStep::Acknowledge));
        }
        if let Some(intid) = world.witness.interrupts.as_ref().and_then(Expected::at_work_on) {
            steps.push(Step::Guest(GuestStep::End(intid)));
        }
        return;
    }
    let method = |method: VcpuMethod, words: &[u32]| Svc::method(VCPU, method as u16, words);
    for source in 0..2 {
        steps.push(method(VcpuMethod::Inject, &[SOFTWARE[0], SOFTWARE[1], source]));
    }
    for [intid, priority] in ONCE {
        steps.push(method(VcpuMethod::Inject, &[intid, priority, 0]));
    }
    for level in 0..2 {
        steps.push(method(VcpuMethod::SetLevel, &[LINE[0], LINE[1], level]));
        steps.push(method(VcpuMethod::SetTimer, &[level, 0x60]));
    }
    for intid in [SOFTWARE[0], ONCE[0][0], LINE[0]] {
        steps.push(method(VcpuMethod::Retract, &[intid]));
    }
    steps.push(Svc::call(Syscall::ReplyRecv, EXITS, REPLY));
}
