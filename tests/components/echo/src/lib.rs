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
/// Calls from here on are marks to the plugin that counts from outside, and nothing to the kernel.
const MARKS: u32 = 0x800;

/// The call that marks the beginning of what `number` measures.
pub const fn begin(number: u32) -> u32 {
    MARKS + 2 * number
}

/// The call that marks its end.
pub const fn end(number: u32) -> u32 {
    MARKS + 2 * number + 1
}

/// Makes a mark: a system call that there is not, which the kernel refuses.
#[cfg(target_os = "none")]
pub fn mark<const MARK: u32>() {
    runtime::svc::svc::<MARK>(runtime::svc::Registers::default());
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
    fn a_mark_is_no_call_of_the_kernels() {
        assert_eq!((begin(1), end(1), begin(2)), (0x802, 0x803, 0x804));
    }
}
