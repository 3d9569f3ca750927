//! Kernel objects other than threads and vCPUs, as they lie in retyped memory.

use crate::arena::Handle;
use crate::cap::Slot;
use crate::queue::Queue;
use crate::tcb::Tcb;
use crate::timeout::Timeout;
use abi::object::*;

/// The first slot of a CNode's memory, which is never usable as a slot: its bookkeeping stands there.
#[repr(C)]
pub struct CNode {
    /// Capabilities that name it.
    pub refs: u32,
    /// log2 of its slots.
    pub bits: u32,
    /// Next condemned object, while it is being emptied.
    pub condemned_next: Option<Handle<CNode>>,
    /// First slot that may still hold something, while it is being emptied.
    pub cursor: u32,
    reserved: [u32; 4],
}

/// What threads at an endpoint wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Waiters {
    /// Nobody waits.
    None = 0,
    /// All wait to send.
    Senders = 1,
    /// All wait to receive.
    Receivers = 2,
}

/// An endpoint.
#[repr(C)]
pub struct Endpoint {
    /// Threads that wait, first come first.
    pub queue: Queue,
    /// What they wait for.
    pub waiters: Waiters,
    /// Capabilities that name it.
    pub refs: u32,
}

/// A notification.
#[repr(C)]
pub struct Notification {
    /// Threads that wait.
    pub queue: Queue,
    /// Signals that nobody took yet.
    pub word: u32,
    /// Capabilities that name it.
    pub refs: u32,
    /// The thread that it is bound to: that one's slot `bound` names it.
    pub bound: Option<Handle<Tcb>>,
}

/// A reply object: a caller that waits for its answer.
#[repr(C)]
pub struct Reply {
    /// The caller.
    pub caller: Option<Handle<Tcb>>,
    /// The thread that will receive into this object.
    pub receiver: Option<Handle<Tcb>>,
    /// The context that the caller gave along, to be returned with the answer. It may have died since: this is compared with the
    /// context that the server runs on, and never followed by itself.
    pub donated: Option<Handle<SchedContext>>,
}

/// The most refills that a scheduling context keeps apart; further ones are merged with the last.
pub const REFILLS_MAX: usize = 8;

/// An amount of time that can be used from some time on, both in ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Refill {
    /// From when.
    pub time: u64,
    /// How much.
    pub amount: u64,
}

/// A scheduling context.
#[repr(C)]
pub struct SchedContext {
    /// When it waits for a refill: its place in the core's timer queue.
    pub timeout: Timeout,
    /// Budget in ticks; 0: not configured.
    pub budget: u64,
    /// Period in ticks.
    pub period: u64,
    /// Ticks consumed in all.
    pub consumed: u64,
    /// When its thread last began to run.
    pub started: u64,
    /// What it has, oldest first.
    pub refills: [Refill; REFILLS_MAX],
    /// How many refills there are; at least one once configured.
    pub refill_count: u32,
    /// Its core.
    pub core: u32,
    /// The thread that runs on it now.
    pub tcb: Option<Handle<Tcb>>,
    /// The thread that it was bound to.
    pub home: Option<Handle<Tcb>>,
    /// Capabilities that name it.
    pub refs: u32,
    /// 1: a server that runs on it has been lent some of the next refill, which has not come yet.
    pub overdrawn: u32,
}

/// Entries of a stage-2 table.
pub const TABLE_ENTRIES: usize = 512;

/// A stage-2 table: what the hardware walks, and for each entry the slot of the capability that made it.
#[repr(C, align(2048))]
pub struct Table {
    /// Descriptors (ARM DDI 0406C B3.6).
    pub entries: [u64; TABLE_ENTRIES],
    /// Who made each.
    pub owners: [Option<Handle<Slot>>; TABLE_ENTRIES],
}

/// Entries of a space's root: 1 GiB each.
pub const ROOT_ENTRIES: usize = 4;

/// What may run in a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum SpaceKind {
    /// Not decided.
    Any = 0,
    /// Components: W^X, and HCR.DC set.
    Component = 1,
    /// A guest.
    Guest = 2,
}

/// An address space: the level-1 table, and its VMID.
#[repr(C, align(64))]
pub struct VSpace {
    /// Level-1 descriptors.
    pub entries: [u64; ROOT_ENTRIES],
    /// Who made each.
    pub owners: [Option<Handle<Slot>>; ROOT_ENTRIES],
    /// Capabilities that name it, those in threads included.
    pub refs: u32,
    /// What runs in it.
    pub kind: SpaceKind,
    /// Generation in which `vmid` was given; 0: never.
    pub generation: u32,
    /// VMID, valid in that generation only.
    pub vmid: u32,
    /// Next condemned object.
    pub condemned_next: Option<Handle<VSpace>>,
    reserved: u32,
}

plain!(CNode, Endpoint, Notification, Reply, SchedContext, Table, VSpace);

const _: () = {
    assert!(core::mem::size_of::<CNode>() == SLOT_BYTES as usize);
    assert!(core::mem::size_of::<Endpoint>() <= ENDPOINT_BYTES as usize);
    assert!(core::mem::size_of::<Notification>() <= NOTIFICATION_BYTES as usize);
    assert!(core::mem::size_of::<Reply>() <= REPLY_BYTES as usize);
    assert!(core::mem::size_of::<SchedContext>() <= SCHED_CONTEXT_BYTES as usize);
    assert!(core::mem::size_of::<Table>() == TABLE_BYTES as usize);
    assert!(core::mem::size_of::<VSpace>() <= VSPACE_BYTES as usize);
};
