//! What a compiled system gives to whom: its records, read and held against each other.

use abi::boot::root_slot;
use abi::rights::{MapFlags, Rights};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use system::{GroupId, ObjectId, ObjectKind, ROOT_VSPACE, ReadError, Reader, Record};

/// An address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Space {
    /// Root's.
    Root,
    /// A `VSpace` object.
    Of(ObjectId),
}

/// What a capability is to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// An object, and which of its capabilities.
    Object(ObjectId, u32),
    /// A group's memory, of which all its objects are made.
    Untyped(GroupId),
    /// Something of root's own, by its slot.
    Root(u32),
}

/// A capability in a CNode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap {
    /// Its slot.
    pub slot: u32,
    /// To what.
    pub what: What,
    /// With which rights.
    pub rights: Rights,
    /// Its badge, 0 for none.
    pub badge: u32,
}

/// Frames in a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Map {
    /// The object.
    pub object: ObjectId,
    /// First frame of it.
    pub first: u32,
    /// How many.
    pub count: u32,
    /// Where.
    pub space: Space,
    /// First address.
    pub address: u32,
    /// How.
    pub flags: MapFlags,
}

/// A thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thread {
    /// Its `Tcb`.
    pub tcb: ObjectId,
    /// Its capabilities.
    pub cspace: ObjectId,
    /// Its memory.
    pub space: Space,
    /// The frame of its IPC buffer.
    pub ipc_buffer: Option<(ObjectId, u32)>,
    /// The endpoint of its faults and exits.
    pub fault: Option<ObjectId>,
    /// Initial stack pointer.
    pub stack: u32,
    /// Its priority.
    pub priority: u8,
    /// The highest that it may give.
    pub ceiling: u8,
    /// Its time; that with which it starts, if it is passive.
    pub context: Option<ObjectId>,
    /// Whether it runs on its callers' time once it has started.
    pub passive: bool,
    /// The vCPU that it runs.
    pub vcpu: Option<ObjectId>,
}

/// A compiled system.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Names of groups.
    pub groups: Vec<String>,
    /// Groups and kinds of objects.
    pub objects: Vec<(GroupId, ObjectKind)>,
    /// CNodes.
    pub cnodes: BTreeMap<ObjectId, Vec<Cap>>,
    /// Threads.
    pub threads: Vec<Thread>,
    /// Mappings.
    pub maps: Vec<Map>,
    /// Tables, and the spaces that they are part of.
    pub tables: Vec<(ObjectId, Space)>,
    /// Interrupts, and the notifications that they signal.
    pub interrupts: Vec<(ObjectId, ObjectId)>,
    /// Frames that are filled before the system starts.
    pub filled: BTreeSet<(ObjectId, u32)>,
    /// Where root receives.
    pub root_endpoint: Option<ObjectId>,
    /// First slots of root's for groups' untypeds and for objects, to know what a slot holds.
    group_slots: Vec<(u32, u32)>,
    object_slots: Vec<u32>,
}

/// Why a compiled system can't be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It can't be read.
    Read(ReadError),
    /// The record of that number (the header is 0) names what is not there, or what is of another kind.
    Record(usize, &'static str),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(ReadError::Damaged(at)) => write!(f, "it is damaged at byte {at}"),
            Self::Read(ReadError::Version(version)) => write!(f, "it is of version {version}"),
            Self::Record(number, what) => write!(f, "record {number}: {what}"),
        }
    }
}

type Found<T> = Result<T, &'static str>;

