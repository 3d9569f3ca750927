//! Guests: exits, waiting, virtual interrupts.

mod common;

use abi::Syscall;
use abi::boot::root_slot;
use abi::exit::ExitReply;
use abi::method::*;
use abi::vcpu::InterruptState;
use common::{Desk, guest_and_vmm};
use kernel_core::tcb::State;
use kernel_core::vcpu::ExitRecord;

#[test]
fn an_mmio_load_is_one_message_and_one_answer() {
    let mut desk = Desk::new();
    let (guest, vmm, exits, reply, _) = guest_and_vmm(&mut desk);
    let pc = desk.registers(guest).pc;
    let exit = ExitRecord { kind: 1, words: [0x302, 0x0900_0018, 0, pc], register: 3, long: 0, ..Default::default() };
    desk.exit(exit);
    assert!(desk.runs(vmm));
    let got = desk.registers(vmm);
    assert_eq!((got.r[0], got.r[1], got.r[12]), (0, 1 << 16 | 16, 1));
    assert_eq!(got.r[2..6], exit.words);
    desk.svc(Syscall::ReplyRecv, exits, (ExitReply::STEP | ExitReply::WRITE).bits(), &[0x90], reply);
    assert!(desk.runs(guest));
    let after = desk.registers(guest);
    assert_eq!((after.r[3], after.pc), (0x90, pc + 2), "stepped by the real length");
}

#[test]
fn an_outstanding_exit_can_be_read_again_and_is_gone_after_its_answer() {
    let mut desk = Desk::new();
    let (_, _, exits, reply, vcpu) = guest_and_vmm(&mut desk);
    desk.exit(ExitRecord { kind: 4, words: [1, 2, 3, 4], ..Default::default() });
    assert_eq!(desk.ok(vcpu, VcpuMethod::ReadExit as u16, &[]), [4, 1, 2, 3]);
    desk.svc(Syscall::ReplyRecv, exits, ExitReply::STOP.bits(), &[], reply);
    assert_eq!(desk.ok(vcpu, VcpuMethod::ReadExit as u16, &[])[0], 0);
}

#[test]
fn a_waiting_guest_wakes_for_an_interrupt_and_not_before() {
    let mut desk = Desk::new();
    let (guest, _, _, _, vcpu) = guest_and_vmm(&mut desk);
    desk.world.kernel.on_guest_wait(true);
    desk.world.schedule();
    assert_eq!(desk.state(guest), State::Idle);
    desk.ok(vcpu, VcpuMethod::SetLevel as u16, &[33, 0x80, 1]);
    assert!(desk.runs(guest));
    // With something pending, waiting ends at once.
    desk.world.kernel.on_guest_wait(true);
    desk.world.schedule();
    assert!(desk.runs(guest));
}

fn state(desk: &mut Desk, vcpu: u32, intid: u32) -> u32 {
    desk.ok(vcpu, VcpuMethod::ReadInterrupt as u16, &[intid])[0]
}

#[test]
fn more_interrupts_than_list_registers_lose_none_and_the_urgent_come_first() {
    let mut desk = Desk::new();
    let (guest, vmm, _, _, vcpu) = guest_and_vmm(&mut desk);
    desk.exit(ExitRecord { kind: 4, ..Default::default() });
    assert!(desk.runs(vmm));
    for n in 0..8 {
        desk.ok(vcpu, VcpuMethod::Inject as u16, &[40 + n, 0x80 - n * 8, 0]);
    }
    let mut order = Vec::new();
    for _ in 0..8 {
        // The guest takes the most urgent pending one, and ends it.
        let lists = &mut desk.world.kernel.platform.lists;
        let best =
            lists.iter_mut().filter(|list| list.pending).min_by_key(|list| list.priority).expect("one is pending");
        order.push(best.intid);
        *best = Default::default();
        desk.world.kernel.on_maintenance();
        desk.check();
    }
    assert_eq!(order, [47, 46, 45, 44, 43, 42, 41, 40]);
    assert!((40..48).all(|intid| state(&mut desk, vcpu, intid) & 3 == 0));
    let _ = guest;
}

#[test]
fn a_level_line_is_pending_again_after_its_end_while_it_is_high() {
    let mut desk = Desk::new();
    let (_, _, _, _, vcpu) = guest_and_vmm(&mut desk);
    desk.exit(ExitRecord { kind: 4, ..Default::default() });
    desk.ok(vcpu, VcpuMethod::SetLevel as u16, &[33, 0x80, 1]);
    for _ in 0..3 {
        let list = desk.world.kernel.platform.lists.iter_mut().find(|list| list.intid == 33).expect("listed");
        assert!(list.pending && list.notify_end);
        *list = Default::default();
        desk.world.kernel.on_maintenance();
        desk.check();
    }
    desk.ok(vcpu, VcpuMethod::SetLevel as u16, &[33, 0x80, 0]);
    assert_eq!(state(&mut desk, vcpu, 33) & 7, 0, "a line that falls while only pending is taken back");
    assert!(desk.world.kernel.platform.lists.iter().all(|list| !list.pending));
}

