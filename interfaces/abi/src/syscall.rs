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

/// Status (r0) of a call that receives, if it brought no message but the word of the notification that is bound to the thread:
/// the word is in r12, and there is no message. No [`Error`](crate::Error) has this number.
pub const NOTIFIED: u32 = 1 << 31;

/// Number of a system call, the immediate of `SVC`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Syscall {
    /// Send to the object and wait for its answer. On an endpoint: a call to a server. On any other
    /// object: an invocation of the kernel, whose method is the message's label.
    Call = 0,
    /// Answer the caller held by the `Reply` object in r12, then receive from the endpoint in r0,
    /// which stores its next caller in that same `Reply` object.
    ReplyRecv = 1,
    /// Send to an endpoint and wait until someone has received it; there is no answer.
    Send = 2,
    /// Send to an endpoint if someone is waiting for it; otherwise nothing happens.
    NbSend = 3,
    /// Receive from an endpoint.
    Recv = 4,
    /// Receive from an endpoint if a sender is waiting; otherwise [`Error::WouldBlock`](crate::Error).
    NbRecv = 5,
    /// Set the badge's bits in a notification and wake its waiter.
    Signal = 6,
    /// Wait for a notification; its word arrives in r12 and is cleared.
    Wait = 7,
    /// Take a notification's word if it is not zero; otherwise [`Error::WouldBlock`](crate::Error).
    Poll = 8,
    /// Answer the caller held by the `Reply` object in r0, without receiving.
    Reply = 9,
    /// Give up what is left of this period's turn to threads of the same priority.
    Yield = 10,
}

impl Syscall {
    /// How many there are; their numbers are 0 to `COUNT - 1`.
    pub const COUNT: u32 = Self::Yield as u32 + 1;

    /// The call of that number, or `None` if there is none.
    pub const fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Call,
            1 => Self::ReplyRecv,
            2 => Self::Send,
            3 => Self::NbSend,
            4 => Self::Recv,
            5 => Self::NbRecv,
            6 => Self::Signal,
            7 => Self::Wait,
            8 => Self::Poll,
            9 => Self::Reply,
            10 => Self::Yield,
            _ => return None,
        })
    }
}

/// A capability's address in the caller's capability space. Address 0 is the null capability.
pub type CPtr = u32;
