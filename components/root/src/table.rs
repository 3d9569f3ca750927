//! What root remembers of the objects and groups that it made. Fixed sizes: root has no allocator.

use crate::backoff::Backoff;
use crate::failure::Cause;
use abi::boot::root_slot;
use arrayvec::ArrayVec;
use system::{GroupId, ObjectId, ObjectKind, Policy};

/// The most objects.
pub const OBJECTS_MAX: usize = 2048;
/// The most groups.
pub const GROUPS_MAX: usize = 64;
/// Restarts that are remembered of each group.
pub const RESTARTS_MAX: usize = 5;

/// Where an interrupt's handler is. There is one capability of it, which is bound in root's slot and then given away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handler {
    /// In root's slot, new. Also for objects that are no interrupts.
    Here,
    /// In root's slot, bound to its notification.
    Bound,
    /// In root's slot, not yet bound; it then goes to that slot of the CNode in that slot of root's.
    Wanted(u32, u32),
    /// Given away.
    Gone,
}

/// An object, or several in consecutive slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object {
    /// Whose memory.
    pub group: GroupId,
    /// Which of the group's untypeds.
    pub part: u8,
    /// Slot of its first capability.
    pub slot: u32,
    /// What it is.
    pub kind: ObjectKind,
    /// Where it is, if it is an interrupt.
    pub handler: Handler,
}

impl Object {
    /// Slot of the `part`-th capability, if there are that many.
    pub fn part(&self, part: u32) -> Option<u32> {
        let (first, count) = match self.kind {
            ObjectKind::Frames { count, .. } | ObjectKind::Device { count, .. } => (self.slot, count),
            ObjectKind::Payload { first, count } => (root_slot::PAYLOAD + u32::from(first), count),
            ObjectKind::KernelLog => (root_slot::KERNEL_LOG, 1),
            _ => (self.slot, 1),
        };
        (part < u32::from(count)).then_some(first + part)
    }
}

/// What became of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It was built and runs.
    Running,
    /// It was torn down, and is built again at that time, in microseconds.
    Waiting(u64),
    /// It was torn down for good.
    Ended,
}

/// A compartment.
#[derive(Clone, Copy, Debug)]
pub struct Group<'s> {
    /// Its name.
    pub name: &'s str,
    /// Slot of its first untyped.
    pub slot: u32,
    /// How many untypeds it has.
    pub untypeds: u8,
    /// What to do when it ends.
    pub policy: Policy,
    /// What became of it.
    pub state: State,
    /// When it was restarted last, in microseconds; a ring.
    pub restarts_us: [Option<u64>; RESTARTS_MAX],
    /// How often it was restarted.
    pub restart_count: u32,
    /// How long it waits for the next one.
    pub backoff: Backoff,
    /// How often one of its servers used up its caller's time.
    pub late_count: u32,
    /// Priority of its most urgent thread.
    pub urgency: u8,
}

impl Group<'_> {
    /// Slot of one of its untypeds, if it has that many.
    pub fn untyped(&self, part: u8) -> Option<u32> {
        (part < self.untypeds).then_some(self.slot + u32::from(part))
    }

    /// Slots of all of them.
    pub fn untypeds(&self) -> core::ops::Range<u32> {
        self.slot..self.slot + u32::from(self.untypeds)
    }
}

/// Objects and groups by their numbers. Empty it is nothing but zeros, so that root's program does not carry it along.
#[derive(Debug)]
pub struct Table<'s> {
    objects: ArrayVec<Object, OBJECTS_MAX>,
    groups: ArrayVec<Group<'s>, GROUPS_MAX>,
}

impl<'s> Table<'s> {
    /// With nothing in it.
    pub const fn new() -> Self {
        Self { objects: ArrayVec::new_const(), groups: ArrayVec::new_const() }
    }

    /// Adds the next object.
    pub fn add_object(&mut self, object: Object) -> Result<(), Cause> {
        self.objects.try_push(object).map_err(|_| Cause::TooMany)
    }

    /// Adds the next group.
    pub fn add_group(&mut self, group: Group<'s>) -> Result<(), Cause> {
        self.groups.try_push(group).map_err(|_| Cause::TooMany)
    }

    /// An object.
    pub fn object(&self, id: ObjectId) -> Result<Object, Cause> {
        self.objects.get(usize::from(id)).copied().ok_or(Cause::BadReference)
    }

    /// Every object of a group's.
    pub fn objects(&self, group: GroupId) -> impl Iterator<Item = &Object> {
        self.objects.iter().filter(move |object| object.group == group)
    }

    /// Where an interrupt's handler is, to change it.
    pub fn handler_mut(&mut self, id: ObjectId) -> Result<&mut Handler, Cause> {
        let object = self.objects.get_mut(usize::from(id)).ok_or(Cause::BadReference)?;
        match object.kind {
            ObjectKind::Irq { .. } => Ok(&mut object.handler),
            _ => Err(Cause::BadReference),
        }
    }

    /// Slot of an object's only capability, or its first.
    pub fn slot(&self, id: ObjectId) -> Result<u32, Cause> {
        self.part(id, 0)
    }

    /// Slot of one of an object's capabilities.
    pub fn part(&self, id: ObjectId, part: u32) -> Result<u32, Cause> {
        self.object(id)?.part(part).ok_or(Cause::BadReference)
    }

    /// A group.
    pub fn group(&self, id: GroupId) -> Result<&Group<'s>, Cause> {
        self.groups.get(usize::from(id)).ok_or(Cause::BadReference)
    }

    /// A group, to change it.
    pub fn group_mut(&mut self, id: GroupId) -> Result<&mut Group<'s>, Cause> {
        self.groups.get_mut(usize::from(id)).ok_or(Cause::BadReference)
    }

    /// Every group.
    pub fn groups(&self) -> impl Iterator<Item = &Group<'s>> {
        self.groups.iter()
    }
}

impl Default for Table<'_> {
    fn default() -> Self {
        Self::new()
    }
}
