//! Where something can be and stay, the ways from one to the next, and how both are told to people.

use super::machine::Machine;
use super::model::{Model, Space};
use std::collections::BTreeMap;
use system::{GroupId, ObjectId};

/// Something that acts, or in which something stays that another can find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Node {
    /// A thread, by its `Tcb`.
    Thread(ObjectId),
    /// Root's thread.
    Root,
    /// Everything, for who has authority of root's own or of the kernel's: what can be read of it, or what can be written to it.
    /// They are two: nobody is reached by what happens to be readable.
    Everything(Access),
    /// A CNode.
    CNode(ObjectId),
    /// An address space.
    Space(Space),
    /// A stage-2 table.
    Table(ObjectId),
    /// A frame of an object.
    Frame(ObjectId, u32),
    /// A frame of the payload, by its number there.
    Payload(u32),
    /// The kernel's log ring.
    KernelLog,
    /// A device of the machine.
    Device(usize),
    /// What is sent to an endpoint.
    Messages(ObjectId),
    /// What its receivers answer.
    Answers(ObjectId),
    /// A notification.
    Notification(ObjectId),
    /// A reply object.
    Reply(ObjectId),
    /// Memory to make objects of.
    Pool(ObjectId),
    /// A virtual processor.
    Vcpu(ObjectId),
    /// A scheduling context.
    Context(ObjectId),
    /// An interrupt, by its number at the distributor.
    Interrupt(u16),
    /// A group's memory, for who has it: two, as above.
    Untyped(GroupId, Access),
    /// A core's time.
    Core(u8),
}

/// Whether a way is followed by reading or by writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// What stays there comes to the thread.
    Read,
    /// What the thread does stays there.
    Write,
}

/// How a thread holds what it uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// By a capability in its CNode, in that slot.
    Cap(ObjectId, u32),
    /// By a mapping in its space, at that address.
    Map(Space, u32),
    /// As a part of the thread.
    Own(&'static str),
    /// By a capability in a CNode in that slot, to which it holds one: in its own CNode, in that slot.
    Through {
        /// The CNode and the slot of the capability.
        inner: (ObjectId, u32),
        /// The CNode and the slot of the one to that CNode, or to one by which it comes there.
        outer: (ObjectId, u32),
    },
}

/// Why something can get from a node to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// A thread can.
    Uses(Access, Use),
    /// It is so by what the two are.
    Nature(&'static str),
}

/// One step of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Why.
    pub why: Why,
    /// To where.
    pub to: Node,
}

/// A way that something can take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// Where it begins.
    pub from: Node,
    /// All of it.
    pub steps: Vec<Step>,
}

/// What compartments call what they were given, for people.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Capabilities, by CNode and slot.
    pub capabilities: BTreeMap<(ObjectId, u32), String>,
    /// Memories, by space and first address: how many bytes, and the name.
    pub memories: BTreeMap<(Space, u32), (u32, String)>,
}

impl Names {
    fn memory(&self, space: Space, address: u32) -> Option<&str> {
        let (&(_, first), (bytes, name)) = self.memories.range(..=(space, address)).next_back()?;
        let inside = address.checked_sub(first).is_some_and(|at| at < *bytes);
        (inside && self.memories.contains_key(&(space, first))).then_some(name)
    }

    /// What a thread calls what it uses, if it has a name for it.
    pub fn of(&self, used: Use) -> Option<&str> {
        match used {
            Use::Cap(cnode, slot) | Use::Through { inner: (cnode, slot), .. } => {
                self.capabilities.get(&(cnode, slot)).map(String::as_str)
            }
            Use::Map(space, address) => self.memory(space, address),
            Use::Own(_) => None,
        }
    }
}

impl Path {
    /// The groups of the threads on the way, ends included, each once in a row.
    pub fn groups(&self, model: &Model) -> Vec<GroupId> {
        let nodes = std::iter::once(self.from).chain(self.steps.iter().map(|step| step.to));
        let mut groups: Vec<GroupId> = nodes.filter_map(|node| node.group(model)).collect();
        groups.dedup();
        groups
    }

    /// The whole way on one line: who, by what, where to, by what, who.
    pub fn text(&self, model: &Model, machine: &Machine, names: &Names) -> String {
        let mut text = self.from.text(model, machine);
        for step in &self.steps {
            let why = match step.why {
                Why::Uses(access, used) => used_text(access, used, model, names),
                Why::Nature(what) => what.to_owned(),
            };
            text.push_str(&format!(" -> {why} -> {}", step.to.text(model, machine)));
        }
        text
    }
}

fn used_text(access: Access, used: Use, model: &Model, names: &Names) -> String {
    let verb = match access {
        Access::Read => "reads",
        Access::Write => "writes",
    };
    let capability = |(cnode, slot): (ObjectId, u32)| {
        let name = names.of(Use::Cap(cnode, slot)).map_or(String::new(), |name| format!(" `{name}`"));
        format!("capability{name} (slot {slot} of `{}`)", model.owner(cnode))
    };
    match (used, names.of(used)) {
        (Use::Cap(cnode, slot), _) => capability((cnode, slot)),
        (Use::Through { inner, outer }, _) => format!("{}, and by it {}", capability(outer), capability(inner)),
        (Use::Map(_, address), Some(name)) => format!("{verb} `{name}` at {address:#x}"),
        (Use::Map(_, address), None) => format!("{verb} at {address:#x}"),
        (Use::Own(what), _) => what.to_owned(),
    }
}

impl Node {
    /// The group of a thread.
    pub fn group(self, model: &Model) -> Option<GroupId> {
        match self {
            Self::Thread(tcb) => Some(model.group_of(tcb)),
            _ => None,
        }
    }

    /// What it is.
    pub fn text(self, model: &Model, machine: &Machine) -> String {
        let of = |what: &str, id: ObjectId| match model.owner(id) {
            "root" => format!("{what} that is shared"),
            owner => format!("{what} of `{owner}`"),
        };
        match self {
            Self::Thread(tcb) => format!("`{}`", model.owner(tcb)),
            Self::Root => "root".to_owned(),
            Self::Everything(_) => "everything there is".to_owned(),
            Self::CNode(id) => of("CNode", id),
            Self::Space(Space::Root) => "root's address space".to_owned(),
            Self::Space(Space::Of(id)) => of("address space", id),
            Self::Table(id) => of("stage-2 table", id),
            Self::Frame(id, _) => of("memory", id),
            Self::Payload(_) => "a guest's file".to_owned(),
            Self::KernelLog => "the kernel's log".to_owned(),
            Self::Device(n) => format!("device `{}`", machine.devices[n].name),
            Self::Messages(id) | Self::Answers(id) => of("endpoint", id),
            Self::Notification(id) => of("notification", id),
            Self::Reply(id) => of("reply object", id),
            Self::Pool(id) => of("untyped memory", id),
            Self::Vcpu(id) => of("vCPU", id),
            Self::Context(id) => of("scheduling context", id),
            Self::Interrupt(number) => format!("interrupt {number}"),
            Self::Untyped(group, _) => format!("the memory that `{}` is made of", model.groups[usize::from(group)]),
            Self::Core(core) => format!("the time of core {core}"),
        }
    }
}
