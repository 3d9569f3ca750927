//! Messages: what arrives, how bytes travel, and typed calls.

use crate::object::Endpoint;
use crate::space::ipc_buffer;
use crate::svc::Registers;
use abi::message::{MESSAGE_BYTES_MAX, REGISTER_BYTES};
use abi::syscall::NOTIFIED;
use abi::{Error, MessageInfo};
use protocol::request::{self, DecodeError, Request};

/// A message that arrived. Bytes past the first 16 lie in the IPC buffer until the next system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its descriptor.
    pub info: MessageInfo,
    /// Its first 16 bytes.
    pub words: [u32; 4],
    /// Badge of the sender's capability.
    pub badge: u32,
}

/// What a thread receives that has a notification bound to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message.
    Message(Received),
    /// The notification's word.
    Notified(u32),
}

impl Event {
    /// From what the kernel returned.
    #[inline(always)]
    pub(crate) fn of(r: Registers) -> Result<Self, Error> {
        if r.r0 == NOTIFIED { Ok(Self::Notified(r.r12)) } else { Received::of(r).map(Self::Message) }
    }
}

impl Received {
    /// From what the kernel returned. A message whose capability could not be taken has arrived all the same.
    #[inline(always)]
    pub(crate) fn of(r: Registers) -> Result<Self, Error> {
        if r.r0 != 0 {
            r.checked()?;
        }
        Ok(Self { info: r.info, words: r.words, badge: r.r12 })
    }

    /// Collects the message's bytes in `buffer`.
    pub fn bytes<'a>(&self, buffer: &'a mut [u8; MESSAGE_BYTES_MAX]) -> &'a [u8] {
        let length = self.info.length();
        for (bytes, word) in buffer.chunks_exact_mut(4).zip(self.words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        if length > REGISTER_BYTES {
            ipc_buffer().try_read(REGISTER_BYTES, &mut buffer[REGISTER_BYTES..length]);
        }
        &buffer[..length]
    }
}

/// Descriptor and register words of a message; what does not fit goes to the IPC buffer. Bytes past
/// [`MESSAGE_BYTES_MAX`] are cut.
pub fn pack(label: u16, bytes: &[u8]) -> (MessageInfo, [u32; 4]) {
    let info = MessageInfo::new(label, bytes.len());
    let bytes = &bytes[..info.length()];
    let mut first = [0; REGISTER_BYTES];
    let registers = bytes.len().min(REGISTER_BYTES);
    first[..registers].copy_from_slice(&bytes[..registers]);
    if let Some(rest) = bytes.get(REGISTER_BYTES..).filter(|rest| !rest.is_empty()) {
        ipc_buffer().try_write(REGISTER_BYTES, rest);
    }
    let word = |index: usize| u32::from_le_bytes([first[index], first[index + 1], first[index + 2], first[index + 3]]);
    (info, [word(0), word(4), word(8), word(12)])
}

/// Why a typed call has no answer, and so whose mistake it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallError {
    /// The kernel refused the call, or the server went away.
    Kernel(Error),
    /// The server does not know the request, or could not decode it.
    Refused(DecodeError),
    /// The server's answer is none.
    BadAnswer,
    /// The request is longer than a message can be.
    TooLong,
}

/// Asks a server and waits for its answer.
pub fn call<R: Request>(endpoint: Endpoint, request: &R) -> Result<R::Reply, CallError> {
    let mut buffer = [0; MESSAGE_BYTES_MAX];
    let length = request::encode(request, &mut buffer).map_err(|_| CallError::TooLong)?;
    let (info, words) = pack(R::LABEL, &buffer[..length]);
    let answer = endpoint.call(info, words).map_err(CallError::Kernel)?;
    match answer.info.label() {
        request::ANSWERED => request::decode(answer.bytes(&mut buffer)).map_err(|_| CallError::BadAnswer),
        label => Err(DecodeError::from_label(label, R::LABEL).map_or(CallError::BadAnswer, CallError::Refused)),
    }
}
