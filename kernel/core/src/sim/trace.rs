//! Random traces: a world of a few threads that do anything, checked after every step.
//!
//! A trace is known by its seed; a violation names the seed and the step, and running that seed again does
//! the same.

use super::check::{Violation, check_all};
use super::world::World;
use crate::Next;
use crate::cap::Cap;
use crate::platform::ListRegister;
use crate::vcpu::ExitRecord;
use abi::boot::root_slot;
use abi::message::MessageInfo;
use abi::method::*;
use abi::object::ObjectType;
use std::string::String;

/// A small generator of random numbers (xorshift64*), so that a seed means the same everywhere and always.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }
    /// The next number.
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

/// First and last of root's slots that traces use.
const FIRST: u32 = root_slot::FIRST_FREE;
const LAST: u32 = FIRST + 96;

/// A world for traces: threads with contexts and spaces that share root's capability space.
pub fn populate(world: &mut World) {
    let untyped = world.clean_untyped();
    let pool = FIRST - 1;
    // What traces play with is one untyped, so that its revocation ends everything.
    world.retype(untyped, ObjectType::Untyped, 19, 1, FIRST).expect("a pool");
    let _ = pool;
    let mut next = FIRST + 1;
    let mut make = |world: &mut World, object, bits, count| {
        let first = next;
        world.retype(FIRST, object, bits, count, first).expect("an object");
        next += count;
        first
    };
    let threads = make(world, ObjectType::Tcb, 0, 4);
    let contexts = make(world, ObjectType::SchedContext, 0, 3);
    make(world, ObjectType::Endpoint, 0, 2);
    make(world, ObjectType::Notification, 0, 2);
    make(world, ObjectType::Reply, 0, 2);
    let spaces = make(world, ObjectType::VSpace, 0, 2);
    let tables = make(world, ObjectType::Table, 2, 2);
    let leaves = make(world, ObjectType::Table, 3, 2);
    make(world, ObjectType::Frame, 12, 6);
    let vcpu = make(world, ObjectType::Vcpu, 0, 1);
    let endpoint = contexts + 3;
    for n in 0..2 {
        world.invoke(tables + n, TableMethod::Map as u16, &[spaces + n, 0]).expect("a table");
        world.invoke(leaves + n, TableMethod::Map as u16, &[spaces + n, 0]).expect("a table");
    }
    for n in 0..4 {
        let tcb = threads + n;
        let space = if n == 3 { spaces + 1 } else { spaces };
        world.invoke(tcb, TcbMethod::SetSpaces as u16, &[root_slot::CNODE, space]).expect("spaces");
        let priority = 190 + n * 10;
        world.invoke(tcb, TcbMethod::SetPriority as u16, &[root_slot::TCB, priority, 255]).expect("a priority");
        world.invoke(tcb, TcbMethod::SetFaultHandler as u16, &[endpoint]).expect("a handler");
        if n == 3 {
            world.invoke(tcb, TcbMethod::BindVcpu as u16, &[vcpu]).expect("a vCPU");
        }
        world.invoke(tcb, TcbMethod::Resume as u16, &[]).expect("to run");
    }
    for (n, tcb) in [(0, threads), (1, threads + 1), (2, threads + 3)] {
        let (budget, period) = if n == 1 { (1000, 5000) } else { (2000, 2000) };
        world
            .invoke(contexts + n, SchedContextMethod::Configure as u16, &[0, budget, period, root_slot::SCHED_CONTROL])
            .expect("a budget");
        // Binding may switch to the thread, which then is the one that goes on: all share one capability space.
        let _ = world.invoke(contexts + n, SchedContextMethod::Bind as u16, &[tcb]);
    }
}

/// Runs a trace.
///
/// # Errors
/// The violation, with the step.
pub fn run(seed: u64, steps: u32) -> Result<Coverage, (u32, String, Violation)> {
    let mut random = Random::new(seed);
    let mut world = World::new();
    populate(&mut world);
    let mut coverage = Coverage::default();
    world.kernel.platform.preempt_every = random.below(4) * 3;
    for step in 0..steps {
        if dead(&world) {
            // Everybody has ended everybody: begin again, and go on with the same numbers.
            world = World::new();
            populate(&mut world);
            world.kernel.platform.preempt_every = random.below(4) * 3;
            coverage.worlds += 1;
        }
        let what = one_step(&mut world, &mut random, &mut coverage);
        let next = world.kernel.schedule();
        if let Next::Run(running) = next {
            for _ in 0..2 {
                let address = random.below(16) << 12;
                let kernel = &mut *world.kernel;
                kernel.platform.access(&kernel.arena, running.vttbr, address);
            }
        }
        check_all(&world.kernel, world.cnode).map_err(|violation| (step, what, violation))?;
    }
    Ok(coverage)
}

