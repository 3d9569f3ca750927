//! The ways in a system: from what each thread holds to what it can find there and leave there.

use super::machine::Machine;
use super::model::{Cap, Model, Space, Thread, What};
use super::node::{Access, Node, Use, Why};
use abi::rights::{MapFlags, Rights};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use system::{ObjectId, ObjectKind};

/// How a driver of a device with unconfined DMA has all memory.
pub const DMA: &str = "the DMA of its device";

/// A capability that a thread can use.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// The capability.
    pub cap: Cap,
    /// The CNode that it is in.
    pub cnode: ObjectId,
    /// By which capability of the thread's own it comes there, if that is not its own.
    outer: Option<(ObjectId, u32)>,
}

impl Held {
    /// How it is told.
    pub fn used(&self) -> Use {
        let inner = (self.cnode, self.cap.slot);
        self.outer.map_or(Use::Cap(self.cnode, self.cap.slot), |outer| Use::Through { inner, outer })
    }
}

/// Every capability that a thread can name: in its own CNode, and in each that one of these is to.
pub fn held(model: &Model, thread: &Thread) -> Vec<Held> {
    let (mut found, mut seen, mut next) = (Vec::new(), BTreeSet::new(), VecDeque::from([(thread.cspace, None)]));
    while let Some((cnode, outer)) = next.pop_front() {
        if !seen.insert(cnode) {
            continue;
        }
        for &cap in model.cnodes.get(&cnode).into_iter().flatten() {
            found.push(Held { cap, cnode, outer });
            if let What::Object(id, _) = cap.what
                && matches!(model.objects[usize::from(id)].1, ObjectKind::CNode { .. })
            {
                next.push_back((id, outer.or(Some((cnode, cap.slot)))));
            }
        }
    }
    found
}

/// Where a frame's content stays. More than one place: a page with several devices.
pub fn places(model: &Model, machine: &Machine, id: ObjectId, part: u32) -> Vec<Node> {
    match model.objects[usize::from(id)].1 {
        ObjectKind::Payload { first, .. } => vec![Node::Payload(u32::from(first) + part)],
        ObjectKind::KernelLog => vec![Node::KernelLog],
        ObjectKind::Device { page, .. } => {
            let devices: Vec<Node> = machine.on_page(page.saturating_add(part)).map(Node::Device).collect();
            // What the board gives to nobody is the kernel's, or memory.
            if devices.is_empty() { vec![Node::Everything(Access::Read)] } else { devices }
        }
        _ => vec![Node::Frame(id, part)],
    }
}

/// The ways, by the node at which they begin.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    ways: BTreeMap<Node, BTreeSet<(Node, Why)>>,
    /// What each thread has to do with directly.
    touched: BTreeMap<Node, BTreeSet<(Access, Use, Node)>>,
}

/// That side of what has two.
fn side(node: Node, access: Access) -> Node {
    match node {
        Node::Everything(_) => Node::Everything(access),
        Node::Untyped(group, _) => Node::Untyped(group, access),
        other => other,
    }
}

impl Graph {
    /// The ways of a system; those of time, too, if asked.
    pub fn new(model: &Model, machine: &Machine, time: bool) -> Self {
        let mut graph = Self::default();
        for thread in &model.threads {
            graph.parts(model, thread);
            for held in held(model, thread) {
                graph.capability(model, machine, thread, &held);
            }
            if time {
                graph.time(model, thread);
            }
        }
        graph.mappings(model, machine);
        graph.devices(model, machine);
        graph.root(model);
        graph.made(model);
        graph.everything(model, machine);
        graph
    }

    /// The ways from a node.
    pub fn from(&self, node: Node) -> impl Iterator<Item = (Node, Why)> {
        self.ways.get(&node).into_iter().flatten().copied()
    }

    /// What a thread has to do with directly.
    pub fn touched_by(&self, thread: Node) -> impl Iterator<Item = (Access, Use, Node)> {
        self.touched.get(&thread).into_iter().flatten().copied()
    }

