//! Deleted meanwhile: what is gone when the call comes, or while its caller waits.

use crate::room::{Call, Room};
use crate::syscalls::{right, waiting};
use abi::boot::root_slot;
use abi::describe::CapType;
use abi::method::*;
use abi::object::ObjectType;
use abi::{Error, Syscall};
use kernel_core::tcb::State;

/// How an object's last capability goes.
const WAYS: [CNodeMethod; 2] = [CNodeMethod::Delete, CNodeMethod::Revoke];

/// An object of which there is one capability, in memory of its own: the object, and the memory.
fn alone(room: &mut Room, object: ObjectType) -> (u32, u32) {
    let (memory, slot) = (room.make(ObjectType::Untyped, 12), room.slot());
    room.desk.world.retype(memory, object, 0, 1, slot).expect("it fits");
    (slot, memory)
}

/// Takes the object away.
fn take(room: &mut Room, way: CNodeMethod, (object, memory): (u32, u32)) {
    room.root(way, &[if way == CNodeMethod::Delete { object } else { memory }]);
    room.desk.check();
}

/// Every call that waits, by its description, at what it waits at.
#[test]
fn whoever_waits_at_something_that_is_deleted_is_told_and_goes_on() {
    let waits =
        Syscall::ALL.iter().filter(|call| call.description().errors.iter().any(|&(error, _)| error == Error::PeerGone));
    let mut tried = 0;
    for (&call, way) in waits.flat_map(|call| WAYS.map(|way| (call, way))) {
        let mut room = Room::new(12);
        let object = match call.description().object {
            Some(CapType::Notification) => ObjectType::Notification,
            _ => ObjectType::Endpoint,
        };
        let object = alone(&mut room, object);
        let copy = room.copy(object.0, 7);
        let right = right(&room, call);
        let thread = waiting(&mut room, &Call { cap: copy, ..right });
        // A capability that is not the last one goes, and nothing happens.
        room.root(CNodeMethod::Delete, &[copy]);
        assert_ne!(room.desk.state(thread), State::Running, "{call:?}");
        room.desk.check();
        take(&mut room, way, object);
        assert_eq!(room.desk.state(thread), State::Running, "{call:?}, {way:?}");
        assert_eq!(room.desk.registers(thread).r[0], Error::PeerGone as u32, "{call:?}, {way:?}");
        tried += 1;
    }
    assert!(tried >= 10, "{tried}");
}

/// The same, where the caller waits for an answer.
#[test]
fn a_caller_whose_reply_object_is_deleted_is_told_and_has_its_time_back() {
    for way in WAYS {
        let mut room = Room::new(12);
        let reply = alone(&mut room, ObjectType::Reply);
        let endpoint = room.of(CapType::Endpoint);
        let caller = waiting(&mut room, &Call::plain(Syscall::Call, endpoint, 0));
        room.desk.svc(Syscall::Recv, endpoint, 0, &[], reply.0);
        assert!(matches!(room.desk.state(caller), State::AwaitingReply(_)));
        take(&mut room, way, reply);
        assert!(room.desk.runs(caller), "{way:?}");
        assert_eq!(room.desk.registers(caller).r[0], Error::PeerGone as u32);
    }
}

/// A receiver that has no place to keep a caller: nobody will answer.
#[test]
fn a_call_that_is_received_without_a_reply_object_fails() {
    let mut room = Room::new(12);
    let endpoint = room.of(CapType::Endpoint);
    let caller = waiting(&mut room, &Call::plain(Syscall::Call, endpoint, 0));
    room.desk.svc(Syscall::Recv, endpoint, 0, &[], 0);
    assert!(room.desk.runs(caller));
    assert_eq!(room.desk.registers(caller).r[0], Error::PeerGone as u32);
}

/// A receiver whose reply object goes while it waits, receives on: without a place for a caller.
#[test]
fn a_receiver_whose_reply_object_is_deleted_waits_on_and_keeps_no_caller() {
    for way in WAYS {
        let mut room = Room::new(12);
        let reply = alone(&mut room, ObjectType::Reply);
        let endpoint = room.of(CapType::Endpoint);
        let receiver = waiting(&mut room, &Call::plain(Syscall::Recv, endpoint, reply.0));
        take(&mut room, way, reply);
        assert!(matches!(room.desk.state(receiver), State::Receiving(_)));
        room.desk.svc(Syscall::Call, endpoint, 0, &[], 0);
        assert_eq!(room.desk.registers(receiver).r[0], 0, "it has received");
        let root = room.desk.world.root;
        assert_eq!(room.desk.world.kernel.arena.get(root).context.r[0], Error::PeerGone as u32);
    }
}

