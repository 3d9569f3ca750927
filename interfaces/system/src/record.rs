//! Records of a compiled system.

use serde::{Deserialize, Serialize};

/// Changes with any change to a record; root refuses another.
pub const SYSTEM_VERSION: u32 = 5;

/// The n-th `Object` record of the system, from 0.
pub type ObjectId = u16;
/// The n-th `Group` record of the system, from 0.
pub type GroupId = u16;

/// The most `Object` records of a system: root has room to remember so many.
pub const OBJECTS_MAX: usize = 2048;
/// The most `Group` records.
pub const GROUPS_MAX: usize = 64;
/// The most `Untyped` records of one group.
pub const UNTYPEDS_MAX: usize = 255;
/// Stands where a record names a space, for root's own.
pub const ROOT_VSPACE: ObjectId = 0xffff;

/// What root does next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record<'a> {
    /// First record: the layout's version and how many records of each kind follow.
    Header {
        /// [`SYSTEM_VERSION`].
        version: u32,
        /// `Group` records.
        groups: u16,
        /// `Object` records.
        objects: u16,
        /// First slot of root's CNode for objects: object `n` has its capabilities at the slot in its record.
        first_slot: u32,
        /// First slot of root's CNode that no record uses; from here to the end of the CNode, at least 64, root has them
        /// for itself.
        free_slot: u32,
    },
    /// A compartment: a component, or a VM with its VMM. Its memory is untypeds of its own: one for each piece of memory
    /// that is large, and one for all else. So tearing it down is revoking these few, and building it again is reading its
    /// records again. One of them, `root`, holds what compartments share (root's endpoint, log rings, channel memories, devices,
    /// interrupts) and is never torn down.
    Group {
        /// Its name in the manifest.
        #[serde(borrow)]
        name: &'a str,
        /// Root's slot for the first of its untypeds; the others follow.
        slot: u32,
        /// How many untypeds it has.
        untypeds: u8,
        /// What root does when it ends or crashes.
        policy: Policy,
    },
    /// Make one of a group's untypeds, of the first of root's own (RAM, in their order) with room for it. These records come in
    /// order of decreasing size: then the large ones find room wherever there is some.
    Untyped {
        /// Whose.
        group: GroupId,
        /// Which of the group's: its slot is that many behind the group's.
        part: u8,
        /// log2 of its bytes.
        bits: u8,
    },
    /// Make an object (or `count` of them, in consecutive slots) out of one of the group's untypeds.
    Object {
        /// Whose memory.
        group: GroupId,
        /// Which of the group's untypeds. 0 for what is made of none.
        part: u8,
        /// Root's slot for its first capability.
        slot: u32,
        /// What it is.
        kind: ObjectKind,
    },
    /// Where root itself receives faults and requests. The badge is 1 + the number of the group that sends.
    RootEndpoint {
        /// An `Endpoint` object.
        endpoint: ObjectId,
        /// A `Reply` object.
        reply: ObjectId,
    },
    /// Copy bytes of the payload to the frames of an object, which are new and otherwise zero.
    Fill {
        /// A `Frames` object.
        object: ObjectId,
        /// Where in it, in bytes.
        at: u32,
        /// From where in the payload, in bytes.
        payload_offset: u32,
        /// How many.
        bytes: u32,
        /// Whether the bytes will be executed (they are unified) .
        execute: bool,
    },
    /// Write bytes that stand in the record itself (a component's generated configuration).
    FillBytes {
        /// A `Frames` object.
        object: ObjectId,
        /// Where in it, in bytes.
        at: u32,
        /// What.
        #[serde(borrow)]
        bytes: &'a [u8],
    },
    /// Map a table of a space.
    MapTable {
        /// A `Table` object.
        table: ObjectId,
        /// A `VSpace` object, or [`ROOT_VSPACE`].
        vspace: ObjectId,
        /// Any address under it.
        address: u32,
    },
    /// Map `count` frames of an object at consecutive addresses. Each mapping is made through a derived
    /// capability of its own, for which root keeps slots from `slot` on.
    MapFrames {
        /// A `Frames`, `Payload`, `Device` or `KernelLog` object.
        frames: ObjectId,
        /// First frame of it.
        first: u32,
        /// How many.
        count: u32,
        /// A `VSpace` object, or [`ROOT_VSPACE`].
        vspace: ObjectId,
        /// Where the first goes.
        address: u32,
        /// [`MapFlags`](abi::rights::MapFlags) bits.
        flags: u32,
        /// Root's first slot for the capabilities that hold the mappings.
        slot: u32,
    },
    /// Put a derived capability into a CNode of the system. What exists once (`Untyped`, `Reply`, `Irq`) is moved there; such an object
    /// belongs to the group of that CNode, so it is made again with it.
    Grant {
        /// A `CNode` object.
        cnode: ObjectId,
        /// Its slot.
        index: u32,
        /// What.
        object: ObjectId,
        /// Which of its `count` capabilities.
        part: u32,
        /// [`Rights`](abi::Rights) bits.
        rights: u8,
        /// Its badge; 0 for none.
        badge: u32,
    },
    /// Put a capability of root's own (by its fixed slot) into a CNode of the system.
    GrantRoot {
        /// A `CNode` object.
        cnode: ObjectId,
        /// Its slot.
        index: u32,
        /// Root's slot.
        slot: u32,
        /// [`Rights`](abi::Rights) bits.
        rights: u8,
        /// Its badge; 0 for none.
        badge: u32,
    },
    /// Make a thread ready to start.
    Thread {
        /// A `Tcb` object.
        tcb: ObjectId,
        /// A `CNode` object.
        cspace: ObjectId,
        /// A `VSpace` object.
        vspace: ObjectId,
        /// Its IPC buffer: a `Frames` object, which frame of it, and the offset in that; `None` for a guest.
        ipc_buffer: Option<(ObjectId, u32, u32)>,
        /// Where its faults (or its guest's exits) go, as an endpoint and a badge.
        fault: Option<(ObjectId, u32)>,
        /// Entry point; ignored for a guest, whose VMM sets it.
        entry: u32,
        /// Initial stack pointer.
        stack: u32,
        /// Argument, arrives in r0.
        argument: u32,
        /// 0-255.
        priority: u8,
        /// The highest priority that the thread may give.
        ceiling: u8,
        /// Its scheduling context, bound now; `None` for a passive thread or one whose VMM binds it.
        context: Option<ObjectId>,
        /// The `Vcpu` that makes it a guest.
        vcpu: Option<ObjectId>,
    },
    /// Let a thread receive a notification's word where it receives messages.
    BindNotification {
        /// A `Tcb` object.
        tcb: ObjectId,
        /// A `Notification` object.
        notification: ObjectId,
    },
    /// Say what an interrupt does. Stands before the `Grant` that moves the handler away.
    Interrupt {
        /// An `Irq` object.
        irq: ObjectId,
        /// A `Notification` object.
        notification: ObjectId,
        /// The bit that it sets.
        badge: u32,
    },
    /// Let a thread run on its context until it waits to receive, then take the context away: from then on it
    /// runs on its callers' time. These records stand before all `Start` records.
    StartPassive {
        /// A `Tcb` object.
        tcb: ObjectId,
        /// The `SchedContext` object that is bound to it.
        context: ObjectId,
    },
    /// Let a thread run. All `Start` records stand at the end.
    Start {
        /// A `Tcb` object.
        tcb: ObjectId,
    },
}

