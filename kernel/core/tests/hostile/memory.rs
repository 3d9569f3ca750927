//! Memory that was somebody's: nobody finds anything in it, whatever it was, and however far it was cleaned.

use crate::common::{Desk, guest_and_vmm};
use abi::boot::root_slot;
use abi::method::*;
use abi::object::{ObjectType, VCPU_BYTES};
use abi::{Error, Syscall};
use kernel_core::cap::{Cap, UntypedFlags};

/// Physical address and bytes of an untyped.
fn range(desk: &Desk, untyped: u32) -> (u32, u32) {
    match desk.world.cap(untyped) {
        Cap::Untyped { page, bits, .. } => (page << 12, 1 << bits),
        other => panic!("no untyped: {other:?}"),
    }
}

/// The words in it that are not 0.
fn left(desk: &Desk, untyped: u32) -> Vec<(u32, u32)> {
    let (base, bytes) = range(desk, untyped);
    let words =
        (base..base + bytes).step_by(4).map(|address| (address - base, desk.world.kernel.arena.read_word(address)));
    words.filter(|(_, word)| *word != 0).collect()
}

fn take_back(desk: &mut Desk, untyped: u32) {
    desk.ok(root_slot::CNODE, CNodeMethod::Revoke as u16, &[untyped]);
    desk.ok(untyped, UntypedMethod::Reset as u16, &[]);
    desk.check();
}

/// An object of each type is made, used so that something is in it, and taken back.
#[test]
fn nothing_is_left_of_an_object_of_any_type() {
    for object in (0..=255).filter_map(ObjectType::from_number) {
        let mut desk = Desk::new();
        let memory = desk.make(ObjectType::Untyped, 21, 1);
        let bits = match object {
            ObjectType::Untyped | ObjectType::Frame => 12,
            ObjectType::CNode => 5,
            ObjectType::Table => 3,
            _ => 0,
        };
        let slot = desk.slot();
        desk.world.retype(memory, object, bits, 1, slot).expect("it fits");
        use_it(&mut desk, object, slot);
        desk.check();
        assert!(!left(&desk, memory).is_empty(), "{object:?}: nothing was in it before, so this shows nothing");
        take_back(&mut desk, memory);
        assert_eq!(left(&desk, memory), [], "{object:?}");
        // Whatever is made of it next is as new: another object of that type, in the same place.
        desk.world.retype(memory, object, bits, 1, slot).expect("it fits again");
        desk.check();
    }
}

/// Puts something into an object.
fn use_it(desk: &mut Desk, object: ObjectType, slot: u32) {
    match object {
        ObjectType::Untyped => {
            let inner = desk.slot();
            desk.world.retype(slot, ObjectType::Tcb, 0, 2, inner).expect("it fits");
            desk.slot();
            desk.ok(inner, TcbMethod::SetPriority as u16, &[root_slot::TCB, 7, 7]);
        }
        ObjectType::CNode => {
            let endpoint = desk.make(ObjectType::Endpoint, 0, 1);
            desk.ok(slot, CNodeMethod::Copy as u16, &[31, endpoint, 7]);
        }
        ObjectType::Frame => {
            let Cap::Frame { page, .. } = desk.world.cap(slot) else { panic!("no frame") };
            for word in [0, 4, 2048, 4092] {
                desk.world.kernel.arena.write_word((page << 12) + word, 0xdead_beef);
            }
        }
        ObjectType::Table => {
            let (frame, tcb) = (desk.make(ObjectType::Frame, 12, 1), desk.thread(10));
            let level2 = desk.make(ObjectType::Table, 2, 1);
            desk.ok(level2, TableMethod::Map as u16, &[tcb + 1, 0]);
            desk.ok(slot, TableMethod::Map as u16, &[tcb + 1, 0]);
            desk.ok(frame, FrameMethod::Map as u16, &[tcb + 1, 511 << 12, 3]);
        }
        ObjectType::VSpace => {
            let level2 = desk.make(ObjectType::Table, 2, 1);
            desk.ok(level2, TableMethod::Map as u16, &[slot, 3 << 30]);
        }
        ObjectType::Tcb => {
            let space = desk.make(ObjectType::VSpace, 0, 1);
            desk.ok(slot, TcbMethod::SetSpaces as u16, &[root_slot::CNODE, space]);
            desk.ok(slot, TcbMethod::WriteRegisters as u16, &[1, 2, 3, 1]);
            desk.ok(slot, TcbMethod::Resume as u16, &[]);
        }
        ObjectType::Vcpu => {
            for register in 17..abi::vcpu::GuestRegister::ALL.len() as u32 {
                desk.ok(slot, VcpuMethod::WriteRegister as u16, &[register, u32::MAX, u32::MAX]);
            }
            desk.ok(slot, VcpuMethod::Inject as u16, &[287, 255, 0]);
        }
        ObjectType::Endpoint => {
            let sender = desk.thread(230);
            let context = desk.context(1000, 1000);
            desk.ok(sender, TcbMethod::Resume as u16, &[]);
            desk.ok(context, SchedContextMethod::Bind as u16, &[sender]);
            desk.svc(Syscall::Send, slot, 1, &[1], 0);
        }
        ObjectType::Notification => {
            let badged = desk.slot();
            desk.ok(root_slot::CNODE, CNodeMethod::Mint as u16, &[badged, slot, 3, u32::MAX]);
            desk.svc(Syscall::Signal, badged, 0, &[], 0);
        }
        ObjectType::Reply => {
            let endpoint = desk.make(ObjectType::Endpoint, 0, 1);
            let caller = desk.thread(230);
            let context = desk.context(1000, 1000);
            desk.ok(caller, TcbMethod::Resume as u16, &[]);
            desk.ok(context, SchedContextMethod::Bind as u16, &[caller]);
            desk.svc(Syscall::Call, endpoint, 1, &[1], 0);
            desk.svc(Syscall::Recv, endpoint, 0, &[], slot);
        }
        ObjectType::SchedContext => {
            desk.ok(slot, SchedContextMethod::Configure as u16, &[0, 100, 1000, root_slot::SCHED_CONTROL]);
        }
    }
}