/// Threads that wait are deleted themselves: whoever comes next finds the queue without them.
#[test]
fn a_thread_that_is_deleted_while_it_waits_is_in_no_queue_any_more() {
    for call in [Syscall::Call, Syscall::Send, Syscall::Recv, Syscall::ReplyRecv, Syscall::Wait] {
        let mut room = Room::new(12);
        let right = right(&room, call);
        let first = waiting(&mut room, &right);
        let middle = waiting(&mut room, &Call { reply: 0, ..right.clone() });
        let last = waiting(&mut room, &Call { reply: 0, ..right.clone() });
        for thread in [middle, first, last] {
            room.root(CNodeMethod::Delete, &[thread]);
            room.desk.check();
        }
        match call {
            Syscall::Wait => {
                assert!(room.make_call(&Call::plain(Syscall::Signal, right.cap, 0)).is_ok());
                assert_eq!(room.make_call(&Call::plain(Syscall::Signal, right.cap, 0)), room.make_call(&right));
            }
            Syscall::Recv | Syscall::ReplyRecv => {
                // Nobody is left to send to.
                let empty = room.make_call(&Call::plain(Syscall::NbSend, right.cap, 0));
                assert!(empty.is_ok());
            }
            _ => {
                let receive = Call::plain(Syscall::NbRecv, right.cap, 0);
                assert_eq!(room.make_call(&receive).map(|_| ()), Err(Error::WouldBlock));
            }
        }
        room.desk.check();
    }
}

/// Whatever a thread, a vCPU, a handler or a context was bound to can be deleted, and what is left can be used again.
#[test]
fn what_was_bound_to_something_deleted_is_free_again() {
    let mut room = Room::new(12);
    let (tcb, context) = (room.of(CapType::Tcb), room.of(CapType::SchedContext));
    let bind_time = Call::method(context, SchedContextMethod::Bind as u16, &[tcb]);
    for _ in 0..2 {
        let thread = room.make(ObjectType::Tcb, 0);
        room.ok(&Call::method(context, SchedContextMethod::Bind as u16, &[thread]));
        room.root(CNodeMethod::Delete, &[thread]);
        room.desk.check();
    }
    room.ok(&bind_time);

    let bind_vcpu = |vcpu: u32| Call::method(tcb, TcbMethod::BindVcpu as u16, &[vcpu]);
    for _ in 0..2 {
        let vcpu = room.make(ObjectType::Vcpu, 0);
        room.ok(&bind_vcpu(vcpu));
        room.root(CNodeMethod::Delete, &[vcpu]);
        room.desk.check();
    }
    let vcpu = room.of(CapType::Vcpu);
    let thread = room.make(ObjectType::Tcb, 0);
    room.ok(&Call::method(thread, TcbMethod::BindVcpu as u16, &[vcpu]));
    room.root(CNodeMethod::Delete, &[thread]);
    room.ok(&bind_vcpu(vcpu));

    // What a handler is bound to is kept by it: it takes a revocation, or `Clear`, to end that.
    let handler = room.of(CapType::IrqHandler);
    let notification = room.make(ObjectType::Notification, 0);
    let set = |notification: u32| Call::method(handler, IrqHandlerMethod::SetNotification as u16, &[notification]);
    room.ok(&set(notification));
    room.refused(&set(notification), Error::WrongState, "it is bound");
    room.root(CNodeMethod::Revoke, &[notification]);
    room.desk.check();
    room.ok(&set(notification));
    room.desk.check();
}

/// The same slot holds something else meanwhile: what was asked of the old thing is not done to the new one.
#[test]
fn a_slot_that_holds_something_else_meanwhile_is_told_by_its_type() {
    for &ty in CapType::ALL {
        let mut room = Room::new(12);
        let slot = room.gone(ty);
        let other = if ty == CapType::Notification { CapType::Tcb } else { CapType::Notification };
        room.root(CNodeMethod::Copy, &[slot, room.of(other), 15]);
        for method in crate::room::all_methods().filter(|method| method.object == Some(ty)) {
            let words = vec![0; method.words.len()];
            let error = if other == CapType::Notification { Error::WrongType } else { Error::NoSuchMethod };
            room.refused(&Call::method(slot, method.number as u16, &words), error, method.name);
        }
    }
    assert_ne!(root_slot::CNODE, 0);
}
