//! What the words of each method are, as `abi::method` documents them: with these the method gets as far as it can before
//! it comes to the one that is wrong.

use crate::objects::Type;
use abi::method::{
    CNodeMethod, FrameMethod, IrqHandlerMethod, SchedContextMethod, TableMethod, TcbMethod, UntypedMethod, VcpuMethod,
};
use abi::{ObjectType, Rights};

/// One word of a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Names a capability of that type.
    Of(Type),
    /// The same; 0 is allowed, and means none.
    OfOrNone(Type),
    /// Names any capability.
    Any,
    /// A slot of the CNode that is invoked; what the method does with it does not matter,
    Slot,
    /// or it must be empty: one that is not is `SlotOccupied`.
    EmptySlot,
    /// A number that is right.
    Number(u32),
}

/// A method, and its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Whose method.
    pub of: Type,
    /// Its label.
    pub label: u16,
    /// Its words.
    pub words: &'static [Word],
}

const fn made(ty: ObjectType) -> Word {
    Word::Of(Type::Made(ty))
}

const NOTIFICATION: u32 = ObjectType::Notification as u32 | 1 << 16;
const LINES: &[Word] = &[Word::Number(0), Word::Number(64)];
const INTERRUPT: Word = Word::Number(40);
const NUMBERS: [Word; 4] = [Word::Number(1); 4];
const ONE: &[Word] = NUMBERS.split_at(1).0;
const TWO: &[Word] = NUMBERS.split_at(2).0;
const THREE: &[Word] = NUMBERS.split_at(3).0;
const ALL: Word = Word::Number(Rights::all().bits() as u32);

macro_rules! signatures {
    ($($of:expr, $methods:ident { $($method:ident: $words:expr;)* })*) => {
        /// Every method of every type that a component can hold.
        pub const SIGNATURES: &[Signature] =
            &[$($(Signature { of: $of, label: $methods::$method as u16, words: $words },)*)*];
    };
}

signatures! {
    Type::Made(ObjectType::Untyped), UntypedMethod {
        Retype: &[Word::Number(NOTIFICATION), made(ObjectType::CNode), Word::EmptySlot];
        Reset: &[];
        Describe: &[];
    }
    Type::Made(ObjectType::CNode), CNodeMethod {
        Copy: &[Word::EmptySlot, Word::Any, ALL];
        Mint: &[Word::EmptySlot, Word::Any, ALL, Word::Number(0)];
        Move: &[Word::EmptySlot, Word::Any];
        Delete: &[Word::Slot];
        Revoke: &[Word::Slot];
    }
    Type::Made(ObjectType::Frame), FrameMethod {
        Map: &[made(ObjectType::VSpace), Word::Number(0x1000_0000), Word::Number(1)];
        Unmap: &[];
        Clean: LINES;
        CleanInvalidate: LINES;
        Invalidate: LINES;
        Unify: LINES;
        Address: &[];
    }
    Type::Made(ObjectType::Table), TableMethod {
        Map: &[made(ObjectType::VSpace), Word::Number(0x1000_0000)];
        Unmap: &[];
    }
    Type::Made(ObjectType::Tcb), TcbMethod {
        SetSpaces: &[made(ObjectType::CNode), made(ObjectType::VSpace)];
        SetIpcBuffer: &[Word::OfOrNone(Type::Made(ObjectType::Frame)), Word::Number(0)];
        SetFaultHandler: &[Word::OfOrNone(Type::Made(ObjectType::Endpoint))];
        SetPriority: &[made(ObjectType::Tcb), Word::Number(0), Word::Number(0)];
        WriteRegisters: &NUMBERS;
        ReadRegister: ONE;
        Resume: &[];
        Suspend: &[];
        BindVcpu: &[made(ObjectType::Vcpu)];
        ReadState: &[];
    }
    Type::Made(ObjectType::Vcpu), VcpuMethod {
        ReadRegister: ONE;
        WriteRegister: THREE;
        Inject: &[INTERRUPT, Word::Number(0), Word::Number(0)];
        SetLevel: &[INTERRUPT, Word::Number(0), Word::Number(0)];
        Retract: &[INTERRUPT];
        ReadInterrupt: &[INTERRUPT];
        SetTimer: TWO;
        ReadExit: &[];
        Reset: &[];
        ReadSyndrome: &[];
        WatchStage1: ONE;
    }
    Type::Made(ObjectType::SchedContext), SchedContextMethod {
        Configure: &[Word::Number(0), Word::Number(1), Word::Number(1), Word::Of(Type::SchedControl)];
        Bind: &[made(ObjectType::Tcb)];
        Unbind: &[];
        Consumed: &[];
    }
    Type::IrqHandler, IrqHandlerMethod {
        SetNotification: &[made(ObjectType::Notification)];
        Ack: &[];
        BindVcpu: &[made(ObjectType::Vcpu), INTERRUPT, Word::Number(0)];
        Clear: &[];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn every_method_that_can_be_reached_has_a_signature() {
        let mut wanted: Vec<u16> = Type::held().flat_map(Type::labels).collect();
        let mut there: Vec<u16> = SIGNATURES.iter().map(|signature| signature.label).collect();
        for signature in SIGNATURES {
            assert!(signature.of.labels().any(|label| label == signature.label), "{signature:?}");
        }
        wanted.sort_unstable();
        there.sort_unstable();
        assert_eq!(wanted, there);
    }
}
