//! What a message brings besides its registers: all that can be wrong with it leaves the message whole and the rest away.

use crate::room::{Call, OCCUPIED, Room};
use crate::wrong::NOWHERE;
use abi::boot::root_slot;
use abi::describe::CapType;
use abi::message::{IPC_BUFFER_ALIGN, IpcBuffer, MESSAGE_BYTES_MAX, MessageInfo, REGISTER_BYTES};
use abi::method::*;
use abi::object::{ObjectType, SLOT_BYTES};
use abi::{Error, Syscall};
use kernel_core::cap::Cap;
use std::mem::offset_of;

/// Where the receiver's buffer lies in its frame: not at its start.
const OFFSET: u32 = 3 * IPC_BUFFER_ALIGN;
/// The slot in which the receiver wants it.
const PLACE: u32 = 5;

/// What the two sides say of the capability that goes along.
#[derive(Clone, Copy, Debug)]
struct Said {
    send: u32,
    cnode: u32,
    index: u32,
    rights: u32,
}

fn page(room: &Room, frame: u32) -> u32 {
    match room.desk.world.cap(frame) {
        Cap::Frame { page, .. } => page << 12,
        other => panic!("no frame: {other:?}"),
    }
}

fn write(room: &mut Room, address: u32, value: u32) {
    room.desk.world.kernel.arena.write_word(address, value);
}

/// Root sends a message of that length, with a capability, to a thread that waits: the descriptor that this one finds, and its
/// buffer's address.
fn send(room: &mut Room, said: Said, bytes: usize, buffers: bool) -> (MessageInfo, u32) {
    let endpoint = room.of(CapType::Endpoint);
    let through = room.copy(endpoint, said.rights);
    let frame = room.make(ObjectType::Frame, 12);
    let tcb = room.desk.thread(230);
    if buffers {
        room.ok(&Call::method(tcb, TcbMethod::SetIpcBuffer as u16, &[frame, OFFSET]));
    }
    let (from, to) = (page(room, root_slot::IPC_BUFFER), page(room, frame) + OFFSET);
    for word in 0..MESSAGE_BYTES_MAX as u32 / 4 {
        write(room, from + 4 * word, 0xabcd_0000 + word);
    }
    write(room, from + offset_of!(IpcBuffer, send_cap) as u32, said.send);
    write(room, to + offset_of!(IpcBuffer, receive_cnode) as u32, said.cnode);
    write(room, to + offset_of!(IpcBuffer, receive_index) as u32, said.index);
    let context = room.desk.context(10_000, 10_000);
    room.ok(&Call::method(tcb, TcbMethod::Resume as u16, &[]));
    room.ok(&Call::method(context, SchedContextMethod::Bind as u16, &[tcb]));
    room.desk.svc(Syscall::Recv, endpoint, 0, &[], 0);
    let info = MessageInfo::new(0x123, bytes).with_cap().0;
    // The more urgent receiver goes on at once.
    room.desk.world.syscall(Syscall::Send, through, info, [1, 2, 3, 4], 0);
    room.desk.check();
    assert!(room.desk.runs(tcb));
    let got = room.desk.registers(tcb);
    assert_eq!((got.r[0], &got.r[2..6]), (0, &[1, 2, 3, 4][..]), "{said:?}");
    let info = MessageInfo(got.r[1]);
    assert_eq!(info.label(), 0x123);
    (info, to)
}

fn right(room: &Room) -> Said {
    Said { send: room.of(CapType::Notification), cnode: room.of(CapType::CNode), index: PLACE, rights: 7 }
}

/// Whether something is in the receiver's place.
fn arrived(room: &Room) -> bool {
    let Cap::CNode { cnode, .. } = room.desk.world.cap(room.of(CapType::CNode)) else { panic!("no CNode") };
    // The first byte of a slot is 0 if it is empty.
    room.desk.world.kernel.arena.read_word(cnode.address() + PLACE * SLOT_BYTES) & 0xff != 0
}

#[test]
fn a_capability_of_each_type_goes_along_if_it_can_be_copied() {
    for &ty in CapType::ALL {
        let mut room = Room::new(12);
        let said = Said { send: room.of(ty), ..right(&room) };
        let (info, _) = send(&mut room, said, 4, true);
        assert_eq!(info.has_cap(), ty.is_copyable(), "{ty:?}");
        assert_eq!(arrived(&room), ty.is_copyable(), "{ty:?}");
    }
}

