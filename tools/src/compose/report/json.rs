//! The report for machines. Its schema is this file; addresses and sizes are numbers of bytes.

use super::claims::{ClaimLine, claims};
use super::interfaces::{InterfaceLine, interfaces};
use super::memory::{Range, UntypedLine, memory, untypeds};
use crate::compose::assemble::Composed;
use crate::compose::layout::finish::size;
use crate::compose::layout::plan::{Badge, Group, Object, Plan, Space, Thread};
use crate::compose::resolve::Resolved;
use crate::compose::time::{CoreTime, account};
use serde::Serialize;
use system::{Action, ObjectKind};

/// Changes with any change to the schema that is not an addition.
pub const REPORT_VERSION: u32 = 2;

/// A composed system.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// [`REPORT_VERSION`].
    pub version: u32,
    /// Name of the system.
    pub system: String,
    /// Its board.
    pub board: String,
    /// Name of the build, 16 hexadecimal digits.
    pub build: String,
    /// Bytes of the image as it is stored.
    pub image_bytes: u64,
    /// Bytes of the compiled system.
    pub system_bytes: u64,
    /// Physical memory, by address.
    pub memory: Vec<Range>,
    /// Untyped memory once root has built the system, by address.
    pub untypeds: Vec<UntypedLine>,
    /// Compartments, by number.
    pub compartments: Vec<Compartment>,
    /// Objects, by number.
    pub objects: Vec<ObjectLine>,
    /// Mappings.
    pub mappings: Vec<Mapping>,
    /// Capabilities that were given away.
    pub capabilities: Vec<Capability>,
    /// The time of each core that is used.
    pub cores: Vec<CoreTime>,
    /// Threads.
    pub threads: Vec<ThreadLine>,
    /// Who can talk to whom.
    pub flows: Vec<FlowLine>,
    /// Claims, all of which hold.
    pub claims: Vec<ClaimLine>,
    /// Whether the two ends of each channel of calls mean the same by its requests.
    pub interfaces: Vec<InterfaceLine>,
    /// Interrupts.
    pub interrupts: Vec<InterruptLine>,
    /// Ids on the wire.
    pub wire: Vec<WireLine>,
}

/// A compartment.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Compartment {
    /// Its number.
    pub id: u16,
    /// Its name.
    pub name: String,
    /// `vm` or `component`.
    pub kind: &'static str,
    /// Bytes of memory that it has.
    pub bytes: u64,
    /// Bytes of it that are used.
    pub used_bytes: u64,
    /// What happens when it crashes: a policy, or `handler`: another component handles its faults.
    pub on_crash: &'static str,
    /// What happens when its guest reboots.
    pub on_reboot: &'static str,
    /// What happens when its guest switches off.
    pub on_off: &'static str,
}

/// An object.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ObjectLine {
    /// Its number.
    pub id: u16,
    /// Its compartment.
    pub compartment: String,
    /// What it is for.
    pub name: String,
    /// Its type.
    pub kind: &'static str,
    /// How many.
    pub count: u32,
    /// Which of its compartment's untypeds, if it is made of one,
    pub untyped: Option<u8>,
    /// and where in it.
    pub offset: Option<u64>,
    /// Bytes of each.
    pub bytes: u64,
    /// Root's first slot.
    pub slot: u32,
}

/// A mapping.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Mapping {
    /// Whose compartment.
    pub compartment: String,
    /// Which space of it.
    pub space: String,
    /// First address.
    pub address: u32,
    /// Bytes.
    pub bytes: u64,
    /// `r`, `w`, `x`, then `device` or `uncached`.
    pub access: String,
    /// What is there: an object's number,
    pub object: u16,
    /// and its name.
    pub name: String,
}

/// A capability.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Capability {
    /// Who has it.
    pub compartment: String,
    /// Its address there.
    pub slot: u32,
    /// To which object: its number,
    pub object: u16,
    /// its name,
    pub name: String,
    /// and its compartment.
    pub of: String,
    /// `r`, `w`, `g`, `x`.
    pub rights: String,
    /// Badge, 0 for none.
    pub badge: u32,
}

