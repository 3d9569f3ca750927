//! A component under construction: what every one of them has, and what is named in its configuration.

use super::build::{ALL, Builder, Memory, READ, READ_WRITE};
use super::plan::{Badge, Fill, GroupKey, Key, Space, Thread};
use crate::compose::defaults::{SPARE_SLOTS, Share, UNTYPED_SLOTS};
use crate::compose::elf::{PAGE, Program};
use abi::rights::Rights;
use arrayvec::ArrayVec;
use protocol::config::{CONFIG_VERSION, Config, Event, File, Named, Vm};
use protocol::layout::{self, slot};
use system::{ObjectKind, Policy};

/// What a component is made of.
#[derive(Clone, Debug)]
pub struct Recipe<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its id on the wire.
    pub wire_id: u8,
    /// What root does at its end.
    pub policy: Policy,
    /// Which program it runs, and the program itself.
    pub program: (usize, &'a Program),
    /// Bytes of each stack.
    pub stack_bytes: u32,
    /// Its threads: the first is started.
    pub threads: u32,
    /// Priority of the first.
    pub priority: u8,
    /// The core of all of them,
    pub core: u8,
    /// and time there of the first.
    pub share: Share,
    /// Whether the first runs on its callers' time only.
    pub passive: bool,
    /// Whether the first receives events where it receives messages.
    pub bind_events: bool,
}

/// What all compartments have to do with.
#[derive(Clone, Copy, Debug)]
pub struct Shared {
    /// The group that is never torn down.
    pub group: GroupKey,
    /// Root's endpoint.
    pub endpoint: Key,
}

/// A guest, for the configuration of its VMM.
#[derive(Clone, Debug)]
pub struct VmConfig {
    /// All but the files.
    pub vm: Vm<'static>,
    /// Files: name, source, address, bytes.
    pub files: Vec<(&'static str, u32, u32, u32)>,
}

/// A component under construction.
#[derive(Debug)]
pub struct Room {
    /// Its name.
    pub name: String,
    /// Its compartment.
    pub group: GroupKey,
    /// Its id on the wire.
    pub wire_id: u8,
    /// Its capabilities.
    pub cnode: Key,
    /// Its space.
    pub space: Key,
    /// Its notification.
    pub events: Key,
    /// Its IPC buffers.
    pub ipc_buffers: Key,
    /// Its first thread, by its place in the plan.
    pub thread: usize,
    /// Its log ring.
    pub ring: Memory,
    /// Entry point of its program.
    pub entry: u32,
    /// A guest, if it is a VMM.
    pub vm: Option<VmConfig>,
    next_slot: u32,
    spare_slots: u32,
    next_memory: u32,
    next_signal: u32,
    next_interrupt: u32,
    capabilities: Vec<(String, u32)>,
    memories: Vec<(String, u32, u32, u32)>,
    event_names: Vec<(String, u32)>,
}

impl Room {
    /// Makes what every component has.
    pub fn new(b: &mut Builder, shared: Shared, recipe: &Recipe<'_>) -> Self {
        let group = b.group(recipe.name, recipe.policy);
        let cnode = b.object(group, "capabilities", ObjectKind::CNode { bits: 0 });
        let space = b.object(group, "space", ObjectKind::VSpace);
        let events = b.object(group, "events", ObjectKind::Notification);
        let (number, program) = recipe.program;
        load(b, group, space, number, program);
        for thread in 0..recipe.threads {
            let stack = b.pages(group, &format!("stack {thread}"), recipe.stack_bytes.div_ceil(PAGE));
            b.map(&stack, Space::Of(space), layout::stack_top(thread) - recipe.stack_bytes, READ_WRITE);
        }
        let buffers = b.pages(group, "IPC buffers", recipe.threads);
        b.map(&buffers, Space::Of(space), layout::IPC_BUFFERS, READ_WRITE);
        let ring = b.pages(shared.group, &format!("log ring of {}", recipe.name), 1);
        b.map(&ring, Space::Of(space), layout::LOG_RING, READ_WRITE);

        b.grant(cnode, slot::CNODE, cnode, 0, ALL, Badge::None);
        b.grant(cnode, slot::EVENTS, events, 0, ALL, Badge::None);
        let calls = Rights::WRITE | Rights::GRANT;
        b.grant(cnode, slot::ROOT, shared.endpoint, 0, calls, Badge::Group(group));
        let room = Self {
            name: recipe.name.to_owned(),
            group,
            wire_id: recipe.wire_id,
            cnode,
            space,
            events,
            ipc_buffers: buffers.parts[0],
            thread: b.plan.threads.len(),
            ring,
            entry: program.entry,
            vm: None,
            next_slot: slot::FIRST_NAMED,
            spare_slots: SPARE_SLOTS,
            next_memory: layout::MEMORIES,
            next_signal: 2,
            next_interrupt: 31,
            capabilities: Vec::new(),
            memories: Vec::new(),
            event_names: Vec::new(),
        };
        let Share { budget_us, period_us } = recipe.share;
        let context = b.object(group, "context", ObjectKind::SchedContext { core: recipe.core, budget_us, period_us });
        room.thread(b, shared, 0, recipe.priority, Some(context));
        if let Some(first) = b.plan.threads.last_mut() {
            first.passive = recipe.passive;
            first.bound = recipe.bind_events.then_some(events);
        }
        room
    }

