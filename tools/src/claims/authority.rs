//! What each compartment may do to others, one line for each: what two systems are compared by. What it has for itself alone is no line,
//! but for how much of it there is.

use super::check::{Claim, End, Kind, check};
use super::graph::Graph;
use super::machine::Machine;
use super::model::{Model, Space};
use super::node::{Access, Names, Node, Use};
use std::collections::{BTreeMap, BTreeSet};
use system::{GroupId, ObjectId, ObjectKind};

/// Something that a compartment may do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// Who.
    pub who: String,
    /// What: a verb.
    pub can: &'static str,
    /// To what, or to whom.
    pub what: String,
    /// What it calls the means, if it has a name for it.
    pub by: Option<String>,
}

/// How much a compartment has of something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amount {
    /// How much, to be compared.
    pub value: u64,
    /// The same for people.
    pub shown: String,
}

/// All authority in a system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authority {
    /// Compartments.
    pub compartments: BTreeSet<String>,
    /// Who may do what.
    pub rights: BTreeSet<Right>,
    /// Who has how much of what.
    pub amounts: BTreeMap<(String, String), Amount>,
    /// From whom something can flow to whom, directly or through others, but not through the console or the log.
    pub flows: BTreeSet<(String, String)>,
}

/// Through whom flows are not told: nearly all would be connected.
const SERVICES: &[&str] = &["console", "log"];

type Touching = BTreeMap<Node, BTreeSet<(GroupId, Access, Use)>>;

/// The authority in a system.
pub fn authority(model: &Model, machine: &Machine, names: &Names) -> Authority {
    let graph = Graph::new(model, machine, false);
    let mut touching = Touching::new();
    for thread in &model.threads {
        for (access, used, node) in graph.touched_by(Node::Thread(thread.tcb)) {
            touching.entry(node).or_default().insert((model.group_of(thread.tcb), access, used));
        }
    }
    let groups: BTreeSet<GroupId> = model.threads.iter().map(|thread| model.group_of(thread.tcb)).collect();
    let name = |group: GroupId| model.groups[usize::from(group)].clone();
    let lines = Lines { model, names, touching: &touching };
    Authority {
        compartments: groups.iter().map(|&group| name(group)).collect(),
        rights: touching.keys().flat_map(|&node| lines.of(node, machine)).collect(),
        amounts: amounts(model),
        flows: flows(model, machine, &groups),
    }
}

struct Lines<'a> {
    model: &'a Model,
    names: &'a Names,
    touching: &'a Touching,
}

impl Lines<'_> {
    fn of(&self, node: Node, machine: &Machine) -> Vec<Right> {
        match node {
            Node::Frame(..) | Node::Payload(_) => self.pairs(node, "writes what is read by"),
            Node::Notification(_) => self.pairs(node, "signals"),
            Node::Messages(_) => self.pairs(node, "sends to"),
            Node::Answers(_) => Vec::new(),
            Node::Device(n) => self.all(node, "drives", format!("device `{}`", machine.devices[n].name), None),
            Node::Interrupt(number) => self.all(node, "takes", format!("interrupt {number}"), None),
            Node::KernelLog => self.all(node, "reads", "the kernel's log".to_owned(), None),
            Node::Everything(_) => self.all(node, "holds", "everything there is".to_owned(), None),
            Node::Untyped(group, _) => self.all(node, "holds", node.text(self.model, machine), Some(group)),
            Node::Space(Space::Root) => self.all(node, "holds", node.text(self.model, machine), None),
            Node::Thread(id)
            | Node::CNode(id)
            | Node::Space(Space::Of(id))
            | Node::Table(id)
            | Node::Reply(id)
            | Node::Pool(id)
            | Node::Vcpu(id)
            | Node::Context(id) => {
                self.all(node, "holds a part of", format!("`{}`", self.model.owner(id)), Some(self.model.group_of(id)))
            }
            Node::Root | Node::Core(_) => Vec::new(),
        }
    }

    fn right(&self, who: GroupId, used: Use, can: &'static str, what: String) -> Right {
        let who = self.model.groups[usize::from(who)].clone();
        let by = match used {
            Use::Own(part) => Some(part),
            used => self.names.of(used),
        };
        Right { who, can, what, by: by.map(without_numbers) }
    }

    /// A line for everybody who has to do with a node, but for its owner.
    fn all(&self, node: Node, can: &'static str, what: String, owner: Option<GroupId>) -> Vec<Right> {
        let users = self.touching.get(&node).into_iter().flatten();
        let others = users.filter(|(who, ..)| Some(*who) != owner);
        others.map(|&(who, _, used)| self.right(who, used, can, what.clone())).collect()
    }

    /// A line for each who leaves something in a node, and each other who finds it there.
    fn pairs(&self, node: Node, can: &'static str) -> Vec<Right> {
        let users = || self.touching.get(&node).into_iter().flatten();
        let readers: BTreeSet<GroupId> =
            users().filter(|(_, access, _)| *access == Access::Read).map(|&(who, ..)| who).collect();
        let mut found = Vec::new();
        for &(who, _, used) in users().filter(|(who, access, _)| *access == Access::Write && !self.waits(*who, node)) {
            for &reader in readers.iter().filter(|&&reader| reader != who) {
                found.push(self.right(who, used, can, format!("`{}`", self.model.groups[usize::from(reader)])));
            }
        }
        // Who receives beside another takes from that one.
        if !matches!(node, Node::Frame(..) | Node::Payload(_)) && readers.len() > 1 {
            for &(who, _, used) in users().filter(|(_, access, _)| *access == Access::Read) {
                for &other in readers.iter().filter(|&&other| other != who) {
                    found.push(self.right(
                        who,
                        used,
                        "receives beside",
                        format!("`{}`", self.model.groups[usize::from(other)]),
                    ));
                }
            }
        }
        found
    }

    /// Whether it only receives there: that it takes something is what makes it write.
    fn waits(&self, who: GroupId, node: Node) -> bool {
        let uses = |wanted: Access| {
            let users = self.touching.get(&node).into_iter().flatten();
            users.filter(move |(user, access, _)| *user == who && *access == wanted).map(|&(_, _, used)| used)
        };
        let reads: BTreeSet<Use> = uses(Access::Read).collect();
        !matches!(node, Node::Frame(..) | Node::Payload(_)) && uses(Access::Write).all(|used| reads.contains(&used))
    }
}

