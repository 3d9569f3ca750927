//! The component that makes another one execute what it must not: it handles that one's faults and holds its thread, so it
//! can set the thread behind what has faulted and let it go on.

use crate::encodings::{Allowed, access};
use crate::single::{Argument, Outcome, Single};
use abi::Error;
use abi::fault::FaultKind;
use abi::vcpu::by_encoding;
use runtime::{Endpoint, Fault, Reply, Tcb};

/// What every write tries to write.
const PATTERN: u32 = 0xffff_ffff;
/// In a move, load or store of a coprocessor: it reads.
const READ: u32 = 1 << 20;
/// CPSR: mode, and the masks A, I and F (ARM DDI 0406C B1.3.3).
const MODE_AND_MASKS: u32 = 0x1df;
/// User mode, all masked: no virtual interrupt is for a component.
const COMPONENT: u32 = 0x1d0;
/// Bytes of an instruction.
const LONG: u32 = 4;

/// A thread whose faults come here.
#[derive(Clone, Copy, Debug)]
pub struct Ward {
    /// The thread.
    pub thread: Tcb,
    /// Where its faults arrive.
    pub faults: Endpoint,
    /// Who has faulted waits in it.
    pub reply: Reply,
    /// The top of its stack.
    pub stack: u32,
}

/// What is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// This instruction was executed, and is not allowed.
    Executed(u32),
    /// It is allowed, and was refused.
    Refused(u32),
    /// It was refused, or may tell nothing, and has: register, value.
    Leaked(u32, u32, u32),
    /// It ended in another fault than it should: the fault, and its place.
    Other(u32, FaultKind, u32),
    /// It ran, and the thread has another mode or other masks.
    Mode(u32, u32),
}

/// How a sweep went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Ended in an undefined instruction, with nothing changed.
    pub refused: u32,
    /// Of these: accesses to a register of the table of guest registers.
    pub of_guests: u32,
    /// Executed, as is allowed.
    pub allowed: u32,
    /// What is wrong.
    pub wrong: u32,
}

impl Ward {
    /// Runs it from `pc` on, until it faults.
    fn run(&self, pc: u32, argument: u32) -> Result<Fault, Error> {
        self.thread.suspend()?;
        self.thread.write_registers(pc, self.stack, argument)?;
        self.thread.resume()?;
        loop {
            // Whoever else may send here, it does not count.
            if let Some(fault) = Fault::of(&self.faults.receive(self.reply)?) {
                return Ok(fault);
            }
        }
    }

    /// Lets it execute all of `words`, which lie at `start` with an undefined instruction behind them. Every one must be undefined but
    /// those of `allowed`.
    ///
    /// # Errors
    /// The kernel's, if it can't be made to run.
    pub fn sweep(
        &self,
        start: u32,
        words: &[u32],
        allowed: &[Allowed],
        mut tell: impl FnMut(Finding),
    ) -> Result<Tally, Error> {
        let mut tally = Tally::default();
        let mut wrong = 0;
        let mut find = |finding| {
            wrong += 1;
            tell(finding);
        };
        let allowed = |word: u32| allowed.iter().find(|allowed| allowed.word == word);
        let mut at = 0;
        while at < words.len() {
            let fault = self.run(start + at as u32 * LONG, PATTERN)?;
            let stop = (fault.pc.wrapping_sub(start) / LONG) as usize;
            if fault.kind != FaultKind::Undefined || fault.pc % LONG != 0 || !(at..=words.len()).contains(&stop) {
                find(Finding::Other(words[at], fault.kind, fault.pc));
                at += 1;
                continue;
            }
            let executed = &words[at..stop];
            for &word in executed {
                if allowed(word).is_some() { tally.allowed += 1 } else { find(Finding::Executed(word)) }
            }
            // What was read is told only by those that may.
            let is_silent = |word: &u32| allowed(*word).is_some_and(|allowed| !allowed.tells);
            let reads = words[at..=stop.min(words.len() - 1)].iter().rev().find(|word| **word & READ != 0);
            let leak = match reads {
                Some(&word) if executed.iter().all(is_silent) => {
                    self.leak()?.map(|(register, value)| (word, register, value))
                }
                _ => None,
            };
            if let Some((word, register, value)) = leak {
                find(Finding::Leaked(word, register, value));
            } else if let Some(&word) = words.get(stop) {
                if allowed(word).is_some() {
                    find(Finding::Refused(word));
                } else {
                    tally.refused += 1;
                    tally.of_guests += u32::from(access(word).is_some_and(|access| by_encoding(access).is_some()));
                }
            }
            at = stop + 1;
        }
        Ok(Tally { wrong, ..tally })
    }

