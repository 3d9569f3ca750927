//! The kernel, its machine, and the decision whose turn it is: all that happens between two steps of components.

use crate::bus::Bus;
use crate::faults::Fault;
use crate::interrupts::Lines;
use crate::jitter::{Jitter, TICKS_PER_US};
use crate::stand_in::{self, CALL, RETURN};
use crate::story::Story;
use abi::fault::FaultKind;
use core::mem::{offset_of, take};
use core::ops::Range;
use kernel_core::sim::{World, check_all};
use kernel_core::tcb::{State, Tcb};
use kernel_core::{Context, Handle, Next, Running};
use protocol::config::Config;
use protocol::layout;
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar};
use std::thread::JoinHandle;

/// A system that enters the kernel so often without a pause, or is busy for so long, is taken for one that will never end.
const BUSY_ENTRIES_MAX: u64 = 10_000;
const BUSY_TICKS_MAX: u64 = 1_000_000 * TICKS_PER_US;

/// A function that stands for a program. The argument is the thread's number.
pub type Program = Arc<dyn Fn(u32) + Send + Sync>;

/// Who may do something now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The test.
    Test,
    /// The strand of that number.
    Strand(usize),
}

/// A thread of the host that stands for a thread of a component.
pub struct Strand {
    /// The component's name.
    pub name: String,
    /// The thread that it stands for. It may be no more; see [`Engine::is_alive`].
    pub tcb: Handle<Tcb>,
    /// What it runs, with which argument and stack.
    pub program: usize,
    /// The thread's number.
    pub argument: u32,
    /// Its stack pointer at the start.
    pub stack: u32,
    /// Rings when its turn comes.
    pub bell: Arc<Condvar>,
    /// The host's thread, once it has begun.
    pub host: Option<JoinHandle<()>>,
    /// It has to end: its thread is no more.
    pub cancelled: bool,
    /// Its last system call, which may have to be made again.
    call: u32,
}

/// How far the test lets the system go.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Up to this time, in ticks, nobody waits for time to pass: it is skipped.
    pub skip_to: u64,
    /// It ends when root has built the system.
    pub until_built: bool,
}

/// All of it.
pub struct Engine {
    pub(crate) world: World,
    /// Where RAM is in the physical address space.
    pub(crate) ram: Vec<Range<u64>>,
    pub(crate) programs: Vec<Program>,
    pub(crate) strands: Vec<Strand>,
    pub(crate) turn: Turn,
    pub(crate) limits: Limits,
    pub(crate) bus: Bus,
    pub(crate) lines: Lines,
    pub(crate) jitter: Jitter,
    pub(crate) story: Story,
    /// Components that are to fault when they run next.
    pub(crate) doomed: BTreeMap<String, FaultKind>,
    /// Why the test has failed.
    pub(crate) failure: Option<String>,
    /// Entries to the kernel.
    pub(crate) entries: u64,
    /// The running thread's space.
    pub(crate) vttbr: u64,
    /// The kernel was entered and not yet left.
    entered: bool,
    /// When nobody could run last, in ticks and in entries.
    idle_at: (u64, u64),
}

impl Engine {
    /// A machine whose kernel has just booted.
    pub fn new(world: World, ram: Vec<Range<u64>>, programs: Vec<Program>, bus: Bus, seed: Option<u64>) -> Self {
        let mut engine = Self {
            world,
            ram,
            programs,
            strands: Vec::new(),
            turn: Turn::Test,
            limits: Limits::default(),
            bus,
            lines: Lines::default(),
            jitter: Jitter::new(seed),
            story: Story::default(),
            doomed: BTreeMap::new(),
            failure: None,
            entries: 0,
            vttbr: 0,
            entered: true,
            idle_at: (0, 0),
        };
        engine.world.kernel.platform.preempt_every = engine.jitter.preempt_every();
        engine
    }

    /// The machine's counter.
    pub fn now(&self) -> u64 {
        self.world.kernel.platform.now
    }

    /// Time passes.
    pub fn pass(&mut self, ticks: u64) {
        self.world.kernel.platform.now += ticks;
    }

