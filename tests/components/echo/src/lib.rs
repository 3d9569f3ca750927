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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_tell_the_role() {
        assert_eq!(role(|name| (name == "sends").then_some(9)), Role::Receiver(9));
        assert_eq!(role(|name| name.starts_with("calls").then_some(name.len() as u32)), Role::Server(5, 11));
        assert_eq!(role(|_| None), Role::Waiter);
    }
}