/// A thread.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ThreadLine {
    /// Whose.
    pub compartment: String,
    /// Which.
    pub name: String,
    /// Priority.
    pub priority: u8,
    /// Its core; none: that of its caller, or of the time that its VMM gives it.
    pub core: Option<u8>,
    /// Budget in microseconds; none: it runs on its caller's time, or its VMM gives it some.
    pub budget_us: Option<u32>,
    /// Period in microseconds.
    pub period_us: Option<u32>,
}

/// A way for words to flow.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FlowLine {
    /// Channel.
    pub channel: String,
    /// `call`, `signal`, `memory`, `faults`, `console` or `log`.
    pub kind: &'static str,
    /// From this compartment
    pub from: String,
    /// to this one,
    pub to: String,
    /// and back.
    pub both_ways: bool,
}

/// An interrupt.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct InterruptLine {
    /// Its number at the distributor.
    pub intid: u16,
    /// Who gets it.
    pub compartment: String,
    /// What it is.
    pub name: String,
    /// The bit of the compartment's notification.
    pub badge: u32,
}

/// An id on the wire.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct WireLine {
    /// Id.
    pub id: u8,
    /// Name.
    pub name: String,
    /// Whether it has a console channel.
    pub console: bool,
}

/// Everything about a composed system.
pub fn json(system: &Resolved, composed: &Composed) -> Report {
    let plan = &composed.plan;
    Report {
        version: REPORT_VERSION,
        system: system.name.clone(),
        board: system.board.name.clone(),
        build: format!("{:016x}", composed.build),
        image_bytes: composed.elf.len() as u64,
        system_bytes: composed.system.len() as u64,
        memory: memory(system, composed),
        untypeds: untypeds(composed),
        compartments: compartments(plan),
        objects: plan.ordered_objects().into_iter().map(|object| object_line(plan, object)).collect(),
        mappings: mappings(plan),
        capabilities: capabilities(plan),
        cores: account(system),
        threads: threads(plan),
        flows: plan
            .flows
            .iter()
            .map(|flow| FlowLine {
                channel: flow.channel.clone(),
                kind: flow.kind,
                from: flow.from.clone(),
                to: flow.to.clone(),
                both_ways: flow.both_ways,
            })
            .collect(),
        claims: claims(&composed.claims),
        interfaces: interfaces(&composed.joints),
        interrupts: interrupts(plan),
        wire: plan
            .speakers
            .iter()
            .map(|speaker| WireLine { id: speaker.id, name: speaker.name.clone(), console: speaker.console })
            .collect(),
    }
}

fn compartments(plan: &Plan) -> Vec<Compartment> {
    let word = |action| match action {
        Action::Restart => "restart",
        Action::Stop => "stop",
        Action::Panic => "panic",
    };
    let line = |group: &Group| Compartment {
        id: group.id,
        name: group.name.clone(),
        kind: if group.policy.is_vm { "vm" } else { "component" },
        bytes: group.bytes(),
        used_bytes: group.used_bytes(),
        on_crash: if plan.has_handler(group) { "handler" } else { word(group.policy.on_crash) },
        on_reboot: word(group.policy.on_reboot),
        on_off: word(group.policy.on_off),
    };
    plan.ordered_groups().into_iter().map(line).collect()
}

fn owner(plan: &Plan, object: &Object) -> String {
    plan.groups[object.group.0].name.clone()
}

fn object_line(plan: &Plan, object: &Object) -> ObjectLine {
    let kind = match object.kind {
        ObjectKind::Untyped { .. } => "untyped",
        ObjectKind::CNode { .. } => "cnode",
        ObjectKind::Frames { .. } => "frames",
        ObjectKind::Payload { .. } => "payload",
        ObjectKind::Device { .. } => "device",
        ObjectKind::Table { .. } => "table",
        ObjectKind::VSpace => "vspace",
        ObjectKind::Tcb => "tcb",
        ObjectKind::Vcpu { .. } => "vcpu",
        ObjectKind::Endpoint => "endpoint",
        ObjectKind::Notification => "notification",
        ObjectKind::Reply => "reply",
        ObjectKind::SchedContext { .. } => "sched-context",
        ObjectKind::Irq { .. } => "irq",
        ObjectKind::KernelLog => "kernel-log",
    };
    let frames = || if matches!(object.kind, ObjectKind::Irq { .. }) { 0 } else { object.frame_bytes().into() };
    ObjectLine {
        id: object.id,
        compartment: owner(plan, object),
        name: object.name.clone(),
        kind,
        count: object.count(),
        untyped: object.offset.map(|_| object.part),
        offset: object.offset,
        bytes: size(object).map_or_else(frames, |(bytes, _)| bytes),
        slot: object.slot,
    }
}

