//! Who could change what another compartment does, and so make nothing of the trust in it.

use super::graph::{DMA, held, holders, places, users};
use super::machine::Machine;
use super::model::{Model, Space, Thread, What};
use super::node::{Access, Node, Path, Step, Use, Why};
use abi::rights::{MapFlags, Rights};
use std::collections::{BTreeMap, BTreeSet};
use system::{GroupId, ObjectId, ObjectKind};

/// A thread that could change what the threads of another group do, or look into what they keep to themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// The thread, by its `Tcb`.
    pub by: ObjectId,
    /// Whom.
    pub of: GroupId,
    /// By what.
    pub path: Path,
}

/// All control over other groups.
pub fn controls(model: &Model, machine: &Machine) -> Vec<Control> {
    let (private, all) = (private(model), all_groups(model));
    let dma: Vec<ObjectId> = (0..machine.devices.len())
        .filter(|&n| machine.devices[n].dma)
        .flat_map(|n| holders(model, machine, n))
        .filter_map(|(thread, _)| Some(thread?.tcb))
        .collect();
    let mut found = Vec::new();
    for thread in &model.threads {
        let mut over = |groups: &BTreeSet<GroupId>, used: Use, what: Node| {
            let mine = model.group_of(thread.tcb);
            for &of in groups.iter().filter(|&&of| of != mine) {
                let step = Step { why: Why::Uses(Access::Write, used), to: what };
                let path = Path { from: Node::Thread(thread.tcb), steps: vec![step] };
                found.push(Control { by: thread.tcb, of, path });
            }
        };
        let own = |what| Use::Own(what);
        over(&named_by(model, thread.cspace), own("its capabilities"), Node::CNode(thread.cspace));
        match thread.space {
            Space::Root => over(&all, own("runs as root"), Node::Everything(Access::Write)),
            Space::Of(id) => over(&living_in(model, id), own("its memory"), Node::Space(thread.space)),
        }
        if dma.contains(&thread.tcb) {
            over(&all, own(DMA), Node::Everything(Access::Write));
        }
        if let Some(frame) = thread.ipc_buffer {
            over(private.get(&frame).unwrap_or(&BTreeSet::new()), own("its IPC buffer"), Node::Frame(frame.0, frame.1));
        }
        for held in held(model, thread) {
            let (groups, what) = match held.cap.what {
                What::Root(_) => (all.clone(), Node::Everything(Access::Write)),
                // What is shared is made of root's group.
                What::Untyped(group) if model.groups[usize::from(group)] == "root" => {
                    (all.clone(), Node::Untyped(group, Access::Write))
                }
                What::Untyped(group) => ([group].into(), Node::Untyped(group, Access::Write)),
                What::Object(id, part) => by_object(model, machine, &private, id, part, held.cap.rights),
            };
            over(&groups, held.used(), what);
        }
        for map in model.maps.iter().filter(|map| map.space == thread.space) {
            let bytes = model.frame_bytes(map.object).unwrap_or_default();
            for n in 0..map.count {
                let part = map.first + n;
                let used = Use::Map(map.space, map.address.wrapping_add(n * bytes));
                if let Some(groups) = private.get(&(map.object, part)) {
                    over(groups, used, Node::Frame(map.object, part));
                }
                if places(model, machine, map.object, part).contains(&Node::Everything(Access::Read)) {
                    over(&all, used, Node::Everything(Access::Write));
                }
            }
        }
    }
    found
}

fn all_groups(model: &Model) -> BTreeSet<GroupId> {
    model.threads.iter().map(|thread| model.group_of(thread.tcb)).collect()
}

fn groups_of<'a>(model: &Model, threads: impl Iterator<Item = &'a Thread>) -> BTreeSet<GroupId> {
    threads.map(|thread| model.group_of(thread.tcb)).collect()
}

fn named_by(model: &Model, cnode: ObjectId) -> BTreeSet<GroupId> {
    groups_of(model, model.threads.iter().filter(|thread| thread.cspace == cnode))
}

fn living_in(model: &Model, space: ObjectId) -> BTreeSet<GroupId> {
    groups_of(model, model.threads.iter().filter(|thread| thread.space == Space::Of(space)))
}

