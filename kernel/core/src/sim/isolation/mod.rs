//! What a compartment does can't be found out in another to which it has no channel.
//!
//! The same program of one compartment runs twice: beside another that does anything, and beside one that only uses its
//! time. What the first can read must be the same at each of its steps: its registers, its memory, what its capabilities
//! are and say, the registers and interrupts of its guest. And it gets its time.
//!
//! When it gets that time is another matter: schedules show, and hardware has more such channels. So its program has no
//! clock here: one of its threads has time, and all of it, so that their order depends on nothing else.

mod trace;

#[cfg(test)]
mod tests;

use super::machine::Sabotage;
use super::random::{Powers, Random};
use super::scene::Scene;
use super::scene::partitions::{BUDGET_US, Compartment, PERIOD_US, compartments};
use super::stage::{Saved, Stage};
use super::step::{GuestStep, Step};
use super::trace::take;
use super::witness::state_of;
use super::world::World;
use crate::arena::Handle;
use crate::cap::Cap;
use crate::platform::{Maintenance, Platform};
use crate::sim::check::{Quick, Violation, check_all};
use crate::tcb::{State, Tcb};
use crate::vcpu::Vcpu;
use crate::vgic::LEVEL;
use abi::message::MessageInfo;
use abi::method::{FrameMethod, SchedContextMethod, VcpuMethod};
use abi::object::VIRTUAL_INTERRUPTS;
use abi::vcpu::GuestRegister;
use std::format;
use std::hash::{Hash, Hasher};
use std::vec::Vec;
pub use trace::{Beside, replay};

/// Ticks that each step takes.
const STEP: u32 = 1000;

/// What the watched compartment could read after one of its steps.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reading {
    step: Step,
    /// Of each slot, with what it leads to.
    slots: Vec<u64>,
}

/// The two compartments in a stage.
pub struct Isolation {
    stage: Stage,
    first: Saved,
    /// The one that is watched.
    watched: Compartment,
    /// The one that does anything.
    other: Compartment,
    /// The thread of the watched one that has time: its component or its guest.
    active: Handle<Tcb>,
}

/// How one run went.
struct Run {
    readings: Vec<Reading>,
    /// Ticks that the watched one ran.
    ran: u64,
}

impl Isolation {
    /// Compartment `watched` of the two is watched; its guest or its component has time.
    pub fn new(watched: usize, guest: bool) -> Self {
        Self::without(watched, guest, Sabotage::None)
    }

    /// The same, with some of the kernel's maintenance left out.
    pub fn without(watched: usize, guest: bool, sabotage: Sabotage) -> Self {
        let mut stage = Scene::Partitions.stage_without(sabotage);
        let first = stage.save();
        let both = compartments(&stage.world);
        let (watched, other) = (both[watched % 2], both[1 - watched % 2]);
        let active = watched.threads[if guest { 2 } else { 0 }];
        Self { stage, first, watched, other, active }
    }

    /// The beginning: one thread of the watched compartment has all time that the other one leaves it, which is more urgent.
    fn begin(&mut self) {
        // What the last run has changed is known then.
        self.stage.save();
        self.stage.restore(&self.first);
        let kernel = &mut self.stage.world.kernel;
        for (n, tcb) in self.watched.threads.into_iter().enumerate() {
            kernel.make_unready(tcb);
            // The VMM is more urgent than those whom it serves.
            kernel.arena.get_mut(tcb).priority = if n == 1 { 101 } else { 100 };
            kernel.make_ready(tcb);
            match kernel.arena.get(tcb).sched {
                Some(context) if tcb == self.active => kernel.configure_context(context, 0, 10_000, 10_000),
                Some(context) => kernel.unbind_context(context),
                None => {}
            }
        }
        self.stage.world.schedule();
    }

    /// One trace of the other compartment, of so many steps of both: `Err` says what was found out, and the other's steps.
    ///
    /// # Errors
    /// What the watched compartment found out, after which steps of the other's.
    pub fn run(&mut self, seed: u64, steps: u32) -> Result<u32, (Vec<Step>, Violation)> {
        let mut random = Random::new(seed ^ 0x5eed_0123);
        let powers = self.other.powers;
        let mut done = Vec::new();
        let beside = self.watch(seed, steps, |world| {
            let step = powers.any(world, &mut random);
            done.push(step);
            Some(step)
        });
        let beside = beside.map_err(|violation| (done.clone(), violation))?;
        self.compare(&beside, seed, steps).map_err(|violation| (done.clone(), violation))?;
        Ok(beside.readings.len() as u32)
    }