    fn way(&mut self, from: Node, why: Why, to: Node) {
        if from != to {
            self.ways.entry(from).or_default().insert((to, why));
        }
    }

    fn both(&mut self, one: Node, why: &'static str, other: Node) {
        self.way(one, Why::Nature(why), other);
        self.way(other, Why::Nature(why), one);
    }

    fn reads(&mut self, thread: Node, used: Use, from: Node) {
        let from = side(from, Access::Read);
        self.touched.entry(thread).or_default().insert((Access::Read, used, from));
        self.way(from, Why::Uses(Access::Read, used), thread);
    }

    fn writes(&mut self, thread: Node, used: Use, to: Node) {
        let to = side(to, Access::Write);
        self.touched.entry(thread).or_default().insert((Access::Write, used, to));
        self.way(thread, Why::Uses(Access::Write, used), to);
    }

    fn uses(&mut self, thread: Node, used: Use, what: Node) {
        self.reads(thread, used, what);
        self.writes(thread, used, what);
    }

    /// What a thread is made of.
    fn parts(&mut self, model: &Model, thread: &Thread) {
        let me = Node::Thread(thread.tcb);
        self.uses(me, Use::Own("its capabilities"), Node::CNode(thread.cspace));
        self.uses(me, Use::Own("its memory"), Node::Space(thread.space));
        if let Some((frames, part)) = thread.ipc_buffer {
            // The kernel reads and writes it for the thread.
            self.uses(me, Use::Own("its IPC buffer"), Node::Frame(frames, part));
        }
        if let Some(context) = thread.context {
            self.uses(me, Use::Own("its time"), Node::Context(context));
        }
        if let Some(vcpu) = thread.vcpu {
            self.uses(me, Use::Own("its registers"), Node::Vcpu(vcpu));
        }
        if let Some(endpoint) = thread.fault {
            self.writes(me, Use::Own("its faults and exits"), Node::Messages(endpoint));
            self.reads(me, Use::Own("answers to its faults and exits"), Node::Answers(endpoint));
        }
        if thread.space == Space::Root {
            self.uses(me, Use::Own("runs as root"), Node::Everything(Access::Read));
        }
        for (table, space) in model.tables.iter().filter(|(_, space)| *space == thread.space) {
            self.both(Node::Table(*table), "is a part of", Node::Space(*space));
        }
    }

    fn capability(&mut self, model: &Model, machine: &Machine, thread: &Thread, held: &Held) {
        let (me, used, rights) = (Node::Thread(thread.tcb), held.used(), held.cap.rights);
        let (id, part) = match held.cap.what {
            What::Object(id, part) => (id, part),
            What::Untyped(group) => return self.uses(me, used, Node::Untyped(group, Access::Read)),
            What::Root(_) => return self.uses(me, used, Node::Everything(Access::Read)),
        };
        match model.objects[usize::from(id)].1 {
            ObjectKind::CNode { .. } => self.uses(me, used, Node::CNode(id)),
            ObjectKind::VSpace => self.uses(me, used, Node::Space(Space::Of(id))),
            ObjectKind::Table { .. } => self.uses(me, used, Node::Table(id)),
            ObjectKind::Tcb => self.uses(me, used, Node::Thread(id)),
            ObjectKind::Vcpu { .. } => self.uses(me, used, Node::Vcpu(id)),
            ObjectKind::SchedContext { .. } => self.uses(me, used, Node::Context(id)),
            ObjectKind::Reply => self.uses(me, used, Node::Reply(id)),
            ObjectKind::Untyped { .. } => self.uses(me, used, Node::Pool(id)),
            ObjectKind::Irq { intid, .. } => self.uses(me, used, Node::Interrupt(intid)),
            ObjectKind::Endpoint => {
                if rights.contains(Rights::WRITE) {
                    self.writes(me, used, Node::Messages(id));
                    self.reads(me, used, Node::Answers(id));
                }
                if rights.contains(Rights::READ) {
                    // Who receives leaves the next receiver less.
                    self.uses(me, used, Node::Messages(id));
                    self.writes(me, used, Node::Answers(id));
                }
            }
            ObjectKind::Notification => {
                if rights.contains(Rights::WRITE) {
                    self.writes(me, used, Node::Notification(id));
                }
                if rights.contains(Rights::READ) {
                    // Who waits takes the word from the next waiter.
                    self.uses(me, used, Node::Notification(id));
                }
            }
            ObjectKind::Frames { .. } | ObjectKind::Payload { .. } | ObjectKind::KernelLog => {
                for place in places(model, machine, id, part) {
                    if rights.intersects(Rights::READ | Rights::EXECUTE) {
                        self.reads(me, used, place);
                    }
                    if rights.contains(Rights::WRITE) {
                        self.writes(me, used, place);
                    }
                }
            }
            // Reading a register can change the device.
            ObjectKind::Device { .. } if rights.intersects(Rights::READ | Rights::WRITE) => {
                for place in places(model, machine, id, part) {
                    self.uses(me, used, place);
                }
            }
            ObjectKind::Device { .. } => {}
        }
    }

