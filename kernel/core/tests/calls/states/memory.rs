//! Untyped memory and CNodes.

use super::{State, states};
use crate::room::{CNODE_BITS, Call, FREE, Room};
use abi::boot::root_slot;
use abi::describe::CapType;
use abi::message::MessageInfo;
use abi::method::*;
use abi::object::{ObjectType, RETYPE_COUNT_MAX, UNTYPED_BITS_MAX};
use abi::{Error, Syscall};
use kernel_core::cap::{Cap, UntypedFlags};

const PAGE: u32 = ObjectType::Frame as u32 | 12 << 8 | 1 << 16;
const TCB: u32 = ObjectType::Tcb as u32 | 1 << 16;

fn retype(room: &Room, untyped: u32, what: u32) -> Call {
    Call::method(untyped, UntypedMethod::Retype as u16, &[what, room.of(CapType::CNode), FREE])
}

/// The call is begun, is preempted, and is never made again.
fn begun(room: &mut Room, method: CNodeMethod, slot: u32) {
    let thread = room.desk.world.kernel.current();
    let context = &mut room.desk.world.kernel.arena.get_mut(thread).context;
    let pc = context.pc;
    context.r[0] = root_slot::CNODE;
    context.r[1] = MessageInfo::new(method as u16, 4).0;
    context.r[2] = slot;
    room.desk.world.kernel.platform.pending = true;
    room.desk.world.enter(Syscall::Call as u32);
    room.desk.world.kernel.platform.pending = false;
    let stopped = room.desk.world.kernel.arena.get(thread).context.pc;
    assert_eq!(stopped, pc.wrapping_sub(4), "it is to be made again");
}

/// An untyped with something made of it, whose deletion was begun.
fn condemned(room: &mut Room) -> u32 {
    let untyped = room.of(CapType::Untyped);
    let call = retype(room, untyped, TCB);
    room.ok(&call);
    begun(room, CNodeMethod::Delete, untyped);
    untyped
}

/// An untyped that was not reset since the machine started.
fn dirty(room: &Room) -> u32 {
    let is = |cap| matches!(cap, Cap::Untyped { flags, .. } if flags.contains(UntypedFlags::DIRTY));
    (root_slot::UNTYPED..root_slot::FIRST_FREE).find(|&slot| is(room.desk.world.cap(slot))).expect("a dirty untyped")
}

pub fn all() -> Vec<State> {
    states! {
        "Untyped::Retype", WrongState, "memory that may not be zero", |room| retype(room, dirty(room), TCB);
        "Untyped::Retype", WrongState, "a frame of memory that may not be zero", |room| retype(room, dirty(room), PAGE);
        "Untyped::Retype", WrongState, "memory that is being deleted", |room| {
            let untyped = condemned(room);
            retype(room, untyped, TCB)
        };
        "Untyped::Retype", DeviceMemory, "a thread in a device", |room| retype(room, room.device_untyped(), TCB);
        "Untyped::Retype", DeviceMemory, "a table in a device", |room| {
            retype(room, room.device_untyped(), ObjectType::Table as u32 | 3 << 8 | 1 << 16)
        };
        "Untyped::Retype", OutOfMemory, "more than there is", |room| {
            retype(room, room.of(CapType::Untyped), ObjectType::Frame as u32 | 12 << 8 | 17 << 16)
        };
        "Untyped::Retype", OutOfMemory, "the last page is taken", |room| {
            let (untyped, cnode) = (room.of(CapType::Untyped), room.make(ObjectType::CNode, 5));
            let words = [ObjectType::Frame as u32 | 12 << 8 | 16 << 16, cnode, 1];
            room.ok(&Call::method(untyped, UntypedMethod::Retype as u16, &words));
            retype(room, untyped, ObjectType::Endpoint as u32 | 1 << 16)
        };
        "Untyped::Retype", OutOfMemory, "the largest untyped there can be", |room| {
            retype(room, room.of(CapType::Untyped), ObjectType::Untyped as u32 | UNTYPED_BITS_MAX << 8 | RETYPE_COUNT_MAX << 16)
        };
        "Untyped::Reset", HasChildren, "something was made of it", |room| {
            let call = retype(room, room.of(CapType::Untyped), TCB);
            room.ok(&call);
            Call::method(room.of(CapType::Untyped), UntypedMethod::Reset as u16, &[])
        };
        "Untyped::Reset", WrongState, "memory that is being deleted", |room| {
            Call::method(condemned(room), UntypedMethod::Reset as u16, &[])
        };
        "CNode::Copy", NotCopyable, "an untyped", |room| {
            let words = [FREE, room.of(CapType::Untyped), 15];
            Call::method(room.of(CapType::CNode), CNodeMethod::Copy as u16, &words)
        };
        "CNode::Mint", NotCopyable, "a handler", |room| {
            let words = [FREE, room.of(CapType::IrqHandler), 15, 1];
            Call::method(room.of(CapType::CNode), CNodeMethod::Mint as u16, &words)
        };
        "CNode::Mint", NoRights, "a badge on a badge", |room| {
            let badged = room.slot();
            room.root(CNodeMethod::Mint, &[badged, room.of(CapType::Notification), 15, 1]);
            Call::method(room.of(CapType::CNode), CNodeMethod::Mint as u16, &[FREE, badged, 15, 2])
        };
        "CNode::Mint", OutOfRange, "a guard of one bit too many", |room| {
            let words = [FREE, room.of(CapType::CNode), 15, 32 - CNODE_BITS + 1];
            Call::method(room.of(CapType::CNode), CNodeMethod::Mint as u16, &words)
        };
        "CNode::Mint", OutOfRange, "the longest guard that can be written", |room| {
            let words = [FREE, room.of(CapType::CNode), 15, u32::MAX];
            Call::method(room.of(CapType::CNode), CNodeMethod::Mint as u16, &words)
        };
        "CNode::Move", HasChildren, "65 were derived from it", |room| {
            let (source, many) = (room.make(ObjectType::Endpoint, 0), room.make(ObjectType::CNode, 7));
            for slot in 1..=65 {
                room.ok(&Call::method(many, CNodeMethod::Copy as u16, &[slot, source, 15]));
            }
            Call::method(room.of(CapType::CNode), CNodeMethod::Move as u16, &[FREE, source])
        };
        "CNode::Move", SlotOccupied, "to where it is", |room| {
            Call::method(root_slot::CNODE, CNodeMethod::Move as u16, &[room.of(CapType::Endpoint); 2])
        };
    }
}
