//! Faults of a component: the message that its fault handler receives.
//!
//! Words: address that was touched (or 0), pc, syndrome (HSR), sp. The badge is that of the handler's
//! endpoint capability in the thread. An answer with label 0 lets the thread try again from the same pc;
//! any other label leaves it stopped.

/// What a component did wrong: the label of a fault message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum FaultKind {
    /// A load or store where nothing is mapped, or not for that.
    Data = 0x21,
    /// An instruction fetch from where nothing executable is mapped.
    Fetch = 0x22,
    /// An instruction that user mode may not execute, or that does not exist.
    Undefined = 0x23,
    /// A breakpoint instruction.
    Breakpoint = 0x24,
    /// A misaligned access, or an external abort.
    Alignment = 0x25,
    /// A system call that does not exist.
    UnknownCall = 0x26,
    /// A server used up its caller's processor time, and [`OVERDRAFT_US`] of the next refill as well. Answered with label
    /// 0, it goes on when there is time again.
    TimeOut = 0x27,
}

/// Microseconds of its caller's next refill that a server may use to come to an end when the caller's budget is used up:
/// once until that refill comes.
pub const OVERDRAFT_US: u32 = 50;

impl FaultKind {
    /// The kind of that label.
    pub const fn from_label(label: u16) -> Option<Self> {
        Some(match label {
            0x21 => Self::Data,
            0x22 => Self::Fetch,
            0x23 => Self::Undefined,
            0x24 => Self::Breakpoint,
            0x25 => Self::Alignment,
            0x26 => Self::UnknownCall,
            0x27 => Self::TimeOut,
            _ => return None,
        })
    }
}
