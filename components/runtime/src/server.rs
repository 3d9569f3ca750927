//! A server's loop. The component gives a [`Handler`]; the loop is here.

use crate::ipc::{Event, pack};
use crate::object::{Endpoint, Reply};
use abi::Error;
use abi::message::MESSAGE_BYTES_MAX;
use protocol::request::{self, DecodeError, Request};
use serde::Serialize;

/// A message as a handler sees it.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// Which request it says it is.
    pub label: u16,
    /// Badge of the sender's capability.
    pub badge: u32,
    /// Its bytes.
    pub bytes: &'a [u8],
}

impl Incoming<'_> {
    /// The request, if it is an `R` from its first to its last byte.
    pub fn request<R: Request>(&self) -> Result<R, DecodeError> {
        if self.label != R::LABEL {
            return Err(DecodeError::UnknownLabel(self.label));
        }
        request::decode(self.bytes)
    }
}

/// The answer that a handler gives. If it gives none, the request is refused as unknown.
#[derive(Debug)]
pub struct Answer {
    label: u16,
    length: usize,
    buffer: [u8; MESSAGE_BYTES_MAX],
}

impl Default for Answer {
    fn default() -> Self {
        Self { label: 0, length: 0, buffer: [0; MESSAGE_BYTES_MAX] }
    }
}

impl Answer {
    /// Answers with a value.
    pub fn give<T: Serialize>(&mut self, value: &T) {
        match request::encode(value, &mut self.buffer) {
            Ok(length) => (self.label, self.length) = (request::ANSWERED, length),
            Err(error) => self.refuse(error),
        }
    }

    /// Refuses, and says why.
    pub fn refuse(&mut self, error: DecodeError) {
        (self.label, self.length) = (error.label(), 0);
    }

    /// Label of the answer's message.
    pub fn label(&self) -> u16 {
        self.label
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[..self.length]
    }

    /// Answers a request of type `R`, or refuses what is none.
    pub fn to<R: Request>(&mut self, incoming: &Incoming<'_>, work: impl FnOnce(R) -> R::Reply) {
        match incoming.request::<R>() {
            Ok(request) => self.give(&work(request)),
            Err(error) => self.refuse(error),
        }
    }
}

/// What a server does with a message.
pub trait Handler {
    /// Handles one message. The answer starts as a refusal of an unknown label.
    fn handle(&mut self, incoming: &Incoming<'_>, answer: &mut Answer);

    /// The notification that is bound to this thread was signalled: its word, never 0.
    fn notified(&mut self, _word: u32) {}
}

/// Serves `endpoint` for ever, keeping callers in `reply`. Returns only when the kernel refuses to receive.
pub fn serve(endpoint: Endpoint, reply: Reply, handler: &mut impl Handler) -> Error {
    let mut buffer = [0; MESSAGE_BYTES_MAX];
    let mut answer = Answer::default();
    let mut received = endpoint.receive_event(reply);
    loop {
        let message = match received {
            Ok(Event::Message(message)) => message,
            Ok(Event::Notified(word)) => {
                handler.notified(word);
                received = endpoint.receive_event(reply);
                continue;
            }
            Err(error) => return error,
        };
        let bytes = message.bytes(&mut buffer);
        let incoming = Incoming { label: message.info.label(), badge: message.badge, bytes };
        answer.refuse(DecodeError::UnknownLabel(incoming.label));
        handler.handle(&incoming, &mut answer);
        let (info, words) = pack(answer.label(), answer.bytes());
        received = endpoint.answer_and_receive_event(reply, info, words);
        if received.is_err() {
            // The caller went away, or sent without waiting: receive all the same.
            received = endpoint.receive_event(reply);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host;
    use abi::{MessageInfo, Syscall};
    use proptest::prelude::*;
    use protocol::vm::{Ended, Ending};

    struct Echo;
    impl Handler for Echo {
        fn handle(&mut self, incoming: &Incoming<'_>, answer: &mut Answer) {
            if incoming.label == Ended::LABEL {
                answer.to::<Ended>(incoming, |Ended(_)| ());
            } else if incoming.label == 0x777 {
                answer.give(&incoming.bytes);
            }
        }
    }

    /// Runs the server on messages; the answers. Past the last one, receiving fails.
    fn answers(messages: std::vec::Vec<(u16, std::vec::Vec<u8>)>) -> std::vec::Vec<(u16, std::vec::Vec<u8>)> {
        use std::cell::RefCell;
        use std::rc::Rc;
        let seen = Rc::new(RefCell::new(std::vec::Vec::new()));
        let log = seen.clone();
        let mut messages = messages.into_iter();
        host::install(move |number: u32, r: &mut [u32; 7]| {
            let mut whole = [0; MESSAGE_BYTES_MAX];
            if number == Syscall::ReplyRecv as u32 {
                let words = [r[2], r[3], r[4], r[5]];
                let answer = crate::Received { info: MessageInfo(r[1]), words, badge: 0 };
                log.borrow_mut().push((answer.info.label(), answer.bytes(&mut whole).to_vec()));
            }
            match messages.next() {
                None => r[0] = Error::PeerGone as u32,
                Some((label, bytes)) => {
                    let (info, words) = pack(label, &bytes);
                    *r = [0, info.0, words[0], words[1], words[2], words[3], 3];
                }
            }
        });
        assert_eq!(serve(Endpoint(1), Reply(2), &mut Echo), Error::PeerGone);
        seen.take()
    }

    #[test]
    fn what_is_no_request_is_refused_with_its_reason() {
        let got = answers(std::vec![
            (0x100, std::vec![2]),
            (0x100, std::vec![9]),
            (0x100, std::vec![]),
            (0x101, std::vec![1, 2, 3]),
        ]);
        let refused = |error: DecodeError| (error.label(), std::vec![]);
        assert_eq!(got[0], (request::ANSWERED, std::vec![]));
        assert_eq!(got[1], refused(DecodeError::Malformed));
        assert_eq!(got[2], refused(DecodeError::Malformed));
        assert_eq!(got[3], refused(DecodeError::UnknownLabel(0x101)));
    }

    #[test]
    fn a_call_tells_refusal_from_answer() {
        for (label, expected) in [
            (request::ANSWERED, Ok(())),
            (DecodeError::Malformed.label(), Err(crate::CallError::Refused(DecodeError::Malformed))),
            (
                DecodeError::UnknownLabel(0).label(),
                Err(crate::CallError::Refused(DecodeError::UnknownLabel(Ended::LABEL))),
            ),
            (0x7777, Err(crate::CallError::BadAnswer)),
        ] {
            host::install(move |_: u32, r: &mut [u32; 7]| {
                assert_eq!((r[0], r[1], r[2]), (3, MessageInfo::new(0x100, 1).0, 1));
                *r = [0, MessageInfo::new(label, 0).0, 0, 0, 0, 0, 0];
            });
            assert_eq!(crate::call(Endpoint(3), &Ended(Ending::Reset)), expected);
        }
    }

    proptest! {
        #[test]
        fn bytes_of_any_length_survive_registers_and_buffer(bytes in proptest::collection::vec(any::<u8>(), 0..470)) {
            let got = answers(std::vec![(0x777, bytes.clone())]);
            prop_assert_eq!(got[0].0, request::ANSWERED);
            let (echoed, rest): (&[u8], _) = postcard::take_from_bytes(&got[0].1).unwrap();
            prop_assert_eq!(echoed, &bytes[..]);
            prop_assert!(rest.is_empty());
        }
    }
}
