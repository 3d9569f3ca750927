//! What compartments call what they have, and what the board's devices are: all that a claim needs beside the records.

use crate::claims::{Device, Door, Machine, Model, Names, Space, What};
use crate::compose::manifest::ChannelKind;
use boards::Board;
use protocol::config::Config;
use protocol::layout::{self, slot};
use std::collections::BTreeMap;
use system::{GroupId, ObjectId, Reader, Record};

/// What the console's device is called.
pub const UART: &str = "uart";
/// What the pages are called at which guests have their interrupts.
const GICV: &str = "gicv";
/// Bytes of the GIC's virtual CPU interface.
const GICV_BYTES: u64 = 0x2000;
/// Number of the first shared interrupt at the distributor.
const FIRST_SPI: u32 = 32;

/// The devices of a board that a system may give away.
pub fn machine(board: &Board) -> Machine {
    let device = |name: &str, base: u64, bytes: u64| Device {
        name: name.to_owned(),
        pages: (base >> 12) as u32..((base + bytes.max(1)).div_ceil(1 << 12)) as u32,
        ..Device::default()
    };
    let interrupts = |spis: &[u32]| spis.iter().map(|spi| (FIRST_SPI + spi) as u16).collect();
    let mut devices = vec![
        Device { interrupts: interrupts(&[board.uart.spi]), ..device(UART, board.uart.base, 0x1000) },
        Device { switched: true, ..device(GICV, board.gic.gicv, GICV_BYTES) },
    ];
    devices.extend(board.device.iter().map(|it| Device {
        interrupts: interrupts(&it.spis),
        dma: it.dma,
        ..device(&it.name, it.base, it.bytes)
    }));
    Machine { devices }
}

/// A compiled system, with the names in the configurations that it holds.
#[derive(Debug)]
pub struct Directory {
    /// What it gives to whom.
    pub model: Model,
    /// What they call it.
    pub names: Names,
    cnodes: BTreeMap<GroupId, ObjectId>,
    spaces: BTreeMap<GroupId, ObjectId>,
}

impl Directory {
    /// Reads a compiled system. The error says why it can't be judged.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let model = Model::read(bytes).map_err(|error| error.to_string())?;
        let (mut cnodes, mut spaces) = (BTreeMap::new(), BTreeMap::new());
        for thread in model.threads.iter().filter(|thread| thread.vcpu.is_none()) {
            let group = model.group_of(thread.tcb);
            cnodes.entry(group).or_insert(thread.cspace);
            if let Space::Of(space) = thread.space {
                spaces.entry(group).or_insert(space);
            }
        }
        let mut directory = Self { model, names: Names::default(), cnodes, spaces };
        let (records, _) = Reader::new(bytes).map_err(|error| format!("{error:?}"))?;
        for record in records.flatten() {
            if let Record::FillBytes { object, at: 0, bytes } = record
                && let Some(config) = Config::read(bytes)
            {
                directory.add(directory.model.group_of(object), &config);
            }
        }
        Ok(directory)
    }

    fn add(&mut self, group: GroupId, config: &Config<'_>) {
        if let Some(&cnode) = self.cnodes.get(&group) {
            let fixed = [(slot::CNODE, "its own CNode"), (slot::EVENTS, "events"), (slot::ROOT, "root")];
            let named = config.capabilities.iter().map(|named| (named.slot, named.name));
            let all = fixed.into_iter().chain(named).map(|(slot, name)| ((cnode, slot), name.to_owned()));
            self.names.capabilities.extend(all);
        }
        if let Some(&space) = self.spaces.get(&group) {
            let log = ((Space::Of(space), layout::LOG_RING), (1 << 12, "its log".to_owned()));
            self.names.memories.insert(log.0, log.1);
            let named = config.memories.iter();
            let named = named.map(|it| ((Space::Of(space), it.address), (it.bytes, it.name.to_owned())));
            self.names.memories.extend(named);
        }
    }

    /// The number of a compartment.
    pub fn group(&self, name: &str) -> Option<GroupId> {
        self.model.groups.iter().position(|group| group == name).map(|n| n as GroupId)
    }

    /// Slots of a compartment with that name.
    fn slots(&self, group: GroupId, name: &str) -> Vec<(ObjectId, u32)> {
        let Some(&cnode) = self.cnodes.get(&group) else { return Vec::new() };
        let named = self.names.capabilities.range((cnode, 0)..=(cnode, u32::MAX));
        named.filter(|(_, known)| *known == name).map(|(&place, _)| place).collect()
    }

    /// The object in a slot.
    fn object(&self, (cnode, slot): (ObjectId, u32)) -> Option<ObjectId> {
        let cap = self.model.cnodes.get(&cnode)?.iter().find(|cap| cap.slot == slot)?;
        match cap.what {
            What::Object(id, _) => Some(id),
            _ => None,
        }
    }

    /// The objects that a compartment has mapped where a memory of that name lies.
    fn memory(&self, group: GroupId, name: &str) -> Vec<ObjectId> {
        let Some(&space) = self.spaces.get(&group) else { return Vec::new() };
        let space = Space::Of(space);
        let Some(((_, first), (bytes, _))) =
            self.names.memories.iter().find(|((of, _), it)| *of == space && it.1 == name)
        else {
            return Vec::new();
        };
        let inside = |address: u32| address.checked_sub(*first).is_some_and(|at| at < *bytes);
        let maps = self.model.maps.iter().filter(|map| map.space == space && inside(map.address));
        maps.map(|map| map.object).collect()
    }

    /// What a channel is made of. Only what all its ends agree on is: an end that was given something else under its name is no end.
    pub fn door(&self, name: &str, kind: &ChannelKind, from: &[&str], to: &[&str]) -> Door {
        let groups = |names: &[&str]| -> Vec<GroupId> { names.iter().filter_map(|name| self.group(name)).collect() };
        let (senders, receivers) = (groups(from), groups(to));
        let ends: Vec<GroupId> = senders.iter().chain(&receivers).copied().collect();
        let mut door = Door { ends: ends.clone(), ..Door::default() };
        match kind {
            ChannelKind::Call => {
                let held = |group: GroupId| -> Vec<ObjectId> {
                    self.slots(group, name).into_iter().filter_map(|place| self.object(place)).collect()
                };
                door.objects = common(ends.into_iter().map(held));
            }
            ChannelKind::Signal => {
                for (&receiver, receiver_name) in receivers.iter().zip(to) {
                    let events = self.cnodes.get(&receiver).and_then(|&cnode| self.object((cnode, slot::EVENTS)));
                    let called = if to.len() == 1 { name.to_owned() } else { format!("{name}.{receiver_name}") };
                    let places = senders.iter().flat_map(|&sender| self.slots(sender, &called));
                    door.capabilities.extend(places.filter(|&place| events.is_some() && self.object(place) == events));
                }
            }
            ChannelKind::Memory(_) => door.objects = common(ends.into_iter().map(|end| self.memory(end, name))),
        }
        door
    }
}

/// What all of them have.
fn common(mut all: impl Iterator<Item = Vec<ObjectId>>) -> Vec<ObjectId> {
    let mut found = all.next().unwrap_or_default();
    all.for_each(|other| found.retain(|id| other.contains(id)));
    found
}