/// A VM's memory, with a guest that has run, every word of its frames written; wherever the reset is stopped.
#[test]
fn nothing_is_left_of_a_vm_wherever_its_reset_was_preempted() {
    for preempt_every in [0, 1, 3] {
        let mut desk = Desk::new();
        let memory = desk.make(ObjectType::Untyped, 17, 1);
        let (vcpu, frames) = (desk.slot(), desk.slot());
        desk.world.retype(memory, ObjectType::Vcpu, 0, 1, vcpu).expect("it fits");
        let count = (1 << 17) / VCPU_BYTES - 1;
        desk.world.retype(memory, ObjectType::Frame, 12, count, frames).expect("all the rest");
        (1..count).for_each(|_| _ = desk.slot());
        let (base, bytes) = range(&desk, memory);
        for address in (base + VCPU_BYTES..base + bytes).step_by(4) {
            desk.world.kernel.arena.write_word(address, !address);
        }
        desk.world.kernel.platform.preempt_every = preempt_every;
        take_back(&mut desk, memory);
        assert_eq!(left(&desk, memory), []);
        let (_, _, free, _) = {
            let [page, bits, low, high] = desk.ok(memory, UntypedMethod::Describe as u16, &[]);
            (page, bits, low, high)
        };
        assert_eq!(free, bytes, "all of it is free again");
    }
}

/// Without a reset, what was used is not used again; and what is not known to be zero becomes nothing, in no size.
#[test]
fn memory_that_was_not_reset_is_not_given_out_again() {
    let mut desk = Desk::new();
    let memory = desk.make(ObjectType::Untyped, 13, 1);
    let (first, second) = (desk.slot(), desk.slot());
    desk.world.retype(memory, ObjectType::Frame, 12, 1, first).expect("it fits");
    let Cap::Frame { page: old, .. } = desk.world.cap(first) else { panic!("no frame") };
    desk.ok(root_slot::CNODE, CNodeMethod::Revoke as u16, &[memory]);
    desk.world.retype(memory, ObjectType::Frame, 12, 1, second).expect("the other half");
    let Cap::Frame { page: new, .. } = desk.world.cap(second) else { panic!("no frame") };
    assert_ne!(old, new);
    assert_eq!(desk.world.retype(memory, ObjectType::Endpoint, 0, 1, first), Err(Error::OutOfMemory));

    let is_dirty = |cap| matches!(cap, Cap::Untyped { flags, .. } if flags.contains(UntypedFlags::DIRTY));
    let dirty = (root_slot::UNTYPED..root_slot::FIRST_FREE).find(|&slot| is_dirty(desk.world.cap(slot)));
    let dirty = dirty.expect("memory that was not reset since the start");
    let piece = desk.slot();
    desk.world.retype(dirty, ObjectType::Untyped, 12, 1, piece).expect("smaller ones can be made of it");
    for (object, bits) in [(ObjectType::Tcb, 0), (ObjectType::Frame, 12), (ObjectType::Endpoint, 0)] {
        assert_eq!(desk.world.retype(piece, object, bits, 1, desk.mark()), Err(Error::WrongState), "{object:?}");
    }
    desk.ok(piece, UntypedMethod::Reset as u16, &[]);
    desk.world.retype(piece, ObjectType::Tcb, 0, 1, desk.mark()).expect("now it can");
    desk.check();
}

/// A guest's registers are not the next guest's, on the same core and in the same memory.
#[test]
fn a_vcpu_in_recycled_memory_begins_at_its_reset_values() {
    let mut desk = Desk::new();
    let (_, _, _, _, other) = guest_and_vmm(&mut desk);
    let memory = desk.make(ObjectType::Untyped, 12, 1);
    let vcpu = desk.slot();
    let mut seen = Vec::new();
    for round in 0..2 {
        desk.world.retype(memory, ObjectType::Vcpu, 0, 1, vcpu).expect("it fits");
        let read = |desk: &mut Desk, register: u32| desk.ok(vcpu, VcpuMethod::ReadRegister as u16, &[register]);
        let registers = 17..abi::vcpu::GuestRegister::ALL.len() as u32;
        seen.push(registers.clone().map(|register| read(&mut desk, register)).collect::<Vec<_>>());
        if round == 0 {
            for register in registers {
                desk.ok(vcpu, VcpuMethod::WriteRegister as u16, &[register, 0x5a5a_5a5a, 0xa5a5_a5a5]);
            }
            desk.ok(vcpu, VcpuMethod::SetTimer as u16, &[1, 1]);
            desk.ok(vcpu, VcpuMethod::WatchStage1 as u16, &[1]);
            desk.ok(vcpu, VcpuMethod::SetLevel as u16, &[40, 1, 1]);
            take_back(&mut desk, memory);
        }
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(desk.ok(vcpu, VcpuMethod::ReadInterrupt as u16, &[40])[0], 0);
    assert_eq!(desk.ok(other, VcpuMethod::ReadInterrupt as u16, &[40])[0], 0);
}
