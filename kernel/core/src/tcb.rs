//! A thread.

use crate::Context;
use crate::arena::{Arena, Handle};
use crate::cap::Slot;
use crate::objects::{Endpoint, Notification, Reply, SchedContext};
use crate::vcpu::Vcpu;
use abi::object::TCB_BYTES;
use core::mem::offset_of;

/// What a thread is doing. Numbers as in [`abi::method::ThreadState`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum State {
    /// Not started, or suspended.
    Inactive = 0,
    /// Runs, or waits for its turn, its budget, or a context.
    Running = 1,
    /// In the endpoint's queue, to send.
    Sending(Handle<Endpoint>) = 2,
    /// In the endpoint's queue, to receive.
    Receiving(Handle<Endpoint>) = 3,
    /// Waits for the answer that this object will bring.
    AwaitingReply(Handle<Reply>) = 4,
    /// In the notification's queue.
    Waiting(Handle<Notification>) = 5,
    /// Its guest waits for an interrupt.
    Idle = 6,
}

/// What a thread that sends or awaits an answer has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Sent {
    /// A message in its registers, without expecting an answer.
    Send = 0,
    /// A message in its registers; it expects an answer.
    Call = 1,
    /// A fault; the message is in `report`.
    Fault = 2,
    /// An exit of its guest; the message is in its vCPU.
    Exit = 3,
}

/// A thread control block. The context stands first: entry code finds it at the handle's address.
#[repr(C)]
pub struct Tcb {
    /// Registers.
    pub context: Context,
    /// The vCPU whose guest it runs; `None` for a component.
    pub vcpu: Option<Handle<Vcpu>>,
    /// What it is doing.
    pub state: State,
    /// The context it runs on now: its own, or a donated one.
    pub sched: Option<Handle<SchedContext>>,
    /// The context that is bound to it, wherever that is now.
    pub home: Option<Handle<SchedContext>>,
    /// The reply object that it receives into, while it receives.
    pub reply: Option<Handle<Reply>>,
    /// Next in the queue that it is in.
    pub next: Option<Handle<Tcb>>,
    /// The one before.
    pub prev: Option<Handle<Tcb>>,
    /// Badge of the capability through which it sends.
    pub badge: u32,
    /// 0-255, 255 most urgent.
    pub priority: u8,
    /// The highest priority that it may give.
    pub ceiling: u8,
    /// What kind of message it sends or has sent.
    pub sent: Sent,
    /// Whether the capability through which it sends may carry a capability.
    pub grants: bool,
    /// Whether it stands in the ready queue.
    pub queued: bool,
    /// Capabilities that name it.
    pub refs: u32,
    /// Where its IPC buffer begins in its frame.
    pub ipc_offset: u32,
    /// The message of its fault: descriptor and four words.
    pub report: [u32; 5],
    /// Its capability space.
    pub cspace: Slot,
    /// Its address space.
    pub vspace: Slot,
    /// The frame of its IPC buffer.
    pub ipc_frame: Slot,
    /// Where its faults go.
    pub fault_handler: Slot,
    /// The notification that it also receives from where it receives messages.
    pub bound: Slot,
}

plain!(Tcb);
const _: () = assert!(core::mem::size_of::<Tcb>() <= TCB_BYTES as usize && offset_of!(Tcb, context) == 0);

/// The slots inside a thread.
pub const TCB_SLOTS: [usize; 5] = [
    offset_of!(Tcb, cspace),
    offset_of!(Tcb, vspace),
    offset_of!(Tcb, ipc_frame),
    offset_of!(Tcb, fault_handler),
    offset_of!(Tcb, bound),
];

impl Tcb {
    /// The slot at one of the offsets of [`TCB_SLOTS`].
    pub(crate) fn slot(arena: &Arena, tcb: Handle<Tcb>, offset: usize) -> Handle<Slot> {
        debug_assert!(TCB_SLOTS.contains(&offset));
        arena.part(tcb, offset)
    }

    /// Puts a call's status into r0.
    #[inline(always)]
    pub fn set_status(&mut self, status: Result<(), abi::Error>) {
        self.context.r[0] = match status {
            Ok(()) => 0,
            Err(error) => error as u32,
        };
    }
}