    fn mappings(&mut self, model: &Model, machine: &Machine) {
        let guests_only = |device: usize| {
            machine.devices[device].switched
                && holders(model, machine, device).iter().all(|(thread, used)| {
                    matches!(used, Use::Map(..)) && thread.is_some_and(|thread| thread.vcpu.is_some())
                })
        };
        let silent: BTreeSet<usize> = (0..machine.devices.len()).filter(|&device| guests_only(device)).collect();
        for map in &model.maps {
            let bytes = model.frame_bytes(map.object).unwrap_or_default();
            let is_device = matches!(model.objects[usize::from(map.object)].1, ObjectKind::Device { .. });
            for n in 0..map.count {
                let used = Use::Map(map.space, map.address.wrapping_add(n * bytes));
                for place in places(model, machine, map.object, map.first + n) {
                    if matches!(place, Node::Device(device) if silent.contains(&device)) {
                        continue;
                    }
                    for user in users(model, map.space) {
                        if is_device || map.flags.intersects(MapFlags::READ | MapFlags::EXECUTE) {
                            self.reads(user, used, place);
                        }
                        if is_device || map.flags.contains(MapFlags::WRITE) {
                            self.writes(user, used, place);
                        }
                    }
                }
            }
        }
    }

    fn devices(&mut self, model: &Model, machine: &Machine) {
        for (n, device) in machine.devices.iter().enumerate() {
            for &interrupt in &device.interrupts {
                self.way(Node::Device(n), Why::Nature("raises"), Node::Interrupt(interrupt));
            }
            if device.dma {
                // It moves memory as its driver says, wherever that is.
                for thread in holders(model, machine, n).into_iter().filter_map(|(thread, _)| thread) {
                    self.uses(Node::Thread(thread.tcb), Use::Own(DMA), Node::Everything(Access::Read));
                }
            }
        }
        for &(irq, notification) in &model.interrupts {
            let ObjectKind::Irq { intid, .. } = model.objects[usize::from(irq)].1 else { continue };
            let interrupt = Node::Interrupt(intid);
            self.way(interrupt, Why::Nature("signals"), Node::Notification(notification));
            // Whose it is, nobody knows: any device could raise it.
            if machine.raising(intid).next().is_none() {
                for n in 0..machine.devices.len() {
                    self.way(Node::Device(n), Why::Nature("may raise"), interrupt);
                }
            }
        }
    }

    fn root(&mut self, model: &Model) {
        if let Some(endpoint) = model.root_endpoint {
            self.reads(Node::Root, Use::Own("requests and faults"), Node::Messages(endpoint));
            self.writes(Node::Root, Use::Own("its answers"), Node::Answers(endpoint));
        }
    }