impl Model {
    /// Reads a compiled system.
    pub fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        let (reader, _) = Reader::new(bytes).map_err(Unreadable::Read)?;
        let mut records = Vec::new();
        for record in reader {
            records.push(record.map_err(Unreadable::Read)?);
        }
        let mut model = Self::default();
        let numbered = || records.iter().zip(1..);
        // What is made first: then whatever names it can stand anywhere.
        for (record, _) in numbered() {
            match *record {
                Record::Group { name, slot, untypeds, .. } => {
                    model.groups.push(name.to_owned());
                    model.group_slots.push((slot, untypeds.into()));
                }
                Record::Object { group, slot, kind, .. } => {
                    model.objects.push((group, kind));
                    model.object_slots.push(slot);
                }
                _ => {}
            }
        }
        for (record, number) in numbered() {
            model.add(record).map_err(|what| Unreadable::Record(number, what))?;
        }
        Ok(model)
    }

    fn add(&mut self, record: &Record<'_>) -> Found<()> {
        match *record {
            Record::Header { .. } => return Err("a second header"),
            Record::Object { group, .. } if usize::from(group) >= self.groups.len() => return Err("no such group"),
            Record::Untyped { group, .. } if usize::from(group) >= self.groups.len() => return Err("no such group"),
            Record::Group { .. } | Record::Untyped { .. } | Record::Object { .. } => {}
            Record::RootEndpoint { endpoint, .. } => {
                self.root_endpoint = Some(self.is(endpoint, |kind| matches!(kind, ObjectKind::Endpoint))?);
            }
            Record::Fill { object, at, bytes, .. } => self.fill(object, at, bytes)?,
            Record::FillBytes { object, at, bytes } => self.fill(object, at, bytes.len() as u32)?,
            Record::MapTable { table, vspace, .. } => {
                let table = self.is(table, |kind| matches!(kind, ObjectKind::Table { .. }))?;
                let space = self.space(vspace)?;
                self.tables.push((table, space));
            }
            Record::MapFrames { frames, first, count, vspace, address, flags, .. } => {
                let bytes = self.frame_bytes(frames).ok_or("it maps what is no frame")?;
                let end = first.checked_add(count).ok_or("more frames than there are")?;
                if end > self.count(frames) {
                    return Err("more frames than there are");
                }
                let last = u64::from(address) + u64::from(count) * u64::from(bytes);
                let flags = MapFlags::from_bits(flags).filter(|_| last <= 1 << 32);
                let flags = flags.ok_or("a mapping that there can't be")?;
                let space = self.space(vspace)?;
                self.maps.push(Map { object: frames, first, count, space, address, flags });
            }
            Record::Grant { cnode, index, object, part, rights, badge } => {
                if part >= self.count(object) {
                    return Err("a capability of no object");
                }
                self.grant(cnode, index, What::Object(object, part), rights, badge)?;
            }
            Record::GrantRoot { cnode, index, slot, rights, badge } => {
                let what = self.in_slot(slot);
                self.grant(cnode, index, what, rights, badge)?;
            }
            Record::Thread {
                tcb, cspace, vspace, ipc_buffer, fault, stack, priority, ceiling, context, vcpu, ..
            } => {
                let thread = Thread {
                    tcb: self.is(tcb, |kind| matches!(kind, ObjectKind::Tcb))?,
                    cspace: self.is(cspace, |kind| matches!(kind, ObjectKind::CNode { .. }))?,
                    space: self.space(vspace)?,
                    ipc_buffer: ipc_buffer.map(|(frames, part, _)| self.frame(frames, part)).transpose()?,
                    fault: fault
                        .map(|(end, _)| self.is(end, |kind| matches!(kind, ObjectKind::Endpoint)))
                        .transpose()?,
                    stack,
                    priority,
                    ceiling,
                    context: context
                        .map(|it| self.is(it, |kind| matches!(kind, ObjectKind::SchedContext { .. })))
                        .transpose()?,
                    passive: false,
                    vcpu: vcpu.map(|it| self.is(it, |kind| matches!(kind, ObjectKind::Vcpu { .. }))).transpose()?,
                };
                self.threads.push(thread);
            }
            Record::BindNotification { tcb, notification } => {
                let tcb = self.is(tcb, |kind| matches!(kind, ObjectKind::Tcb))?;
                let notification = self.is(notification, |kind| matches!(kind, ObjectKind::Notification))?;
                // A thread that hears of a notification without a capability would be a way that nobody sees.
                let cspace = self.threads.iter().find(|thread| thread.tcb == tcb).map(|thread| thread.cspace);
                let mut held = cspace.and_then(|cspace| self.cnodes.get(&cspace)).into_iter().flatten();
                let waits = |cap: &Cap| cap.what == What::Object(notification, 0) && cap.rights.contains(Rights::READ);
                if !held.any(waits) {
                    return Err("a thread is bound to a notification for which it has no capability");
                }
            }
            Record::Interrupt { irq, notification, .. } => {
                let irq = self.is(irq, |kind| matches!(kind, ObjectKind::Irq { .. }))?;
                let notification = self.is(notification, |kind| matches!(kind, ObjectKind::Notification))?;
                self.interrupts.push((irq, notification));
            }
            Record::StartPassive { tcb, .. } => {
                let tcb = self.is(tcb, |kind| matches!(kind, ObjectKind::Tcb))?;
                self.threads.iter_mut().filter(|thread| thread.tcb == tcb).for_each(|thread| thread.passive = true);
            }
            Record::Start { tcb } => {
                self.is(tcb, |kind| matches!(kind, ObjectKind::Tcb))?;
            }
        }
        Ok(())
    }

    fn is(&self, id: ObjectId, fits: impl Fn(ObjectKind) -> bool) -> Found<ObjectId> {
        match self.objects.get(usize::from(id)) {
            Some(&(_, kind)) if fits(kind) => Ok(id),
            Some(_) => Err("it names an object of another kind"),
            None => Err("it names an object that there is not"),
        }
    }

    fn space(&self, id: ObjectId) -> Found<Space> {
        match id {
            ROOT_VSPACE => Ok(Space::Root),
            id => self.is(id, |kind| matches!(kind, ObjectKind::VSpace)).map(Space::Of),
        }
    }

    fn frame(&self, frames: ObjectId, part: u32) -> Found<(ObjectId, u32)> {
        match self.frame_bytes(frames) {
            Some(_) if part < self.count(frames) => Ok((frames, part)),
            _ => Err("it names a frame that there is not"),
        }
    }

    fn fill(&mut self, object: ObjectId, at: u32, bytes: u32) -> Found<()> {
        let frame = self.frame_bytes(object).ok_or("it fills what is no frame")?;
        let end = at.checked_add(bytes).ok_or("it fills more than there is")?;
        if u64::from(end) > u64::from(self.count(object)) * u64::from(frame) {
            return Err("it fills more than there is");
        }
        self.filled.extend((at / frame..end.div_ceil(frame)).map(|part| (object, part)));
        Ok(())
    }

    fn grant(&mut self, cnode: ObjectId, slot: u32, what: What, rights: u8, badge: u32) -> Found<()> {
        let cnode = self.is(cnode, |kind| matches!(kind, ObjectKind::CNode { .. }))?;
        let rights = Rights::from_bits(rights).ok_or("rights that there are not")?;
        self.cnodes.entry(cnode).or_default().push(Cap { slot, what, rights, badge });
        Ok(())
    }

    /// What root has in a slot when it has built the system.
    fn in_slot(&self, slot: u32) -> What {
        let holds = |&(first, count): &(u32, u32)| slot.checked_sub(first).is_some_and(|at| at < count);
        let group = self.group_slots.iter().position(holds);
        if let Some(group) = group {
            return What::Untyped(group as GroupId);
        }
        let object = (0..self.objects.len() as ObjectId).find_map(|id| {
            let first = match self.objects[usize::from(id)].1 {
                ObjectKind::KernelLog => root_slot::KERNEL_LOG,
                ObjectKind::Payload { first, .. } => root_slot::PAYLOAD + u32::from(first),
                _ => self.object_slots[usize::from(id)],
            };
            let part = slot.checked_sub(first).filter(|part| *part < self.count(id))?;
            Some(What::Object(id, part))
        });
        object.unwrap_or(What::Root(slot))
    }

    /// Capabilities of an object; 0 if it is not there.
    pub fn count(&self, id: ObjectId) -> u32 {
        match self.objects.get(usize::from(id)) {
            Some((
                _,
                ObjectKind::Frames { count, .. } | ObjectKind::Payload { count, .. } | ObjectKind::Device { count, .. },
            )) => (*count).into(),
            Some(_) => 1,
            None => 0,
        }
    }

    /// Bytes of each frame of an object.
    pub fn frame_bytes(&self, id: ObjectId) -> Option<u32> {
        match self.objects.get(usize::from(id))?.1 {
            ObjectKind::Frames { bits, .. } => 1_u32.checked_shl(bits.into()),
            ObjectKind::Payload { .. } => Some(1 << abi::object::BLOCK_BITS),
            ObjectKind::Device { .. } | ObjectKind::KernelLog => Some(1 << abi::object::PAGE_BITS),
            _ => None,
        }
    }

    /// The group of an object.
    pub fn group_of(&self, id: ObjectId) -> GroupId {
        self.objects[usize::from(id)].0
    }

    /// The name of an object's group.
    pub fn owner(&self, id: ObjectId) -> &str {
        &self.groups[usize::from(self.group_of(id))]
    }

    /// The thread of a `Tcb`.
    pub fn thread(&self, tcb: ObjectId) -> Option<&Thread> {
        self.threads.iter().find(|thread| thread.tcb == tcb)
    }
}
