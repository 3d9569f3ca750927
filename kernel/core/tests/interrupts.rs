//! Virtual interrupts where mutants of the kernel passed: at the edges of what they may be, and in list registers that are full.

mod common;

use abi::exit::ExitReply;
use abi::method::*;
use abi::{Error, Syscall};
use common::{Desk, guest_and_vmm};
use kernel_core::platform::ListRegister;
use kernel_core::tcb::State;
use kernel_core::vcpu::ExitRecord;

/// A guest that has just had an exit; its vCPU is loaded: `(desk, vcpu)`.
fn stopped() -> (Desk, u32) {
    let mut desk = Desk::new();
    let (_, _, _, _, vcpu) = guest_and_vmm(&mut desk);
    desk.exit(ExitRecord { kind: 4, ..Default::default() });
    (desk, vcpu)
}

fn inject(desk: &mut Desk, vcpu: u32, intid: u32, priority: u32, source: u32) {
    desk.ok(vcpu, VcpuMethod::Inject as u16, &[intid, priority, source]);
    desk.check();
}

/// The list register of an interrupt.
fn list(desk: &mut Desk, intid: u16) -> &mut ListRegister {
    let lists = &mut desk.world.kernel.platform.lists;
    lists.iter_mut().find(|list| list.intid == intid && (list.pending || list.active)).expect("it is listed")
}

/// The numbers in list registers.
fn listed(desk: &Desk) -> Vec<u16> {
    let lists = desk.world.kernel.platform.lists.iter();
    let mut numbers: Vec<_> = lists.filter(|list| list.pending || list.active).map(|list| list.intid).collect();
    numbers.sort_unstable();
    numbers
}

/// The guest takes an interrupt.
fn take(desk: &mut Desk, intid: u16) {
    let list = list(desk, intid);
    (list.pending, list.active) = (false, true);
}

/// The guest takes an interrupt and ends it.
fn end(desk: &mut Desk, intid: u16) {
    *list(desk, intid) = ListRegister::default();
    desk.world.kernel.on_maintenance();
    desk.check();
}

fn state(desk: &mut Desk, vcpu: u32, intid: u32) -> u32 {
    desk.ok(vcpu, VcpuMethod::ReadInterrupt as u16, &[intid])[0]
}

#[test]
fn numbers_sources_and_priorities_are_taken_to_their_last_and_no_further() {
    let (mut desk, vcpu) = stopped();
    for (intid, priority, source) in [(0, 0, 7), (15, 255, 0), (16, 255, 7), (31, 0, 0)] {
        inject(&mut desk, vcpu, intid, priority, source);
    }
    for wrong in [[2, 256, 0], [2, 0, 8], [2, 1 << 16, 9], [40, 256, 0], [40, 1000, 0], [40, 0, 9]] {
        desk.fails(vcpu, VcpuMethod::Inject as u16, &wrong, Error::OutOfRange);
    }
    for right in [[16, 255, 1], [17, 0, 1], [26, 0, 1], [28, 255, 0]] {
        desk.ok(vcpu, VcpuMethod::SetLevel as u16, &right);
        desk.check();
    }
    for wrong in [[0, 0, 1], [15, 0, 1], [27, 0, 1], [28, 256, 1], [28, 1000, 1]] {
        desk.fails(vcpu, VcpuMethod::SetLevel as u16, &wrong, Error::OutOfRange);
    }
}

#[test]
fn the_first_number_that_is_no_software_interrupt_is_a_line_and_has_no_source() {
    let (mut desk, vcpu) = stopped();
    desk.ok(vcpu, VcpuMethod::SetLevel as u16, &[16, 0x80, 1]);
    for _ in 0..2 {
        end(&mut desk, 16);
        assert_eq!(listed(&desk), [16], "the line is still high");
    }
    desk.ok(vcpu, VcpuMethod::SetLevel as u16, &[16, 0x80, 0]);
    assert_eq!(listed(&desk), []);
    inject(&mut desk, vcpu, 16, 0x80, 3);
    assert_eq!(state(&mut desk, vcpu, 16) >> 16, 0);
    for intid in 40..43 {
        inject(&mut desk, vcpu, intid, 0x20, 0);
    }
    inject(&mut desk, vcpu, 50, 0x10, 0);
    assert_eq!(listed(&desk), [40, 41, 42, 50], "the least urgent gave way");
    assert_eq!(state(&mut desk, vcpu, 16) >> 16, 0);
}