    /// The first failure counts.
    pub fn fail(&mut self, what: String) {
        self.failure.get_or_insert(what);
    }

    /// Whether a strand's thread is still there: a new thread at its place begins with registers of zero.
    pub fn is_alive(&self, id: usize) -> bool {
        let strand = &self.strands[id];
        let link = strand.tcb.address() + offset_of!(Context, lr) as u32;
        !strand.cancelled && self.world.kernel.arena.read_word(link) == cookie(id)
    }

    /// Looks at devices, whose lines may have changed.
    pub fn look(&mut self) {
        let now = self.now();
        self.bus.look(now, &mut self.lines, &mut self.jitter);
    }

    /// Whether the running thread would be interrupted now.
    pub fn is_disturbed(&mut self) -> bool {
        self.world.kernel.platform.deadline <= self.now() || self.due().is_some() || self.bus.next() <= self.now()
    }

    fn due(&self) -> Option<u32> {
        let machine = &self.world.kernel.platform;
        self.lines.due(machine.now, &machine.enabled, &machine.active)
    }

    /// Lets everything happen that is no component's step, and tells whose turn it is then.
    pub fn dispatch(&mut self) -> Turn {
        loop {
            let next = self.leave();
            if self.failure.is_some() || self.is_off() || self.limits.until_built && self.is_built() {
                return Turn::Test;
            }
            if self.happen() {
                continue;
            }
            match next {
                Next::Idle if self.skip() => {}
                Next::Idle => return Turn::Test,
                Next::Run(running) => {
                    let (since, entries) = self.idle_at;
                    let (busy, entered) = (self.now() - since, self.entries - entries);
                    if busy > BUSY_TICKS_MAX || entered > BUSY_ENTRIES_MAX {
                        let who = self.strand_of(&running).map_or("?", |id| &self.strands[id].name).to_owned();
                        let busy_us = busy / TICKS_PER_US;
                        self.fail(format!(
                            "the system does not come to rest: busy for {busy_us} us and {entered} entries to the kernel, \
                             and `{who}` runs. Does it turn in a circle?"
                        ));
                    } else if let Some(turn) = self.run(&running) {
                        return turn;
                    }
                }
            }
        }
    }

    /// Leaves the kernel; if it was entered, its invariants are checked.
    fn leave(&mut self) -> Next {
        let next = self.world.schedule();
        if take(&mut self.entered) {
            self.entries += 1;
            if let Err(violation) = check_all(&self.world.kernel, self.world.cnode) {
                self.fail(format!("the kernel broke an invariant: {}: {}", violation.0, violation.1));
            }
        }
        next
    }

    /// Whether root has built the system, and waits for something to end.
    pub fn is_built(&self) -> bool {
        matches!(self.world.kernel.arena.get(self.world.root).state, State::Receiving(_))
    }

    /// Whether the machine was switched off.
    pub fn is_off(&self) -> bool {
        self.world.kernel.platform.off
    }

    /// The timer or an interrupt, if one is due.
    fn happen(&mut self) -> bool {
        self.look();
        let kernel = &mut *self.world.kernel;
        if kernel.platform.deadline <= kernel.platform.now {
            // Silenced first, as entry code does: the kernel sets it again if it wants another.
            kernel.platform.deadline = u64::MAX;
            kernel.on_timer();
        } else if let Some(intid) = self.due() {
            self.lines.took(intid);
            let kernel = &mut *self.world.kernel;
            kernel.platform.active.insert(intid);
            kernel.on_irq(intid);
        } else {
            return false;
        }
        self.entered = true;
        true
    }

    /// Nobody can run: skips the time up to what happens next, if the test allows so much.
    fn skip(&mut self) -> bool {
        let machine = &self.world.kernel.platform;
        let interrupt = self.lines.next(&machine.enabled, &machine.active);
        let next = machine.deadline.min(interrupt).min(self.bus.next());
        let allowed = next <= self.limits.skip_to;
        let to = if allowed { next } else { self.limits.skip_to };
        let machine = &mut self.world.kernel.platform;
        machine.now = machine.now.max(to);
        self.idle_at = (machine.now, self.entries);
        allowed
    }

