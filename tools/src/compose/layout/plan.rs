//! A system laid out: all objects, with their places, and all that is done with them.

use crate::compose::manifest::ConsoleKind;
use abi::rights::{MapFlags, Rights};
use std::sync::Arc;
use system::{GroupId, ObjectId, ObjectKind, Policy};

/// Names a group while the system is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupKey(pub usize);

/// Names an object while the system is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub usize);

/// A piece of a compartment's memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Untyped {
    /// log2 of its bytes.
    pub bits: u32,
    /// Bytes of it that are used.
    pub used_bytes: u64,
}

/// A compartment.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// What root does at its end.
    pub policy: Policy,
    /// Its number in the compiled system.
    pub id: GroupId,
    /// Its memory: one for what is small, then those of large memories.
    pub untypeds: Vec<Untyped>,
    /// Root's slot for the first untyped.
    pub slot: u32,
}

impl Group {
    /// Bytes of memory that it has.
    pub fn bytes(&self) -> u64 {
        self.untypeds.iter().map(|untyped| 1 << untyped.bits).sum()
    }

    /// Bytes of it that are used.
    pub fn used_bytes(&self) -> u64 {
        self.untypeds.iter().map(|untyped| untyped.used_bytes).sum()
    }
}

/// An object.
#[derive(Clone, Debug)]
pub struct Object {
    /// What it is for.
    pub name: String,
    /// Whose.
    pub group: GroupKey,
    /// Which of its group's untypeds it is made of, if of any.
    pub part: u8,
    /// What.
    pub kind: ObjectKind,
    /// Its number in the compiled system.
    pub id: ObjectId,
    /// Root's first slot for it.
    pub slot: u32,
    /// Where it lies in that untyped, if it is made of one.
    pub offset: Option<u64>,
}

impl Object {
    /// How many capabilities it has.
    pub fn count(&self) -> u32 {
        match self.kind {
            ObjectKind::Frames { count, .. } | ObjectKind::Payload { count, .. } | ObjectKind::Device { count, .. } => {
                count.into()
            }
            _ => 1,
        }
    }

    /// Bytes of a frame of it.
    pub fn frame_bytes(&self) -> u32 {
        match self.kind {
            ObjectKind::Frames { bits, .. } => 1 << bits,
            ObjectKind::Payload { .. } => 1 << abi::object::BLOCK_BITS,
            _ => 1 << abi::object::PAGE_BITS,
        }
    }
}

/// An address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Space {
    /// Root's own.
    Root,
    /// A `VSpace` object.
    Of(Key),
}

/// A table in a space.
#[derive(Clone, Debug)]
pub struct TableMap {
    /// The table.
    pub table: Key,
    /// 2 or 3.
    pub level: u8,
    /// Where.
    pub space: Space,
    /// The first address under it.
    pub address: u32,
}

/// Frames in a space.
#[derive(Clone, Debug)]
pub struct FrameMap {
    /// The frames.
    pub frames: Key,
    /// The first of them.
    pub first: u32,
    /// How many.
    pub count: u32,
    /// Where.
    pub space: Space,
    /// First address.
    pub address: u32,
    /// How.
    pub flags: MapFlags,
    /// Root's first slot for the capabilities that hold the mappings.
    pub slot: u32,
}

/// A badge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Badge {
    /// None.
    None,
    /// These bits.
    Bits(u32),
    /// 1 + the number of a group.
    Group(GroupKey),
}

/// A capability that is given away.
#[derive(Clone, Debug)]
pub struct Grant {
    /// To this CNode,
    pub cnode: Key,
    /// into this slot.
    pub index: u32,
    /// What.
    pub object: Key,
    /// Which of its capabilities.
    pub part: u32,
    /// With these rights.
    pub rights: Rights,
    /// With this badge.
    pub badge: Badge,
}

/// Bytes of a program that are copied.
#[derive(Clone, Debug)]
pub struct Fill {
    /// To these frames,
    pub object: Key,
    /// from this program,
    pub program: usize,
    /// this piece,
    pub piece: usize,
    /// from here on,
    pub from: u32,
    /// so many.
    pub bytes: u32,
    /// Whether they are code.
    pub execute: bool,
}

/// A thread.
#[derive(Clone, Debug)]
pub struct Thread {
    /// Its `Tcb`.
    pub tcb: Key,
    /// Its capabilities.
    pub cnode: Key,
    /// Its space.
    pub space: Key,
    /// The page of its IPC buffer in its room's object.
    pub ipc_buffer: Option<(Key, u32)>,
    /// Where its faults or exits go.
    pub fault: (Key, Badge),
    /// Entry point.
    pub entry: u32,
    /// Stack pointer.
    pub stack: u32,
    /// r0.
    pub argument: u32,
    /// Priority.
    pub priority: u8,
    /// Its time.
    pub context: Option<Key>,
    /// The vCPU that it runs.
    pub vcpu: Option<Key>,
    /// Its notification, if it receives that one's word where it receives messages.
    pub bound: Option<Key>,
    /// Whether root starts it.
    pub starts: bool,
    /// Whether root takes its context away once it receives.
    pub passive: bool,
}