    /// Makes a thread; the first is started by root. Returns its `Tcb`.
    pub fn thread(&self, b: &mut Builder, shared: Shared, number: u32, priority: u8, context: Option<Key>) -> Key {
        let tcb = b.object(self.group, format!("thread {number}"), ObjectKind::Tcb);
        b.plan.threads.push(Thread {
            tcb,
            cnode: self.cnode,
            space: self.space,
            ipc_buffer: Some((self.ipc_buffers, number)),
            fault: (shared.endpoint, Badge::Group(self.group)),
            entry: self.entry,
            stack: layout::stack_top(number),
            argument: number,
            priority,
            context,
            vcpu: None,
            bound: None,
            starts: number == 0,
            passive: false,
        });
        tcb
    }

    /// Gives it a capability under a name.
    pub fn capability(&mut self, b: &mut Builder, name: &str, object: Key, rights: Rights, badge: Badge) {
        self.capabilities.push((name.to_owned(), self.next_slot));
        self.unnamed(b, object, 0, rights, badge);
    }

    /// Gives it all capabilities of a memory, in consecutive slots, under one name.
    pub fn capabilities(&mut self, b: &mut Builder, name: &str, memory: &Memory, rights: Rights) {
        self.capabilities.push((name.to_owned(), self.next_slot));
        for &object in &memory.parts {
            for part in 0..b.plan.object(object).count() {
                self.unnamed(b, object, part, rights, Badge::None);
            }
        }
    }

    /// Gives it memory to make objects of, and slots for them.
    pub fn untyped(&mut self, b: &mut Builder, bytes: u64) {
        let kind = ObjectKind::Untyped { bits: bytes.trailing_zeros() as u8 };
        let untyped = b.object(self.group, "untyped", kind);
        self.capability(b, "untyped", untyped, ALL, Badge::None);
        self.spare_slots += UNTYPED_SLOTS;
    }

    fn unnamed(&mut self, b: &mut Builder, object: Key, part: u32, rights: Rights, badge: Badge) {
        b.grant(self.cnode, self.next_slot, object, part, rights, badge);
        self.next_slot += 1;
    }

    /// Maps a memory under a name.
    pub fn memory(&mut self, b: &mut Builder, name: &str, memory: &Memory, flags: abi::rights::MapFlags, tag: u32) {
        let bytes = memory.count << memory.bits;
        self.memories.push((name.to_owned(), self.next_memory, bytes, tag));
        b.map(memory, Space::Of(self.space), self.next_memory, flags);
        self.next_memory += bytes;
    }

    /// Names a bit of its notification.
    pub fn event(&mut self, name: &str, badge: u32) {
        self.event_names.push((name.to_owned(), badge));
    }

