//! What `bench` measures against. One program, several roles, told by the channels it has: with `calls` it is a passive
//! server that answers every message with nothing; with `asks` it is one that answers requests; with `wake` it waits for signals
//! and messages and takes them.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

use postcard_schema::Schema;
use protocol::Request;
use runtime::{Answer, Handler, Incoming};
use serde::{Deserialize, Serialize};

/// A request of 16 bytes: numbers of four bytes each, as postcard writes numbers of this size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Ask(pub u32, pub u32, pub u32, pub u32);

/// Its reply, of as many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Told(pub u32, pub u32, pub u32, pub u32);

impl Request for Ask {
    type Reply = Told;
    const LABEL: u16 = 0x100;
}

/// What is asked.
pub const ASKED: Ask = Ask(0x0300_0001, 0x0400_0002, 0x0500_0003, 0x0600_0004);

/// Answers [`Ask`] with the same numbers, the last one first.
#[derive(Clone, Copy, Debug)]
pub struct Teller;

impl Handler for Teller {
    fn handle(&mut self, incoming: &Incoming<'_>, answer: &mut Answer) {
        answer.to::<Ask>(incoming, |Ask(a, b, c, d)| Told(d, c, b, a));
    }
}

/// Which role the component has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Answers calls: its endpoint and reply object.
    Server(u32, u32),
    /// Answers requests: its endpoint and reply object.
    Teller(u32, u32),
    /// Receives what is sent: its endpoint.
    Receiver(u32),
    /// Waits for signals.
    Waiter,
}

/// The role that named capabilities give.
pub fn role(capability: impl Fn(&str) -> Option<u32>) -> Role {
    let pair = |name, reply| Some((capability(name)?, capability(reply)?));
    match (pair("calls", "calls.reply"), pair("asks", "asks.reply"), capability("sends")) {
        (Some((endpoint, reply)), _, _) => Role::Server(endpoint, reply),
        (_, Some((endpoint, reply)), _) => Role::Teller(endpoint, reply),
        (_, _, Some(endpoint)) => Role::Receiver(endpoint),
        _ => Role::Waiter,
    }
}

/// The waiter marks the end of this number when it has been woken.
pub const WOKEN: u32 = 7;
/// The receiver marks the end of this number when it has received.
pub const RECEIVED: u32 = 8;
/// The mark of a request with its reply, and the mark of nothing.
pub const ASK: u32 = 9;
/// Two marks with nothing between.
pub const NOTHING: u32 = 10;
/// Rounds of each measurement.
pub const ROUNDS: u32 = 2000;
/// So often the waiter makes no mark, which would count with the rounds that are measured first: all of them, and one before.
pub const SILENT_WAKES: u32 = ROUNDS + 1;
/// The upper half of the numbers that are marks to the plugin that counts from outside.
const MARKS: u32 = 0xb500;

/// What marks the beginning of what `number` measures.
pub const fn begin(number: u32) -> u32 {
    MARKS + 2 * number
}

/// What marks its end.
pub const fn end(number: u32) -> u32 {
    MARKS + 2 * number + 1
}

/// Makes a mark: the plugin sees the instruction that puts it into the upper half of a register. A function of its own, so that
/// it is done when and as often as it is called.
#[inline(never)]
pub fn mark<const MARK: u32>() {
    core::hint::black_box(MARK << 16 | 0xffff);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_tell_the_role() {
        assert_eq!(role(|name| (name == "sends").then_some(9)), Role::Receiver(9));
        assert_eq!(role(|name| name.starts_with("calls").then_some(name.len() as u32)), Role::Server(5, 11));
        assert_eq!(role(|name| name.starts_with("asks").then_some(name.len() as u32)), Role::Teller(4, 10));
        assert_eq!(role(|_| None), Role::Waiter);
    }

    #[test]
    fn request_and_reply_have_16_bytes() {
        let Ask(a, b, c, d) = ASKED;
        assert_eq!(postcard::to_stdvec(&ASKED).unwrap().len(), 16);
        assert_eq!(postcard::to_stdvec(&Told(d, c, b, a)).unwrap().len(), 16);
    }

    #[test]
    fn no_two_marks_are_the_same() {
        assert_eq!((begin(1), end(1), begin(2)), (0xb502, 0xb503, 0xb504));
    }
}
