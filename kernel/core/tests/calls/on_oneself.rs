//! Calls on what one lives by: one's own thread, time, capability space, address space and memory. `tools/docs/kernel.md`
//! says what comes of each.

use crate::room::{Call, Room, all_methods};
use abi::boot::root_slot::{CNODE, SCHED_CONTEXT, SCHED_CONTROL, TCB, VSPACE};
use abi::describe::CapType;
use abi::method::*;
use abi::object::ObjectType;
use abi::{Error, Syscall};
use kernel_core::tcb::State;

/// What becomes of a thread that did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// It goes on.
    GoesOn,
    /// The call fails.
    Fails(Error),
    /// It is left in that state, and does not run.
    Stops(State),
}

/// Each method of the objects that root runs by, on root's own. A method that is not here fails the test.
fn outcome(room: &mut Room, method: &str) -> (Call, Then) {
    let tcb = |method: TcbMethod, words: &[u32]| Call::method(TCB, method as u16, words);
    let time = |method: SchedContextMethod, words: &[u32]| Call::method(SCHED_CONTEXT, method as u16, words);
    let node = |method: CNodeMethod, words: &[u32]| Call::method(CNODE, method as u16, words);
    let free = room.slot();
    match method {
        "Tcb::SetSpaces" => (tcb(TcbMethod::SetSpaces, &[CNODE, VSPACE]), Then::Fails(Error::WrongState)),
        "Tcb::SetIpcBuffer" => {
            (tcb(TcbMethod::SetIpcBuffer, &[room.of(CapType::Frame), 0]), Then::Fails(Error::WrongState))
        }
        "Tcb::SetFaultHandler" => (tcb(TcbMethod::SetFaultHandler, &[room.of(CapType::Endpoint)]), Then::GoesOn),
        "Tcb::SetPriority" => (tcb(TcbMethod::SetPriority, &[TCB, 1, 2]), Then::GoesOn),
        "Tcb::WriteRegisters" => (tcb(TcbMethod::WriteRegisters, &[0; 4]), Then::Fails(Error::WrongState)),
        "Tcb::ReadRegister" => (tcb(TcbMethod::ReadRegister, &[0]), Then::GoesOn),
        "Tcb::Resume" => (tcb(TcbMethod::Resume, &[]), Then::GoesOn),
        "Tcb::Suspend" => (tcb(TcbMethod::Suspend, &[]), Then::Stops(State::Inactive)),
        "Tcb::BindVcpu" => (tcb(TcbMethod::BindVcpu, &[room.of(CapType::Vcpu)]), Then::Fails(Error::WrongState)),
        "Tcb::ReadState" => (tcb(TcbMethod::ReadState, &[]), Then::GoesOn),
        "Tcb::BindNotification" => (tcb(TcbMethod::BindNotification, &[room.of(CapType::Notification)]), Then::GoesOn),
        "Tcb::UnbindNotification" => (tcb(TcbMethod::UnbindNotification, &[]), Then::GoesOn),
        "SchedContext::Configure" => (time(SchedContextMethod::Configure, &[0, 10, 20, SCHED_CONTROL]), Then::GoesOn),
        "SchedContext::Bind" => (time(SchedContextMethod::Bind, &[TCB]), Then::Fails(Error::WrongState)),
        "SchedContext::Unbind" => (time(SchedContextMethod::Unbind, &[]), Then::Stops(State::Running)),
        "SchedContext::Consumed" => (time(SchedContextMethod::Consumed, &[]), Then::GoesOn),
        // The capability of the space that it is made in: the thread has a copy of its own.
        "CNode::Copy" => (node(CNodeMethod::Copy, &[free, CNODE, 15]), Then::GoesOn),
        "CNode::Mint" => (node(CNodeMethod::Mint, &[free, CNODE, 15, 1]), Then::GoesOn),
        "CNode::Move" => (node(CNodeMethod::Move, &[free, CNODE]), Then::GoesOn),
        "CNode::Delete" => (node(CNodeMethod::Delete, &[CNODE]), Then::GoesOn),
        // Which a revocation takes.
        "CNode::Revoke" => (node(CNodeMethod::Revoke, &[CNODE]), Then::GoesOn),
        other => panic!("what does {other} do to oneself? Say so here, and in the kernel's book"),
    }
}

