//! Instructions that are tried one by one, and what must come of each.

use abi::fault::FaultKind;

/// What must come of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// This fault.
    Fault(FaultKind),
    /// It runs, and changes neither mode nor masks.
    Runs,
}

/// What is in r0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// This.
    Number(u32),
    /// An address in the stack, which is no code, minus this.
    Stack(u32),
}

/// An instruction. Its code is in `instructions`.
#[derive(Clone, Copy, Debug)]
pub struct Single {
    /// Its text.
    pub text: &'static str,
    /// What is in r0.
    pub argument: Argument,
    /// What must come of it.
    pub outcome: Outcome,
}

/// `$callback!` with all of them: text, what is in r0, outcome.
#[macro_export]
macro_rules! singles {
    ($callback:ident) => {
        $callback! {
            // Floating point and what is above user mode.
            "vmov r1, s0", Number(0), Fault(Undefined);
            "vmrs r1, fpscr", Number(0), Fault(Undefined);
            "vadd.f64 d0, d1, d2", Number(0), Fault(Undefined);
            "vadd.i32 q0, q1, q2", Number(0), Fault(Undefined);
            "hvc #0", Number(0), Fault(Undefined);
            "smc #0", Number(0), Fault(Undefined);
            "eret", Number(0), Fault(Undefined);
            "bxj r0", Stack(16), Fault(Undefined);
            "udf #0", Number(0), Fault(Undefined);
            "bkpt #0", Number(0), Fault(Breakpoint);
            // The core would sleep, with whoever waits for it.
            "wfi", Number(0), Fault(Undefined);
            // System calls that there are none.
            "svc #11", Number(0), Fault(UnknownCall);
            "svc #0xffff", Number(0), Fault(UnknownCall);
            // Memory: nothing there; its own code and configuration; the ends of the address space.
            "ldr r1, [r0]", Number(0), Fault(Data);
            "ldr r2, [r0]", Number(0x4020_0000), Fault(Data);
            "ldr r3, [r0]", Number(0xffff_fffc), Fault(Data);
            "str r1, [r0]", Number(0x1000_0000), Fault(Data);
            "str r2, [r0]", Number(0x1812_0000), Fault(Data);
            "str r3, [r0]", Number(0), Fault(Data);
            "ldrd r2, r3, [r0]", Stack(6), Fault(Alignment);
            "ldm r0, {r1, r2}", Stack(6), Fault(Alignment);
            "ldrex r1, [r0]", Stack(6), Fault(Alignment);
            "bx r0", Stack(16), Fault(Fetch);
            "mov pc, r0", Number(0), Fault(Fetch);
            "blx r0", Number(0x1812_0000), Fault(Fetch);
            // Hints: they go on. An event, or any interrupt, ends a WFE on hardware that waits.
            "wfe", Number(0), Runs;
            "sev", Number(0), Runs;
            "yield", Number(0), Runs;
            "nop", Number(0), Runs;
            "dbg #15", Number(0), Runs;
            "pld [r0]", Number(0), Runs;
            "clrex", Number(0), Runs;
            "dsb", Number(0), Runs;
            "dmb", Number(0), Runs;
            "isb", Number(0), Runs;
            // What privileged software does with these has no effect in user mode.
            "cps #0x13", Number(0), Runs;
            "cpsie aif", Number(0), Runs;
            "cpsie aif, #0x1f", Number(0), Runs;
            "msr cpsr_cxsf, r0", Number(0x13), Runs;
            "msr cpsr_c, r0", Number(0x1a), Runs;
            "setend be", Number(0), Runs;
        }
    };
}

macro_rules! list {
    ($($text:literal, $argument:ident($number:literal), $outcome:ident $(($kind:ident))?;)*) => {
        /// All of them.
        pub const SINGLES: &[Single] = &[$(Single {
            text: $text,
            argument: Argument::$argument($number),
            outcome: Outcome::$outcome $((FaultKind::$kind))?,
        }),*];
    };
}

singles!(list);

/// The place of the first instruction that ends in a fault of that name, such as `breakpoint`: how an instance of the component is
/// told what to die of.
pub fn by_fault(name: &str) -> Option<usize> {
    let named = |single: &Single| match single.outcome {
        Outcome::Fault(FaultKind::Data) => "data",
        Outcome::Fault(FaultKind::Fetch) => "fetch",
        Outcome::Fault(FaultKind::Undefined) => "undefined",
        Outcome::Fault(FaultKind::Breakpoint) => "breakpoint",
        Outcome::Fault(FaultKind::Alignment) => "alignment",
        Outcome::Fault(FaultKind::UnknownCall) => "unknown-call",
        Outcome::Fault(FaultKind::TimeOut) | Outcome::Runs => "",
    };
    SINGLES.iter().position(|single| !name.is_empty() && named(single) == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_an_instruction_for_each_fault() {
        for name in ["data", "fetch", "undefined", "breakpoint", "alignment", "unknown-call"] {
            assert!(matches!(SINGLES[by_fault(name).unwrap()].outcome, Outcome::Fault(_)), "{name}");
        }
        assert_eq!((by_fault(""), by_fault("time-out")), (None, None));
    }
}
