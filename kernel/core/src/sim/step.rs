//! What can happen to a kernel: one step, as a value and as a line of text.

use abi::message::MessageInfo;
use std::fmt;
use std::format;
use std::string::String;
use std::vec::Vec;

/// A system call of the running component.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Svc {
    /// Number in the instruction.
    pub number: u32,
    /// r0: mostly the capability.
    pub r0: u32,
    /// r1: descriptor of the message.
    pub info: u32,
    /// r2-r5.
    pub words: [u32; 4],
    /// r12: mostly the reply object.
    pub r12: u32,
    /// Its first preemption point finds an interrupt.
    pub preempted: bool,
}

/// What a guest does without asking anybody, and what it can't do alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GuestStep {
    /// Waits for an interrupt.
    Wait,
    /// Does what its VMM has to look at.
    Exit,
    /// Acknowledges the most urgent interrupt.
    Acknowledge,
    /// Ends an interrupt.
    End(u16),
    /// Writes a floating-point register.
    Float(u32),
    /// Writes a register that is switched lazily: number, value.
    Write(u32, u32),
    /// Sets its timer to so many ticks from now, with that control word.
    Timer(u32, u32),
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// A system call.
    Svc(Svc),
    /// The running component faults.
    Fault,
    /// Time passes until the kernel's timer is due, and it is.
    Timer,
    /// So many ticks pass, or as many as there are until the timer is due.
    Pass(u32),
    /// A physical interrupt comes.
    Irq(u32),
    /// The running guest acts.
    Guest(GuestStep),
    /// The running thread stores a word at an address of its own, if it may.
    Store(u32, u32),
    /// The running thread loads a word, if it may.
    Load(u32),
    /// A line leaves the cache: which, of those that there are.
    Evict(u32),
    /// What comes from here on happens on that core.
    Core(u32),
}

impl Svc {
    /// A method of a kernel object.
    pub fn method(cap: u32, method: u16, words: &[u32]) -> Step {
        let mut all = [0; 4];
        all[..words.len()].copy_from_slice(words);
        let info = MessageInfo::new(method, words.len() * 4).0;
        Step::Svc(Self { number: abi::Syscall::Call as u32, r0: cap, info, words: all, ..Self::default() })
    }

    /// Another system call, with an empty message.
    pub fn call(call: abi::Syscall, r0: u32, r12: u32) -> Step {
        Step::Svc(Self { number: call as u32, r0, r12, ..Self::default() })
    }
}

impl Step {
    /// The same, with an interrupt at its first preemption point.
    pub fn preempted(self) -> Step {
        match self {
            Step::Svc(svc) => Step::Svc(Svc { preempted: true, ..svc }),
            other => other,
        }
    }

    /// What it is, in words: for people who read a trace.
    pub fn meaning(&self) -> String {
        let Step::Svc(svc) = self else { return String::new() };
        let call = abi::Syscall::from_number(svc.number);
        let name = call.map_or_else(|| String::from("unknown call"), |call| format!("{call:?}"));
        let label = MessageInfo(svc.info).label();
        match method_name(label) {
            Some(method) if call == Some(abi::Syscall::Call) => method,
            _ => name,
        }
    }
}

/// The name of a method, whatever its object.
fn method_name(label: u16) -> Option<String> {
    use abi::method::*;
    macro_rules! find {
        ($($object:literal $type:ident),*) => {
            $(if let Some(method) = $type::from_label(label) {
                return Some(format!("{}::{method:?}", $object));
            })*
        };
    }
    find!(
        "Untyped" UntypedMethod, "CNode" CNodeMethod, "Frame" FrameMethod, "Table" TableMethod, "Tcb" TcbMethod,
        "Vcpu" VcpuMethod, "SchedContext" SchedContextMethod, "IrqControl" IrqControlMethod,
        "IrqHandler" IrqHandlerMethod, "Power" PowerMethod
    );
    None
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Svc(svc) => {
                write!(f, "svc {} {:#x} {:#x}", svc.number, svc.r0, svc.info)?;
                svc.words.iter().try_for_each(|word| write!(f, " {word:#x}"))?;
                write!(f, " {:#x}", svc.r12)?;
                if svc.preempted { write!(f, " preempted") } else { Ok(()) }
            }
            Step::Fault => write!(f, "fault"),
            Step::Timer => write!(f, "timer"),
            Step::Pass(ticks) => write!(f, "pass {ticks}"),
            Step::Irq(intid) => write!(f, "irq {intid}"),
            Step::Guest(GuestStep::Wait) => write!(f, "guest-wait"),
            Step::Guest(GuestStep::Exit) => write!(f, "guest-exit"),
            Step::Guest(GuestStep::Acknowledge) => write!(f, "guest-acknowledge"),
            Step::Guest(GuestStep::End(intid)) => write!(f, "guest-end {intid}"),
            Step::Guest(GuestStep::Float(value)) => write!(f, "guest-float {value:#x}"),
            Step::Guest(GuestStep::Write(register, value)) => write!(f, "guest-write {register} {value:#x}"),
            Step::Guest(GuestStep::Timer(ticks, control)) => write!(f, "guest-timer {ticks} {control:#x}"),
            Step::Store(address, value) => write!(f, "store {address:#x} {value:#x}"),
            Step::Load(address) => write!(f, "load {address:#x}"),
            Step::Evict(which) => write!(f, "evict {which}"),
            Step::Core(core) => write!(f, "core {core}"),
        }
    }
}

fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

impl std::str::FromStr for Step {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (&name, rest) = words.split_first().ok_or("an empty line is no step")?;
        let preempted = rest.last() == Some(&"preempted");
        let rest = &rest[..rest.len() - usize::from(preempted)];
        let numbers = rest.iter().map(|word| number(word).ok_or_else(|| format!("`{word}` is no number")));
        let numbers = numbers.collect::<Result<Vec<u32>, String>>()?;
        if preempted && name != "svc" {
            return Err(format!("`{name}` can't be preempted"));
        }
        let step = match (name, numbers.as_slice()) {
            ("svc", &[number, r0, info, a, b, c, d, r12]) => {
                Step::Svc(Svc { number, r0, info, words: [a, b, c, d], r12, preempted })
            }
            ("fault", []) => Step::Fault,
            ("timer", []) => Step::Timer,
            ("pass", &[ticks]) => Step::Pass(ticks),
            ("irq", &[intid]) => Step::Irq(intid),
            ("guest-wait", []) => Step::Guest(GuestStep::Wait),
            ("guest-exit", []) => Step::Guest(GuestStep::Exit),
            ("guest-acknowledge", []) => Step::Guest(GuestStep::Acknowledge),
            ("guest-end", &[intid]) => Step::Guest(GuestStep::End(intid as u16)),
            ("guest-float", &[value]) => Step::Guest(GuestStep::Float(value)),
            ("guest-write", &[register, value]) => Step::Guest(GuestStep::Write(register, value)),
            ("guest-timer", &[ticks, control]) => Step::Guest(GuestStep::Timer(ticks, control)),
            ("store", &[address, value]) => Step::Store(address, value),
            ("load", &[address]) => Step::Load(address),
            ("evict", &[which]) => Step::Evict(which),
            ("core", &[core]) => Step::Core(core),
            _ => return Err(format!("`{}` is no step", line.trim())),
        };
        Ok(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn a_step_is_read_as_it_was_written() {
        let steps = [
            Svc::method(0x101, 0x301, &[1, 0x5000, 3]),
            Svc::call(abi::Syscall::ReplyRecv, 7, 8).preempted(),
            Step::Fault,
            Step::Timer,
            Step::Pass(100),
            Step::Irq(33),
            Step::Guest(GuestStep::Wait),
            Step::Guest(GuestStep::Exit),
            Step::Guest(GuestStep::Acknowledge),
            Step::Guest(GuestStep::End(27)),
            Step::Guest(GuestStep::Float(1)),
            Step::Guest(GuestStep::Write(17, 0xffff_ffff)),
            Step::Guest(GuestStep::Timer(500, 1)),
            Step::Store(0x5000, 9),
            Step::Load(0x5000),
            Step::Evict(3),
            Step::Core(1),
        ];
        for step in steps {
            assert_eq!(step.to_string().parse(), Ok(step));
        }
        assert_eq!(Svc::method(1, abi::method::CNodeMethod::Copy as u16, &[]).meaning(), "CNode::Copy");
        for wrong in ["", "svc 1 2", "irq", "irq x", "timer preempted", "jump 5"] {
            assert!(wrong.parse::<Step>().is_err(), "{wrong}");
        }
    }
}