    /// The same with these steps of the other's.
    ///
    /// # Errors
    /// What was found out.
    pub fn run_beside(&mut self, seed: u64, steps: u32, other: &[Step]) -> Result<(), Violation> {
        let mut other = other.iter().copied();
        let beside = self.watch(seed, steps, |_| other.next())?;
        self.compare(&beside, seed, steps)
    }

    fn compare(&mut self, beside: &Run, seed: u64, steps: u32) -> Result<(), Violation> {
        let alone = self.watch(seed, steps, |_| None)?;
        let pairs = beside.readings.iter().zip(&alone.readings).enumerate();
        for (n, (beside, alone)) in pairs {
            if beside != alone {
                let slot = beside.slots.iter().zip(&alone.slots).position(|(beside, alone)| beside != alone);
                let slot = slot.map_or(0, |slot| slot + 1);
                let (now, then) = (beside.step, alone.step);
                let what = format!("after step {n} ({now}; alone {then}) slot {slot} is not as it is alone");
                return Err(Violation("a compartment finds nothing out of another", what));
            }
        }
        Ok(())
    }

    /// Runs the watched compartment's program beside what `other` does when that one's turn comes; it uses its time when it
    /// does nothing.
    fn watch(
        &mut self,
        seed: u64,
        steps: u32,
        mut other: impl FnMut(&World) -> Option<Step>,
    ) -> Result<Run, Violation> {
        self.begin();
        let (watched, world) = (self.watched, &mut self.stage.world);
        let mut random = Random::new(seed);
        let mut run = Run { readings: Vec::new(), ran: 0 };
        for n in 0..steps {
            revive(world, &watched, self.active);
            revive(world, &self.other, self.other.threads[n as usize % 2 * 2]);
            let running = world.kernel.running();
            if running.is_some_and(|tcb| watched.threads.contains(&tcb)) {
                let step = program(&watched.powers, world, &mut random);
                take(world, &step)?;
                if let Step::Store(..) = step {
                    // It waits until it is done, as a program can, or it would be done some time.
                    let kernel = &mut *world.kernel;
                    kernel.platform.maintain(&mut kernel.arena, Maintenance::DsbSy);
                }
                run.readings.push(Reading { step, slots: read(world, &watched) });
                let began = world.kernel.platform.now;
                take(world, &Step::Pass(STEP))?;
                run.ran += world.kernel.platform.now - began;
            } else if running.is_some_and(|tcb| self.other.threads.contains(&tcb)) {
                if let Some(step) = other(world) {
                    take(world, &step)?;
                }
                take(world, &Step::Pass(STEP))?;
            } else if !take(world, &Step::Timer)? {
                break;
            }
            if n % 32 == 0 {
                check_all(&world.kernel, world.cnode)?;
            }
        }
        Ok(run)
    }

    /// What the watched compartment gets of its time, beside one that does anything: ticks that it ran, and those that it
    /// had a right to. It does nothing but run.
    ///
    /// # Errors
    /// What else went wrong.
    pub fn time(&mut self, seed: u64, periods: u32) -> Result<(u64, u64), Violation> {
        self.stage.save();
        self.stage.restore(&self.first);
        let mut random = Random::new(seed);
        let (watched, powers) = (self.watched, self.other.powers);
        let world = &mut self.stage.world;
        let period = u64::from(PERIOD_US) * TICKS_PER_US;
        let end = world.kernel.platform.now + u64::from(periods) * period;
        let mut ran = 0;
        while world.kernel.platform.now < end {
            let running = world.kernel.running();
            let began = world.kernel.platform.now;
            let ours = running.is_some_and(|tcb| watched.threads.contains(&tcb));
            if !ours && running.is_some_and(|tcb| self.other.threads.contains(&tcb)) {
                take(world, &powers.any(world, &mut random))?;
            } else if running.is_none() && !take(world, &Step::Timer)? {
                break;
            }
            if world.kernel.running() == running {
                take(world, &Step::Pass(STEP))?;
            }
            if ours {
                ran += world.kernel.platform.now - began;
            }
        }
        // A component and a guest.
        let due = u64::from(periods - 1) * 2 * u64::from(BUDGET_US) * TICKS_PER_US;
        Ok((ran, due))
    }
}