    /// What everything made of a group's memory is to who has that.
    fn made(&mut self, model: &Model) {
        for (n, &(group, kind)) in model.objects.iter().enumerate() {
            let id = n as ObjectId;
            let made = match kind {
                ObjectKind::Frames { .. } => (0..model.count(id)).map(|part| Node::Frame(id, part)).collect(),
                ObjectKind::CNode { .. } => vec![Node::CNode(id)],
                ObjectKind::VSpace => vec![Node::Space(Space::Of(id))],
                ObjectKind::Tcb => vec![Node::Thread(id)],
                ObjectKind::Endpoint => vec![Node::Messages(id), Node::Answers(id)],
                ObjectKind::Notification => vec![Node::Notification(id)],
                _ => vec![],
            };
            for node in made {
                self.within(Node::Untyped(group, Access::Read), "is made into", node);
            }
        }
    }

    /// What there is, to who has everything.
    fn everything(&mut self, model: &Model, machine: &Machine) {
        let frames = (0..model.objects.len() as ObjectId)
            .filter(|&id| matches!(model.objects[usize::from(id)].1, ObjectKind::Frames { .. }))
            .flat_map(|id| (0..model.count(id)).map(move |part| Node::Frame(id, part)));
        let threads = model.threads.iter().map(|thread| Node::Thread(thread.tcb));
        for node in frames.chain(threads).chain((0..machine.devices.len()).map(Node::Device)) {
            self.within(Node::Everything(Access::Read), "holds", node);
        }
    }

    /// A part of what somebody may have; nothing, if nobody has it.
    fn within(&mut self, whole: Node, why: &'static str, part: Node) {
        let (seen, reached) = (side(whole, Access::Read), side(whole, Access::Write));
        if self.ways.contains_key(&seen) {
            self.way(part, Why::Nature("is a part of"), seen);
            self.way(reached, Why::Nature(why), part);
        }
    }

    /// Who runs on a core can see when others do. A guest runs on the time that who holds its thread gives it. Any other thread
    /// without time of its own runs on that of others, anywhere.
    fn time(&mut self, model: &Model, thread: &Thread) {
        let core = |id: ObjectId| match model.objects[usize::from(id)].1 {
            ObjectKind::SchedContext { core, .. } => Some(core),
            _ => None,
        };
        let held_by = |thread: &Thread| -> Vec<ObjectId> {
            let objects = held(model, thread).into_iter().filter_map(|held| match held.cap.what {
                What::Object(id, _) => Some(id),
                _ => None,
            });
            objects.collect()
        };
        let mut cores: BTreeSet<u8> = held_by(thread).into_iter().filter_map(core).collect();
        cores.extend(thread.context.and_then(core));
        if thread.vcpu.is_some() {
            let held = model.threads.iter().map(held_by).filter(|held| held.contains(&thread.tcb));
            cores.extend(held.flatten().filter_map(core));
        }
        if cores.is_empty() || thread.passive {
            cores.extend((0..model.objects.len() as ObjectId).filter_map(core));
        }
        for core in cores {
            self.uses(Node::Thread(thread.tcb), Use::Own("runs in"), Node::Core(core));
        }
    }
}

/// The threads that run in a space.
pub fn users(model: &Model, space: Space) -> Vec<Node> {
    let mut users: Vec<Node> =
        model.threads.iter().filter(|thread| thread.space == space).map(|thread| Node::Thread(thread.tcb)).collect();
    if space == Space::Root {
        users.push(Node::Root);
    }
    users
}

/// Who has a device's registers mapped or holds them, and how; `None` for root.
pub fn holders<'a>(model: &'a Model, machine: &Machine, device: usize) -> Vec<(Option<&'a Thread>, Use)> {
    let has = |id: ObjectId, part: u32| places(model, machine, id, part).contains(&Node::Device(device));
    let mut found = Vec::new();
    for map in &model.maps {
        if (map.first..map.first + map.count).any(|part| has(map.object, part)) {
            let used = Use::Map(map.space, map.address);
            found.extend(users(model, map.space).into_iter().map(|user| match user {
                Node::Thread(tcb) => (model.thread(tcb), used),
                _ => (None, used),
            }));
        }
    }
    for thread in &model.threads {
        for held in held(model, thread) {
            if let What::Object(id, part) = held.cap.what
                && has(id, part)
            {
                found.push((Some(thread), held.used()));
            }
        }
    }
    found
}