/// Whom a capability to an object lets control.
fn by_object(
    model: &Model,
    machine: &Machine,
    private: &BTreeMap<(ObjectId, u32), BTreeSet<GroupId>>,
    id: ObjectId,
    part: u32,
    rights: Rights,
) -> (BTreeSet<GroupId>, Node) {
    let mine = || BTreeSet::from([model.group_of(id)]);
    match model.objects[usize::from(id)].1 {
        ObjectKind::CNode { .. } => (named_by(model, id), Node::CNode(id)),
        ObjectKind::VSpace => (living_in(model, id), Node::Space(Space::Of(id))),
        ObjectKind::Table { .. } => {
            let spaces = model.tables.iter().filter(|(table, _)| *table == id).map(|&(_, space)| space);
            let groups =
                spaces.flat_map(|space| groups_of(model, model.threads.iter().filter(move |it| it.space == space)));
            (groups.collect(), Node::Table(id))
        }
        ObjectKind::Tcb => (mine(), Node::Thread(id)),
        ObjectKind::Vcpu { .. } => {
            (groups_of(model, model.threads.iter().filter(|thread| thread.vcpu == Some(id))), Node::Vcpu(id))
        }
        ObjectKind::SchedContext { .. } => {
            (groups_of(model, model.threads.iter().filter(|thread| thread.context == Some(id))), Node::Context(id))
        }
        ObjectKind::Frames { .. } if !rights.is_empty() => {
            (private.get(&(id, part)).cloned().unwrap_or_default(), Node::Frame(id, part))
        }
        ObjectKind::Device { .. } if !rights.is_empty() => {
            match places(model, machine, id, part).contains(&Node::Everything(Access::Read)) {
                true => (all_groups(model), Node::Everything(Access::Write)),
                false => (BTreeSet::new(), Node::Everything(Access::Write)),
            }
        }
        _ => (BTreeSet::new(), Node::Everything(Access::Write)),
    }
}

/// Frames that the threads of a space have for themselves: what was filled for them and is their own, what they execute, their stacks and IPC buffers, and
/// all that lies in one piece with these.
fn private(model: &Model) -> BTreeMap<(ObjectId, u32), BTreeSet<GroupId>> {
    let mut found: BTreeMap<(ObjectId, u32), BTreeSet<GroupId>> = BTreeMap::new();
    let spaces: BTreeSet<Space> = model.maps.iter().map(|map| map.space).collect();
    for space in spaces {
        let groups: BTreeSet<GroupId> = users(model, space).into_iter().filter_map(|user| user.group(model)).collect();
        let threads: Vec<&Thread> = model.threads.iter().filter(|thread| thread.space == space).collect();
        let mut pages: Vec<(u64, u64, (ObjectId, u32), bool)> = Vec::new();
        for map in model.maps.iter().filter(|map| map.space == space) {
            if !matches!(model.objects[usize::from(map.object)].1, ObjectKind::Frames { .. }) {
                continue;
            }
            let bytes = u64::from(model.frame_bytes(map.object).unwrap_or_default());
            for n in 0..map.count {
                let (frame, from) = ((map.object, map.first + n), u64::from(map.address) + u64::from(n) * bytes);
                let stack = |thread: &&Thread| (from + 1..=from + bytes).contains(&thread.stack.into());
                let filled = model.filled.contains(&frame) && groups.contains(&model.group_of(map.object));
                let own = map.flags.contains(MapFlags::EXECUTE)
                    || filled
                    || threads.iter().any(|thread| thread.ipc_buffer == Some(frame) || stack(thread));
                pages.push((from, from + bytes, frame, own));
            }
        }
        pages.sort();
        let mut run: Vec<(ObjectId, u32)> = Vec::new();
        let (mut end, mut own) = (0, false);
        for (from, to, frame, mine) in pages {
            if from > end {
                keep(&mut found, &mut run, own, &groups);
                own = false;
            }
            run.push(frame);
            (end, own) = (to, own || mine);
        }
        keep(&mut found, &mut run, own, &groups);
    }
    found
}

fn keep(
    found: &mut BTreeMap<(ObjectId, u32), BTreeSet<GroupId>>,
    run: &mut Vec<(ObjectId, u32)>,
    own: bool,
    groups: &BTreeSet<GroupId>,
) {
    for frame in run.drain(..) {
        if own {
            found.entry(frame).or_default().extend(groups);
        }
    }
}