    /// A fresh bit for a signal.
    pub fn signal_event(&mut self, name: &str) -> Option<u32> {
        self.fresh(name, self.next_signal).inspect(|_| self.next_signal += 1)
    }

    /// A fresh bit for an interrupt.
    pub fn interrupt_event(&mut self, name: &str) -> Option<u32> {
        self.fresh(name, self.next_interrupt).inspect(|_| self.next_interrupt -= 1)
    }

    fn fresh(&mut self, name: &str, bit: u32) -> Option<u32> {
        (self.next_signal <= self.next_interrupt).then(|| self.event(name, 1 << bit))?;
        Some(1 << bit)
    }

    /// Writes its configuration and sizes its CNode. The error says of what there is too much.
    pub fn finish(self, b: &mut Builder) -> Result<(), String> {
        let bytes = self.configuration()?;
        let pages = (bytes.len() as u32).div_ceil(PAGE);
        if pages * PAGE > layout::CONFIG_BYTES {
            return Err(format!("`{}` has a configuration of {} bytes, too long", self.name, bytes.len()));
        }
        if self.next_memory > layout::PAYLOAD {
            return Err(format!("`{}` has more shared memory than its address space has room for", self.name));
        }
        let config = b.pages(self.group, "configuration", pages);
        b.map(&config, Space::Of(self.space), layout::CONFIG, READ);
        b.plan.fill_bytes.push((config.parts[0], bytes));
        let slots = (self.next_slot + self.spare_slots).next_power_of_two();
        b.plan.objects[self.cnode.0].kind = ObjectKind::CNode { bits: slots.trailing_zeros() as u8 };
        Ok(())
    }

    fn configuration(&self) -> Result<Vec<u8>, String> {
        let too_many = |what: &str, most: usize| format!("`{}` has more than {most} {what}", self.name);
        let mut vm = None;
        if let Some(guest) = &self.vm {
            let files = guest.files.iter().map(|&(name, source, address, bytes)| File { name, source, address, bytes });
            let files = list(files).ok_or_else(|| too_many("files for its guest", protocol::config::FILES_MAX))?;
            vm = Some(Vm { files, ..guest.vm.clone() });
        }
        let capabilities = self.capabilities.iter().map(|(name, slot)| Named { name, slot: *slot });
        let memories = self.memories.iter().map(|(name, address, bytes, tag)| protocol::config::Memory {
            name,
            address: *address,
            bytes: *bytes,
            tag: *tag,
        });
        let events = self.event_names.iter().map(|(name, badge)| Event { name, badge: *badge });
        let config = Config {
            version: CONFIG_VERSION,
            name: &self.name,
            wire_id: self.wire_id,
            capabilities: list(capabilities).ok_or_else(|| too_many("capabilities", protocol::config::NAMES_MAX))?,
            memories: list(memories).ok_or_else(|| too_many("memories", protocol::config::MEMORIES_MAX))?,
            events: list(events).ok_or_else(|| too_many("events", protocol::config::EVENTS_MAX))?,
            vm,
        };
        postcard::to_stdvec(&config).map_err(|error| error.to_string())
    }
}

fn list<T, const N: usize>(items: impl Iterator<Item = T>) -> Option<ArrayVec<T, N>> {
    let mut list = ArrayVec::new();
    for item in items {
        list.try_push(item).ok()?;
    }
    Some(list)
}

/// Frames for the pieces of a program, filled and mapped.
fn load(b: &mut Builder, group: GroupKey, space: Key, number: usize, program: &Program) {
    for (n, piece) in program.pieces.iter().enumerate() {
        let memory = b.pages(group, &format!("program at {:#x}", piece.address), piece.pages());
        let mut from = 0;
        for &object in &memory.parts {
            let room = b.plan.object(object).count() * PAGE;
            let bytes = (piece.bytes.len() as u32).saturating_sub(from).min(room);
            if bytes > 0 {
                let execute = piece.flags.contains(abi::rights::MapFlags::EXECUTE);
                b.plan.fills.push(Fill { object, program: number, piece: n, from, bytes, execute });
            }
            from += room;
        }
        b.map(&memory, Space::Of(space), piece.address, piece.flags);
    }
}
