//! What a call needs, and what can be wrong with it, as data.
//!
//! Every method and every system call has a [`Description`] where it is declared, and none can be declared without one.
//! The tables of the kernel's book are made from them, and so are the tests that hand each call every kind of bad argument.
//! They are constants: nothing of them is in a program that does not ask.

use crate::{Error, Rights};

/// Type of a capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names are those of the objects")]
pub enum CapType {
    Untyped,
    CNode,
    Frame,
    Table,
    VSpace,
    Tcb,
    Vcpu,
    Endpoint,
    Notification,
    Reply,
    SchedContext,
    IrqControl,
    IrqHandler,
    Power,
    SchedControl,
}

impl CapType {
    /// Every type there is.
    pub const ALL: &'static [Self] = {
        use CapType::*;
        &[
            Untyped,
            CNode,
            Frame,
            Table,
            VSpace,
            Tcb,
            Vcpu,
            Endpoint,
            Notification,
            Reply,
            SchedContext,
            IrqControl,
            IrqHandler,
            Power,
            SchedControl,
        ]
    };

    /// Whether `Copy` and `Mint` can make another one.
    pub const fn is_copyable(self) -> bool {
        use CapType::*;
        matches!(self, CNode | Frame | VSpace | Tcb | Vcpu | Endpoint | Notification | SchedContext)
    }

    /// Whether a `Call` on it goes to the kernel. Endpoints are called by their own right; the other two are for other calls.
    pub const fn is_invoked(self) -> bool {
        !matches!(self, Self::Endpoint | Self::Notification | Self::Reply)
    }
}

/// No rights are needed.
pub const NONE: Rights = Rights::empty();

/// What a word of a call may be. What is wrong with one that is not, [`Kind::errors`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any value.
    Free,
    /// The address of a capability of that type, with those rights or more.
    Capability(CapType, Rights),
    /// The same, or 0 for none.
    OptionalCapability(CapType, Rights),
    /// The address of any capability.
    AnyCapability,
    /// A slot of the CNode that is invoked.
    Slot,
    /// An empty one.
    EmptySlot,
    /// The first of as many empty slots as the call fills, in the CNode that the word before names.
    EmptySlots,
    /// What to make: [`ObjectType`](crate::ObjectType) in bits 7:0, `size_bits` in 15:8, how many in 31:16
    /// (1 to [`RETYPE_COUNT_MAX`](crate::object::RETYPE_COUNT_MAX)).
    Objects,
    /// Bits of that mask.
    Flags(u32),
    /// A number in one of these ranges, whose ends belong to them.
    Number(&'static [(u32, u32)]),
    /// A core.
    Core,
    /// A priority: at most the ceiling of the thread that word 0 names.
    Priority,
    /// Where a frame goes: a multiple of its size.
    FrameAddress,
    /// A place in the frame that is invoked or that word 0 names, a multiple of that.
    Offset(u32),
    /// How many bytes from the offset before on, inside of the frame: a multiple of the first number, and at most the second.
    Bytes(u32, u32),
    /// Microseconds: not 0, and at most those of the next word.
    BudgetUs,
    /// Microseconds.
    PeriodUs,
}

impl Kind {
    /// What the call fails with if the word is something else.
    pub const fn errors(self) -> &'static [Error] {
        use Error::*;
        match self {
            Self::Free | Self::PeriodUs => &[],
            Self::Capability(_, rights) | Self::OptionalCapability(_, rights) => {
                if rights.is_empty() {
                    &[EmptySlot, OutOfRange, WrongType]
                } else {
                    &[EmptySlot, OutOfRange, WrongType, NoRights]
                }
            }
            Self::AnyCapability | Self::Slot => &[EmptySlot, OutOfRange],
            Self::EmptySlot | Self::EmptySlots => &[EmptySlot, OutOfRange, SlotOccupied],
            Self::Objects | Self::Flags(_) | Self::Number(_) | Self::BudgetUs => &[OutOfRange],
            Self::Core => &[NoSuchCore],
            Self::Priority => &[PriorityCeiling],
            Self::FrameAddress => &[Misaligned],
            Self::Offset(_) | Self::Bytes(..) => &[Misaligned, OutOfRange],
        }
    }
}

/// A word of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// What it is called.
    pub name: &'static str,
    /// What it may be.
    pub kind: Kind,
}

/// A method or a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Description {
    /// Its name: `Frame::Map`, or `NbSend`.
    pub name: &'static str,
    /// Its label, or its number.
    pub number: u32,
    /// The type of object whose capability r0 names; `None`: r0 is not looked at.
    pub object: Option<CapType>,
    /// The rights that this capability must have.
    pub rights: Rights,
    /// The words of its message.
    pub words: &'static [Word],
    /// Whether r12 names a `Reply` object, or is 0 for none.
    pub reply: bool,
    /// The words of its answer.
    pub answer: &'static [&'static str],
    /// What else it fails with, and why: what does not follow from the kinds of its words alone.
    pub errors: &'static [(Error, &'static str)],
    /// What it does and changes, in lines.
    pub text: &'static [&'static str],
}

/// What every method fails with: there is no capability at the address, no such address, it is an object that is not
/// invoked, no such label, and fewer words than the method has.
pub const METHOD_ERRORS: &[Error] =
    &[Error::EmptySlot, Error::OutOfRange, Error::WrongType, Error::NoSuchMethod, Error::Truncated];
/// What every system call that names a capability fails with.
pub const CALL_ERRORS: &[Error] = &[Error::EmptySlot, Error::OutOfRange, Error::WrongType];

impl Description {
    /// Whether it is a method of an object of the kernel, and not a system call of its own.
    pub const fn is_method(&self) -> bool {
        self.number > 0xff
    }

    /// Whether the call can fail with that.
    pub fn can_fail_with(&self, error: Error) -> bool {
        let shared = match self.object {
            _ if self.is_method() => METHOD_ERRORS,
            Some(_) => CALL_ERRORS,
            None => &[],
        };
        let truncated = error == Error::Truncated && self.words.is_empty();
        shared.contains(&error) && !truncated
            || !self.rights.is_empty() && error == Error::NoRights
            || self.words.iter().any(|word| word.kind.errors().contains(&error))
            || self.errors.iter().any(|&(declared, _)| declared == error)
    }
}
