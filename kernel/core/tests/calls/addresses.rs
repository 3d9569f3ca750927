//! Addresses that are resolved through more than one CNode, and all that can be wrong with them.

use crate::common::status;
use crate::room::{Call, Room};
use abi::boot::root_slot;
use abi::describe::CapType;
use abi::method::*;
use abi::object::ObjectType;
use abi::{Error, Syscall};

/// Bits of the outer and of the inner CNode, and of the guard before the inner one's index, with its value.
const OUTER: u32 = 4;
const INNER: u32 = 3;
const GUARD: (u32, u32) = (5, 0b10110);
/// The rest of the 32 bits is the guard of the outer one, of zeros.
const REST: u32 = 32 - OUTER - GUARD.0 - INNER;

const fn address(rest: u32, outer: u32, guard: u32, inner: u32) -> u32 {
    ((rest << OUTER | outer) << GUARD.0 | guard) << INNER | inner
}

/// What the inner CNode holds from slot 4 on.
const HELD: [CapType; 3] = [CapType::Notification, CapType::Endpoint, CapType::Reply];

/// A thread that runs, whose outer CNode holds the inner one in slot 2, an endpoint in slot 3, and the inner one
/// again, so that it can't be passed, in slot 6.
fn thread(room: &mut Room) -> u32 {
    let (outer, inner) = (room.make(ObjectType::CNode, OUTER), room.make(ObjectType::CNode, INNER));
    let (guarded, long, root) = (room.slot(), room.slot(), room.slot());
    room.root(CNodeMethod::Mint, &[guarded, inner, 15, GUARD.1 << 8 | GUARD.0]);
    // All that the outer one leaves is its guard.
    room.root(CNodeMethod::Mint, &[long, inner, 15, GUARD.0 + INNER]);
    room.root(CNodeMethod::Mint, &[root, outer, 15, REST]);
    let put = |room: &mut Room, cnode: u32, slot: u32, source: u32| {
        room.ok(&Call::method(cnode, CNodeMethod::Copy as u16, &[slot, source, 15]));
    };
    put(room, outer, 2, guarded);
    put(room, outer, 6, long);
    put(room, outer, 3, room.of(CapType::Endpoint));
    for (slot, ty) in (4..).zip(HELD) {
        if ty.is_copyable() {
            put(room, inner, slot, room.of(ty));
        } else {
            room.ok(&Call::method(inner, CNodeMethod::Move as u16, &[slot, room.of(ty)]));
        }
    }
    started(room, root)
}

/// A thread with that capability space, which runs.
fn started(room: &mut Room, root: u32) -> u32 {
    let tcb = room.make(ObjectType::Tcb, 0);
    let vspace = room.make(ObjectType::VSpace, 0);
    room.ok(&Call::method(tcb, TcbMethod::SetSpaces as u16, &[root, vspace]));
    room.ok(&Call::method(tcb, TcbMethod::SetPriority as u16, &[root_slot::TCB, 230, 230]));
    let context = room.desk.context(10_000, 10_000);
    room.ok(&Call::method(tcb, TcbMethod::Resume as u16, &[]));
    room.ok(&Call::method(context, SchedContextMethod::Bind as u16, &[tcb]));
    assert!(room.desk.runs(tcb));
    tcb
}