/// What an `Object` record makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ObjectKind {
    /// An untyped of `1 << bits` bytes, for who makes objects of its own.
    Untyped {
        /// log2 of its bytes.
        bits: u8,
    },
    /// A CNode of `1 << bits` slots.
    CNode {
        /// log2 of its slots.
        bits: u8,
    },
    /// `count` frames of `1 << bits` bytes (12 or 21), no more than one retype makes.
    Frames {
        /// log2 of the size of each.
        bits: u8,
        /// How many: one capability each.
        count: u16,
    },
    /// Frames of the payload, as the kernel made them (2 MiB each, read-only). The record's slot is the one that the
    /// kernel put the first in: there is nothing to make.
    Payload {
        /// First of them.
        first: u16,
        /// How many.
        count: u16,
    },
    /// Frames of a device. One of root's device untypeds begins at that page and holds these frames exactly.
    Device {
        /// Physical page number of the first.
        page: u32,
        /// How many 4 KiB frames.
        count: u16,
    },
    /// A stage-2 table of that level (2 or 3).
    Table {
        /// 2 or 3.
        level: u8,
    },
    /// An address space.
    VSpace,
    /// A thread.
    Tcb,
    /// A virtual processor.
    Vcpu {
        /// Its number in its VM.
        number: u8,
    },
    /// An endpoint.
    Endpoint,
    /// A notification.
    Notification,
    /// A reply object.
    Reply,
    /// A scheduling context.
    SchedContext {
        /// The core it runs on.
        core: u8,
        /// Budget in microseconds.
        budget_us: u32,
        /// Period in microseconds.
        period_us: u32,
    },
    /// A handler of an interrupt.
    Irq {
        /// The interrupt's number at the distributor (a SPI is 32 and more).
        intid: u16,
        /// Edge-triggered; else level.
        edge: bool,
    },
    /// The log ring of the kernel, as a readable frame. The record's slot is the one that the kernel put it in: there is
    /// nothing to make.
    KernelLog,
}

/// What happens when a compartment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// It is a VM (so that the last VM's power-off ends the system).
    pub is_vm: bool,
    /// When it crashes.
    pub on_crash: Action,
    /// When a guest asks for a reboot.
    pub on_reboot: Action,
    /// When a guest switches itself off.
    pub on_off: Action,
}

/// One thing that root can do with a compartment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Tear it down and build it again.
    Restart,
    /// Tear it down.
    Stop,
    /// Switch the machine off, telling that it crashed.
    Panic,
}
