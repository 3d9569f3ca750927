//! Random traces: a seed means the same trace everywhere and always.

use super::maker::FIRST;
use super::scene::partitions::{Compartment, compartments};
use super::scene::{LAST, Scene};
use super::stage::Stage;
use super::step::{GuestStep, Step, Svc};
use super::trace::{Failure, Trace, checked};
use super::world::World;
use crate::arena::Handle;
use crate::cap::{Cap, Slot};
use crate::objects::CNode;
use abi::boot::root_slot;
use abi::message::MessageInfo;
use abi::method::*;
use abi::vcpu::TABLE;
use std::vec::Vec;

/// A small generator of random numbers (xorshift64*), so that a seed means the same everywhere and always.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }
    /// The next number.
    #[allow(clippy::should_implement_trait, reason = "it has no end")]
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
    /// A number below `limit`.
    pub fn below(&mut self, limit: u32) -> u32 {
        (self.next() >> 33) as u32 % limit.max(1)
    }
    /// One of `choices`.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u32) as usize]
    }
}

/// What traces reached, so that a test can see that they reach anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Steps that applied.
    pub steps: u32,
    /// System calls that succeeded.
    pub calls: u32,
    /// Steps of the guest.
    pub guest: u32,
    /// Interrupts.
    pub interrupts: u32,
}

impl Coverage {
    /// Whether no figure is smaller than that one's.
    pub fn is_at_least(&self, other: &Self) -> bool {
        let all = |coverage: &Self| [coverage.steps, coverage.calls, coverage.guest, coverage.interrupts];
        all(self).iter().zip(all(other)).all(|(reached, least)| *reached >= least)
    }
}

impl core::ops::AddAssign for Coverage {
    fn add_assign(&mut self, other: Self) {
        self.steps += other.steps;
        self.calls += other.calls;
        self.guest += other.guest;
        self.interrupts += other.interrupts;
    }
}

/// Runs a random trace of so many steps in a scene, checking everything after each.
///
/// # Errors
/// The trace up to what went wrong.
pub fn run(stage: &mut Stage, scene: Scene, seed: u64, steps: u32) -> Result<Coverage, (Trace, Failure)> {
    let mut random = Random::new(seed);
    let mut coverage = Coverage::default();
    let mut trace = Trace::new(scene, stage);
    let both = if scene == Scene::Partitions { compartments(&stage.world).to_vec() } else { Vec::new() };
    for _ in 0..steps {
        let choices = scene.steps(&stage.world);
        let step = match scene {
            Scene::Cores if random.below(3) == 0 => Step::Core(random.below(2)),
            Scene::Mixed | Scene::Cores => Powers::mixed(&stage.world).any(&stage.world, &mut random),
            Scene::Partitions => either(&both, &stage.world, &mut random),
            // Nothing can happen any more.
            _ if choices.is_empty() => break,
            _ => random.pick(&choices),
        };
        trace.steps.push(step);
        match checked(stage, &step) {
            Ok(false) => {}
            Ok(true) => {
                coverage.steps += 1;
                coverage.calls += u32::from(matches!(step, Step::Svc(_)) && !stage.world.refused);
                coverage.guest += u32::from(matches!(step, Step::Guest(_)));
                coverage.interrupts += u32::from(matches!(step, Step::Irq(_) | Step::Timer));
            }
            Err(violation) => {
                let failure = Failure { step: trace.steps.len(), violation };
                return Err((trace, failure));
            }
        }
    }
    Ok(coverage)
}

/// Any step of the compartment whose thread runs.
fn either(both: &[Compartment], world: &World, random: &mut Random) -> Step {
    let [one, other] = both else { return Step::Timer };
    let runs = |compartment: &Compartment| world.kernel.running().is_some_and(|tcb| compartment.threads.contains(&tcb));
    if runs(other) { other.powers.any(world, random) } else { one.powers.any(world, random) }
}

/// A capability space in which steps are chosen: which slots of which CNode.
#[derive(Clone, Copy, Debug)]
pub struct Powers {
    /// The CNode that addresses are looked up in.
    pub cnode: Handle<CNode>,
    /// Slots that are played with.
    pub slots: (u32, u32),
    /// The address of that CNode in itself.
    pub own: u32,
    /// Physical interrupts that come.
    pub irqs: (u32, u32),
}

impl Powers {
    /// Those of the mixed scene's threads.
    fn mixed(world: &World) -> Self {
        Self { cnode: world.cnode, slots: (FIRST, LAST), own: root_slot::CNODE, irqs: (32, 36) }
    }

    /// The capability in a slot.
    pub fn cap(&self, world: &World, slot: u32) -> Cap {
        let arena = &world.kernel.arena;
        arena.get(arena.nth(arena.part::<CNode, Slot>(self.cnode, 0), slot)).cap
    }

    fn any_slot(&self, random: &mut Random) -> u32 {
        self.slots.0 + random.below(self.slots.1 - self.slots.0)
    }

    /// A slot, mostly one that held nothing at the beginning: who takes away what it lives on does little more.
    fn late_slot(&self, random: &mut Random) -> u32 {
        let (first, last) = self.slots;
        if random.below(8) == 0 { self.any_slot(random) } else { last - 1 - random.below((last - first) / 2) }
    }