#[test]
fn every_method_on_ones_own_thread_time_and_capability_space_does_what_the_book_says() {
    let own = [CapType::Tcb, CapType::SchedContext, CapType::CNode];
    for method in all_methods().filter(|method| method.object.is_some_and(|ty| own.contains(&ty))) {
        let mut room = Room::new(12);
        let (call, then) = outcome(&mut room, method.name);
        match then {
            Then::Fails(error) => room.refused(&call, error, method.name),
            Then::GoesOn => {
                room.ok(&call);
                assert_eq!(room.desk.world.kernel.running(), Some(room.desk.world.root), "{}", method.name);
            }
            Then::Stops(state) => {
                assert!(room.make_call(&call).is_ok(), "should it ever run again, it has succeeded");
                assert_eq!(room.desk.world.kernel.running(), None, "{}", method.name);
                assert_eq!(room.desk.world.kernel.arena.get(room.desk.world.root).state, state, "{}", method.name);
            }
        }
        room.desk.check();
    }
}

#[test]
fn who_revokes_its_own_capability_space_can_name_nothing_any_more() {
    let mut room = Room::new(12);
    let endpoint = room.of(CapType::Endpoint);
    room.root(CNodeMethod::Revoke, &[CNODE]);
    for address in [CNODE, TCB, endpoint, 0, u32::MAX] {
        room.refused(&Call::method(address, NOTHING, &[]), Error::EmptySlot, "nothing");
    }
    room.desk.check();
}

#[test]
fn who_deletes_its_own_capability_to_its_space_goes_on_by_the_threads() {
    for (way, moved) in [(CNodeMethod::Delete, None), (CNodeMethod::Move, Some(()))] {
        let mut room = Room::new(12);
        let free = room.slot();
        room.root(way, &if moved.is_some() { vec![free, CNODE] } else { vec![CNODE] });
        room.refused(&Call::method(CNODE, NOTHING, &[]), Error::EmptySlot, "it is not there any more");
        room.ok(&Call::method(TCB, TcbMethod::ReadState as u16, &[]));
        room.desk.check();
    }
}

#[test]
fn who_takes_its_own_thread_space_or_time_away_stops() {
    // Whether a deletion is enough: of a space the thread holds a copy.
    for (slot, way, state) in [
        (TCB, CNodeMethod::Delete, None),
        (VSPACE, CNodeMethod::Revoke, Some(State::Inactive)),
        (SCHED_CONTEXT, CNodeMethod::Delete, Some(State::Running)),
    ] {
        let mut room = Room::new(12);
        let root = room.desk.world.root;
        room.make_call(&Call::method(CNODE, way as u16, &[slot])).expect("the call itself succeeds");
        assert_eq!(room.desk.world.kernel.running(), None, "slot {slot}");
        if let Some(state) = state {
            assert_eq!(room.desk.world.kernel.arena.get(root).state, state, "slot {slot}");
        }
        room.desk.check();
    }
    let mut room = Room::new(12);
    room.root(CNodeMethod::Delete, &[VSPACE]);
    room.ok(&Call::method(TCB, TcbMethod::ReadState as u16, &[]));
    room.desk.check();
}

/// A thread revokes the memory that it, its spaces and its time are made of.
#[test]
fn who_revokes_its_own_memory_is_gone_and_so_is_all_of_it() {
    for preempt_every in [0, 1, 2, 3, 7] {
        let mut room = Room::new(12);
        let memory = room.make(ObjectType::Untyped, 17);
        let made: Vec<u32> = [ObjectType::Tcb, ObjectType::VSpace, ObjectType::SchedContext]
            .into_iter()
            .map(|object| {
                let slot = room.slot();
                room.desk.world.retype(memory, object, 0, 1, slot).expect("it fits");
                slot
            })
            .collect();
        let [tcb, vspace, context] = made[..] else { unreachable!("three were made") };
        room.ok(&Call::method(tcb, TcbMethod::SetSpaces as u16, &[CNODE, vspace]));
        room.ok(&Call::method(tcb, TcbMethod::SetPriority as u16, &[TCB, 240, 240]));
        room.ok(&Call::method(context, SchedContextMethod::Configure as u16, &[0, 100, 100, SCHED_CONTROL]));
        room.ok(&Call::method(tcb, TcbMethod::Resume as u16, &[]));
        room.ok(&Call::method(context, SchedContextMethod::Bind as u16, &[tcb]));
        assert!(room.desk.runs(tcb));
        room.desk.world.kernel.platform.preempt_every = preempt_every;
        room.desk.svc(Syscall::Call, CNODE, CNodeMethod::Revoke as u16, &[memory], 0);
        // The thread may be gone before the revocation is done: somebody else ends it.
        assert_eq!(room.desk.world.kernel.running(), Some(room.desk.world.root), "every {preempt_every}");
        room.root(CNodeMethod::Revoke, &[memory]);
        room.desk.check();
        for slot in made {
            room.refused(&Call::method(slot, NOTHING, &[]), Error::EmptySlot, "it is gone");
        }
        room.desk.world.kernel.platform.preempt_every = 0;
        room.ok(&Call::method(memory, UntypedMethod::Reset as u16, &[]));
        room.desk.check();
    }
}