#[test]
fn a_software_interrupt_of_two_senders_is_delivered_twice_one_at_a_time() {
    let mut desk = Desk::new();
    let (_, _, _, _, vcpu) = guest_and_vmm(&mut desk);
    desk.exit(ExitRecord { kind: 4, ..Default::default() });
    desk.ok(vcpu, VcpuMethod::Inject as u16, &[2, 0x10, 0]);
    desk.ok(vcpu, VcpuMethod::Inject as u16, &[2, 0x10, 3]);
    let mut sources = Vec::new();
    for _ in 0..2 {
        let mut listed = desk.world.kernel.platform.lists.iter_mut().filter(|list| list.pending);
        let list = listed.next().expect("one");
        assert!(listed.next().is_none(), "never two list registers with one number");
        sources.push(list.source);
        *list = Default::default();
        desk.world.kernel.on_maintenance();
        desk.check();
    }
    assert_eq!(sources, [0, 3]);
    assert_eq!(state(&mut desk, vcpu, 2) & (InterruptState::PENDING | InterruptState::ACTIVE), 0);
}

#[test]
fn all_active_and_a_more_urgent_one_spills_the_least_urgent() {
    let mut desk = Desk::new();
    let (_, _, _, _, vcpu) = guest_and_vmm(&mut desk);
    desk.exit(ExitRecord { kind: 4, ..Default::default() });
    for n in 0..4 {
        desk.ok(vcpu, VcpuMethod::Inject as u16, &[40 + n, 0xa0 - n * 8, 0]);
    }
    for list in &mut desk.world.kernel.platform.lists {
        (list.pending, list.active) = (false, true);
    }
    desk.ok(vcpu, VcpuMethod::Inject as u16, &[50, 0x10, 0]);
    assert!(desk.world.kernel.platform.lists.iter().any(|list| list.intid == 50 && list.pending));
    assert!(desk.world.kernel.platform.lists.iter().all(|list| list.intid != 40), "the least urgent gave way");
    assert_eq!(state(&mut desk, vcpu, 40) & InterruptState::ACTIVE, InterruptState::ACTIVE);
    // The guest ends 50, 43, 42, 41 and then the one that is in no list register.
    desk.world.kernel.platform.lists = Default::default();
    desk.world.kernel.platform.eoi_count = 1;
    desk.world.kernel.on_maintenance();
    desk.check();
    assert!((40..=50).all(|intid| state(&mut desk, vcpu, intid) & 3 == 0));
}

/// Physical interrupt 40 has come for the vCPU that it is bound to, at that number, and is in a list register.
fn linked(desk: &mut Desk, vcpu: u32) {
    let handler = desk.slot();
    desk.ok(root_slot::IRQ_CONTROL, IrqControlMethod::Get as u16, &[40, root_slot::CNODE, handler, 0]);
    desk.ok(handler, IrqHandlerMethod::BindVcpu as u16, &[vcpu, 40, 0xf0]);
    desk.world.kernel.platform.active.insert(40);
    desk.world.kernel.on_irq(40);
    assert_eq!(listed(desk), (true, Some(40)));
}

/// Whether interrupt 40 is pending in a list register, and what it is linked to there.
fn listed(desk: &Desk) -> (bool, Option<u16>) {
    let list = desk.world.kernel.platform.lists.iter().find(|list| list.intid == 40).expect("it is listed");
    (list.pending, list.hardware)
}

/// A guest that masks an interrupt in its distributor while it is pending has its VMM retract it: it comes again when the
/// VMM says so, in whatever way, and the guest's end is still the line's.
#[test]
fn a_linked_interrupt_that_is_retracted_and_comes_again_is_still_linked() {
    for again in [(VcpuMethod::Inject, [40, 0x80, 0]), (VcpuMethod::SetLevel, [40, 0x80, 1])] {
        let mut desk = Desk::new();
        let (_, _, _, _, vcpu) = guest_and_vmm(&mut desk);
        linked(&mut desk, vcpu);
        let state = desk.ok(vcpu, VcpuMethod::Retract as u16, &[40])[0];
        assert_eq!(state & InterruptState::PENDING, InterruptState::PENDING);
        assert!(desk.world.kernel.platform.lists.iter().all(|list| !list.pending));
        desk.ok(vcpu, again.0 as u16, &again.1);
        assert_eq!(listed(&desk), (true, Some(40)), "nobody would ever deactivate the physical one");
        // The guest ends it; what the VMM injects under that number now is linked to nothing.
        desk.world.kernel.platform.lists = Default::default();
        desk.ok(vcpu, VcpuMethod::SetLevel as u16, &[40, 0x80, 0]);
        desk.ok(vcpu, VcpuMethod::Inject as u16, &[40, 0x80, 0]);
        assert_eq!(listed(&desk), (true, None));
    }
}