#[test]
fn an_address_through_two_cnodes_leads_there_and_a_wrong_one_nowhere() {
    let mut room = Room::new(12);
    thread(&mut room);
    let there = address(0, 2, GUARD.1, 4);
    assert_eq!(status(room.desk.svc(Syscall::Signal, there, 0, &[], 0)), Ok(()));
    for (why, address, error) in [
        ("an empty slot of the inner one", address(0, 2, GUARD.1, 7), Error::EmptySlot),
        ("its slot 0", address(0, 2, GUARD.1, 0), Error::EmptySlot),
        ("an empty slot of the outer one", address(0, 5, GUARD.1, 4), Error::EmptySlot),
        ("slot 0 of the outer one", address(0, 0, GUARD.1, 4), Error::EmptySlot),
        ("another guard", address(0, 2, GUARD.1 ^ 1, 4), Error::OutOfRange),
        ("no guard", address(0, 2, 0, 4), Error::OutOfRange),
        ("another guard of the outer one", address(1, 2, GUARD.1, 4), Error::OutOfRange),
        ("the last bit of it", address(1 << (REST - 1), 2, GUARD.1, 4), Error::OutOfRange),
        ("an endpoint on the way", address(0, 3, GUARD.1, 4), Error::OutOfRange),
        ("an inner one that needs more bits than are left", address(0, 6, 0, 0), Error::OutOfRange),
        ("all ones", u32::MAX, Error::OutOfRange),
        ("an address of the other space", root_slot::TCB, Error::EmptySlot),
    ] {
        room.refused(&Call::plain(Syscall::Signal, address, 0), error, why);
    }
}

/// Short ways through the kernel are for addresses of one step; what comes of a call is the same by any way.
#[test]
fn a_call_does_the_same_through_two_cnodes_as_through_one() {
    for &call in Syscall::ALL {
        let Some(slot) = call.description().object.and_then(|ty| HELD.iter().position(|&held| held == ty)) else {
            continue;
        };
        let outcomes = [false, true].map(|nested| {
            let mut room = Room::new(12);
            let at = |room: &Room, slot: usize| {
                if nested { address(0, 2, GUARD.1, 4 + slot as u32) } else { room.of(HELD[slot]) }
            };
            let tcb = if nested { thread(&mut room) } else { started(&mut room, root_slot::CNODE) };
            let reply = if call.description().reply { at(&room, 2) } else { 0 };
            let there = at(&room, slot);
            let answer = room.desk.svc(call, there, 0x100, &[1, 2, 3, 4], reply);
            let state = room.desk.world.kernel.arena.get(room.desk.tcb(tcb)).state;
            (std::mem::discriminant(&state), room.desk.runs(tcb).then_some(answer[0]))
        });
        assert_eq!(outcomes[0], outcomes[1], "{call:?}");
    }
}

/// The longest way there can be: one bit for each CNode, and every one of them leads to itself.
#[test]
fn a_cnode_in_itself_is_resolved_in_32_steps_at_most() {
    let mut room = Room::new(12);
    let knot = room.make(ObjectType::CNode, 1);
    let open = room.slot();
    // A guard of one bit and an index of one: what is left after each step is two bits less.
    room.root(CNodeMethod::Mint, &[open, knot, 15, 1]);
    room.ok(&Call::method(knot, CNodeMethod::Copy as u16, &[1, open, 15]));
    let tcb = started(&mut room, open);
    room.ok(&Call::method(0x5555_5555, NOTHING, &[]));
    room.refused(&Call::method(0x5555_5554, NOTHING, &[]), Error::EmptySlot, "index 0 at last");
    room.refused(&Call::method(0xd555_5555, NOTHING, &[]), Error::OutOfRange, "a guard of 1 at first");
    room.refused(&Call::method(0x5555_5557, NOTHING, &[]), Error::OutOfRange, "a guard of 1 at last");
    room.desk.check();
    // Without a handler a fault stops it, and root goes on.
    room.desk.world.kernel.on_component_fault(abi::fault::FaultKind::Undefined, 0, 0);
    room.desk.world.schedule();
    // It holds itself, so that deleting what leads to it from outside does not free it; a revocation does.
    room.root(CNodeMethod::Delete, &[tcb]);
    room.root(CNodeMethod::Delete, &[open]);
    room.desk.check();
    room.root(CNodeMethod::Revoke, &[knot]);
    room.desk.check();
    let again = room.slot();
    room.ok(&Call::method(knot, CNodeMethod::Copy as u16, &[1, room.of(CapType::Endpoint), 15]));
    room.root(CNodeMethod::Delete, &[knot]);
    room.desk.check();
    room.refused(&Call::method(again, NOTHING, &[]), Error::EmptySlot, "nothing came of it");
}
