//! Interrupts for vCPUs that nobody runs, and list registers out of step with what the VMM knows.

use crate::common::{Desk, guest_and_vmm};
use abi::boot::root_slot;
use abi::method::*;
use abi::object::ObjectType;
use abi::vcpu::{GuestRegister, InterruptState};
use kernel_core::platform::ListRegister;
use kernel_core::tcb::State;

fn state(desk: &mut Desk, vcpu: u32, intid: u32) -> u32 {
    desk.ok(vcpu, VcpuMethod::ReadInterrupt as u16, &[intid])[0]
}

/// All that can be asked of a vCPU.
fn all_methods(desk: &mut Desk, vcpu: u32) {
    for intid in [0, 16, 33, 287] {
        desk.ok(vcpu, VcpuMethod::Inject as u16, &[intid, 0x80, 0]);
    }
    desk.ok(vcpu, VcpuMethod::SetLevel as u16, &[40, 0x80, 1]);
    desk.ok(vcpu, VcpuMethod::SetTimer as u16, &[1, 0x20]);
    desk.ok(vcpu, VcpuMethod::ReadExit as u16, &[]);
    desk.ok(vcpu, VcpuMethod::ReadSyndrome as u16, &[]);
    desk.ok(vcpu, VcpuMethod::WatchStage1 as u16, &[1]);
    for register in [GuestRegister::Sctlr, GuestRegister::Par, GuestRegister::SpSvc, GuestRegister::Fpscr] {
        desk.ok(vcpu, VcpuMethod::WriteRegister as u16, &[register as u32, 1, 0]);
        assert_eq!(desk.ok(vcpu, VcpuMethod::ReadRegister as u16, &[register as u32])[0], 1, "{register:?}");
    }
    desk.check();
}

/// An interrupt line that goes straight to the vCPU.
fn line(desk: &mut Desk, vcpu: u32, intid: u32) -> u32 {
    let handler = desk.slot();
    desk.ok(root_slot::IRQ_CONTROL, IrqControlMethod::Get as u16, &[intid, root_slot::CNODE, handler, 0]);
    desk.ok(handler, IrqHandlerMethod::BindVcpu as u16, &[vcpu, 77, 0x40]);
    handler
}

#[test]
fn an_interrupt_for_a_vcpu_without_a_thread_waits_until_it_has_one() {
    let mut desk = Desk::new();
    let vcpu = desk.make(ObjectType::Vcpu, 0, 1);
    all_methods(&mut desk, vcpu);
    line(&mut desk, vcpu, 40);
    desk.world.kernel.platform.active.insert(40);
    desk.world.kernel.on_irq(40);
    desk.check();
    let guest = desk.thread(220);
    desk.ok(guest, TcbMethod::BindVcpu as u16, &[vcpu]);
    desk.ok(guest, TcbMethod::Resume as u16, &[]);
    let context = desk.context(10_000, 10_000);
    desk.ok(context, SchedContextMethod::Bind as u16, &[guest]);
    assert!(desk.runs(guest));
    let mut taken = Vec::new();
    while let Some(list) = desk.world.kernel.platform.lists.iter_mut().find(|list| list.pending) {
        taken.push(u32::from(list.intid));
        let physical = list.hardware;
        *list = ListRegister::default();
        if let Some(physical) = physical {
            // What the guest's own end does.
            desk.world.kernel.platform.active.remove(&physical.into());
        }
        desk.world.kernel.on_maintenance();
        desk.check();
        // A line that is high comes again and again.
        if taken.iter().filter(|&&intid| intid == 40).count() == 2 {
            desk.ok(vcpu, VcpuMethod::SetLevel as u16, &[40, 0x80, 0]);
        }
    }
    taken.sort_unstable();
    taken.dedup();
    assert_eq!(taken, [0, 16, 33, 40, 77, 287]);
}

/// The thread goes in each state that it can be in; the vCPU stays, is asked, and gets another.
#[test]
fn a_vcpu_whose_thread_was_deleted_is_asked_and_reset_and_bound_again() {
    for way in 0..4 {
        let mut desk = Desk::new();
        let (guest, vmm, _, _, vcpu) = guest_and_vmm(&mut desk);
        line(&mut desk, vcpu, 40);
        match way {
            0 => {}
            1 => {
                desk.world.kernel.on_guest_wait(true);
                desk.world.schedule();
                assert_eq!(desk.state(guest), State::Idle);
            }
            2 => {
                desk.exit(kernel_core::vcpu::ExitRecord { kind: 1, ..Default::default() });
                assert!(desk.runs(vmm));
            }
            _ => {
                desk.world.kernel.on_guest_float();
                desk.ok(vcpu, VcpuMethod::Inject as u16, &[50, 0x80, 0]);
            }
        }
        desk.ok(root_slot::CNODE, CNodeMethod::Delete as u16, &[guest]);
        desk.check();
        desk.world.kernel.platform.active.insert(40);
        desk.world.kernel.on_irq(40);
        desk.world.schedule();
        desk.check();
        all_methods(&mut desk, vcpu);
        desk.ok(vcpu, VcpuMethod::Reset as u16, &[]);
        assert!(!desk.world.kernel.platform.active.contains(&40), "{way}: a reset ends what its guest was given");
        assert_eq!(state(&mut desk, vcpu, 77) & 3, 0);
        let other = desk.thread(221);
        desk.ok(other, TcbMethod::BindVcpu as u16, &[vcpu]);
        desk.ok(other, TcbMethod::Resume as u16, &[]);
        let context = desk.context(10_000, 10_000);
        desk.ok(context, SchedContextMethod::Bind as u16, &[other]);
        desk.check();
    }
}

/// Disabled by the distributor while the guest is at work on it, and raised again: nothing is lost or doubled.
#[test]
fn an_interrupt_that_is_retracted_in_flight_and_raised_again_is_delivered_once() {
    for raise_before_end in [false, true] {
        let mut desk = Desk::new();
        let (_, _, _, _, vcpu) = guest_and_vmm(&mut desk);
        desk.ok(vcpu, VcpuMethod::SetLevel as u16, &[40, 0x80, 1]);
        let index = desk.world.kernel.platform.lists.iter().position(|list| list.intid == 40).expect("it is listed");
        let list = &mut desk.world.kernel.platform.lists[index];
        (list.pending, list.active) = (false, true);
        desk.ok(vcpu, VcpuMethod::Retract as u16, &[40]);
        assert_eq!(state(&mut desk, vcpu, 40) & 3, InterruptState::ACTIVE, "what is active stays");
        if raise_before_end {
            desk.ok(vcpu, VcpuMethod::SetLevel as u16, &[40, 0x80, 1]);
            desk.check();
        }
        let notify = desk.world.kernel.platform.lists[index].notify_end;
        desk.world.kernel.platform.lists[index] = ListRegister::default();
        if notify {
            desk.world.kernel.on_maintenance();
        }
        assert_eq!(notify, raise_before_end, "its end matters only if it is to come again");
        let after = state(&mut desk, vcpu, 40) & 3;
        assert_eq!(after, if raise_before_end { InterruptState::PENDING } else { 0 });
        if !raise_before_end {
            desk.ok(vcpu, VcpuMethod::SetLevel as u16, &[40, 0x80, 1]);
        }
        let pending = desk.world.kernel.platform.lists.iter().filter(|list| list.intid == 40 && list.pending).count();
        assert_eq!(pending, 1);
        desk.check();
    }
}