fn mappings(plan: &Plan) -> Vec<Mapping> {
    let line = |map: &crate::compose::layout::plan::FrameMap| {
        let object = plan.object(map.frames);
        Mapping {
            compartment: plan.space_owner(map.space).to_owned(),
            space: match map.space {
                Space::Root => "space".to_owned(),
                Space::Of(key) => plan.object(key).name.clone(),
            },
            address: map.address,
            bytes: u64::from(map.count) * u64::from(object.frame_bytes()),
            access: access(map.flags),
            object: object.id,
            name: object.name.clone(),
        }
    };
    let mut mappings: Vec<_> = plan.maps.iter().map(line).collect();
    mappings.sort_by(|a, b| (&a.compartment, &a.space, a.address).cmp(&(&b.compartment, &b.space, b.address)));
    mappings
}

fn access(flags: abi::rights::MapFlags) -> String {
    use abi::rights::MapFlags;
    let letters = [(MapFlags::READ, "r"), (MapFlags::WRITE, "w"), (MapFlags::EXECUTE, "x")];
    let mut text: String =
        letters.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, letter)| *letter).collect();
    for (flag, word) in [(MapFlags::DEVICE, " device"), (MapFlags::UNCACHED, " uncached")] {
        text.push_str(if flags.contains(flag) { word } else { "" });
    }
    text
}

fn capabilities(plan: &Plan) -> Vec<Capability> {
    let line = |grant: &crate::compose::layout::plan::Grant| {
        let (object, cnode) = (plan.object(grant.object), plan.object(grant.cnode));
        let letters = [(1, "r"), (2, "w"), (4, "g"), (8, "x")];
        Capability {
            compartment: owner(plan, cnode),
            slot: grant.index,
            object: object.id,
            name: object.name.clone(),
            of: owner(plan, object),
            rights: letters
                .iter()
                .filter(|(bit, _)| grant.rights.bits() & bit != 0)
                .map(|(_, letter)| *letter)
                .collect(),
            badge: match grant.badge {
                Badge::None => 0,
                Badge::Bits(bits) => bits,
                Badge::Group(group) => u32::from(plan.groups[group.0].id) + 1,
            },
        }
    };
    plan.grants.iter().map(line).collect()
}

fn threads(plan: &Plan) -> Vec<ThreadLine> {
    let line = |thread: &Thread| {
        let share = thread.context.map(|context| plan.object(context).kind);
        let (core, budget_us, period_us) = match share {
            Some(ObjectKind::SchedContext { core, budget_us, period_us }) => {
                (Some(core), Some(budget_us), Some(period_us))
            }
            _ => (None, None, None),
        };
        let tcb = plan.object(thread.tcb);
        ThreadLine {
            compartment: owner(plan, tcb),
            name: tcb.name.clone(),
            priority: thread.priority,
            core,
            budget_us,
            period_us,
        }
    };
    plan.threads.iter().map(line).collect()
}

fn interrupts(plan: &Plan) -> Vec<InterruptLine> {
    let line = |interrupt: &crate::compose::layout::plan::Interrupt| {
        let irq = plan.object(interrupt.irq);
        let intid = match irq.kind {
            ObjectKind::Irq { intid, .. } => intid,
            _ => 0,
        };
        let compartment = owner(plan, plan.object(interrupt.notification));
        InterruptLine { intid, compartment, name: irq.name.clone(), badge: interrupt.badge }
    };
    plan.interrupts.iter().map(line).collect()
}
