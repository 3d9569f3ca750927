//! Threads, their time, and vCPUs.

use super::mappings::map;
use super::{State, states};
use crate::common::guest_and_vmm;
use crate::room::{Call, MAPPABLE, Room};
use crate::syscalls::{passive_server, waiting};
use abi::boot::root_slot;
use abi::describe::CapType;
use abi::method::*;
use abi::object::ObjectType;
use abi::{Error, Syscall};
use kernel_core::tcb;

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

/// A thread that waits at the room's object.
fn waits(room: &mut Room, call: Syscall, at: CapType) -> u32 {
    let at = room.of(at);
    waiting(room, &Call::plain(call, at, 0))
}

/// A guest in WFI, and its vCPU.
fn idle(room: &mut Room) -> (u32, u32) {
    let (guest, _, _, _, vcpu) = guest_and_vmm(&mut room.desk);
    room.desk.world.kernel.on_guest_wait(true);
    room.desk.world.schedule();
    assert_eq!(room.desk.state(guest), tcb::State::Idle);
    (guest, vcpu)
}

fn write_registers(tcb: u32) -> Call {
    Call::method(tcb, TcbMethod::WriteRegisters as u16, &[0x1000, 0x2000, 0, 0])
}

pub fn all() -> Vec<State> {
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
            write_registers(waits(room, Syscall::Recv, CapType::Endpoint))
        };
        "Tcb::WriteRegisters", WrongState, "it sends", |room| {
            write_registers(waits(room, Syscall::Send, CapType::Endpoint))
        };
        "Tcb::WriteRegisters", WrongState, "it is at a notification", |room| {
            write_registers(waits(room, Syscall::Wait, CapType::Notification))
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
        "Vcpu::ReadRegister", WrongState, "a core register of a vCPU that is bound to no thread", |room| {
            Call::method(room.of(CapType::Vcpu), VcpuMethod::ReadRegister as u16, &[0])
        };
        "Vcpu::WriteRegister", WrongState, "a core register of a vCPU that is bound to no thread", |room| {
            Call::method(room.of(CapType::Vcpu), VcpuMethod::WriteRegister as u16, &[16, 0x1d3, 0])
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
        "SchedContext::Bind", WrongState, "the thread has lent its context to a server", |room| {
            let (reply, endpoint) = (room.of(CapType::Reply), room.of(CapType::Endpoint));
            passive_server(room, reply);
            let caller = waiting(room, &Call::plain(Syscall::Call, endpoint, 0));
            bind_time(room.of(CapType::SchedContext), caller)
        };
        "SchedContext::Bind", WrongState, "the thread runs on a lent one", |room| {
            let (reply, endpoint) = (room.of(CapType::Reply), room.of(CapType::Endpoint));
            let server = passive_server(room, reply);
            waiting(room, &Call::plain(Syscall::Call, endpoint, 0));
            bind_time(room.of(CapType::SchedContext), server)
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