/// A name without the numbers in it, which change with what else there is: `client.2.tx` is `client.*.tx`.
fn without_numbers(name: &str) -> String {
    let plain = |part: &str| part.parse::<u32>().is_ok();
    name.split('.').map(|part| if plain(part) { "*" } else { part }).collect::<Vec<_>>().join(".")
}

fn amounts(model: &Model) -> BTreeMap<(String, String), Amount> {
    let mut found: BTreeMap<(String, String), Amount> = BTreeMap::new();
    let mut ram: BTreeMap<GroupId, u64> = BTreeMap::new();
    let mut number: BTreeMap<GroupId, u32> = BTreeMap::new();
    for (id, &(group, kind)) in model.objects.iter().enumerate() {
        let who = || model.groups[usize::from(group)].clone();
        match kind {
            ObjectKind::Frames { bits, .. } if u32::from(bits) == abi::object::BLOCK_BITS => {
                *ram.entry(group).or_default() += u64::from(model.count(id as ObjectId)) << bits;
            }
            ObjectKind::Untyped { bits } => {
                let amount = Amount { value: 1 << bits, shown: format!("{} KiB", (1_u64 << bits) >> 10) };
                found.insert((who(), "memory to make objects of".to_owned()), amount);
            }
            ObjectKind::SchedContext { core, budget_us, period_us } => {
                let n = number.entry(group).or_default();
                let value = u64::from(budget_us) * 1_000_000 / u64::from(period_us.max(1));
                let shown = format!("{budget_us} us in {period_us} us");
                found.insert((who(), format!("time {n} on core {core}")), Amount { value, shown });
                *n += 1;
            }
            _ => {}
        }
    }
    for (group, bytes) in ram {
        let shown = format!("{} MiB", bytes >> 20);
        found.insert((model.groups[usize::from(group)].clone(), "RAM".to_owned()), Amount { value: bytes, shown });
    }
    for thread in &model.threads {
        let value = u64::from(thread.priority.max(thread.ceiling));
        let place = (model.owner(thread.tcb).to_owned(), "priority".to_owned());
        let amount = Amount { value, shown: value.to_string() };
        if found.get(&place).is_none_or(|known| known.value < value) {
            found.insert(place, amount);
        }
    }
    found
}

fn flows(model: &Model, machine: &Machine, groups: &BTreeSet<GroupId>) -> BTreeSet<(String, String)> {
    let name = |group: GroupId| &model.groups[usize::from(group)];
    let told = |group: &&GroupId| !SERVICES.contains(&name(**group).as_str());
    let ends: Vec<GroupId> = groups.iter().filter(told).copied().collect();
    let trust: Vec<GroupId> = groups.iter().filter(|group| !told(group)).copied().collect();
    let mut pairs = Vec::new();
    for &from in &ends {
        pairs.extend(ends.iter().filter(|&&to| to != from).map(|&to| (End::Group(from), End::Group(to))));
    }
    let claim = Claim { kind: Kind::NoFlow(pairs), trust, except: Vec::new(), time: false };
    let end = |node: Node| node.group(model).map(|group| name(group).clone()).unwrap_or_default();
    let verdict = check(model, machine, &claim);
    verdict.paths.iter().filter_map(|path| Some((end(path.from), end(path.steps.last()?.to)))).collect()
}
