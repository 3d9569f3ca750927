//! Ping: asks, and checks what it is told.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

use pong::{Ping, Pong, SUM_NUMBERS, Sum};
use runtime::{CallError, Endpoint, call, log, space};

/// How often it asks.
pub const ROUNDS: u32 = 10;

/// One question of each kind; whether both answers are right.
pub fn round(pong: Endpoint, number: u32) -> Result<bool, CallError> {
    let Pong(next) = call(pong, &Ping(number))?;
    let Pong(sum) = call(pong, &Sum([number; SUM_NUMBERS]))?;
    Ok(next == number.wrapping_add(1) && sum == number.wrapping_mul(SUM_NUMBERS as u32))
}

/// Ping's thread: asks the channel `pong` a few times, and tells.
pub fn run(_thread: u32) {
    let Some(pong) = space::config().and_then(|config| config.capability("pong")) else {
        return log::error!("ping: there is no channel `pong` to call");
    };
    for number in 0..ROUNDS {
        match round(Endpoint(pong), number) {
            Ok(true) => log::info!("ping {=u32}: answered", number),
            Ok(false) => log::error!("ping {=u32}: wrong answer", number),
            Err(_) => log::error!("ping {=u32}: no answer", number),
        }
    }
    log::info!("ping is done");
}

#[cfg(test)]
mod tests {
    use super::*;
    use abi::message::MESSAGE_BYTES_MAX;
    use abi::{Error, MessageInfo, Syscall};
    use runtime::{Answer, Handler, Incoming, Received, host, ipc::pack};

    /// Pong behind a kernel that calls it as a function, unless it is dead.
    fn kernel(mut alive: u32) {
        let mut server = pong::Server::default();
        host::install(move |number: u32, r: &mut [u32; 7]| {
            assert_eq!(number, Syscall::Call as u32);
            if alive == 0 {
                r[0] = Error::PeerGone as u32;
                return;
            }
            alive -= 1;
            let question = Received { info: MessageInfo(r[1]), words: [r[2], r[3], r[4], r[5]], badge: 1 };
            let mut buffer = [0; MESSAGE_BYTES_MAX];
            let incoming = Incoming { label: question.info.label(), badge: 1, bytes: question.bytes(&mut buffer) };
            let mut answer = Answer::default();
            server.handle(&incoming, &mut answer);
            let (info, words) = pack(answer.label(), answer.bytes());
            *r = [0, info.0, words[0], words[1], words[2], words[3], 0];
        });
    }

    #[test]
    fn pong_answers_rightly() {
        kernel(u32::MAX);
        for number in [0, 7, u32::MAX] {
            assert_eq!(round(Endpoint(1), number), Ok(true));
        }
    }

    #[test]
    fn a_dead_server_is_the_peers_fault() {
        kernel(1);
        assert_eq!(round(Endpoint(1), 0), Err(CallError::Kernel(Error::PeerGone)));
    }
}
