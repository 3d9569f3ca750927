//! Claims, and what comes of them.

use super::control::{Control, controls};
use super::exclusive;
use super::graph::{Graph, places};
use super::machine::Machine;
use super::model::Model;
use super::node::{Node, Path};
use super::search::{Allowed, find};
use std::collections::BTreeSet;
use system::{GroupId, ObjectId};

/// An end of a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// A compartment.
    Group(GroupId),
    /// A device of the machine.
    Device(usize),
    /// Memory: all frames of these objects.
    Memory(Vec<ObjectId>),
}

/// What somebody may have alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Thing {
    /// A compartment: its memory, threads, vCPUs and capabilities.
    Group(GroupId),
    /// A device: its registers and interrupts.
    Device(usize),
    /// Memory: all frames of these objects.
    Memory(Vec<ObjectId>),
}

/// A channel that does not count between its ends. What goes in there or out to anybody else does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Door {
    /// Its endpoints and memories.
    pub objects: Vec<ObjectId>,
    /// The capabilities by which its senders signal.
    pub capabilities: Vec<(ObjectId, u32)>,
    /// The compartments that it joins.
    pub ends: Vec<GroupId>,
}

/// What is claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing flows from the first of a pair to the second.
    NoFlow(Vec<(End, End)>),
    /// Nobody else has it.
    Exclusive(Thing, Vec<GroupId>),
}

/// A claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// What is claimed.
    pub kind: Kind,
    /// Compartments that may stand between, or have the thing, too.
    pub trust: Vec<GroupId>,
    /// Channels that may be used.
    pub except: Vec<Door>,
    /// Whether time counts: who runs on a core can tell when others do.
    pub time: bool,
}

/// What came of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Ways that there must not be: for each pair at most one, for each other holder one. None: the claim holds.
    pub paths: Vec<Path>,
    /// Trusted compartments that somebody who is not trusted controls, and how. They were not trusted.
    pub distrusted: Vec<(GroupId, Path)>,
}

impl Verdict {
    /// Whether the claim holds.
    pub fn holds(&self) -> bool {
        self.paths.is_empty()
    }
}

/// Holds a claim against a system.
pub fn check(model: &Model, machine: &Machine, claim: &Claim) -> Verdict {
    let graph = Graph::new(model, machine, claim.time);
    let controls = controls(model, machine);
    let (trust, distrusted) = trusted(model, &claim.trust, &controls);
    let paths = match &claim.kind {
        Kind::NoFlow(pairs) => {
            let allowed = Allowed { trust, doors: &claim.except };
            let way = |(from, to): &(End, End)| {
                let (from, to) = (nodes(model, machine, from), nodes(model, machine, to));
                find(model, &graph, &from, &to.into_iter().collect(), &allowed)
            };
            pairs.iter().filter_map(way).collect()
        }
        Kind::Exclusive(thing, to) => {
            let may: BTreeSet<GroupId> = trust.iter().chain(to).copied().collect();
            let interrupts = match thing {
                Thing::Device(n) => &machine.devices[*n].interrupts[..],
                _ => &[],
            };
            exclusive::others(model, &graph, interrupts, thing, &may, &controls)
        }
    };
    Verdict { paths, distrusted }
}

fn nodes(model: &Model, machine: &Machine, end: &End) -> Vec<Node> {
    match end {
        End::Group(group) => {
            let threads = model.threads.iter().map(|thread| thread.tcb);
            threads.filter(|&tcb| model.group_of(tcb) == *group).map(Node::Thread).collect()
        }
        End::Device(n) => vec![Node::Device(*n)],
        End::Memory(objects) => {
            let frames = objects.iter().flat_map(|&id| (0..model.count(id)).map(move |part| (id, part)));
            frames.flat_map(|(id, part)| places(model, machine, id, part)).collect()
        }
    }
}

/// Those whom trust is not lost on: nobody who is not trusted controls them.
fn trusted(model: &Model, named: &[GroupId], controls: &[Control]) -> (BTreeSet<GroupId>, Vec<(GroupId, Path)>) {
    let mut trust: BTreeSet<GroupId> = named.iter().copied().collect();
    let mut lost = Vec::new();
    let by = |control: &Control| model.group_of(control.by);
    while let Some(control) =
        controls.iter().find(|control| trust.contains(&control.of) && !trust.contains(&by(control)))
    {
        trust.remove(&control.of);
        lost.push((control.of, control.path.clone()));
    }
    (trust, lost)
}
