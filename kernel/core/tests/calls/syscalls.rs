//! The system calls themselves: what r0 and r12 name.

use crate::room::{Call, Room};
use crate::wrong::wrong_capabilities;
use abi::boot::root_slot;
use abi::describe::CapType;
use abi::fault::FaultKind;
use abi::method::*;
use abi::{Error, Rights, Syscall};
use kernel_core::cap::Cap;
use kernel_core::tcb::State;
use std::collections::HashSet;

/// A thread more urgent than root that has made that call, and waits.
pub fn waiting(room: &mut Room, call: &Call) -> u32 {
    let tcb = room.desk.thread(230);
    let context = room.desk.context(10_000, 10_000);
    room.ok(&Call::method(tcb, TcbMethod::Resume as u16, &[]));
    room.ok(&Call::method(context, SchedContextMethod::Bind as u16, &[tcb]));
    assert!(room.desk.runs(tcb));
    room.desk.svc(call.call, call.cap, call.label, &call.words, call.reply);
    assert!(!room.desk.runs(tcb), "{call:?} does not wait");
    tcb
}

/// A thread without time that receives at the room's endpoint, into that reply object.
pub fn passive_server(room: &mut Room, reply: u32) -> u32 {
    let endpoint = room.of(CapType::Endpoint);
    let server = waiting(room, &Call::plain(Syscall::Recv, endpoint, reply));
    let context = room.desk.world.kernel.arena.get(room.desk.tcb(server)).sched;
    assert!(context.is_some());
    let is_its = |cap| matches!(cap, Cap::SchedContext { context: found } if Some(found) == context);
    let slot = (root_slot::FIRST_FREE..room.slot()).find(|&slot| is_its(room.desk.world.cap(slot)));
    room.ok(&Call::method(slot.expect("its context"), SchedContextMethod::Unbind as u16, &[]));
    server
}

/// The call on the room's objects, with all that is right.
pub fn right(room: &Room, call: Syscall) -> Call {
    let description = call.description();
    let cap = description.object.map_or(0, |ty| room.of(ty));
    Call::plain(call, cap, if description.reply { room.of(CapType::Reply) } else { 0 })
}

/// Makes the call fail in another way than by what its words say, and tells how.
fn state(room: &mut Room, call: Syscall, error: Error) -> Call {
    let right = right(room, call);
    match (call, error) {
        (Syscall::Recv | Syscall::NbRecv | Syscall::ReplyRecv, Error::WrongState) => {
            // Another thread receives into the `Reply`, elsewhere; and here somebody sends.
            let elsewhere = room.make(abi::ObjectType::Endpoint, 0);
            waiting(room, &Call { cap: elsewhere, call: Syscall::Recv, ..right.clone() });
            waiting(room, &Call { call: Syscall::Send, reply: 0, ..right.clone() });
        }
        (Syscall::Send | Syscall::NbSend, Error::WrongState) => {
            passive_server(room, 0);
        }
        // Nobody sends, no bit is set, nobody has called: so it is from the start.
        (Syscall::NbRecv | Syscall::Poll, Error::WouldBlock) | (Syscall::Reply, Error::NoCaller) => {}
        other => panic!("nobody has said how {other:?} comes about"),
    }
    right
}