/// What a trace has reached: calls that succeeded, by kind. A trace that only fails shows nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// System calls that succeeded.
    pub calls: u32,
    /// Exits of the guest.
    pub exits: u32,
    /// Idle moments.
    pub idle: u32,
    /// Worlds that were begun anew.
    pub worlds: u32,
}

/// Whether nothing can run and nothing is due.
fn dead(world: &World) -> bool {
    let kernel = &world.kernel;
    kernel.running().is_none() && kernel.cores[0].timeouts.head().is_none()
}

fn one_step(world: &mut World, random: &mut Random, coverage: &mut Coverage) -> String {
    world.kernel.platform.now += u64::from(random.below(20_000));
    match random.below(16) {
        0 => {
            world.kernel.on_timer();
            return String::from("timer");
        }
        1 => {
            let intid = 32 + random.below(4);
            world.kernel.on_irq(intid);
            return format!("irq {intid}");
        }
        _ => {}
    }
    let Some(tcb) = world.kernel.running() else {
        coverage.idle += 1;
        world.kernel.platform.now = world.kernel.platform.now.max(world.kernel.platform.deadline.min(1 << 60));
        world.kernel.on_timer();
        return String::from("idle");
    };
    if world.kernel.arena.get(tcb).vcpu.is_some() {
        return guest_step(world, random, coverage);
    }
    let capability = |random: &mut Random| match random.below(8) {
        0 => root_slot::CNODE,
        1 => random.below(8),
        _ => FIRST + random.below(LAST - FIRST),
    };
    let cap = capability(random);
    let method = random.pick(METHODS);
    let mut words = [0; 4];
    for word in &mut words {
        *word = match random.below(6) {
            0 => random.below(4),
            1 => random.below(16) << 12,
            2 => random.pick(&[3, 7, 15, 0xb, 0x13, 32, 33]),
            3 => random.pick(RETYPES),
            _ => capability(random),
        };
    }
    let mut cap = cap;
    if random.below(8) != 0 {
        // Mostly what the method is for: a trace of nothing but mistakes reaches little.
        cap = of_type(world, random, method >> 8).unwrap_or(cap);
        sensible(world, random, method, &mut words);
    }
    let number = random.pick(&[0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    let r12 = if random.below(2) == 0 { 0 } else { capability(random) };
    let what = format!("{tcb:?}: svc {number}, cap {cap}, method {method:#x}, {words:x?}, r12 {r12}");
    let length = random.pick(&[16, 16, 16, 8, 0, 24]);
    let context = &mut world.kernel.arena.get_mut(tcb).context;
    context.r[0] = cap;
    context.r[1] = MessageInfo::new(method, length).0;
    context.r[2..6].copy_from_slice(&words);
    context.r[12] = r12;
    context.pc = 0x1000;
    world.enter(number);
    coverage.calls += u32::from(world.kernel.arena.get(tcb).context.r[0] == 0);
    what
}

/// A slot that holds a capability whose methods are numbered `group`.
fn of_type(world: &World, random: &mut Random, group: u16) -> Option<u32> {
    if group == 2 {
        return Some(root_slot::CNODE);
    }
    if group == 0xc {
        return Some(root_slot::IRQ_CONTROL);
    }
    let start = random.below(LAST - FIRST);
    (0..LAST - FIRST).map(|n| FIRST + (start + n) % (LAST - FIRST)).find(|&slot| {
        let found = match world.cap(slot) {
            Cap::Untyped { .. } => 1,
            Cap::Frame { .. } => 3,
            Cap::Table { .. } => 4,
            Cap::VSpace { .. } => 5,
            Cap::Tcb { .. } => 6,
            Cap::Vcpu { .. } => 7,
            Cap::Endpoint { .. } => 8,
            Cap::Notification { .. } => 9,
            Cap::SchedContext { .. } => 0xb,
            Cap::IrqHandler { .. } => 0xd,
            _ => 0,
        };
        found == group
    })
}

/// Fills in words that the method can succeed with.
fn sensible(world: &World, random: &mut Random, method: u16, words: &mut [u32; 4]) {
    let mut typed = |group| of_type(world, random, group).unwrap_or(0);
    match method {
        _ if method == FrameMethod::Map as u16 || method == TableMethod::Map as u16 => {
            *words = [typed(5), random.below(16) << 12, random.pick(&[1, 3, 9, 11]), 0];
        }
        _ if method == TcbMethod::SetSpaces as u16 => *words = [root_slot::CNODE, typed(5), 0, 0],
        _ if method == TcbMethod::SetFaultHandler as u16 => words[0] = typed(8),
        _ if method == TcbMethod::BindVcpu as u16 => words[0] = typed(7),
        _ if method == SchedContextMethod::Configure as u16 => {
            *words = [0, 100 + random.below(2000), 2100 + random.below(3000), root_slot::SCHED_CONTROL];
        }
        _ if method == SchedContextMethod::Bind as u16 => words[0] = typed(6),
        _ if method == IrqHandlerMethod::SetNotification as u16 => words[0] = typed(9),
        _ if method == IrqHandlerMethod::BindVcpu as u16 => *words = [typed(7), 32 + random.below(8), 0x80, 0],
        _ if method == IrqControlMethod::Get as u16 => {
            *words = [32 + random.below(4), root_slot::CNODE, FIRST + random.below(LAST - FIRST), 0];
        }
        _ if method == UntypedMethod::Retype as u16 => {
            *words = [random.pick(RETYPES), root_slot::CNODE, FIRST + random.below(LAST - FIRST), 0];
        }
        _ if method == VcpuMethod::SetLevel as u16 || method == VcpuMethod::Inject as u16 => {
            *words = [random.pick(&[1, 2, 33, 34, 35, 36, 37]), random.below(4) * 16, random.below(2), 0];
        }
        _ if method == VcpuMethod::SetTimer as u16 => *words = [random.below(2), random.below(255), 0, 0],
        _ if method >> 8 == 2 => {
            *words = [FIRST + random.below(LAST - FIRST), FIRST + random.below(LAST - FIRST), 15, 0];
        }
        _ => {}
    }
}

fn guest_step(world: &mut World, random: &mut Random, coverage: &mut Coverage) -> String {
    let index = random.below(4) as usize;
    let list = &mut world.kernel.platform.lists[index];
    match random.below(6) {
        0 => {
            world.kernel.on_guest_wait(true);
            String::from("guest: wfi")
        }
        1 if list.pending && !list.active => {
            (list.pending, list.active) = (false, true);
            String::from("guest: acknowledges")
        }
        2 if list.active => {
            *list = ListRegister { active: false, ..*list };
            if list.notify_end {
                world.kernel.on_maintenance();
            }
            String::from("guest: ends")
        }
        3 => {
            world.kernel.on_guest_float();
            String::from("guest: float")
        }
        4 => {
            world.kernel.on_virtual_timer();
            String::from("guest: timer")
        }
        _ => {
            coverage.exits += 1;
            world.exit(ExitRecord { kind: 1, words: [1, 2, 3, 4], ..ExitRecord::default() });
            String::from("guest: exit")
        }
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
    VcpuMethod::Inject as u16,
    VcpuMethod::SetLevel as u16,
    VcpuMethod::SetLevel as u16,
    VcpuMethod::Retract as u16,
    VcpuMethod::SetTimer as u16,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_traces_keep_every_invariant() {
        let mut total = Coverage::default();
        let seeds = std::env::var("BULKHEAD_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(150);
        for seed in 0..seeds {
            match run(seed, 400) {
                Ok(coverage) => {
                    total.calls += coverage.calls;
                    total.exits += coverage.exits;
                    total.idle += coverage.idle;
                    total.worlds += coverage.worlds;
                }
                Err((step, what, violation)) => {
                    panic!("seed {seed}, step {step} ({what}): {} does not hold: {}", violation.0, violation.1)
                }
            }
        }
        assert!(
            total.calls > 20 * seeds as u32 && total.exits > seeds as u32,
            "the traces reach too little: {total:?}"
        );
    }
}
