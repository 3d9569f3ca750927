//! The checks. Each prints a line that ends with `ok`, or what was wrong.

use crate::other::{
    BEGAN, CAME, CONTEXT, CPUS, LEAVE, NOTED, OUTLIVE, PING, PONG, SEND, SOURCES, TIME, TIMER, interrupt, is_done,
    main as other, order, seen, send,
};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use guest_kit::cpu::{hvc, interrupts_off, interrupts_on, mpidr, read32, wait, write8, write32};
use guest_kit::exception::on_irq;
use guest_kit::{gic, println, psci, smp, timer};

/// So often a software interrupt goes there and comes back.
const ROUNDS: u32 = 200;
/// An interrupt that no device drives.
const SPI: u32 = 100;
const SUCCESS: u32 = 0;
const INVALID_PARAMETERS: u32 = -2i32 as u32;
const DENIED: u32 = -3i32 as u32;
const ALREADY_ON: u32 = -4i32 as u32;
const INVALID_ADDRESS: u32 = -9i32 as u32;
const ON: u32 = 0;
const OFF: u32 = 1;

fn say(name: &str, right: bool) {
    println!("{}: {}", name, if right { "ok" } else { "FAILED" });
}

/// Looks until `done`, for ten seconds at most.
fn until(mut done: impl FnMut() -> bool) -> bool {
    let end = timer::now() + timer::ticks(10_000_000);
    while !done() {
        if timer::now() > end {
            return false;
        }
    }
    true
}

fn came(cpu: usize) -> u32 {
    CAME[cpu].load(Relaxed)
}

fn affinity(cpu: u32) -> u32 {
    hvc([psci::AFFINITY_INFO, cpu, 0, 0])
}

fn told(order_: u32, cpu: usize) -> bool {
    order(cpu, order_);
    until(|| is_done(cpu))
}

fn refused(cpus: u32) -> bool {
    let on = |cpu, entry| hvc([psci::CPU_ON, cpu, entry, 0]);
    let entry = smp::entry(other);
    let found = [on(0, entry), on(cpus, entry), on(0x100, entry), on(1, 0), on(1, 0x3fff_fffc), on(1, 0x4000_0002)];
    let leaving = hvc([psci::CPU_OFF, 0, 0, 0]);
    let expected =
        [ALREADY_ON, INVALID_PARAMETERS, INVALID_PARAMETERS, INVALID_ADDRESS, INVALID_ADDRESS, INVALID_ADDRESS];
    let states = [affinity(0), affinity(1), affinity(cpus)];
    if found != expected || leaving != DENIED || states != [ON, OFF, INVALID_PARAMETERS] {
        println!("wrong: {found:x?} {leaving:x} {states:x?}");
        return false;
    }
    true
}

/// The other begins in Supervisor mode, interrupts masked, without translation, and knows who it is.
fn started(cpu: usize, context: u32) -> bool {
    let before = came(cpu);
    let result = smp::start(cpu as u32, other, context);
    let here = until(|| came(cpu) == before + 1);
    let word = |word: &[AtomicU32; CPUS]| word[cpu].load(Relaxed);
    let [cpsr, sctlr, mpidr] = [word(&BEGAN[0]), word(&BEGAN[1]), word(&BEGAN[2])];
    let right = cpsr & 0xff == 0xd3 && sctlr & 0x1005 == 0 && mpidr == 0x8000_0000 | cpu as u32;
    if !here || !right || word(&CONTEXT) != context {
        println!("wrong: {result:x} {cpsr:x} {sctlr:x} {mpidr:x} {:x}", word(&CONTEXT));
        return false;
    }
    let twice = smp::start(cpu as u32, other, 0);
    result == SUCCESS && twice == ALREADY_ON && affinity(cpu as u32) == ON
}

