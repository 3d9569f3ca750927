//! What `bench` measures against. One program, two roles, told by the channels it has: with `calls` it is a passive
//! server that answers every message with nothing; with `wake` it waits for signals and messages and takes them.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

/// Which role the component has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Answers calls: its endpoint and reply object.
    Server(u32, u32),
    /// Receives what is sent: its endpoint.
    Receiver(u32),
    /// Waits for signals.
    Waiter,
}

/// The role that named capabilities give.
pub fn role(capability: impl Fn(&str) -> Option<u32>) -> Role {
    match (capability("calls"), capability("calls.reply"), capability("sends")) {
        (Some(endpoint), Some(reply), _) => Role::Server(endpoint, reply),
        (_, _, Some(endpoint)) => Role::Receiver(endpoint),
        _ => Role::Waiter,
    }
}

/// The waiter marks the end of this number when it has been woken.
pub const WOKEN: u32 = 7;
/// The receiver marks the end of this number when it has received.
pub const RECEIVED: u32 = 8;
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
        assert_eq!(role(|_| None), Role::Waiter);
    }

    #[test]
    fn no_two_marks_are_the_same() {
        assert_eq!((begin(1), end(1), begin(2)), (0xb502, 0xb503, 0xb504));
    }
}