#[test]
fn a_linked_interrupt_that_was_spilled_is_deactivated_at_its_end_and_linked_no_more() {
    let mut desk = Desk::new();
    let (_, _, _, _, vcpu) = guest_and_vmm(&mut desk);
    desk.exit(ExitRecord { kind: 4, ..Default::default() });
    linked(&mut desk, vcpu);
    for intid in 41..44 {
        desk.ok(vcpu, VcpuMethod::Inject as u16, &[intid, 0x80, 0]);
    }
    for list in &mut desk.world.kernel.platform.lists {
        (list.pending, list.active) = (false, true);
    }
    desk.ok(vcpu, VcpuMethod::Inject as u16, &[50, 0x10, 0]);
    assert!(desk.world.kernel.platform.lists.iter().all(|list| list.intid != 40), "the least urgent gave way");
    desk.world.kernel.platform.lists = Default::default();
    desk.world.kernel.platform.eoi_count = 1;
    desk.world.kernel.on_maintenance();
    desk.check();
    assert!(!desk.world.kernel.platform.active.contains(&40), "nobody else deactivates the physical one");
    desk.ok(vcpu, VcpuMethod::Inject as u16, &[40, 0x80, 0]);
    assert_eq!(listed(&desk), (true, None), "linked to what it was linked to before");
}

#[test]
fn two_guests_share_the_hardware_and_keep_their_interrupts() {
    let mut desk = Desk::new();
    let (guest, _, _, _, vcpu) = guest_and_vmm(&mut desk);
    desk.world.kernel.on_guest_wait(true);
    desk.world.schedule();
    assert_eq!(desk.state(guest), State::Idle);
    let (other, _, _, _, _) = guest_and_vmm(&mut desk);
    assert!(desk.runs(other));
    // The first one's vCPU is in memory now; its interrupt waits there and wakes it.
    desk.world.kernel.on_guest_wait(true);
    desk.world.schedule();
    desk.ok(vcpu, VcpuMethod::SetLevel as u16, &[33, 0x80, 1]);
    assert!(desk.runs(guest));
    assert!(desk.world.kernel.platform.lists.iter().any(|list| list.intid == 33 && list.pending));
}

#[test]
fn a_tick_takes_the_list_register_of_the_last_one_and_wakes_a_guest_that_waits() {
    let mut desk = Desk::new();
    let (guest, vmm, exits, reply, vcpu) = guest_and_vmm(&mut desk);
    desk.exit(ExitRecord { kind: 4, ..Default::default() });
    assert!(desk.runs(vmm));
    desk.ok(vcpu, VcpuMethod::SetTimer as u16, &[1, 0x80]);
    desk.svc(Syscall::ReplyRecv, exits, 0, &[], reply);
    for round in 0..3 {
        desk.world.kernel.on_virtual_timer();
        desk.world.schedule();
        desk.check();
        assert!(desk.runs(guest), "round {round}");
        let listed: Vec<_> = desk.world.kernel.platform.lists.iter().filter(|list| list.pending).collect();
        assert_eq!(listed.len(), 1);
        assert_eq!((listed[0].intid, listed[0].hardware), (27, Some(27)));
        // The guest takes and ends it, then waits for the next.
        desk.world.kernel.platform.lists = Default::default();
        desk.world.kernel.on_guest_wait(true);
        desk.world.schedule();
        assert_eq!(desk.state(guest), State::Idle);
    }
}

#[test]
fn a_vcpu_that_leaves_with_interrupts_waiting_asks_for_nothing_any_more() {
    let mut desk = Desk::new();
    let (guest, _, _, _, vcpu) = guest_and_vmm(&mut desk);
    desk.exit(ExitRecord { kind: 4, ..Default::default() });
    for n in 0..6 {
        desk.ok(vcpu, VcpuMethod::Inject as u16, &[40 + n, 0x80, 0]);
    }
    assert!(desk.world.kernel.platform.refill, "more wait than there are list registers");
    desk.ok(root_slot::CNODE, CNodeMethod::Delete as u16, &[vcpu]);
    assert!(!desk.world.kernel.platform.refill, "or the maintenance interrupt comes for ever");
    assert!(desk.world.kernel.platform.lists.iter().all(|list| !list.pending && !list.active));
    let _ = guest;
}

#[test]
fn all_active_and_a_less_urgent_one_waits_asks_only_for_room() {
    let mut desk = Desk::new();
    let (_, _, _, _, vcpu) = guest_and_vmm(&mut desk);
    desk.exit(ExitRecord { kind: 4, ..Default::default() });
    // A second sender of an SGI that is active: nothing can be listed for it, and its end is to be told.
    desk.ok(vcpu, VcpuMethod::Inject as u16, &[2, 0x10, 0]);
    for list in desk.world.kernel.platform.lists.iter_mut().filter(|list| list.pending) {
        (list.pending, list.active) = (false, true);
    }
    desk.ok(vcpu, VcpuMethod::Inject as u16, &[2, 0x10, 3]);
    assert!(!desk.world.kernel.platform.refill, "there is room: asking for more would never end");
    let list = desk.world.kernel.platform.lists.iter_mut().find(|list| list.active).expect("it is still active");
    assert!(list.notify_end);
    *list = Default::default();
    desk.world.kernel.on_maintenance();
    desk.check();
    assert!(desk.world.kernel.platform.lists.iter().any(|list| list.intid == 2 && list.source == 3 && list.pending));
}
