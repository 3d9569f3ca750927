//! What each processor does with its interrupts, and what the others do besides: they note what they began with, and then wait for
//! orders.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use guest_kit::cpu::{barrier, cpsr, interrupts_off, interrupts_on, mpidr, sctlr, wait, write32};
use guest_kit::{gic, psci, smp, timer};

/// Processors that this guest can have.
pub const CPUS: usize = 4;
/// Interrupts that are counted.
const INTIDS: usize = 128;
/// A software interrupt that is answered with [`PONG`].
pub const PING: u32 = 3;
/// The answer.
pub const PONG: u32 = 4;

/// Nothing to do.
const REST: u32 = 0;
/// Leave.
pub const LEAVE: u32 = 1;
/// Set the own timer.
pub const TIMER: u32 = 2;
/// Note the time.
pub const TIME: u32 = 3;
/// Send [`PONG`] to itself, and to all but itself.
pub const SEND: u32 = 4;
/// Switch the first off for good: try to leave as the last, then switch the machine off.
pub const OUTLIVE: u32 = 5;

type Words = [AtomicU32; CPUS];
const WORDS: Words = [const { AtomicU32::new(0) }; CPUS];

static SEEN: [[AtomicU32; INTIDS]; CPUS] = [const { [const { AtomicU32::new(0) }; INTIDS] }; CPUS];
/// Who has sent software interrupts to each, a bit for each processor.
pub static SOURCES: Words = WORDS;
/// How often it has come.
pub static CAME: Words = WORDS;
/// Its context at its last start.
pub static CONTEXT: Words = WORDS;
/// CPSR, SCTLR and MPIDR then.
pub static BEGAN: [Words; 3] = [WORDS; 3];
/// The time that was asked for.
pub static NOTED: [Words; 2] = [WORDS; 2];
static ORDER: Words = WORDS;

fn add(counter: &AtomicU32) {
    // No exclusives: they are no use with the tables off.
    counter.store(counter.load(Relaxed) + 1, Relaxed);
}

/// How often a processor has taken an interrupt.
pub fn seen(cpu: usize, intid: u32) -> u32 {
    SEEN[cpu][intid as usize].load(Relaxed)
}

/// Gives an order.
pub fn order(cpu: usize, what: u32) {
    ORDER[cpu].store(what, Relaxed);
    barrier();
    send(1 << cpu, PONG);
}

/// Whether the last order was carried out.
pub fn is_done(cpu: usize) -> bool {
    ORDER[cpu].load(Relaxed) == REST
}

/// Sends a software interrupt to those processors.
pub fn send(to: u32, intid: u32) {
    write32(gic::DISTRIBUTOR + 0xf00, to << 16 | intid);
}

/// Takes an interrupt, on any processor.
pub fn interrupt(iar: u32) {
    let (cpu, intid, source) = (smp::number() as usize, iar & 0x3ff, iar >> 10 & 7);
    if let Some(counter) = SEEN[cpu].get(intid as usize) {
        add(counter);
    }
    match intid {
        timer::INTID => timer::stop(),
        0..16 => SOURCES[cpu].store(SOURCES[cpu].load(Relaxed) | 1 << source, Relaxed),
        _ => {}
    }
    if intid == PING {
        send(1 << source, PONG);
    }
    gic::end(iar);
}

/// Where they begin.
pub fn main(context: u32) {
    let cpu = smp::number() as usize;
    for (word, value) in BEGAN.iter().zip([cpsr(), sctlr::read(), mpidr::read()]) {
        word[cpu].store(value, Relaxed);
    }
    CONTEXT[cpu].store(context, Relaxed);
    write32(gic::INTERFACE + 4, 0xff);
    write32(gic::INTERFACE, 1);
    add(&CAME[cpu]);
    loop {
        interrupts_off();
        let order = ORDER[cpu].load(Relaxed);
        match order {
            // With interrupts masked: no order can come between the question and the waiting.
            REST => wait(),
            TIMER => {
                gic::enable_intid(timer::INTID, 0xa0);
                timer::at(timer::now() + timer::ticks(5000));
            }
            TIME => {
                let now = timer::now();
                NOTED[0][cpu].store(now as u32, Relaxed);
                NOTED[1][cpu].store((now >> 32) as u32, Relaxed);
            }
            SEND => {
                gic::interrupt_self(PONG);
                write32(gic::DISTRIBUTOR + 0xf00, 1 << 24 | PONG);
            }
            OUTLIVE => outlive(cpu as u32),
            _ => {}
        }
        if order != REST {
            ORDER[cpu].store(REST, Relaxed);
        }
        interrupts_on();
        if order == LEAVE {
            return;
        }
    }
}

/// Waits until the first has left; then it is the last.
fn outlive(cpu: u32) {
    let affinity = |cpu| guest_kit::cpu::hvc([psci::AFFINITY_INFO, cpu, 0, 0]);
    while affinity(0) != 1 {}
    let (own, first) = (affinity(cpu), affinity(0));
    let left = guest_kit::cpu::hvc([psci::CPU_OFF, 0, 0, 0]) as i32;
    guest_kit::println!("the last: {own} {first}, may it leave: {left}");
    guest_kit::println!("all done");
    psci::off();
}