    /// Any step.
    pub fn any(&self, world: &World, random: &mut Random) -> Step {
        match random.below(20) {
            0 => return Step::Timer,
            1 => return Step::Irq(self.irqs.0 + random.below(self.irqs.1 - self.irqs.0)),
            2..4 => return Step::Pass(random.below(20_000)),
            4 => return Step::Evict(random.below(64)),
            5 => return Step::Store(random.below(16) << 12 | random.below(8) << 5, random.next() as u32),
            6 => return Step::Load(random.below(16) << 12),
            7 if random.below(4) == 0 => return Step::Fault,
            _ => {}
        }
        match world.kernel.running() {
            None => Step::Timer,
            Some(tcb) if world.kernel.arena.get(tcb).vcpu.is_some() => Step::Guest(guest(world, random)),
            Some(_) => self.call(world, random),
        }
    }

    fn capability(&self, random: &mut Random) -> u32 {
        match random.below(8) {
            0 => self.own,
            1 => random.below(8),
            _ => self.any_slot(random),
        }
    }

    /// Any system call, mostly one that makes sense.
    pub fn call(&self, world: &World, random: &mut Random) -> Step {
        let mut cap = self.capability(random);
        let method = random.pick(METHODS);
        let mut words = [0; 4];
        for word in &mut words {
            *word = match random.below(6) {
                0 => random.below(4),
                1 => random.below(16) << 12,
                2 => random.pick(&[3, 7, 15, 0xb, 0x13, 32, 33]),
                3 => random.pick(RETYPES),
                _ => self.capability(random),
            };
        }
        if random.below(8) != 0 {
            // Mostly what the method is for: a trace of nothing but mistakes reaches little.
            cap = self.of_type(world, random, method >> 8).unwrap_or(cap);
            self.sensible(world, random, method, &mut words);
        }
        let number = random.pick(&[0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        if number != 0 && random.below(4) != 0 {
            // What messages and signals are for.
            let group = if (6..=8).contains(&number) { 9 } else { 8 };
            cap = self.of_type(world, random, group).unwrap_or(cap);
        }
        let r12 = match random.below(3) {
            0 => 0,
            1 => self.of_type(world, random, REPLY).unwrap_or(0),
            _ => self.capability(random),
        };
        let length = random.pick(&[16, 16, 16, 8, 0, 24]);
        let info = MessageInfo::new(method, length).0;
        Step::Svc(Svc { number, r0: cap, info, words, r12, preempted: random.below(6) == 0 })
    }

    /// A slot that holds a capability whose methods are numbered `group`.
    fn of_type(&self, world: &World, random: &mut Random, group: u16) -> Option<u32> {
        if group == 2 {
            return Some(self.own);
        }
        let (first, last) = if group == 0xc { (1, 8) } else { self.slots };
        let start = random.below(last - first);
        let found = |slot: &u32| group_of(self.cap(world, *slot)) == group;
        (0..last - first).map(|n| first + (start + n) % (last - first)).find(found)
    }

    /// Fills in words that the method can succeed with.
    fn sensible(&self, world: &World, random: &mut Random, method: u16, words: &mut [u32; 4]) {
        let empty = |random: &mut Random| self.of_type(world, random, 0).unwrap_or(0);
        let mut typed = |group| self.of_type(world, random, group).unwrap_or(0);
        match method {
            _ if method == FrameMethod::Map as u16 || method == TableMethod::Map as u16 => {
                *words = [typed(5), random.below(16) << 12, random.pick(&[1, 3, 9, 11, 0x13]), 0];
            }
            _ if method == FrameMethod::Clean as u16
                || method == FrameMethod::Invalidate as u16
                || method == FrameMethod::Unify as u16 =>
            {
                *words = [random.below(8) * 64, 64 * (1 + random.below(8)), 0, 0];
            }
            _ if method == TcbMethod::SetSpaces as u16 => *words = [self.own, typed(5), 0, 0],
            _ if method == TcbMethod::SetFaultHandler as u16 => words[0] = typed(8),
            _ if method == TcbMethod::SetIpcBuffer as u16 => *words = [typed(3), 0, 0, 0],
            _ if method == TcbMethod::BindVcpu as u16 => words[0] = typed(7),
            _ if method == TcbMethod::BindNotification as u16 => words[0] = typed(9),
            _ if method == SchedContextMethod::Configure as u16 => {
                let core = random.below(world.kernel.platform.core_count as u32);
                *words = [core, 100 + random.below(2000), 2100 + random.below(3000), root_slot::SCHED_CONTROL];
            }
            _ if method == SchedContextMethod::Bind as u16 => words[0] = typed(6),
            _ if method == IrqHandlerMethod::SetNotification as u16 => words[0] = typed(9),
            _ if method == IrqHandlerMethod::BindVcpu as u16 => *words = [typed(7), 32 + random.below(8), 0x80, 0],
            _ if method == IrqControlMethod::Get as u16 => {
                *words = [32 + random.below(4), self.own, empty(random), 0];
            }
            _ if method == UntypedMethod::Retype as u16 => {
                *words = [random.pick(RETYPES), self.own, empty(random), 0];
            }
            _ if method == VcpuMethod::SetLevel as u16 || method == VcpuMethod::Inject as u16 => {
                *words = [random.pick(&[1, 2, 33, 34, 48, 49, 50]), random.below(4) * 16, random.below(2), 0];
            }
            _ if method == VcpuMethod::SetTimer as u16 => *words = [random.below(2), random.below(255), 0, 0],
            _ if method == CNodeMethod::Delete as u16 || method == CNodeMethod::Revoke as u16 => {
                words[0] = self.late_slot(random);
            }
            _ if method == CNodeMethod::Move as u16 => *words = [empty(random), self.late_slot(random), 15, 0],
            _ if method >> 8 == 2 => *words = [empty(random), self.any_slot(random), 15, 0],
            _ => {}
        }
    }
}

fn guest(world: &World, random: &mut Random) -> GuestStep {
    match random.below(8) {
        0 => GuestStep::Wait,
        1 => GuestStep::Acknowledge,
        2 => GuestStep::Float(random.below(100)),
        3 => GuestStep::Timer(random.below(10_000), random.below(4)),
        4 => GuestStep::Write(random.pick(TABLE).register as u32, random.below(100)),
        5 | 6 => {
            let lists = &world.kernel.platform.lists;
            let active = lists.iter().filter(|list| list.active).min_by_key(|list| list.priority);
            active.map_or(GuestStep::Exit, |list| GuestStep::End(list.intid))
        }
        _ => GuestStep::Exit,
    }
}

/// Reply objects have no methods, and so no group of numbers: this is theirs here.
const REPLY: u16 = 0xff;

/// The number that methods of a capability begin with; 0 for an empty slot.
fn group_of(cap: Cap) -> u16 {
    match cap {
        Cap::Null => 0,
        Cap::Untyped { .. } => 1,
        Cap::CNode { .. } => 2,
        Cap::Frame { .. } => 3,
        Cap::Table { .. } => 4,
        Cap::VSpace { .. } => 5,
        Cap::Tcb { .. } => 6,
        Cap::Vcpu { .. } => 7,
        Cap::Endpoint { .. } => 8,
        Cap::Notification { .. } => 9,
        Cap::SchedContext { .. } => 0xb,
        Cap::IrqControl => 0xc,
        Cap::IrqHandler { .. } => 0xd,
        Cap::Reply { .. } => REPLY,
        Cap::Power | Cap::SchedControl => 0xfe,
    }
}

const METHODS: &[u16] = &[
    NOTHING,
    UntypedMethod::Retype as u16,
    UntypedMethod::Retype as u16,
    UntypedMethod::Reset as u16,
    UntypedMethod::Describe as u16,
    CNodeMethod::Copy as u16,
    CNodeMethod::Copy as u16,
    CNodeMethod::Mint as u16,
    CNodeMethod::Move as u16,
    CNodeMethod::Delete as u16,
    CNodeMethod::Revoke as u16,
    FrameMethod::Map as u16,
    FrameMethod::Map as u16,
    FrameMethod::Unmap as u16,
    FrameMethod::Clean as u16,
    FrameMethod::Invalidate as u16,
    FrameMethod::Unify as u16,
    TableMethod::Map as u16,
    TableMethod::Unmap as u16,
    TcbMethod::SetSpaces as u16,
    TcbMethod::SetPriority as u16,
    TcbMethod::SetFaultHandler as u16,
    TcbMethod::WriteRegisters as u16,
    TcbMethod::Resume as u16,
    TcbMethod::Resume as u16,
    TcbMethod::Suspend as u16,
    TcbMethod::BindVcpu as u16,
    TcbMethod::SetIpcBuffer as u16,
    TcbMethod::BindNotification as u16,
    TcbMethod::ReadRegister as u16,
    TcbMethod::ReadState as u16,
    VcpuMethod::Inject as u16,
    VcpuMethod::SetLevel as u16,
    VcpuMethod::SetLevel as u16,
    VcpuMethod::Retract as u16,
    VcpuMethod::SetTimer as u16,
    VcpuMethod::ReadRegister as u16,
    VcpuMethod::WriteRegister as u16,
    VcpuMethod::ReadInterrupt as u16,
    VcpuMethod::Reset as u16,
    SchedContextMethod::Configure as u16,
    SchedContextMethod::Bind as u16,
    SchedContextMethod::Unbind as u16,
    IrqControlMethod::Get as u16,
    IrqHandlerMethod::SetNotification as u16,
    IrqHandlerMethod::BindVcpu as u16,
    IrqHandlerMethod::Ack as u16,
    IrqHandlerMethod::Clear as u16,
];

/// First words of a retype that make something.
const RETYPES: &[u32] = &[
    0x1_0006, 0x1_0008, 0x1_0009, 0x1_000a, 0x1_000b, 0x1_0005, 0x1_0204, 0x1_0304, 0x1_0c03, 0x1_0c01, 0x1_0302,
    0x1_0007,
];