    /// Whether a store-exclusive succeeds whose load-exclusive came before the thread was left for another one. `code` is where
    /// both lie, each with an undefined instruction behind it; the store leaves 1 in r1 if it failed (ARM DDI 0406C A8.8.212).
    ///
    /// # Errors
    /// The kernel's, if it can't be made to run.
    pub fn keeps_exclusive(&self, code: u32) -> Result<bool, Error> {
        let argument = Argument::Stack(16).value(self.stack);
        // It faults, and then this thread runs.
        self.run(code, argument)?;
        let fault = self.run(code + 2 * LONG, argument)?;
        let stored = (fault.kind, fault.pc) == (FaultKind::Undefined, code + 3 * LONG);
        Ok(!stored || self.thread.read_register(1)? == 0)
    }

    /// The first of the registers to which reads go that is not zero any more, and its value.
    fn leak(&self) -> Result<Option<(u32, u32)>, Error> {
        for register in [1, 2] {
            let value = self.thread.read_register(register)?;
            if value != 0 {
                return Ok(Some((register, value)));
            }
        }
        Ok(None)
    }

    /// Lets it execute single instructions, the code of which lies at `start`, each with an undefined one behind it.
    ///
    /// # Errors
    /// The kernel's, if it can't be made to run.
    pub fn singles(&self, start: u32, singles: &[Single], mut tell: impl FnMut(u32, Finding)) -> Result<Tally, Error> {
        let mut tally = Tally::default();
        for (number, single) in (0..).zip(singles) {
            let pc = start + number * 2 * LONG;
            let argument = single.argument.value(self.stack);
            let fault = self.run(pc, argument)?;
            let place = match single.outcome {
                Outcome::Fault(FaultKind::Fetch) => argument,
                Outcome::Fault(FaultKind::UnknownCall) | Outcome::Runs => pc + LONG,
                Outcome::Fault(_) => pc,
            };
            let kind = if let Outcome::Fault(kind) = single.outcome { kind } else { FaultKind::Undefined };
            let mode = self.thread.read_register(16)? & MODE_AND_MASKS;
            if fault.kind != kind || fault.pc != place {
                tell(number, Finding::Other(number, fault.kind, fault.pc));
                tally.wrong += 1;
            } else if mode != COMPONENT {
                tell(number, Finding::Mode(number, mode));
                tally.wrong += 1;
            } else if single.outcome == Outcome::Runs {
                tally.allowed += 1;
            } else {
                tally.refused += 1;
            }
        }
        Ok(tally)
    }
}

