//! System calls: the number stands in the immediate of the `SVC` instruction, so that the kernel has
//! it from the syndrome register at no cost (HSR.ISS[15:0], ARM DDI 0406C B3.13.6).
//!
//! Registers on entry:
//!
//! | register | meaning |
//! |---|---|
//! | r0 | capability address of the object that is invoked |
//! | r1 | [`MessageInfo`](crate::MessageInfo) |
//! | r2-r5 | message words 0-3 (the first 16 bytes of the message) |
//! | r12 | capability address of the `Reply` object, for calls that receive |
//!
//! Registers on return:
//!
//! | register | meaning |
//! |---|---|
//! | r0 | status: 0, an [`Error`](crate::Error), or [`NOTIFIED`] |
//! | r1 | `MessageInfo` of the message that arrived |
//! | r2-r5 | its words 0-3 |
//! | r12 | badge of the sender's capability (receive), or the word that was waited for |
//!
//! All other registers are preserved. A message longer than 16 bytes lies in the caller's
//! [`IpcBuffer`](crate::message::IpcBuffer), whose first 16 bytes are not used.

use crate::describe::Description;

/// Status (r0) of a call that receives, if it brought no message but the word of the notification that is bound to the thread:
/// the word is in r12, and there is no message. No [`Error`](crate::Error) has this number.
pub const NOTIFIED: u32 = 1 << 31;

/// Declares the system calls:
///
/// ```text
/// /// What it does.
/// Name = number [on Object [needs RIGHT] [with Reply]] { Error: "when", ... }
/// ```
macro_rules! syscalls {
    ($(#[$doc:meta])* $name:ident { $(
        $(#[doc = $text:literal])*
        $call:ident = $number:literal $(on $object:ident $(needs $right:ident)? $(with $reply:ident)?)? {
            $($error:ident: $why:literal,)*
        }
    )* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        pub enum $name { $($(#[doc = $text])* $call = $number,)* }

        impl $name {
            /// Every call.
            pub const ALL: &'static [$name] = &[$($name::$call),*];
            /// How many there are; their numbers are 0 to `COUNT - 1`.
            pub const COUNT: u32 = Self::ALL.len() as u32;

            /// The call of that number, or `None` if there is none.
            pub const fn from_number(number: u32) -> Option<Self> {
                match number { $($number => Some(Self::$call),)* _ => None }
            }

            /// What the call needs and does.
            pub const fn description(self) -> &'static Description {
                #[allow(unused_mut, unused_assignments, reason = "not every call has all of it")]
                match self { $(
                    Self::$call => const {
                        let (mut object, mut rights, mut reply) = (None, crate::describe::NONE, false);
                        $(
                            object = Some(crate::describe::CapType::$object);
                            $(rights = crate::Rights::$right;)?
                            $(reply = matches!(crate::describe::CapType::$reply, crate::describe::CapType::Reply);)?
                        )?
                        &Description {
                            name: stringify!($call),
                            number: $number,
                            object,
                            rights,
                            words: &[],
                            reply,
                            answer: &[],
                            errors: &[$((crate::Error::$error, $why)),*],
                            text: &[$($text),*],
                        }
                    },
                )* }
            }
        }
    };
}

syscalls! {
    /// Number of a system call, the immediate of `SVC`.
    Syscall {
        /// Sends, and waits for the answer; a passive server runs on the caller's time. On any other object than an endpoint it
        /// invokes the kernel: a [method](#methods), named by the message's label.
        Call = 0 on Endpoint needs WRITE {
            PeerGone: "the answer will never come",
        }
        /// Answers the caller that the `Reply` holds, if it holds one, then receives; the next caller is kept in that same
        /// `Reply`.
        ReplyRecv = 1 on Endpoint needs READ with Reply {
            WrongState: "another thread receives into that `Reply`",
            PeerGone: "the endpoint was deleted meanwhile",
        }
        /// Sends, and waits until it was received. No answer, and no time: a passive receiver goes on only when somebody gives
        /// it some.
        Send = 2 on Endpoint needs WRITE {
            WrongState: "who receives is a passive server, which has no time unless it is called",
            PeerGone: "the endpoint was deleted meanwhile",
        }
        /// Sends if somebody receives already. Otherwise nothing happens, and that is no error.
        NbSend = 3 on Endpoint needs WRITE {
            WrongState: "as `Send`",
        }
        /// Receives. A caller that the `Reply` still held is given up and gets `PeerGone`. Without a `Reply` a `Call` is received
        /// like a `Send`, and its caller gets `PeerGone`.
        Recv = 4 on Endpoint needs READ with Reply {
            WrongState: "another thread receives into that `Reply`",
            PeerGone: "the endpoint was deleted meanwhile",
        }
        /// Receives if somebody sends already.
        NbRecv = 5 on Endpoint needs READ with Reply {
            WrongState: "another thread receives into that `Reply`",
            WouldBlock: "nobody sends",
        }
        /// Sets the bits of the badge, and wakes the first waiter with all bits that are set; if nobody waits, the bound thread, if
        /// that receives messages.
        Signal = 6 on Notification needs WRITE {}
        /// Takes the word if it is not 0, else waits; it arrives in r12, and is 0 from then on.
        Wait = 7 on Notification needs READ {
            PeerGone: "the notification was deleted meanwhile",
        }
        /// Takes the word if it is not 0.
        Poll = 8 on Notification needs READ {
            WouldBlock: "it is 0",
        }
        /// Answers the caller that the object holds.
        Reply = 9 on Reply {
            NoCaller: "it holds none",
        }
        /// Gives up what is left of this turn to threads of the same priority, or of this refill of a budget.
        Yield = 10 {}
    }
}

/// A capability's address in the caller's capability space. Address 0 is the null capability.
pub type CPtr = u32;