#[test]
fn a_capability_that_can_not_be_sent_or_taken_is_left_out_and_the_message_arrives() {
    let mut tried = 0;
    let mut refused = |why: &str, make: &dyn Fn(&mut Room) -> Said| {
        let mut room = Room::new(12);
        let said = make(&mut room);
        let (info, to) = send(&mut room, said, 100, true);
        assert!(!info.has_cap(), "{why}: {said:x?}");
        assert_eq!(info.length(), 100, "{why}");
        assert_eq!(room.desk.world.kernel.arena.read_word(to + 96), 0xabcd_0000 + 24, "{why}: its last word");
        assert!(!arrived(&room), "{why}: {said:x?}");
        tried += 1;
    };
    refused("an endpoint without GRANT", &|room| Said { rights: 2, ..right(room) });
    refused("nothing to send", &|room| Said { send: 0, ..right(room) });
    refused("a slot that is empty", &|room| Said { send: room.empty, ..right(room) });
    refused("nothing is wanted", &|room| Said { cnode: 0, ..right(room) });
    refused("no CNode to take it", &|room| Said { cnode: room.of(CapType::Tcb), ..right(room) });
    refused("an empty slot to take it", &|room| Said { cnode: room.empty, ..right(room) });
    for address in NOWHERE {
        refused("nothing to send", &|room| Said { send: address, ..right(room) });
        refused("nowhere to take it", &|room| Said { cnode: address, ..right(room) });
    }
    for index in [0, 16, u32::MAX] {
        refused("no such slot", &|room| Said { index, ..right(room) });
    }
    for index in OCCUPIED {
        refused("a slot in use", &|room| Said { index, ..right(room) });
    }
    for &ty in CapType::ALL {
        refused("deleted meanwhile", &|room| Said { send: room.gone(ty), ..right(room) });
    }
    assert!(tried > 30);
}

#[test]
fn without_buffers_a_message_is_cut_to_its_registers_and_brings_nothing() {
    let mut room = Room::new(12);
    let said = right(&room);
    let (info, to) = send(&mut room, said, 480, false);
    assert_eq!((info.length(), info.has_cap()), (REGISTER_BYTES, false));
    assert!(!arrived(&room));
    // The frame is no buffer of the receiver's: nothing was written there.
    assert_eq!(room.desk.world.kernel.arena.read_word(to + 16), 0);
}

/// A length that the word has room for and messages have not: no more than a buffer is ever copied.
#[test]
fn a_message_longer_than_the_buffer_is_as_long_as_the_buffer() {
    for bytes in [480usize, 481, 1000, 0x3ff] {
        let mut room = Room::new(12);
        let said = Said { send: 0, ..right(&room) };
        let (info, to) = send(&mut room, said, bytes, true);
        assert_eq!(info.length(), 480);
        assert_eq!(room.desk.world.kernel.arena.read_word(to + 476), 0xabcd_0000 + 119);
        let word = |offset: usize| room.desk.world.kernel.arena.read_word(to + offset as u32);
        assert_eq!(word(offset_of!(IpcBuffer, send_cap)), 0, "what comes behind the message is the receiver's");
        assert_eq!(word(offset_of!(IpcBuffer, receive_index)), PLACE);
        assert_eq!(word(IPC_BUFFER_ALIGN as usize), 0);
    }
}

/// What arrived was derived from what was sent, with no more rights: its revocation takes it back.
#[test]
fn what_arrived_is_taken_back_with_what_it_came_from() {
    let mut room = Room::new(12);
    let source = room.of(CapType::Notification);
    let (weak, hand) = (room.copy(source, 2), room.slot());
    let (info, _) = send(&mut room, Said { send: weak, cnode: root_slot::CNODE, index: hand, rights: 7 }, 4, true);
    assert!(info.has_cap());
    let poll = Call::plain(Syscall::Poll, hand, 0);
    room.refused(&poll, Error::NoRights, "it came with WRITE alone");
    room.ok(&Call::plain(Syscall::Signal, hand, 0));
    room.root(CNodeMethod::Revoke, &[source]);
    room.refused(&poll, Error::EmptySlot, "it was taken back");
    room.desk.check();
}
