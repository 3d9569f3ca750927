//! Methods of kernel objects: the label of a message that is `Call`ed on a capability of that type.
//!
//! Each is declared with the words of its message and of its answer, what it fails with beyond what its words imply, and what
//! it does: see [`Description`]. Every method answers with a status in r0, and one that fails has changed nothing.

mod guest;
mod machine;
mod memory;
mod thread;

use crate::describe::Description;

pub use guest::VcpuMethod;
pub use machine::{IrqControlMethod, IrqHandlerMethod, PowerMethod};
pub use memory::{CACHE_BYTES_MAX, CACHE_LINE_BYTES, CNodeMethod, FrameMethod, TableMethod, UntypedMethod};
pub use thread::{SchedContextMethod, TcbMethod, ThreadState};

/// Does nothing, on any object: what the cheapest system call costs.
pub const NOTHING: u16 = 0;

/// Every method of every object. A test calls every other label on every object.
pub const DESCRIPTIONS: &[&[&Description]] = &[
    UntypedMethod::DESCRIPTIONS,
    CNodeMethod::DESCRIPTIONS,
    FrameMethod::DESCRIPTIONS,
    TableMethod::DESCRIPTIONS,
    TcbMethod::DESCRIPTIONS,
    VcpuMethod::DESCRIPTIONS,
    SchedContextMethod::DESCRIPTIONS,
    IrqControlMethod::DESCRIPTIONS,
    IrqHandlerMethod::DESCRIPTIONS,
    PowerMethod::DESCRIPTIONS,
];

/// Declares the methods of an object:
///
/// ```text
/// /// What it does.
/// Name = label [needs RIGHT] (word: Kind, ...) -> (word of the answer, ...) { Error: "when", ... }
/// ```
macro_rules! methods {
    ($(#[$doc:meta])* $name:ident of $object:ident { $(
        $(#[doc = $text:literal])*
        $method:ident = $number:literal $(needs $right:ident)? ($($word:ident: $kind:expr),*) -> ($($answer:literal),*) {
            $($error:ident: $why:literal,)*
        }
    )* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u16)]
        pub enum $name { $(
            $(#[doc = $text])*
            #[doc = concat!("\n\nWords:" $(, " `", stringify!($word), "`")*, ". Answer:" $(, " ", $answer, ";")*)]
            $method = $number,
        )* }

        impl $name {
            /// Every method of this object.
            pub const ALL: &'static [$name] = &[$($name::$method),*];
            /// What each of them needs and does, in the same order.
            pub const DESCRIPTIONS: &'static [&'static $crate::describe::Description] = &[$($name::$method.description()),*];

            /// The method of that label.
            pub const fn from_label(label: u16) -> Option<Self> {
                match label { $($number => Some(Self::$method),)* _ => None }
            }

            /// What the method needs and does.
            pub const fn description(self) -> &'static $crate::describe::Description {
                #[allow(unused_imports, reason = "not every object has methods with words")]
                use $crate::describe::{CapType::*, Description, Kind::*, NONE, Word};
                match self { $(
                    Self::$method => const { &Description {
                        name: concat!(stringify!($object), "::", stringify!($method)),
                        number: $number,
                        object: Some($object),
                        rights: NONE$(.union($crate::Rights::$right))?,
                        words: &[$(Word { name: stringify!($word), kind: $kind }),*],
                        reply: false,
                        answer: &[$($answer),*],
                        errors: &[$(($crate::Error::$error, $why)),*],
                        text: &[$($text),*],
                    } },
                )* }
            }
        }
    };
}
use methods;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::describe::{CapType, Kind};

    #[test]
    fn a_method_has_at_most_as_many_words_as_there_are_registers_and_a_label_of_its_own() {
        let mut labels = [false; 1 << 12];
        for method in DESCRIPTIONS.iter().copied().flatten() {
            assert!(method.words.len() <= 4 && method.answer.len() <= 4, "{}", method.name);
            assert!(method.is_method() && method.object.is_some_and(CapType::is_invoked), "{}", method.name);
            assert!(!core::mem::replace(&mut labels[method.number as usize], true), "{}", method.name);
            assert!(!method.text.is_empty(), "{}", method.name);
        }
    }

    #[test]
    fn words_that_belong_to_others_stand_behind_them() {
        for method in DESCRIPTIONS.iter().copied().flatten() {
            let words = method.words;
            for (n, word) in words.iter().enumerate() {
                let before = n.checked_sub(1).map(|n| words[n].kind);
                let right = match word.kind {
                    Kind::EmptySlots => matches!(before, Some(Kind::Capability(CapType::CNode, _))),
                    Kind::Bytes(..) => matches!(before, Some(Kind::Offset(_))),
                    Kind::BudgetUs => words.get(n + 1).is_some_and(|next| next.kind == Kind::PeriodUs),
                    Kind::Priority => matches!(words[0].kind, Kind::Capability(CapType::Tcb, _)),
                    Kind::Slot | Kind::EmptySlot => method.object == Some(CapType::CNode),
                    Kind::FrameAddress => method.object == Some(CapType::Frame),
                    _ => true,
                };
                assert!(right, "{}: {}", method.name, word.name);
            }
        }
    }
}