fn there_and_back(cpu: usize) -> bool {
    let (pings, pongs) = (seen(cpu, PING), seen(0, PONG));
    [0, cpu].map(|cpu| SOURCES[cpu].store(0, Relaxed));
    for round in 1..=ROUNDS {
        send(1 << cpu, PING);
        let end = timer::now() + timer::ticks(5_000_000);
        loop {
            interrupts_off();
            let (done, late) = (seen(0, PONG) == pongs + round, timer::now() > end);
            if !done && !late {
                timer::at(end + 1);
                wait();
            }
            interrupts_on();
            if late {
                println!("wrong: no answer in round {round}");
                return false;
            }
            if done {
                break;
            }
        }
    }
    timer::stop();
    let sources = [cpu, 0].map(|cpu| SOURCES[cpu].load(Relaxed));
    seen(cpu, PING) == pings + ROUNDS && sources == [1, 1 << cpu]
}

/// To itself, and to all others.
fn filters(cpu: usize) -> bool {
    let before: [u32; CPUS] = core::array::from_fn(|cpu| seen(cpu, PONG));
    // One more, from here, wakes it.
    let right = told(SEND, cpu) && until(|| seen(cpu, PONG) == before[cpu] + 2 && seen(0, PONG) == before[0] + 1);
    right && SOURCES[cpu].load(Relaxed) == 1 | 1 << cpu
}

fn pend() {
    write32(gic::DISTRIBUTOR + 0x200 + SPI / 32 * 4, 1 << (SPI % 32));
}

fn target(cpus: u8) {
    write8(gic::DISTRIBUTOR + 0x800 + SPI, cpus);
}

/// An interrupt goes where its target says, and moves with it while it is pending.
fn routing(cpu: usize) -> bool {
    gic::enable_intid(SPI, 0x80);
    target(1 << cpu);
    pend();
    let there = until(|| seen(cpu, SPI) == 1) && seen(0, SPI) == 0;
    target(1);
    pend();
    let here = until(|| seen(0, SPI) == 1) && seen(cpu, SPI) == 1;
    interrupts_off();
    pend();
    target(1 << cpu);
    let moved = until(|| seen(cpu, SPI) == 2);
    interrupts_on();
    there && here && moved && seen(0, SPI) == 1 && read32(gic::DISTRIBUTOR + 0x800 + (SPI & !3)) as u8 == 1 << cpu
}

/// Each has a timer of its own, and all have one time.
fn times(cpu: usize) -> bool {
    let own = told(TIMER, cpu) && until(|| seen(cpu, timer::INTID) == 1) && seen(0, timer::INTID) == 0;
    let before = timer::now();
    let noted = told(TIME, cpu);
    let after = timer::now();
    let time = u64::from(NOTED[1][cpu].load(Relaxed)) << 32 | u64::from(NOTED[0][cpu].load(Relaxed));
    if !(before..=after).contains(&time) {
        println!("wrong: {before} {time} {after}");
        return false;
    }
    own && noted
}

/// It leaves; what is sent to it meanwhile waits for it, and it comes back.
fn leaving(cpu: usize) -> bool {
    let pings = seen(cpu, PING);
    order(cpu, LEAVE);
    let left = until(|| affinity(cpu as u32) == OFF);
    send(1 << cpu, PING);
    let pongs = seen(0, PONG);
    let again = started(cpu, 0x77);
    left && again && until(|| seen(cpu, PING) == pings + 1 && seen(0, PONG) == pongs + 1)
}

/// All of it.
pub fn main(_tree: u32) {
    let cpus = (read32(gic::DISTRIBUTOR + 4) >> 5 & 7) + 1;
    println!("{cpus} processors");
    on_irq(interrupt);
    gic::enable();
    gic::enable_intid(timer::INTID, 0xa0);
    interrupts_on();
    say("the first", mpidr::read() == 0x8000_0000);
    say("what is refused", refused(cpus));
    for cpu in 1..cpus as usize {
        println!("processor {cpu}");
        say("start", started(cpu, 0x5100 + cpu as u32));
        say("there and back", there_and_back(cpu));
        say("filters", filters(cpu));
        say("routing", cpu > 1 || routing(cpu));
        say("times", times(cpu));
        say("leaving", leaving(cpu));
    }
    // The first leaves: whoever is left switches off.
    for cpu in 2..cpus as usize {
        order(cpu, LEAVE);
        say("left", until(|| affinity(cpu as u32) == OFF));
    }
    order(1, OUTLIVE);
    let code = hvc([psci::CPU_OFF, 0, 0, 0]);
    println!("wrong: the first is still here, {code:#x}");
}