#[test]
fn every_system_call_refuses_every_wrong_capability_and_state_and_changes_nothing() {
    for &call in Syscall::ALL {
        let description = call.description();
        let Some(object) = description.object else { continue };
        let mut seen = HashSet::new();
        let mut room = Room::new(12);
        let right = right(&room, call);
        let mut wrong = Vec::new();
        for (why, cap, error) in wrong_capabilities(&mut room, Some(object), description.rights, false) {
            // A `Call` on what is no endpoint is a method, but for the objects that have none.
            let invoked = CapType::ALL.iter().any(|&ty| ty.is_invoked() && room.of(ty) == cap);
            if call != Syscall::Call || !invoked {
                wrong.push((format!("r0: {why}"), Call { cap, ..right.clone() }, error));
            }
        }
        if description.reply {
            for (why, reply, error) in wrong_capabilities(&mut room, Some(CapType::Reply), Rights::empty(), true) {
                wrong.push((format!("r12: {why}"), Call { reply, ..right.clone() }, error));
            }
        }
        for (why, call, error) in wrong {
            let why = format!("{} {why}", description.name);
            room.refused(&call, error, &why);
            seen.insert(error);
        }
        // With nothing wrong it waits, or goes on, or says why it does not wait.
        let waits = description.errors.iter().any(|&(error, _)| error == Error::PeerGone);
        let answer = room.make_call(&right);
        room.desk.check();
        let root = room.desk.world.root;
        assert_eq!(room.desk.world.kernel.running(), (!waits).then_some(root), "{}", description.name);
        if let Err(error) = answer
            && !waits
        {
            assert!(matches!(error, Error::WouldBlock | Error::NoCaller), "{}: {error:?}", description.name);
        }
        for &(error, why) in description.errors.iter().filter(|(error, _)| *error != Error::PeerGone) {
            let mut room = Room::new(12);
            let call = state(&mut room, call, error);
            room.refused(&call, error, &format!("{}: {why}", description.name));
            seen.insert(error);
        }
        // `deleted.rs` sees that the other side goes.
        let missing = |error: &&Error| **error != Error::PeerGone && !seen.contains(*error);
        let unseen: Vec<_> =
            Error::ALL.iter().filter(|&&error| description.can_fail_with(error)).filter(missing).collect();
        assert!(unseen.is_empty(), "{}: nothing here makes {unseen:?}", description.name);
    }
}

/// The same, with a message that is too long for registers: the fast path and the slow one agree.
#[test]
fn a_long_message_is_refused_as_a_short_one_is() {
    for call in [Syscall::Call, Syscall::Send, Syscall::NbSend] {
        let mut room = Room::new(12);
        let endpoint = room.of(CapType::Endpoint);
        for (why, cap, error) in wrong_capabilities(&mut room, Some(CapType::Endpoint), Rights::WRITE, false) {
            let invoked = CapType::ALL.iter().any(|&ty| ty.is_invoked() && room.of(ty) == cap);
            if call != Syscall::Call || !invoked {
                let call = Call { bytes: Some(480), ..Call::plain(call, cap, 0) };
                room.refused(&call, error, &why);
            }
        }
        assert_eq!(room.desk.world.kernel.arena.get(room.desk.world.root).state, State::Running, "{endpoint}");
    }
}

/// A number that no call has is a fault, as any other instruction that there is none.
#[test]
fn a_number_that_no_call_has_is_a_fault() {
    for number in [Syscall::COUNT, Syscall::COUNT + 1, 0x80, 0x100, 0xff00, 0xffff] {
        let mut room = Room::new(12);
        let culprit = room.desk.thread(230);
        let faults = room.of(CapType::Endpoint);
        room.ok(&Call::method(culprit, TcbMethod::SetFaultHandler as u16, &[faults]));
        let context = room.desk.context(10_000, 10_000);
        room.ok(&Call::method(culprit, TcbMethod::Resume as u16, &[]));
        room.ok(&Call::method(context, SchedContextMethod::Bind as u16, &[culprit]));
        assert!(room.desk.runs(culprit));
        room.desk.world.enter(number);
        room.desk.check();
        assert!(matches!(room.desk.state(culprit), State::Sending(_)));
        let got = room.desk.svc(Syscall::NbRecv, faults, 0, &[], room.of(CapType::Reply));
        assert_eq!((got[0], got[1] >> 16, got[2]), (0, FaultKind::UnknownCall as u32, number));
    }
}

/// Each error that there is can be had from some call, by its description; that a description is true is tested above and in
/// `methods.rs`.
#[test]
fn every_error_is_some_calls() {
    for &error in Error::ALL {
        let methods = crate::room::all_methods().copied();
        let mut calls = methods.chain(Syscall::ALL.iter().map(|call| *call.description()));
        assert!(calls.any(|call| call.can_fail_with(error)), "{error:?}");
    }
}
