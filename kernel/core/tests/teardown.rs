//! What must not be possible while something is torn down, or after it was.

mod common;

use abi::boot::root_slot;
use abi::message::MessageInfo;
use abi::method::*;
use abi::object::ObjectType;
use abi::vcpu::InterruptState;
use abi::{Error, Syscall};
use common::{Desk, guest_and_vmm};
use kernel_core::cap::Cap;

/// One try of a system call: no automatic restart.
fn once(desk: &mut Desk, cap: u32, method: u16, words: &[u32]) {
    let tcb = desk.world.kernel.current();
    let c = &mut desk.world.kernel.arena.get_mut(tcb).context;
    c.r[0] = cap;
    c.r[1] = MessageInfo::new(method, words.len() * 4).0;
    c.r[2..2 + words.len()].copy_from_slice(words);
    c.pc = 0x1004;
    desk.world.enter(Syscall::Call as u32);
}

#[test]
fn an_untyped_whose_deletion_was_preempted_can_not_be_reset_under_its_objects() {
    let mut desk = Desk::new();
    let parent = desk.make(ObjectType::Untyped, 16, 1);
    let a = desk.slot();
    desk.world.retype(parent, ObjectType::Untyped, 14, 1, a).unwrap();
    let victim = desk.slot();
    desk.world.retype(a, ObjectType::Tcb, 0, 1, victim).unwrap();
    let tcb = desk.tcb(victim);
    desk.ok(victim, TcbMethod::SetPriority as u16, &[root_slot::TCB, 7, 7]);
    assert_eq!(desk.world.kernel.arena.get(tcb).refs, 1);
    // Thread 1: Delete(a), an interrupt pends at its first preemption point.
    desk.world.kernel.platform.pending = true;
    once(&mut desk, root_slot::CNODE, CNodeMethod::Delete as u16, &[a]);
    assert!(matches!(desk.world.cap(a), Cap::Untyped { .. }), "the untyped is still there");
    assert!(matches!(desk.world.cap(victim), Cap::Tcb { .. }), "and so is the thread made of it");
    // Thread 2 (here: the same one, for brevity; the SVC was not restarted).
    desk.world.kernel.platform.pending = false;
    let reset = desk.world.invoke(a, UntypedMethod::Reset as u16, &[]);
    assert_eq!(reset, Err(Error::WrongState));
}

/// Someone else (root) revokes the parent; the holder of A resets it between two steps.
#[test]
fn an_untyped_below_a_revocation_that_was_preempted_can_not_be_reset_under_its_objects() {
    let mut desk = Desk::new();
    let parent = desk.make(ObjectType::Untyped, 17, 1);
    let a = desk.slot();
    desk.world.retype(parent, ObjectType::Untyped, 14, 1, a).unwrap();
    let table = desk.slot();
    desk.world.retype(a, ObjectType::Table, 2, 1, table).unwrap();
    let space = desk.make(ObjectType::VSpace, 0, 1);
    desk.ok(table, TableMethod::Map as u16, &[space, 0]);
    desk.world.kernel.platform.pending = true;
    once(&mut desk, root_slot::CNODE, CNodeMethod::Revoke as u16, &[parent]);
    desk.world.kernel.platform.pending = false;
    let reset = desk.world.invoke(a, UntypedMethod::Reset as u16, &[]);
    assert!(matches!(desk.world.cap(table), Cap::Table { vspace: Some(_), .. }), "mapped still");
    assert_eq!(reset, Err(Error::WrongState));
}

