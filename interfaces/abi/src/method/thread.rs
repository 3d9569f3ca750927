//! Methods of threads and of their time.

use super::methods;
use crate::Rights;
use crate::message::IPC_BUFFER_ALIGN;

/// What a thread is doing, as `TcbMethod::ReadState` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ThreadState {
    /// Not started, or suspended.
    Inactive = 0,
    /// Runs, or would if its turn and budget came.
    Running = 1,
    /// Waits to send.
    BlockedOnSend = 2,
    /// Waits to receive.
    BlockedOnReceive = 3,
    /// Waits for an answer.
    BlockedOnReply = 4,
    /// Waits for a notification.
    BlockedOnNotification = 5,
    /// Its guest executed WFI and no interrupt is pending.
    Idle = 6,
}

const READ_WRITE: Rights = Rights::READ.union(Rights::WRITE);

methods! {
    /// Methods of a thread.
    TcbMethod of Tcb {
        /// Gives it a capability space and an address space, copies of these, once.
        SetSpaces = 0x601 (cspace: Capability(CNode, NONE), vspace: Capability(VSpace, NONE)) -> () {
            WrongState: "it has one, or it is not inactive",
        }
        /// Gives it an IPC buffer: the frame's capability is copied into the thread, once. Frame 0 gives it none.
        SetIpcBuffer = 0x602 (frame: OptionalCapability(Frame, READ_WRITE), offset: Offset(IPC_BUFFER_ALIGN)) -> () {
            WrongState: "it has one",
            DeviceMemory: "a device is no memory",
        }
        /// Says where its faults and its guest's exits go: a copy of the endpoint's capability, badge included, once. Endpoint 0:
        /// nowhere, it just stops.
        SetFaultHandler = 0x603 (endpoint: OptionalCapability(Endpoint, Rights::WRITE)) -> () {
            WrongState: "it has one",
        }
        /// Sets how urgent it is (255 most), and the ceiling of what it may give to others. Neither may be above the ceiling of
        /// the authority, a thread.
        SetPriority = 0x604 (authority: Capability(Tcb, NONE), priority: Priority, ceiling: Priority) -> () {}
        /// Sets where it begins and with what; all other registers become 0. `thumb` is 1 for Thumb.
        WriteRegisters = 0x605 (pc: Free, sp: Free, r0: Free, thumb: Number(&[(0, 1)])) -> () {
            WrongState: "it is not inactive",
        }
        /// Tells a register: 0-12, 13 sp, 14 lr, 15 pc, 16 cpsr.
        ReadRegister = 0x606 (register: Number(&[(0, 16)])) -> ("value") {}
        /// Lets it run, as soon as it has time. Nothing happens if it is not inactive.
        Resume = 0x607 () -> () {
            WrongState: "it has no space, or a component's thread is in a guest's space, or the other way round",
        }
        /// Stops it. What it waited for is cancelled.
        Suspend = 0x608 () -> () {}
        /// From now on it runs that vCPU's guest.
        BindVcpu = 0x609 (vcpu: Capability(Vcpu, NONE)) -> () {
            WrongState: "it is not inactive, or one of the two is bound",
        }
        /// Tells what it is doing: 0 inactive, 1 running, 2 sending, 3 receiving, 4 awaiting an answer, 5 at a notification, 6 a
        /// guest in WFI.
        ReadState = 0x60a () -> ("state") {}
        /// From now on the thread also receives the notification's word, with status `0x80000000`, where it receives messages, as
        /// long as it has time of its own. A copy of the capability is kept in the thread.
        BindNotification = 0x60b (notification: Capability(Notification, Rights::READ)) -> () {
            WrongState: "one of the two is bound",
        }
        /// Takes that back. Nothing happens if none is bound.
        UnbindNotification = 0x60c () -> () {}
    }
}

methods! {
    /// Methods of a scheduling context.
    SchedContextMethod of SchedContext {
        /// Gives it a core, a budget and a period, full from now on. Budget and period equal: turns of that length. The last word
        /// is the authority over time, which root alone has: nobody can give itself more.
        Configure = 0xb01 (core: Core, budget: BudgetUs, period: PeriodUs, control: Capability(SchedControl, NONE)) -> () {}
        /// The thread runs on it.
        Bind = 0xb02 (tcb: Capability(Tcb, NONE)) -> () {
            WrongState: "one of the two is bound, the thread runs on a caller's time, or the context is not configured",
        }
        /// Its thread becomes passive: it runs only on its callers' time.
        Unbind = 0xb03 () -> () {}
        /// Tells how much time was consumed so far.
        Consumed = 0xb04 () -> ("microseconds, low", "high") {}
    }
}