/// If no thread of a compartment can ever run by itself again, `active` goes on: what it waited for fails.
fn revive(world: &mut World, compartment: &Compartment, active: Handle<Tcb>) {
    let kernel = &mut *world.kernel;
    let alive = |tcb: &Handle<Tcb>| {
        let thread = kernel.arena.get(*tcb);
        thread.state == State::Running && thread.sched.is_some()
    };
    if kernel.arena.get(active).refs == 0 || compartment.threads.iter().any(alive) {
        return;
    }
    kernel.cancel_ipc(active, None);
    kernel.reclaim_context(active);
    kernel.arena.get_mut(active).state = State::Running;
    kernel.make_ready(active);
    world.schedule();
}

/// As the simulated machine counts.
const TICKS_PER_US: u64 = 62;

/// The next step of the watched compartment: any but those whose effect depends on when it runs.
fn program(powers: &Powers, world: &World, random: &mut Random) -> Step {
    loop {
        let step = powers.any(world, random);
        let timed = match step {
            Step::Timer | Step::Pass(_) | Step::Guest(GuestStep::Timer(..)) => true,
            Step::Svc(svc) => depends_on_time(MessageInfo(svc.info).label(), svc.words[0]),
            _ => false,
        };
        if !timed {
            return step;
        }
    }
}

fn depends_on_time(label: u16, first: u32) -> bool {
    // Time given to another of its threads, so that which one runs depends on the schedule.
    let contexts = label >> 8 == SchedContextMethod::Bind as u16 >> 8;
    // What is discarded may have gone to RAM at any time.
    let invalidates = label == FrameMethod::Invalidate as u16;
    // A line for a number that is linked to a physical interrupt is looked at when the kernel is entered next.
    let number = label == VcpuMethod::SetLevel as u16 || label == VcpuMethod::Inject as u16;
    contexts || invalidates || number && (32..48).contains(&first)
}

/// What a compartment can read: everything that its capabilities lead to, but for what time it is.
fn read(world: &World, compartment: &Compartment) -> Vec<u64> {
    let kernel = &world.kernel;
    let powers = &compartment.powers;
    let slot = |slot| {
        let mut hasher = Quick::default();
        let cap = powers.cap(world, slot);
        cap.hash(&mut hasher);
        match cap {
            Cap::Tcb { tcb } => {
                let thread = kernel.arena.get(tcb);
                (thread.state, thread.context.r, thread.context.pc, thread.context.sp).hash(&mut hasher);
                (thread.priority, thread.ceiling).hash(&mut hasher);
            }
            Cap::Frame { page, .. } => {
                for word in 0..1024 {
                    kernel.arena.read_word((page << 12) + 4 * word).hash(&mut hasher);
                }
            }
            Cap::Notification { notification, .. } => kernel.arena.get(notification).word.hash(&mut hasher),
            Cap::Vcpu { vcpu } => read_vcpu(world, vcpu, &mut hasher),
            _ => {}
        }
        hasher.finish()
    };
    (1..powers.slots.1).map(slot).collect()
}

/// What a guest and its VMM can read of a vCPU: registers and interrupts, in the hardware or in memory.
fn read_vcpu(world: &World, vcpu: Handle<Vcpu>, hasher: &mut Quick) {
    let kernel = &world.kernel;
    let object = kernel.arena.get(vcpu);
    let core = &kernel.cores[0];
    let loaded = core.loaded == Some(vcpu);
    for register in GuestRegister::ALL {
        let timer = [GuestRegister::CntvCtl, GuestRegister::CntvCval, GuestRegister::Cntvoff];
        let float = [GuestRegister::Fpscr, GuestRegister::Fpexc];
        let in_hardware = if float.contains(register) { core.float_owner == Some(vcpu) } else { loaded };
        if timer.contains(register) {
            continue;
        }
        let value = if in_hardware { kernel.platform.registers.read(*register) } else { object.register(*register) };
        value.hash(hasher);
    }
    for n in 0..32 {
        let float = core.float_owner == Some(vcpu);
        (if float { kernel.platform.registers.float(n) } else { object.d[n] }).hash(hasher);
    }
    for intid in 0..VIRTUAL_INTERRUPTS as u16 {
        let state = &object.interrupts.state[usize::from(intid)];
        (state_of(kernel, vcpu, intid), state.priority, state.flags & LEVEL).hash(hasher);
    }
    object.exit.hash(hasher);
}