#[test]
fn only_a_line_asks_for_its_end() {
    let (mut desk, vcpu) = stopped();
    inject(&mut desk, vcpu, 40, 0x80, 0);
    assert_eq!(state(&mut desk, vcpu, 40) >> 8, 0x80, "its priority, and no source");
    assert_eq!((list(&mut desk, 40).notify_end, list(&mut desk, 40).hardware), (false, None));
    desk.ok(vcpu, VcpuMethod::SetLevel as u16, &[33, 0x80, 1]);
    assert_eq!((list(&mut desk, 33).notify_end, list(&mut desk, 33).hardware), (true, None));
}

#[test]
fn room_is_asked_for_while_something_waits_and_not_a_moment_longer() {
    let (mut desk, vcpu) = stopped();
    for intid in 40..44 {
        inject(&mut desk, vcpu, intid, 0x80, 0);
        assert!(!desk.world.kernel.platform.refill, "nothing waits");
    }
    inject(&mut desk, vcpu, 44, 0x80, 0);
    assert!(desk.world.kernel.platform.refill);
    end(&mut desk, 40);
    assert_eq!(listed(&desk), [41, 42, 43, 44]);
    assert!(!desk.world.kernel.platform.refill, "the maintenance interrupt would come for ever");
}

#[test]
fn the_least_urgent_that_is_only_pending_gives_way_and_none_that_is_active() {
    let (mut desk, vcpu) = stopped();
    for (intid, priority) in [(40, 0xf0), (41, 0x20), (42, 0x60), (43, 0x40)] {
        inject(&mut desk, vcpu, intid, priority, 0);
    }
    take(&mut desk, 40);
    inject(&mut desk, vcpu, 50, 0x60, 0);
    assert_eq!(listed(&desk), [40, 41, 42, 43], "it is not more urgent than any of them");
    inject(&mut desk, vcpu, 51, 0x10, 0);
    assert_eq!(listed(&desk), [40, 41, 43, 51]);
    // All others are ended: the two come, the lower number first.
    for intid in [51, 41, 43] {
        end(&mut desk, intid);
    }
    assert_eq!(listed(&desk), [40, 42, 50]);
}

#[test]
fn the_least_urgent_of_the_active_ones_is_spilled_wherever_it_is() {
    for priorities in [[0x40, 0x60, 0x20, 0x30], [0x20, 0x30, 0x40, 0x60], [0x60, 0x40, 0x30, 0x20]] {
        let (mut desk, vcpu) = stopped();
        for (intid, priority) in (40..44).zip(priorities) {
            inject(&mut desk, vcpu, intid, priority, 0);
        }
        for list in &mut desk.world.kernel.platform.lists {
            (list.pending, list.active) = (false, true);
        }
        inject(&mut desk, vcpu, 50, 0x60, 0);
        assert_eq!(listed(&desk), [40, 41, 42, 43], "it is not more urgent than any of them");
        inject(&mut desk, vcpu, 51, 0x10, 0);
        let spilled = 40 + priorities.iter().position(|&priority| priority == 0x60).unwrap() as u16;
        assert!(!listed(&desk).contains(&spilled) && listed(&desk).contains(&51), "{priorities:x?}");
    }
}

#[test]
fn a_software_interrupt_that_gave_way_keeps_its_sender() {
    let (mut desk, vcpu) = stopped();
    inject(&mut desk, vcpu, 2, 0xf0, 3);
    for intid in 40..43 {
        inject(&mut desk, vcpu, intid, 0x80, 0);
    }
    inject(&mut desk, vcpu, 50, 0x10, 0);
    assert_eq!(listed(&desk), [40, 41, 42, 50]);
    assert_eq!(state(&mut desk, vcpu, 2) >> 16, 1 << 3);
    end(&mut desk, 50);
    assert_eq!(list(&mut desk, 2).source, 3);
    end(&mut desk, 2);
    assert_eq!(listed(&desk), [40, 41, 42], "it comes once");
}

#[test]
fn a_sender_that_sends_again_before_it_was_heard_is_heard_once_and_another_once_more() {
    let (mut desk, vcpu) = stopped();
    for source in [3, 3, 5, 3] {
        inject(&mut desk, vcpu, 2, 0x10, source);
    }
    assert_eq!(state(&mut desk, vcpu, 2) >> 16, 1 << 3 | 1 << 5);
    assert_eq!(list(&mut desk, 2).source, 3);
    end(&mut desk, 2);
    assert_eq!(list(&mut desk, 2).source, 5);
    end(&mut desk, 2);
    assert_eq!(listed(&desk), []);
    assert_eq!(state(&mut desk, vcpu, 2) & 3, 0);
}

