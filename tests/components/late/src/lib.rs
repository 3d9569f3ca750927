//! Who pays for a server's time: a client with a small budget asks a passive server for more work than that pays for.
//! One program, two roles, told by the channel that it has.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

use postcard_schema::Schema;
use protocol::Request;
use runtime::{Answer, Handler, Incoming};
use serde::{Deserialize, Serialize};

/// Asks to be busy until so many microseconds have passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Work(pub u32);

/// The microseconds that have passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Worked(pub u32);

impl Request for Work {
    type Reply = Worked;
    const LABEL: u16 = 0x100;
}

/// The server; `now_us` is its clock.
pub struct Server<C>(pub C);

impl<C: FnMut() -> u64> Handler for Server<C> {
    fn handle(&mut self, incoming: &Incoming<'_>, answer: &mut Answer) {
        if incoming.label == Work::LABEL {
            answer.to::<Work>(incoming, |Work(us)| {
                let start = (self.0)();
                loop {
                    let passed = (self.0)().saturating_sub(start);
                    if passed >= u64::from(us) {
                        return Worked(u32::try_from(passed).unwrap_or(u32::MAX));
                    }
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_works_as_long_as_it_is_asked_to() {
        let mut now = 0;
        let mut looked = 0;
        let mut server = Server(|| {
            looked += 1;
            now += 7;
            now
        });
        let bytes = postcard::to_stdvec(&Work(100)).unwrap();
        let mut answer = Answer::default();
        server.handle(&Incoming { label: Work::LABEL, badge: 1, bytes: &bytes }, &mut answer);
        assert_eq!(postcard::from_bytes::<Worked>(answer.bytes()), Ok(Worked(105)));
        assert_eq!(looked, 1 + 15);
    }
}
