//! Faults of components, for the component that handles them.

use crate::Received;
use abi::fault::FaultKind;

/// A fault, as its handler receives it. Until it is answered the thread stands still: an answer with label 0 lets it try
/// again, any other leaves it stopped; or the handler stops it, sets its registers, and lets it go on from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Badge: which of the handler's components, counted from 1.
    pub who: u32,
    /// What it did.
    pub kind: FaultKind,
    /// Address that it touched, or 0; for a system call that there is none, its number.
    pub address: u32,
    /// Where it was.
    pub pc: u32,
    /// HSR (ARM DDI 0406C B3.13.6).
    pub syndrome: u32,
    /// Its stack pointer.
    pub stack: u32,
}

impl Fault {
    /// The fault that a message tells of; `None` if it is another message.
    pub fn of(message: &Received) -> Option<Self> {
        let kind = FaultKind::from_label(message.info.label())?;
        let [address, pc, syndrome, stack] = message.words;
        Some(Self { who: message.badge, kind, address, pc, syndrome, stack })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use abi::MessageInfo;

    #[test]
    fn a_fault_is_told_from_other_messages() {
        let message = |label| Received { info: MessageInfo::new(label, 16), words: [1, 2, 3, 4], badge: 5 };
        let fault = Fault { who: 5, kind: FaultKind::Undefined, address: 1, pc: 2, syndrome: 3, stack: 4 };
        assert_eq!(Fault::of(&message(FaultKind::Undefined as u16)), Some(fault));
        assert_eq!(Fault::of(&message(0x100)), None);
    }
}
