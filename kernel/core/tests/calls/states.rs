//! What is wrong with no word of a call, but with the state of what it names.

use crate::common::guest_and_vmm;
use crate::room::{CNODE_BITS, Call, FREE, MAPPABLE, NO_TABLES, Room};
use abi::boot::root_slot;
use abi::describe::CapType;
use abi::message::MessageInfo;
use abi::method::*;
use abi::object::ObjectType;
use abi::{Error, Syscall};
use kernel_core::cap::{Cap, UntypedFlags};
use kernel_core::tcb;

/// A state in which a method fails.
pub struct State {
    pub method: &'static str,
    pub error: Error,
    pub why: &'static str,
    /// Makes it so, and says the call.
    pub arrange: fn(&mut Room) -> Call,
}

macro_rules! states {
    ($($method:literal, $error:ident, $why:literal, $arrange:expr;)*) => {
        vec![$(State { method: $method, error: Error::$error, why: $why, arrange: $arrange }),*]
    };
}

/// All of them: whatever a description declares must be among these, or be made from its words.
pub fn all() -> Vec<State> {
    [memory(), mappings(), threads(), machine()].into_iter().flatten().collect()
}

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

fn memory() -> Vec<State> {
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
            retype(room, room.of(CapType::Untyped), ObjectType::Untyped as u32 | 37 << 8 | 256 << 16)
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
            let (source, many) = (room.of(CapType::Endpoint), room.make(ObjectType::CNode, 7));
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

fn map(room: &Room, frame: u32, address: u32, flags: u32) -> Call {
    Call::method(frame, FrameMethod::Map as u16, &[room.of(CapType::VSpace), address, flags])
}

fn map_table(room: &Room, table: u32, address: u32) -> Call {
    Call::method(table, TableMethod::Map as u16, &[room.of(CapType::VSpace), address])
}

fn mappings() -> Vec<State> {
    const BLOCK: u32 = 2 << 20;
    states! {
        "Frame::Map", AlreadyMapped, "where it is", |room| {
            let call = map(room, room.of(CapType::Frame), MAPPABLE, 1);
            room.ok(&call);
            call
        };
        "Frame::Map", AlreadyMapped, "elsewhere, too", |room| {
            let call = map(room, room.of(CapType::Frame), MAPPABLE, 1);
            room.ok(&call);
            map(room, room.of(CapType::Frame), MAPPABLE + 0x1000, 1)
        };
        "Frame::Map", NoRights, "not readable", |room| map(room, room.of(CapType::Frame), MAPPABLE, 0);
        "Frame::Map", NoRights, "writable alone", |room| map(room, room.of(CapType::Frame), MAPPABLE, 2);
        "Frame::Map", NoRights, "writable, of a copy that may only be read", |room| {
            let copy = room.copy(room.of(CapType::Frame), 1 | 8);
            map(room, copy, MAPPABLE, 3)
        };
        "Frame::Map", NoRights, "executable, of a copy that may not be", |room| {
            let copy = room.copy(room.of(CapType::Frame), 3);
            map(room, copy, MAPPABLE, 9)
        };
        "Frame::Map", NoRights, "a device, executable", |room| {
            let frame = room.device_frame();
            map(room, frame, MAPPABLE, 1 | 8 | 32)
        };
        "Frame::Map", DeviceMemory, "a device as memory", |room| {
            let frame = room.device_frame();
            map(room, frame, MAPPABLE, 3)
        };
        "Frame::Map", DeviceMemory, "a device as uncached memory", |room| {
            let frame = room.device_frame();
            map(room, frame, MAPPABLE, 3 | 16)
        };
        "Frame::Map", DeviceMemory, "memory as a device", |room| map(room, room.of(CapType::Frame), MAPPABLE, 3 | 32);
        "Frame::Map", OutOfRange, "2 MiB uncached", |room| {
            let block = room.make(ObjectType::Frame, 21);
            map(room, block, BLOCK, 3 | 16)
        };
        "Frame::Map", WriteExecute, "in a component's space", |room| {
            let words = [root_slot::VSPACE, abi::boot::ROOT_SCRATCH_ADDRESS, 1 | 2 | 8];
            Call::method(room.of(CapType::Frame), FrameMethod::Map as u16, &words)
        };
        "Frame::Map", MissingTable, "no table of level 2", |room| map(room, room.of(CapType::Frame), NO_TABLES, 1);
        "Frame::Map", MissingTable, "no table of level 3", |room| map(room, room.of(CapType::Frame), BLOCK, 1);
        "Frame::Map", MissingTable, "2 MiB, no table of level 2", |room| {
            let block = room.make(ObjectType::Frame, 21);
            map(room, block, NO_TABLES, 1)
        };
        "Frame::Map", MissingTable, "the last page of all", |room| map(room, room.of(CapType::Frame), 0xffff_f000, 1);
        "Frame::Map", AddressOccupied, "a page over a page", |room| {
            let call = map(room, room.of(CapType::Frame), MAPPABLE, 1);
            room.ok(&call);
            let other = room.make(ObjectType::Frame, 12);
            map(room, other, MAPPABLE, 1)
        };
        "Frame::Map", AddressOccupied, "a copy over its source", |room| {
            let call = map(room, room.of(CapType::Frame), MAPPABLE, 1);
            room.ok(&call);
            let copy = room.copy(room.of(CapType::Frame), 15);
            map(room, copy, MAPPABLE, 1)
        };
        "Frame::Map", AddressOccupied, "2 MiB over pages", |room| {
            let block = room.make(ObjectType::Frame, 21);
            map(room, block, 0, 1)
        };
        "Frame::Map", AddressOccupied, "a page over 2 MiB", |room| {
            let block = room.make(ObjectType::Frame, 21);
            let call = map(room, block, BLOCK, 1);
            room.ok(&call);
            map(room, room.of(CapType::Frame), BLOCK, 1)
        };
        "Frame::Unmap", NotMapped, "never mapped", |room| {
            Call::method(room.of(CapType::Frame), FrameMethod::Unmap as u16, &[])
        };
        "Frame::Unmap", NotMapped, "its table was unmapped", |room| {
            let table = room.make(ObjectType::Table, 3);
            let (table_call, frame_call) = (map_table(room, table, BLOCK), map(room, room.of(CapType::Frame), BLOCK, 1));
            room.ok(&table_call);
            room.ok(&frame_call);
            room.ok(&Call::method(table, TableMethod::Unmap as u16, &[]));
            Call::method(room.of(CapType::Frame), FrameMethod::Unmap as u16, &[])
        };
        "Frame::Clean", DeviceMemory, "a device", |room| cache(room, FrameMethod::Clean);
        "Frame::CleanInvalidate", DeviceMemory, "a device", |room| cache(room, FrameMethod::CleanInvalidate);
        "Frame::Invalidate", DeviceMemory, "a device", |room| cache(room, FrameMethod::Invalidate);
        "Frame::Unify", DeviceMemory, "a device", |room| cache(room, FrameMethod::Unify);
        "Table::Map", AlreadyMapped, "where it is", |room| {
            let call = map_table(room, room.of(CapType::Table), NO_TABLES);
            room.ok(&call);
            call
        };
        "Table::Map", MissingTable, "level 3 before level 2", |room| {
            let table = room.make(ObjectType::Table, 3);
            map_table(room, table, NO_TABLES)
        };
        "Table::Map", AddressOccupied, "level 2 over level 2", |room| map_table(room, room.of(CapType::Table), 0);
        "Table::Map", AddressOccupied, "level 3 over level 3", |room| {
            let table = room.make(ObjectType::Table, 3);
            map_table(room, table, BLOCK - 1)
        };
        "Table::Map", AddressOccupied, "level 3 over a frame of 2 MiB", |room| {
            let (block, table) = (room.make(ObjectType::Frame, 21), room.make(ObjectType::Table, 3));
            let call = map(room, block, BLOCK, 1);
            room.ok(&call);
            map_table(room, table, BLOCK)
        };
        "Table::Unmap", NotMapped, "never mapped", |room| {
            Call::method(room.of(CapType::Table), TableMethod::Unmap as u16, &[])
        };
    }
}

fn cache(room: &mut Room, method: FrameMethod) -> Call {
    Call::method(room.device_frame(), method as u16, &[0, 64])
}

/// The room's thread, ready to be let run.
fn with_spaces(room: &mut Room) -> u32 {
    let tcb = room.of(CapType::Tcb);
    room.ok(&Call::method(tcb, TcbMethod::SetSpaces as u16, &[root_slot::CNODE, room.of(CapType::VSpace)]));
    tcb
}

/// The same, let run, without time.
fn running(room: &mut Room) -> u32 {
    let tcb = with_spaces(room);
    room.ok(&Call::method(tcb, TcbMethod::Resume as u16, &[]));
    tcb
}

/// A thread that has made that call, and waits.
fn waiting(room: &mut Room, call: Syscall, on: CapType) -> u32 {
    let tcb = room.desk.thread(230);
    let context = room.desk.context(10_000, 10_000);
    room.ok(&Call::method(tcb, TcbMethod::Resume as u16, &[]));
    room.ok(&Call::method(context, SchedContextMethod::Bind as u16, &[tcb]));
    assert!(room.desk.runs(tcb));
    let on = room.of(on);
    room.desk.svc(call, on, 0x100, &[], 0);
    assert!(!room.desk.runs(tcb));
    tcb
}

/// A guest in WFI, and its vCPU.
fn idle(room: &mut Room) -> (u32, u32) {
    let (guest, _, _, _, vcpu) = guest_and_vmm(&mut room.desk);
    room.desk.world.kernel.on_guest_wait(true);
    room.desk.world.kernel.schedule();
    assert_eq!(room.desk.state(guest), tcb::State::Idle);
    (guest, vcpu)
}

fn write_registers(tcb: u32) -> Call {
    Call::method(tcb, TcbMethod::WriteRegisters as u16, &[0x1000, 0x2000, 0, 0])
}

fn threads() -> Vec<State> {
    fn bind(tcb: u32, vcpu: u32) -> Call {
        Call::method(tcb, TcbMethod::BindVcpu as u16, &[vcpu])
    }
    fn bind_notification(tcb: u32, notification: u32) -> Call {
        Call::method(tcb, TcbMethod::BindNotification as u16, &[notification])
    }
    fn bind_time(context: u32, tcb: u32) -> Call {
        Call::method(context, SchedContextMethod::Bind as u16, &[tcb])
    }
    states! {
        "Tcb::SetSpaces", WrongState, "it has them", |room| {
            let words = [root_slot::CNODE, room.of(CapType::VSpace)];
            Call::method(with_spaces(room), TcbMethod::SetSpaces as u16, &words)
        };
        "Tcb::SetSpaces", WrongState, "one's own", |_| {
            Call::method(root_slot::TCB, TcbMethod::SetSpaces as u16, &[root_slot::CNODE, root_slot::VSPACE])
        };
        "Tcb::SetIpcBuffer", WrongState, "it has one", |room| {
            let call = Call::method(room.of(CapType::Tcb), TcbMethod::SetIpcBuffer as u16, &[room.of(CapType::Frame), 0]);
            room.ok(&call);
            call
        };
        "Tcb::SetIpcBuffer", WrongState, "it has one, and none is wanted", |room| {
            let words = [room.of(CapType::Frame), 0];
            room.ok(&Call::method(room.of(CapType::Tcb), TcbMethod::SetIpcBuffer as u16, &words));
            Call::method(room.of(CapType::Tcb), TcbMethod::SetIpcBuffer as u16, &[0, 0])
        };
        "Tcb::SetIpcBuffer", DeviceMemory, "a device", |room| {
            let frame = room.device_frame();
            Call::method(room.of(CapType::Tcb), TcbMethod::SetIpcBuffer as u16, &[frame, 0])
        };
        "Tcb::SetFaultHandler", WrongState, "it has one", |room| {
            let call = Call::method(room.of(CapType::Tcb), TcbMethod::SetFaultHandler as u16, &[room.of(CapType::Endpoint)]);
            room.ok(&call);
            call
        };
        "Tcb::WriteRegisters", WrongState, "it runs", |room| write_registers(running(room));
        "Tcb::WriteRegisters", WrongState, "one's own", |_| write_registers(root_slot::TCB);
        "Tcb::WriteRegisters", WrongState, "it receives", |room| {
            write_registers(waiting(room, Syscall::Recv, CapType::Endpoint))
        };
        "Tcb::WriteRegisters", WrongState, "it sends", |room| {
            write_registers(waiting(room, Syscall::Send, CapType::Endpoint))
        };
        "Tcb::WriteRegisters", WrongState, "it is at a notification", |room| {
            write_registers(waiting(room, Syscall::Wait, CapType::Notification))
        };
        "Tcb::WriteRegisters", WrongState, "its guest is in WFI", |room| write_registers(idle(room).0);
        "Tcb::Resume", WrongState, "without a space", |room| {
            Call::method(room.of(CapType::Tcb), TcbMethod::Resume as u16, &[])
        };
        "Tcb::Resume", WrongState, "a component in a guest's space", |room| {
            let frame = map(room, room.of(CapType::Frame), MAPPABLE, 1 | 2 | 8);
            room.ok(&frame);
            Call::method(with_spaces(room), TcbMethod::Resume as u16, &[])
        };
        "Tcb::Resume", WrongState, "a guest in a component's space", |room| {
            let tcb = room.of(CapType::Tcb);
            room.ok(&Call::method(tcb, TcbMethod::SetSpaces as u16, &[root_slot::CNODE, root_slot::VSPACE]));
            room.ok(&bind(tcb, room.of(CapType::Vcpu)));
            Call::method(tcb, TcbMethod::Resume as u16, &[])
        };
        "Tcb::BindVcpu", WrongState, "the thread runs", |room| bind(running(room), room.of(CapType::Vcpu));
        "Tcb::BindVcpu", WrongState, "the thread is one's own", |room| bind(root_slot::TCB, room.of(CapType::Vcpu));
        "Tcb::BindVcpu", WrongState, "the vCPU is bound", |room| {
            let (_, vcpu) = idle(room);
            bind(room.of(CapType::Tcb), vcpu)
        };
        "Tcb::BindVcpu", WrongState, "the thread is bound", |room| {
            let tcb = room.of(CapType::Tcb);
            room.ok(&bind(tcb, room.of(CapType::Vcpu)));
            let other = room.make(ObjectType::Vcpu, 0);
            bind(tcb, other)
        };
        "Tcb::BindNotification", WrongState, "the thread is bound", |room| {
            let tcb = room.of(CapType::Tcb);
            room.ok(&bind_notification(tcb, room.of(CapType::Notification)));
            let other = room.make(ObjectType::Notification, 0);
            bind_notification(tcb, other)
        };
        "Tcb::BindNotification", WrongState, "the notification is bound", |room| {
            room.ok(&bind_notification(root_slot::TCB, room.of(CapType::Notification)));
            bind_notification(room.of(CapType::Tcb), room.of(CapType::Notification))
        };
        "Vcpu::Reset", WrongState, "its guest is in WFI", |room| {
            let (_, vcpu) = idle(room);
            Call::method(vcpu, VcpuMethod::Reset as u16, &[])
        };
        "Vcpu::Reset", WrongState, "its guest could run", |room| {
            let tcb = room.of(CapType::Tcb);
            room.ok(&bind(tcb, room.of(CapType::Vcpu)));
            running(room);
            Call::method(room.of(CapType::Vcpu), VcpuMethod::Reset as u16, &[])
        };
        "SchedContext::Bind", WrongState, "the context is bound", |room| {
            room.ok(&bind_time(room.of(CapType::SchedContext), room.of(CapType::Tcb)));
            let other = room.make(ObjectType::Tcb, 0);
            bind_time(room.of(CapType::SchedContext), other)
        };
        "SchedContext::Bind", WrongState, "the thread is bound", |room| {
            room.ok(&bind_time(room.of(CapType::SchedContext), room.of(CapType::Tcb)));
            let other = room.desk.context(1, 1);
            bind_time(other, room.of(CapType::Tcb))
        };
        "SchedContext::Bind", WrongState, "they are bound to each other", |room| {
            let call = bind_time(room.of(CapType::SchedContext), room.of(CapType::Tcb));
            room.ok(&call);
            call
        };
        "SchedContext::Bind", WrongState, "one's own to oneself", |_| bind_time(root_slot::SCHED_CONTEXT, root_slot::TCB);
        "SchedContext::Bind", WrongState, "it was never configured", |room| {
            let context = room.make(ObjectType::SchedContext, 0);
            bind_time(context, room.of(CapType::Tcb))
        };
    }
}

fn machine() -> Vec<State> {
    fn bound(room: &mut Room) -> u32 {
        let handler = room.of(CapType::IrqHandler);
        let words = [room.of(CapType::Notification)];
        room.ok(&Call::method(handler, IrqHandlerMethod::SetNotification as u16, &words));
        handler
    }
    states! {
        "IrqControl::Get", IrqTaken, "it has a handler", |room| {
            let words = [33, room.of(CapType::CNode), FREE, 0];
            Call::method(room.of(CapType::IrqControl), IrqControlMethod::Get as u16, &words)
        };
        "IrqHandler::SetNotification", WrongState, "it is bound", |room| {
            Call::method(bound(room), IrqHandlerMethod::SetNotification as u16, &[room.of(CapType::Notification)])
        };
        "IrqHandler::BindVcpu", WrongState, "it is bound", |room| {
            Call::method(bound(room), IrqHandlerMethod::BindVcpu as u16, &[room.of(CapType::Vcpu), 40, 0])
        };
    }
}