#[test]
fn an_edge_that_comes_while_the_last_one_is_active_is_pending_beside_it_and_comes_once() {
    let (mut desk, vcpu) = stopped();
    inject(&mut desk, vcpu, 40, 0x80, 0);
    take(&mut desk, 40);
    inject(&mut desk, vcpu, 40, 0x80, 0);
    assert!(list(&mut desk, 40).pending && list(&mut desk, 40).active);
    inject(&mut desk, vcpu, 40, 0x80, 0);
    end(&mut desk, 40);
    assert_eq!(listed(&desk), []);
    assert_eq!(state(&mut desk, vcpu, 40) & 3, 0);
}

/// The usual case: the guest has ended the last tick, and nobody has looked since.
#[test]
fn a_tick_takes_the_list_register_of_the_last_one_as_it_was() {
    let (mut desk, vcpu) = stopped();
    inject(&mut desk, vcpu, 40, 0x20, 0);
    desk.ok(vcpu, VcpuMethod::SetTimer as u16, &[1, 0x80]);
    desk.world.kernel.on_virtual_timer();
    let first = *list(&mut desk, 27);
    assert_eq!((first.pending, first.priority, first.hardware), (true, 0x80, Some(27)));
    *list(&mut desk, 27) = ListRegister::default();
    desk.world.kernel.on_virtual_timer();
    desk.check();
    assert_eq!(*list(&mut desk, 27), first);
    assert_eq!(listed(&desk), [27, 40]);
}

#[test]
fn list_registers_hold_what_they_held_after_another_vcpu_had_them() {
    let mut desk = Desk::new();
    let (guest, _, _, _, vcpu) = guest_and_vmm(&mut desk);
    for intid in [40, 41] {
        inject(&mut desk, vcpu, intid, 0x80, 0);
    }
    desk.ok(vcpu, VcpuMethod::SetLevel as u16, &[33, 0x40, 1]);
    take(&mut desk, 41);
    let before = desk.world.kernel.platform.lists;
    desk.ok(guest, TcbMethod::Suspend as u16, &[]);
    let (other, _, _, _, _) = guest_and_vmm(&mut desk);
    assert_eq!(listed(&desk), []);
    let [pending, active, line] = [40, 41, 33].map(|intid| state(&mut desk, vcpu, intid));
    assert_eq!([pending & 3, active & 3, line & 3], [1, 2, 1]);
    desk.ok(other, TcbMethod::Suspend as u16, &[]);
    desk.ok(guest, TcbMethod::Resume as u16, &[]);
    assert!(desk.runs(guest));
    assert_eq!(desk.world.kernel.platform.lists, before);
}

#[test]
fn a_vcpu_that_is_reset_has_no_interrupt_any_more() {
    let mut desk = Desk::new();
    let (guest, _, _, _, vcpu) = guest_and_vmm(&mut desk);
    for intid in 40..46 {
        inject(&mut desk, vcpu, intid, 0x80, 0);
    }
    desk.ok(guest, TcbMethod::Suspend as u16, &[]);
    desk.ok(vcpu, VcpuMethod::Reset as u16, &[]);
    desk.check();
    assert!((0..64).all(|intid| state(&mut desk, vcpu, intid) == 0));
    desk.ok(guest, TcbMethod::Resume as u16, &[]);
    assert!(desk.runs(guest));
    assert_eq!(listed(&desk), []);
}

/// Answers an exit whose value goes where `register` says.
fn answered(register: u32, reply: ExitReply, words: [u32; 2]) -> (Desk, u32) {
    let mut desk = Desk::new();
    let (guest, _, exits, answers, _) = guest_and_vmm(&mut desk);
    desk.exit(ExitRecord { kind: 6, register, ..Default::default() });
    desk.svc(Syscall::ReplyRecv, exits, reply.bits(), &words, answers);
    (desk, guest)
}

#[test]
fn an_answer_is_written_to_one_register_or_to_two() {
    let (desk, guest) = answered(3 | 5 << 8, ExitReply::WRITE, [7, 8]);
    assert_eq!(desk.registers(guest).r[..8], [0, 0, 0, 7, 0, 0, 0, 0], "there is one");
    let (desk, guest) = answered(3 | 5 << 8 | ExitRecord::SECOND, ExitReply::WRITE, [7, 8]);
    assert_eq!(desk.registers(guest).r[..8], [0, 0, 0, 7, 0, 8, 0, 0]);
}

#[test]
fn an_answer_that_is_an_exception_enters_it_and_one_that_stops_stops() {
    for reply in [ExitReply::UNDEFINED, ExitReply::DATA_ABORT, ExitReply::PREFETCH_ABORT] {
        let (desk, guest) = answered(0, reply, [0x1234, 0]);
        assert!(desk.runs(guest));
        assert_eq!(desk.registers(guest).pc, 4, "the simulated vector");
    }
    let (desk, guest) = answered(0, ExitReply::STOP, [0, 0]);
    assert_eq!((desk.state(guest), desk.runs(guest)), (State::Inactive, false));
}
