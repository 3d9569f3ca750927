//! Compiled systems that are written by hand, record by record.

use crate::claims::{Device, Machine, Model};
use abi::rights::{MapFlags, Rights};
use system::{Action, GroupId, ObjectId, ObjectKind, Policy, ROOT_VSPACE, Record, SYSTEM_VERSION, Writer};

pub const READ: MapFlags = MapFlags::READ;
pub const READ_WRITE: MapFlags = MapFlags::READ.union(MapFlags::WRITE);
pub const DEVICE: MapFlags = READ_WRITE.union(MapFlags::DEVICE);
pub const CALL: Rights = Rights::WRITE.union(Rights::GRANT);
pub const ALL: Rights = Rights::READ.union(Rights::WRITE);

/// The page of the device `clock`, whose interrupt is 40.
pub const CLOCK: u32 = 0x9010;
/// The page of the device `disk`, which has DMA.
pub const DISK: u32 = 0x9020;
/// The page of the guests' interrupt interface.
pub const GICV: u32 = 0x8040;

pub fn machine() -> Machine {
    let device = |name: &str, page: u32| Device { name: name.to_owned(), pages: page..page + 1, ..Device::default() };
    Machine {
        devices: vec![
            Device { interrupts: vec![40], ..device("clock", CLOCK) },
            Device { dma: true, ..device("disk", DISK) },
            Device { switched: true, ..device("gicv", GICV) },
        ],
    }
}

/// A component.
#[derive(Clone, Copy, Debug)]
pub struct Component {
    pub group: GroupId,
    pub cnode: ObjectId,
    pub space: ObjectId,
    pub tcb: ObjectId,
    /// Two frames: its program.
    pub program: ObjectId,
}

/// A system under construction.
pub struct Made {
    groups: Vec<String>,
    objects: Vec<(GroupId, ObjectKind)>,
    records: Vec<Record<'static>>,
    next_slot: u32,
    next_address: u32,
}

impl Made {
    /// With a group for what is shared, and root's endpoint.
    pub fn new() -> Self {
        let mut made = Self {
            groups: vec!["root".to_owned()],
            objects: Vec::new(),
            records: Vec::new(),
            next_slot: 1,
            next_address: 0x2000_0000,
        };
        let endpoint = made.object(0, ObjectKind::Endpoint);
        let reply = made.object(0, ObjectKind::Reply);
        made.push(Record::RootEndpoint { endpoint, reply });
        made
    }

    pub fn push(&mut self, record: Record<'static>) {
        self.records.push(record);
    }

    pub fn object(&mut self, group: GroupId, kind: ObjectKind) -> ObjectId {
        self.objects.push((group, kind));
        self.objects.len() as ObjectId - 1
    }

    pub fn component(&mut self, name: &str) -> Component {
        let group = self.groups.len() as GroupId;
        self.groups.push(name.to_owned());
        let cnode = self.object(group, ObjectKind::CNode { bits: 6 });
        let space = self.object(group, ObjectKind::VSpace);
        let program = self.object(group, ObjectKind::Frames { bits: 12, count: 2 });
        let tcb = self.thread(group, cnode, space, None);
        self.push(Record::Fill { object: program, at: 0, payload_offset: 0, bytes: 100, execute: true });
        self.map_at(program, space, 0x1000_0000, READ_WRITE);
        self.grant(cnode, cnode, ALL);
        self.grant(cnode, 0, CALL);
        Component { group, cnode, space, tcb, program }
    }

    /// A guest of a component: its own thread, in a space of its own with the same program.
    pub fn guest(&mut self, of: &Component) -> ObjectId {
        let space = self.object(of.group, ObjectKind::VSpace);
        let cnode = self.object(of.group, ObjectKind::CNode { bits: 1 });
        let vcpu = self.object(of.group, ObjectKind::Vcpu { number: 0 });
        self.map_at(of.program, space, 0x4000_0000, READ_WRITE | MapFlags::EXECUTE);
        self.thread(of.group, cnode, space, Some(vcpu));
        space
    }

    pub fn thread(&mut self, group: GroupId, cnode: ObjectId, space: ObjectId, vcpu: Option<ObjectId>) -> ObjectId {
        let tcb = self.object(group, ObjectKind::Tcb);
        let context = self.object(group, ObjectKind::SchedContext { core: 0, budget_us: 1, period_us: 1 });
        self.push(Record::Thread {
            tcb,
            cspace: cnode,
            vspace: space,
            ipc_buffer: None,
            fault: Some((0, 1)),
            entry: 0x1000_0000,
            stack: 0x1000_2000,
            argument: 0,
            priority: 100,
            ceiling: 100,
            context: Some(context),
            vcpu,
        });
        tcb
    }

    /// A capability; its slot.
    pub fn grant(&mut self, cnode: ObjectId, object: ObjectId, rights: Rights) -> u32 {
        self.next_slot += 1;
        let index = self.next_slot;
        self.push(Record::Grant { cnode, index, object, part: 0, rights: rights.bits(), badge: 0 });
        index
    }

    /// Something of root's own; its slot.
    pub fn grant_root(&mut self, cnode: ObjectId, slot: u32) -> u32 {
        self.next_slot += 1;
        let index = self.next_slot;
        self.push(Record::GrantRoot { cnode, index, slot, rights: 15, badge: 0 });
        index
    }

    /// A mapping of all frames, apart from all others; its address.
    pub fn map(&mut self, frames: ObjectId, space: ObjectId, flags: MapFlags) -> u32 {
        self.next_address += 0x10_0000;
        self.map_at(frames, space, self.next_address, flags);
        self.next_address
    }

    fn map_at(&mut self, frames: ObjectId, space: ObjectId, address: u32, flags: MapFlags) {
        let count = match self.objects[usize::from(frames)].1 {
            ObjectKind::Frames { count, .. } | ObjectKind::Device { count, .. } => count.into(),
            _ => 1,
        };
        assert_ne!(space, ROOT_VSPACE);
        let flags = flags.bits();
        self.push(Record::MapFrames { frames, first: 0, count, vspace: space, address, flags, slot: 5000 });
    }

    /// A page of memory.
    pub fn memory(&mut self, group: GroupId) -> ObjectId {
        self.object(group, ObjectKind::Frames { bits: 12, count: 1 })
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        let (groups, objects) = (self.groups.len() as u16, self.objects.len() as u16);
        let header = Record::Header { version: SYSTEM_VERSION, groups, objects, first_slot: 256, free_slot: 60_000 };
        writer.push(&header);
        let policy = Policy { is_vm: false, on_crash: Action::Stop, on_reboot: Action::Stop, on_off: Action::Stop };
        for (n, name) in self.groups.iter().enumerate() {
            writer.push(&Record::Group { name, slot: 256 + n as u32, untypeds: 1, policy });
        }
        for (n, &(group, kind)) in self.objects.iter().enumerate() {
            writer.push(&Record::Object { group, part: 0, slot: 1000 + 10 * n as u32, kind });
        }
        self.records.iter().for_each(|record| writer.push(record));
        writer.into_bytes()
    }

    pub fn model(&self) -> Model {
        Model::read(&self.bytes()).unwrap_or_else(|error| panic!("{error}"))
    }
}
