//! Pong: answers. Its protocol is two requests: a short one, which travels in registers, and one that does not fit there.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

use postcard_schema::Schema;
use protocol::Request;
use runtime::{Answer, Endpoint, Handler, Incoming, Reply, log, serve, space};
use serde::{Deserialize, Serialize};

/// Asks for the next number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Ping(pub u32);

/// The next number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Pong(pub u32);

impl Request for Ping {
    type Reply = Pong;
    const LABEL: u16 = 0x100;
}

/// Numbers of [`Sum`].
pub const SUM_NUMBERS: usize = 24;

/// Asks for the sum of many numbers, modulo 2^32: more than registers hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Sum(pub [u32; SUM_NUMBERS]);

impl Request for Sum {
    type Reply = Pong;
    const LABEL: u16 = 0x101;
}

/// The server.
#[derive(Clone, Copy, Debug, Default)]
pub struct Server {
    /// Requests that it has answered.
    pub answered: u32,
}

impl Handler for Server {
    fn handle(&mut self, incoming: &Incoming<'_>, answer: &mut Answer) {
        match incoming.label {
            Ping::LABEL => answer.to::<Ping>(incoming, |Ping(number)| Pong(number.wrapping_add(1))),
            Sum::LABEL => {
                answer.to::<Sum>(incoming, |Sum(numbers)| Pong(numbers.iter().fold(0, |a, b| a.wrapping_add(*b))))
            }
            // The answer refuses by itself.
            _ => return,
        }
        self.answered = self.answered.wrapping_add(1);
    }
}

/// Pong's thread: serves the channel `pong`.
pub fn run(_thread: u32) {
    let Some(config) = space::config() else {
        return;
    };
    let (Some(endpoint), Some(reply)) = (config.capability("pong"), config.capability("pong.reply")) else {
        return log::error!("pong: there is no channel `pong` to serve");
    };
    log::info!("pong serves");
    let error = serve(Endpoint(endpoint), Reply(reply), &mut Server::default());
    log::error!("pong: receiving failed ({=u32})", error as u32);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handled(server: &mut Server, label: u16, bytes: &[u8]) {
        server.handle(&Incoming { label, badge: 1, bytes }, &mut Answer::default());
    }

    #[test]
    fn known_requests_are_counted_and_others_are_not() {
        let mut server = Server::default();
        handled(&mut server, Ping::LABEL, &postcard::to_stdvec(&Ping(1)).unwrap());
        handled(&mut server, Sum::LABEL, &postcard::to_stdvec(&Sum([1; SUM_NUMBERS])).unwrap());
        handled(&mut server, 0x102, &[]);
        assert_eq!(server.answered, 2);
    }

    #[test]
    fn the_two_requests_are_different_versions() {
        assert_ne!(Ping::SCHEMA_HASH, Sum::SCHEMA_HASH);
    }
}
