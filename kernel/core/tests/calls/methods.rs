//! Methods.

use crate::room::{Call, MAPPABLE, Room, all_methods};
use crate::states;
use crate::wrong::{Side, right_call, wrong_calls};
use abi::Error;
use abi::boot::root_slot;
use abi::describe::{CapType, Description};
use abi::method::*;
use abi::object::ObjectType;
use kernel_core::tcb::State;
use std::collections::{BTreeSet, HashSet};

/// A room in which the method, called with all that is right, succeeds.
fn room_for(method: &Description, frame_bits: u32) -> Room {
    let mut room = Room::new(frame_bits);
    let (frame, table, tcb) = (room.of(CapType::Frame), room.of(CapType::Table), room.of(CapType::Tcb));
    let (vspace, address) = (room.of(CapType::VSpace), room.frame_address());
    match method.name {
        "Frame::Unmap" => {
            room.ok(&Call::method(frame, FrameMethod::Map as u16, &[vspace, address, 1]));
        }
        "Table::Unmap" => {
            room.ok(&Call::method(table, TableMethod::Map as u16, &[vspace, 3 << 30]));
        }
        "Vcpu::ReadRegister" | "Vcpu::WriteRegister" => {
            room.ok(&Call::method(tcb, TcbMethod::BindVcpu as u16, &[room.of(CapType::Vcpu)]));
        }
        "Tcb::Resume" => {
            room.ok(&Call::method(tcb, TcbMethod::SetSpaces as u16, &[root_slot::CNODE, vspace]));
        }
        _ => {}
    }
    room
}

/// Everything that is wrong with one thing at a time; then the one that is right, which shows that nothing else was wrong.
fn refuses(method: &Description, frame_bits: u32, side: Side, seen: &mut HashSet<Error>) -> usize {
    let mut room = room_for(method, frame_bits);
    let wrong = wrong_calls(&mut room, method, side);
    for wrong in &wrong {
        let why = format!("{}: {}", method.name, wrong.why);
        assert!(method.can_fail_with(wrong.error), "{why}: {:?} is not in its description", wrong.error);
        room.refused(&wrong.call, wrong.error, &why);
        seen.insert(wrong.error);
    }
    let right = right_call(&room, method, side);
    if method.object == Some(CapType::Power) {
        // The simulated board can't.
        room.refused(&right, Error::WrongState, method.name);
        seen.insert(Error::WrongState);
    } else {
        let answer = room.make_call(&right);
        assert!(answer.is_ok(), "{}: {answer:?} though all is right: {right:x?}", method.name);
    }
    room.desk.check();
    wrong.len()
}

#[test]
fn every_method_refuses_every_wrong_argument_and_state_and_changes_nothing() {
    let (mut calls, mut methods) = (0, 0);
    let states = states::all();
    for method in all_methods() {
        let mut seen = HashSet::new();
        for side in [Side::Least, Side::Most] {
            calls += refuses(method, 12, side, &mut seen);
            if method.object == Some(CapType::Frame) {
                calls += refuses(method, 21, side, &mut seen);
            }
        }
        for state in states.iter().filter(|state| state.method == method.name) {
            let why = format!("{}: {}", method.name, state.why);
            assert!(method.can_fail_with(state.error), "{why}: {:?} is not in its description", state.error);
            let mut room = Room::new(12);
            let call = (state.arrange)(&mut room);
            room.refused(&call, state.error, &why);
            room.desk.check();
            seen.insert(state.error);
            calls += 1;
        }
        let unseen: Vec<_> =
            Error::ALL.iter().filter(|&&error| method.can_fail_with(error) && !seen.contains(&error)).collect();
        assert!(unseen.is_empty(), "{}: nothing here makes {unseen:?}, which its description promises", method.name);
        methods += 1;
    }
    println!("{methods} methods, {calls} calls that must fail");
    assert!(calls > 80 * methods, "{calls} calls of {methods} methods");
    let named = |state: &states::State| all_methods().any(|method| method.name == state.method);
    assert!(states.iter().all(named), "a state for a method that there is none");
}

/// Every other label, on every type of object.
#[test]
fn a_label_that_no_description_has_is_no_method_of_any_object() {
    let mut room = Room::new(12);
    let labels: BTreeSet<u32> = all_methods().map(|method| method.number).collect();
    let before = room.desk.world.snapshot();
    for &ty in CapType::ALL.iter().filter(|ty| ty.is_invoked()) {
        for label in (1..=u16::MAX).filter(|label| !labels.contains(&(*label).into())) {
            let answer = room.make_call(&Call::method(room.of(ty), label, &[1; 4]));
            assert_eq!(answer, Err(Error::NoSuchMethod), "{ty:?} {label:#x}");
        }
    }
    assert_eq!(room.desk.world.difference(&before), None);
}

/// Which types can be copied is part of the description of `Copy` and `Mint`.
#[test]
fn what_can_be_copied_is_copied_and_the_rest_is_refused() {
    for &ty in CapType::ALL {
        let mut room = Room::new(12);
        for (method, words) in [(CNodeMethod::Copy, 3), (CNodeMethod::Mint, 4)] {
            let slot = room.slot();
            let call = Call::method(root_slot::CNODE, method as u16, &[slot, room.of(ty), 15, 0][..words]);
            if ty.is_copyable() {
                room.ok(&call);
            } else {
                room.refused(&call, Error::NotCopyable, &format!("{method:?} of {ty:?}"));
            }
        }
    }
}

/// One child less than what `states/memory.rs` says is too much.
#[test]
fn what_64_were_derived_from_can_be_moved_and_they_know_it() {
    let mut room = Room::new(12);
    let (source, many, to) = (room.make(ObjectType::Endpoint, 0), room.make(ObjectType::CNode, 7), room.slot());
    for slot in 1..=64 {
        room.ok(&Call::method(many, CNodeMethod::Copy as u16, &[slot, source, 15]));
    }
    room.root(CNodeMethod::Move, &[to, source]);
    room.desk.check();
    room.root(CNodeMethod::Revoke, &[to]);
    room.desk.check();
    for slot in 1..=64 {
        room.ok(&Call::method(many, CNodeMethod::Copy as u16, &[slot, to, 15]));
    }
}

/// As many words as the description says, and no more.
#[test]
fn what_a_description_answers_is_answered() {
    let mut room = Room::new(12);
    for method in all_methods().filter(|method| !method.answer.is_empty()) {
        let call = right_call(&room, method, Side::Most);
        let answer = room.ok(&call);
        assert!(answer[method.answer.len()..].iter().all(|&word| word == 0), "{}: {answer:x?}", method.name);
    }
    let tcb = room.of(CapType::Tcb);
    assert_eq!(room.ok(&Call::method(tcb, TcbMethod::ReadState as u16, &[])), [ThreadState::Inactive as u32, 0, 0, 0]);
    assert_eq!(room.desk.state(tcb), State::Inactive);
    let untyped = room.make(ObjectType::Untyped, 13);
    let [_, size, free, high] = room.ok(&Call::method(untyped, UntypedMethod::Describe as u16, &[]));
    assert_eq!((size, free, high), (13, 8192, 0));
    let frame = room.of(CapType::Frame);
    let vspace = room.of(CapType::VSpace);
    room.ok(&Call::method(frame, FrameMethod::Map as u16, &[vspace, MAPPABLE, 3]));
    assert_eq!(room.ok(&Call::method(frame, FrameMethod::Address as u16, &[]))[1], 12);
}
