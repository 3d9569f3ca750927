//! What an instance of the component does.

use crate::encodings::ALLOWED;
use crate::instructions::{die_on, every_banked_register, every_encoding, every_single, exclusive, execute};
use crate::keeper::{Finding, Tally, Ward};
use crate::objects::{HELD, Own};
use crate::single::{SINGLES, by_fault};
use protocol::config::Config;
use protocol::layout::stack_top;
use runtime::{Endpoint, Reply, Tcb, clock, log};

/// Time between two attempts: there is much to tell of each, and root's log ring is small.
const APART_US: u64 = 20_000;
/// Some ticks of the guest that watches its registers.
const AFTERWARDS_US: u64 = 300_000;
/// The most findings of one kind that are told: the ring is small.
const TOLD_MAX: u32 = 20;

/// Makes every call with every kind of wrong capability.
pub fn calls(config: &Config<'_>) {
    let capability = |name| config.capability(name).unwrap_or(0);
    let own = Own {
        cnode: 1,
        notification: 2,
        client: capability("pong"),
        server: capability("mine"),
        reply: capability("mine.reply"),
        memory: capability("untyped"),
        empty: config.capabilities.iter().map(|named| named.slot).max().unwrap_or(8) + 1,
        beyond: 1 << 16,
        held: [0; HELD],
        read_only_frame: 0,
        weak_notification: 0,
    };
    let own = match own.make(capability("rtc.irq")) {
        Ok(own) => own,
        Err(error) => return log::error!("objects can't be made: {=u32}", error as u32),
    };
    let mut wrong = 0_u32;
    let count = crate::calls::check_all(&own, |found| {
        wrong += 1;
        if wrong <= TOLD_MAX {
            log::error!("check {=u32}: status {=u32} instead of {=u32}", found.check, found.status, found.wanted);
        }
    });
    log::info!("{=u32} checks of calls, {=u32} wrong", count, wrong);
}

/// Dies with the stack pointer of that number, when it is its turn: root tells much of each.
pub fn stack(config: &Config<'_>, number: u32) {
    const FAR_APART_US: u64 = 400_000;
    let device = config.memories.iter().find(|memory| memory.name == "rtc").map(|memory| memory.address);
    let Some(stack) = crate::stacks::stack(number, device) else {
        return log::error!("there is no stack {=u32}", number);
    };
    while clock::now_us() < 1_000_000 + u64::from(number + 1) * FAR_APART_US {
        runtime::svc::yield_now();
    }
    die_on(stack)
}

/// Makes the culprit execute everything.
pub fn keeper(config: &Config<'_>) {
    let capability = |name| config.capability(name).unwrap_or(0);
    let ward = Ward {
        thread: Tcb(capability("culprit.thread")),
        faults: Endpoint(capability("faults")),
        reply: Reply(capability("faults.reply")),
        stack: stack_top(0),
    };
    for allowed in ALLOWED {
        log::info!("allowed: {=u32:#x}: {=str}", allowed.word, allowed.why);
    }
    // The culprit runs the same program, so everything is where it is here.
    let mut told = 0;
    let mut tell = |finding| {
        told += 1;
        if told <= TOLD_MAX {
            say(finding);
        }
    };
    let done = |what: &str, words: &[u32], tally: Result<Tally, abi::Error>| match tally {
        Ok(Tally { refused, of_guests, allowed, wrong }) => log::info!(
            "{=str}: {=usize} tried, {=u32} refused ({=u32} to registers of guests), {=u32} allowed, {=u32} wrong",
            what,
            words.len(),
            refused,
            of_guests,
            allowed,
            wrong
        ),
        Err(error) => log::error!("{=str}: the culprit can't be made to run: {=u32}", what, error as u32),
    };
    let at = |words: &[u32]| words.as_ptr() as u32;
    log::info!("begins");
    let code = every_single();
    let singles = ward.singles(code.as_ptr() as u32, SINGLES, |number, finding| {
        log::error!("instruction `{=str}`:", SINGLES[number as usize].text);
        tell(finding);
    });
    done("single instructions", &[0; SINGLES.len()], singles);
    let banked = every_banked_register();
    done("banked registers", banked, ward.sweep(at(banked), banked, &[], &mut tell));
    let all = every_encoding();
    done("coprocessor encodings", all, ward.sweep(at(all), all, ALLOWED, &mut tell));
    match ward.keeps_exclusive(exclusive()) {
        Ok(false) => log::info!("exclusive access: gone after a switch"),
        Ok(true) => log::error!("exclusive access: kept over a switch"),
        Err(error) => log::error!("exclusive access: the culprit can't be made to run: {=u32}", error as u32),
    }
    log::info!("keeper is done");
    // The guest beside it looks at its registers once more.
    let end = clock::now_us() + AFTERWARDS_US;
    while clock::now_us() < end {
        runtime::svc::yield_now();
    }
    log::info!("keeper has waited");
}

fn say(finding: Finding) {
    match finding {
        Finding::Executed(word) => log::error!("{=u32:#x} was not stopped", word),
        Finding::Refused(word) => log::error!("{=u32:#x} is allowed, and was refused", word),
        Finding::Leaked(word, register, value) => {
            log::error!("{=u32:#x} was refused, and r{=u32} is {=u32:#x}", word, register, value);
        }
        Finding::Other(word, kind, pc) => {
            log::error!("{=u32:#x} ended in fault {=u16:#x} at {=u32:#x}", word, kind as u16, pc);
        }
        Finding::Mode(word, mode) => log::error!("{=u32:#x} left the mode {=u32:#x}", word, mode),
    }
}

/// Executes one instruction, which is to be the end.
pub fn attempt(name: &str) {
    let Some(place) = name.strip_prefix("try-").and_then(by_fault) else {
        return log::error!("there is no fault `{=str}`", name);
    };
    while clock::now_us() < (place as u64 + 5) * APART_US {
        runtime::svc::yield_now();
    }
    execute(place, SINGLES[place].argument.value(stack_top(0)));
}
