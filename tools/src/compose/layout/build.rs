//! Collecting a plan, piece by piece.

use super::plan::{Badge, FrameMap, Grant, Group, GroupKey, Key, Object, Plan, Space, Untyped};
use abi::object::{BLOCK_BITS, PAGE_BITS, RETYPE_COUNT_MAX};
use abi::rights::{MapFlags, Rights};
use system::{Action, ObjectKind, Policy};

/// A memory of at least these bytes is made of untypeds of its own, one for each power of two in its size: in one with
/// everything else of its compartment it would nearly double that, which is a power of two as well.
pub const LARGE_BITS: u32 = 20;

/// Frames that look like one memory; more than one object if one retype or one untyped can't make them all.
#[derive(Clone, Debug)]
pub struct Memory {
    /// Objects, in order.
    pub parts: Vec<Key>,
    /// log2 of the size of a frame.
    pub bits: u32,
    /// Frames in all.
    pub count: u32,
}

/// A plan that grows.
#[derive(Debug)]
pub struct Builder {
    /// What there is so far.
    pub plan: Plan,
    /// log2 of the largest piece that a large memory is cut into.
    piece_bits: u32,
}

impl Builder {
    /// A plan with nothing in it, whose large memories are cut into pieces of at most `1 << piece_bits` bytes.
    pub fn new(piece_bits: u32) -> Self {
        Self { plan: Plan::default(), piece_bits }
    }

    /// A new compartment.
    pub fn group(&mut self, name: &str, policy: Policy) -> GroupKey {
        let name = name.to_owned();
        self.plan.groups.push(Group { name, policy, id: 0, untypeds: vec![Untyped::default()], slot: 0 });
        GroupKey(self.plan.groups.len() - 1)
    }

    /// A new object, made of what is its compartment's for small things.
    pub fn object(&mut self, group: GroupKey, name: impl Into<String>, kind: ObjectKind) -> Key {
        self.object_of(group, 0, name.into(), kind)
    }

    fn object_of(&mut self, group: GroupKey, part: u8, name: String, kind: ObjectKind) -> Key {
        self.plan.objects.push(Object { name, group, part, kind, id: 0, slot: 0, offset: None });
        Key(self.plan.objects.len() - 1)
    }

    /// Another untyped for a compartment. The first takes all if there are too many: `finish` will tell.
    fn untyped(&mut self, group: GroupKey) -> u8 {
        let untypeds = &mut self.plan.groups[group.0].untypeds;
        untypeds.push(Untyped::default());
        u8::try_from(untypeds.len() - 1).unwrap_or(0)
    }

    /// New frames of `1 << bits` bytes.
    pub fn frames(&mut self, group: GroupKey, name: &str, bits: u32, count: u32) -> Memory {
        let mut parts = Vec::new();
        let mut left = count;
        while left > 0 {
            let largest = 1 << left.ilog2().min(self.piece_bits - bits);
            let (part, piece) =
                if u64::from(largest) << bits >> LARGE_BITS == 0 { (0, left) } else { (self.untyped(group), largest) };
            left -= piece;
            let mut piece = piece;
            while piece > 0 {
                let now = piece.min(RETYPE_COUNT_MAX);
                let kind = ObjectKind::Frames { bits: bits as u8, count: now as u16 };
                parts.push(self.object_of(group, part, name.to_owned(), kind));
                piece -= now;
            }
        }
        Memory { parts, bits, count }
    }

    /// New 4 KiB frames.
    pub fn pages(&mut self, group: GroupKey, name: &str, count: u32) -> Memory {
        self.frames(group, name, PAGE_BITS, count)
    }

    /// New 2 MiB frames.
    pub fn blocks(&mut self, group: GroupKey, name: &str, count: u32) -> Memory {
        self.frames(group, name, BLOCK_BITS, count)
    }

    /// Maps all of a memory from `address` on.
    pub fn map(&mut self, memory: &Memory, space: Space, address: u32, flags: MapFlags) {
        let mut address = address;
        for &frames in &memory.parts {
            let count = self.plan.object(frames).count();
            self.plan.maps.push(FrameMap { frames, first: 0, count, space, address, flags, slot: 0 });
            address += count << memory.bits;
        }
    }

    /// Gives a capability away.
    pub fn grant(&mut self, cnode: Key, index: u32, object: Key, part: u32, rights: Rights, badge: Badge) {
        self.plan.grants.push(Grant { cnode, index, object, part, rights, badge });
    }
}

/// A memory of one object that exists.
pub fn existing(object: Key, bits: u32, count: u32) -> Memory {
    Memory { parts: vec![object], bits, count }
}

/// The policy of what has only a way to crash.
pub fn crash_policy(on_crash: Action) -> Policy {
    Policy { is_vm: false, on_crash, on_reboot: Action::Stop, on_off: Action::Stop }
}

/// Readable.
pub const READ: MapFlags = MapFlags::READ;
/// Readable and writable.
pub const READ_WRITE: MapFlags = MapFlags::READ.union(MapFlags::WRITE);
/// Both, for registers.
pub const DEVICE: MapFlags = READ_WRITE.union(MapFlags::DEVICE);
/// Rights for objects of which one can have all or nothing.
pub const ALL: Rights = Rights::READ.union(Rights::WRITE);