impl Argument {
    /// The number, for a thread with that top of stack.
    pub fn value(self, stack: u32) -> u32 {
        match self {
            Self::Number(number) => number,
            Self::Stack(below) => stack - below,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use abi::MessageInfo;
    use abi::method::TcbMethod;
    use std::vec::Vec;

    const START: u32 = 0x1000_4000;
    const STACK: u32 = 0x1801_0000;
    const WARD: Ward = Ward { thread: Tcb(5), faults: Endpoint(6), reply: Reply(7), stack: STACK };

    /// A processor that executes some words, and finds the others undefined; `r1` is what it leaves there.
    fn install(words: &'static [u32], executes: &'static [u32], kind: FaultKind, r1: u32) {
        let (mut pc, mut argument) = (0, 0);
        runtime::host::install(move |number: u32, r: &mut [u32; 7]| {
            let label = MessageInfo(r[1]).label();
            if number != 0 {
                let mut at = (pc - START) as usize / 4;
                while words.get(at).is_some_and(|word| executes.contains(word)) {
                    at += 1;
                }
                pc = START + 4 * at as u32;
                *r = [0, MessageInfo::new(kind as u16, 16).0, 0, pc, 0, STACK, 1];
                return;
            }
            r[0] = 0;
            if label == TcbMethod::WriteRegisters as u16 {
                assert_eq!((r[3], r[5]), (STACK, 0));
                (pc, argument) = (r[2], r[4]);
            }
            if label == TcbMethod::ReadRegister as u16 {
                r[2] = [argument, r1, 0].get(r[2] as usize).copied().unwrap_or(COMPONENT);
            }
        });
    }

    fn sweep(words: &'static [u32]) -> (Tally, Vec<Finding>) {
        let mut found = Vec::new();
        let allowed = [20, READ | 50].map(|word| Allowed { word, tells: word == 20, why: "" });
        let tally = WARD.sweep(START, words, &allowed, |finding| found.push(finding)).unwrap();
        (tally, found)
    }

    #[test]
    fn what_is_allowed_runs_and_all_else_is_refused() {
        const WORDS: &[u32] = &[10, 20, READ | 30, 40, READ | 50];
        install(WORDS, &[20, READ | 50], FaultKind::Undefined, 0);
        assert_eq!(sweep(WORDS), (Tally { refused: 3, of_guests: 0, allowed: 2, wrong: 0 }, Vec::new()));
    }

    #[test]
    fn what_runs_and_should_not_is_found_and_what_should_and_does_not() {
        const WORDS: &[u32] = &[10, 20, 30, 40, READ | 50];
        install(WORDS, &[10, READ | 50, 30], FaultKind::Undefined, 0);
        let (tally, found) = sweep(WORDS);
        assert_eq!(found, [Finding::Executed(10), Finding::Refused(20), Finding::Executed(30)]);
        assert_eq!(tally, Tally { refused: 1, of_guests: 0, allowed: 1, wrong: 3 });
    }

    #[test]
    fn a_read_that_tells_something_and_another_fault_are_found() {
        const WORDS: &[u32] = &[10, READ | 30, READ | 50];
        let leaked = |word| Finding::Leaked(READ | word, 1, 0x55);
        install(WORDS, &[], FaultKind::Undefined, 0x55);
        assert_eq!(sweep(WORDS).1, [leaked(30), leaked(50)]);
        // Executed, as is allowed; but it may tell nothing.
        install(WORDS, &[READ | 50], FaultKind::Undefined, 0x55);
        assert_eq!(sweep(WORDS).1, [leaked(30), leaked(50)]);
        install(WORDS, &[], FaultKind::Data, 0);
        let other = |word, pc| Finding::Other(word, FaultKind::Data, pc);
        assert_eq!(sweep(WORDS).1, [other(10, START), other(READ | 30, START + 4), other(READ | 50, START + 8)]);
    }

    #[test]
    fn a_store_that_fails_as_it_should_left_one_behind() {
        // Both run, and the undefined words behind them do not.
        const WORDS: &[u32] = &[1, 0, 1, 0];
        for (r1, kind, keeps) in
            [(1, FaultKind::Undefined, false), (0, FaultKind::Undefined, true), (1, FaultKind::Data, true)]
        {
            install(WORDS, &[1], kind, r1);
            assert_eq!(WARD.keeps_exclusive(START), Ok(keeps));
        }
    }

    #[test]
    fn a_single_instruction_has_one_outcome() {
        const WORDS: &[u32] = &[1, 0, 2, 0];
        let single = |outcome| Single { text: "", argument: Argument::Stack(8), outcome };
        let singles = [single(Outcome::Runs), single(Outcome::Fault(FaultKind::Undefined))];
        let mut found = Vec::new();
        install(WORDS, &[1], FaultKind::Undefined, 0);
        let tally = WARD.singles(START, &singles, |number, finding| found.push((number, finding))).unwrap();
        assert_eq!((tally, found.len()), (Tally { refused: 1, of_guests: 0, allowed: 1, wrong: 0 }, 0));
        install(WORDS, &[2], FaultKind::Undefined, 0);
        let tally = WARD.singles(START, &singles, |number, finding| found.push((number, finding))).unwrap();
        assert_eq!(tally.wrong, 2);
        let other = |number, pc| (number, Finding::Other(number, FaultKind::Undefined, pc));
        assert_eq!(found, [other(0, START), other(1, START + 12)]);
    }
}