    /// Lets a thread go on, unless it faults or makes its call again.
    fn run(&mut self, running: &Running) -> Option<Turn> {
        self.vttbr = running.vttbr;
        if running.vcpu.is_some() {
            self.fail("a guest was started, and the desk has no processor for it".to_owned());
            return None;
        }
        let pc = self.world.kernel.arena.get(running.tcb).context.pc;
        let words = match self.fetch(pc) {
            Ok(words) => words,
            Err(fault) => {
                self.fault(fault);
                return None;
            }
        };
        let Some(id) = self.strand_of(running).or_else(|| self.begin(running, words)) else {
            self.fault(Fault::plain(FaultKind::Undefined));
            return None;
        };
        if let Some(kind) = self.doomed.remove(&self.strands[id].name) {
            self.fault(Fault::plain(kind));
            return None;
        }
        if pc == CALL {
            // It was preempted in the middle of its call.
            self.call(running.tcb, self.strands[id].call);
            return None;
        }
        Some(Turn::Strand(id))
    }

    /// The strand of a thread that has begun.
    fn strand_of(&self, running: &Running) -> Option<usize> {
        let id = (self.world.kernel.arena.get(running.tcb).context.lr as usize).checked_sub(1)?;
        self.strands.get(id).is_some_and(|strand| strand.tcb == running.tcb).then_some(id)
    }

    /// A thread runs for the first time. `None`: what it would execute is no program.
    fn begin(&mut self, running: &Running, words: [u32; 2]) -> Option<usize> {
        let program = stand_in::program(words).filter(|&program| program < self.programs.len())?;
        let id = self.strands.len();
        let context = &mut self.world.kernel.arena.get_mut(running.tcb).context;
        let (argument, stack) = (context.r[0], context.sp);
        (context.lr, context.pc) = (cookie(id), RETURN);
        let name = match stack < layout::STACKS {
            true => "root".to_owned(),
            false => {
                let bytes = self.contents(layout::CONFIG, layout::CONFIG_BYTES);
                Config::read(&bytes).map_or("?", |config| config.name).to_owned()
            }
        };
        let tcb = running.tcb;
        let (bell, host, cancelled, call) = (Arc::default(), None, false, 0);
        self.strands.push(Strand { name, tcb, program, argument, stack, bell, host, cancelled, call });
        Some(id)
    }

    /// The running thread, whose strand is `id`, makes a system call: r0, r1, r2-r5, r12.
    pub fn syscall(&mut self, id: usize, number: u32, registers: &[u32; 7]) {
        let tcb = self.strands[id].tcb;
        let context = &mut self.world.kernel.arena.get_mut(tcb).context;
        context.r[..6].copy_from_slice(&registers[..6]);
        context.r[12] = registers[6];
        self.strands[id].call = number;
        self.call(tcb, number);
    }

    fn call(&mut self, tcb: Handle<Tcb>, number: u32) {
        let ticks = self.jitter.entry();
        self.pass(ticks);
        self.world.kernel.arena.get_mut(tcb).context.pc = RETURN;
        // Whoever runs then is asked for again where the kernel is left.
        self.world.enter(number);
        self.entered = true;
    }

    /// What a call has left in the registers of the strand's thread, which runs.
    pub fn registers(&self, id: usize) -> [u32; 7] {
        let r = &self.world.kernel.arena.get(self.strands[id].tcb).context.r;
        [r[0], r[1], r[2], r[3], r[4], r[5], r[12]]
    }

    /// The running thread faults.
    pub fn fault(&mut self, fault: Fault) {
        let ticks = self.jitter.entry();
        self.pass(ticks);
        self.world.kernel.on_component_fault(fault.kind, fault.address, fault.syndrome);
        self.entered = true;
    }
}

/// What stands in the link register of the thread of a strand: nothing in the kernel touches it.
const fn cookie(id: usize) -> u32 {
    id as u32 + 1
}

const _: () = assert!(CALL + 4 == RETURN);