/// VM A writes EOIR for a number that it has in no list register (EOICount 1), then is switched away from.
#[test]
fn ends_that_one_guest_was_counted_for_are_not_the_next_ones() {
    let mut desk = Desk::new();
    let (b, _, _, _, vcpu) = guest_and_vmm(&mut desk);
    assert!(desk.runs(b));
    // B: four active, one more urgent: 40 is spilled, still active.
    for n in 0..4 {
        desk.ok(vcpu, VcpuMethod::Inject as u16, &[40 + n, 0xa0 - n * 8, 0]);
    }
    for list in &mut desk.world.kernel.platform.lists {
        (list.pending, list.active) = (false, true);
    }
    desk.ok(vcpu, VcpuMethod::Inject as u16, &[50, 0x10, 0]);
    for list in &mut desk.world.kernel.platform.lists {
        (list.pending, list.active) = (false, true);
    }
    let active = |desk: &mut Desk| desk.ok(vcpu, VcpuMethod::ReadInterrupt as u16, &[40])[0] & InterruptState::ACTIVE;
    assert_eq!(active(&mut desk), InterruptState::ACTIVE);
    desk.world.kernel.on_guest_wait(true);
    desk.world.schedule();
    let (a, _, _, _, _) = guest_and_vmm(&mut desk);
    assert!(desk.runs(a));
    desk.world.kernel.platform.eoi_count = 1; // forged by A
    desk.world.kernel.on_guest_wait(true);
    desk.world.kernel.platform.eoi_count = 1;
    desk.ok(vcpu, VcpuMethod::Inject as u16, &[60, 0x08, 0]);
    assert!(desk.runs(b));
    for intid in 40..44 {
        let state = desk.ok(vcpu, VcpuMethod::ReadInterrupt as u16, &[intid])[0];
        assert_eq!(state & InterruptState::ACTIVE, InterruptState::ACTIVE, "B has not ended {intid}");
    }
}

/// A hardware-linked number stays linked when its handler is gone: a software injection then names the old line.
#[test]
fn a_number_whose_handler_was_cleared_is_linked_to_no_line() {
    let mut desk = Desk::new();
    let (_, _, _, _, vcpu) = guest_and_vmm(&mut desk);
    let handler = desk.slot();
    desk.ok(root_slot::IRQ_CONTROL, IrqControlMethod::Get as u16, &[40, root_slot::CNODE, handler, 0]);
    desk.ok(handler, IrqHandlerMethod::BindVcpu as u16, &[vcpu, 77, 0x80]);
    desk.world.kernel.platform.active.insert(40);
    desk.world.kernel.on_irq(40);
    desk.ok(handler, IrqHandlerMethod::Clear as u16, &[]);
    println!("physical 40 active after Clear: {}", desk.world.kernel.platform.active.contains(&40));
    desk.ok(vcpu, VcpuMethod::Retract as u16, &[77]);
    println!("physical 40 active after Retract: {}", desk.world.kernel.platform.active.contains(&40));
    desk.ok(vcpu, VcpuMethod::Inject as u16, &[77, 0x80, 0]);
    let list = desk.world.kernel.platform.lists.iter().find(|list| list.intid == 77).copied().unwrap();
    println!("{list:?}");
    assert_eq!(list.hardware, None, "a software injection must not deactivate somebody's physical interrupt");
}

/// The number of a handler that is cleared may be one that the VMM has injected itself, and that is not linked to anything.
#[test]
fn an_interrupt_that_the_vmm_injected_survives_the_clearing_of_a_handler_with_its_number() {
    let mut desk = Desk::new();
    let (_, _, _, _, vcpu) = guest_and_vmm(&mut desk);
    let handler = desk.slot();
    desk.ok(root_slot::IRQ_CONTROL, IrqControlMethod::Get as u16, &[40, root_slot::CNODE, handler, 0]);
    desk.ok(handler, IrqHandlerMethod::BindVcpu as u16, &[vcpu, 77, 0x80]);
    // More urgent ones take all list registers: 77 waits.
    for intid in 50..54 {
        desk.ok(vcpu, VcpuMethod::Inject as u16, &[intid, 0x10, 0]);
    }
    desk.ok(vcpu, VcpuMethod::Inject as u16, &[77, 0x80, 0]);
    desk.ok(handler, IrqHandlerMethod::Clear as u16, &[]);
    let state = desk.ok(vcpu, VcpuMethod::ReadInterrupt as u16, &[77])[0];
    assert_eq!(state & InterruptState::PENDING, InterruptState::PENDING);
    desk.world.kernel.platform.lists = Default::default();
    desk.world.kernel.on_maintenance();
    assert!(desk.world.kernel.platform.lists.iter().any(|list| list.intid == 77 && list.pending), "it is lost");
}