/// What an interrupt signals.
#[derive(Clone, Debug)]
pub struct Interrupt {
    /// The handler.
    pub irq: Key,
    /// The notification.
    pub notification: Key,
    /// The bit.
    pub badge: u32,
}

/// A VM's files in the payload: whole 2 MiB frames of its own.
#[derive(Clone, Debug)]
pub struct Region {
    /// The `Payload` object.
    pub object: Key,
    /// Files, each with its offset in the region.
    pub files: Vec<RegionFile>,
    /// Bytes up to the end of the last.
    pub bytes: u32,
}

/// A file of a guest.
#[derive(Clone, Debug)]
pub struct RegionFile {
    /// `kernel`, `initrd` or `device-tree`.
    pub name: &'static str,
    /// Offset in the region.
    pub offset: u32,
    /// Where the guest sees it.
    pub address: u32,
    /// What it is.
    pub bytes: Arc<Vec<u8>>,
}

/// Who speaks on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Speaker {
    /// Its id.
    pub id: u8,
    /// Its name.
    pub name: String,
    /// The program whose log frames it sends; `None`: the kernel's or root's.
    pub program: Option<usize>,
    /// Whether it has a console channel.
    pub console: bool,
    /// Whether it is a VM.
    pub vm: bool,
    /// Which device its guest has as a console.
    pub guest_console: Option<ConsoleKind>,
}

/// One way for words to flow, for the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Channel.
    pub channel: String,
    /// `call`, `signal`, `memory`, `faults`, `console`, `log`.
    pub kind: &'static str,
    /// From this compartment
    pub from: String,
    /// to this one.
    pub to: String,
    /// Whether it flows back, too.
    pub both_ways: bool,
}

/// A system laid out.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Compartments.
    pub groups: Vec<Group>,
    /// Objects.
    pub objects: Vec<Object>,
    /// Root's endpoint and reply object.
    pub root: Option<(Key, Key)>,
    /// Tables.
    pub tables: Vec<TableMap>,
    /// Copies of programs.
    pub fills: Vec<Fill>,
    /// Generated bytes.
    pub fill_bytes: Vec<(Key, Vec<u8>)>,
    /// Mappings.
    pub maps: Vec<FrameMap>,
    /// Capabilities.
    pub grants: Vec<Grant>,
    /// Threads.
    pub threads: Vec<Thread>,
    /// Interrupts.
    pub interrupts: Vec<Interrupt>,
    /// Guests' files.
    pub regions: Vec<Region>,
    /// Ids on the wire.
    pub speakers: Vec<Speaker>,
    /// Who can talk to whom.
    pub flows: Vec<Flow>,
    /// First slot of root's CNode that is not used.
    pub free_slot: u32,
    /// log2 of the slots of root's CNode.
    pub root_cnode_bits: u32,
}

impl Plan {
    /// An object.
    pub fn object(&self, key: Key) -> &Object {
        &self.objects[key.0]
    }

    /// Objects in the order of their numbers.
    pub fn ordered_objects(&self) -> Vec<&Object> {
        let mut ordered: Vec<_> = self.objects.iter().collect();
        ordered.sort_by_key(|object| object.id);
        ordered
    }

    /// Groups in the order of their numbers.
    pub fn ordered_groups(&self) -> Vec<&Group> {
        let mut ordered: Vec<_> = self.groups.iter().collect();
        ordered.sort_by_key(|group| group.id);
        ordered
    }

    /// Every untyped as root makes them, in order of decreasing size: its group, and which of the group's it is.
    pub fn ordered_untypeds(&self) -> Vec<(&Group, u8)> {
        let groups = self.ordered_groups().into_iter();
        let mut all: Vec<_> =
            groups.flat_map(|group| (0..).take(group.untypeds.len()).map(move |n| (group, n))).collect();
        all.sort_by_key(|&(group, part)| std::cmp::Reverse(group.untypeds[usize::from(part)].bits));
        all
    }

    /// How many cores there must be: the first, and up to the last that somebody runs on.
    pub fn cores(&self) -> u32 {
        let core = |object: &Object| match object.kind {
            ObjectKind::SchedContext { core, .. } => u32::from(core) + 1,
            _ => 1,
        };
        self.objects.iter().map(core).max().unwrap_or(1)
    }

    /// Whether faults of a component go to another component, not to root.
    pub fn has_handler(&self, group: &Group) -> bool {
        let root = self.root.map(|(endpoint, _)| endpoint);
        let mut mine =
            self.threads.iter().filter(|thread| self.groups[self.object(thread.tcb).group.0].name == group.name);
        mine.any(|thread| thread.vcpu.is_none() && Some(thread.fault.0) != root)
    }

    /// The number of the group that has a space.
    pub fn space_owner(&self, space: Space) -> &str {
        match space {
            Space::Root => "root",
            Space::Of(key) => &self.groups[self.object(key).group.0].name,
        }
    }
}
