//! Requests: types that name their reply.

use abi::message::MESSAGE_BYTES_MAX;
use postcard_schema::{Schema, key::Key};
use serde::{Serialize, de::DeserializeOwned};

/// A message that is answered by a `Reply`.
pub trait Request: Serialize + DeserializeOwned + Schema {
    /// What the answer is.
    type Reply: Serialize + DeserializeOwned + Schema;
    /// The message's label, unique in its service; below 0x100 are those of the kernel.
    const LABEL: u16;

    /// Names the version of request and reply: a hash of both schemas. It finds mistakes; it is no security.
    const SCHEMA_HASH: u64 = {
        let request = u64::from_le_bytes(Key::for_path::<Self>("request").to_bytes());
        let reply = u64::from_le_bytes(Key::for_path::<Self::Reply>("reply").to_bytes());
        request ^ reply.rotate_left(1)
    };
}

/// A message that is not what it says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The server knows no request with that label.
    UnknownLabel(u16),
    /// The bytes are no request of that label.
    Malformed,
    /// The value is longer than a message can be.
    TooLong,
}

/// Label of an answer that holds the request's reply.
pub const ANSWERED: u16 = 0;

impl DecodeError {
    /// Label of the answer by which a server says so; such an answer has no bytes.
    pub const fn label(self) -> u16 {
        match self {
            Self::UnknownLabel(_) => 1,
            Self::Malformed => 2,
            Self::TooLong => 3,
        }
    }

    /// What an answer with that label to a request with label `asked` says; `None` if no server says so.
    pub const fn from_label(label: u16, asked: u16) -> Option<Self> {
        Some(match label {
            1 => Self::UnknownLabel(asked),
            2 => Self::Malformed,
            3 => Self::TooLong,
            _ => return None,
        })
    }
}

/// Writes a value to `buffer`; the length in bytes.
pub fn encode<T: Serialize>(value: &T, buffer: &mut [u8; MESSAGE_BYTES_MAX]) -> Result<usize, DecodeError> {
    postcard::to_slice(value, buffer).map(|used| used.len()).map_err(|_| DecodeError::TooLong)
}

/// Reads a value that must fill `bytes`.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        _ => Err(DecodeError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::{Ended, Ending};

    #[test]
    fn a_request_survives_and_a_longer_or_shorter_one_is_refused() {
        let mut buffer = [0; MESSAGE_BYTES_MAX];
        let length = encode(&Ended(Ending::Crashed), &mut buffer).unwrap();
        assert_eq!(decode::<Ended>(&buffer[..length]), Ok(Ended(Ending::Crashed)));
        assert_eq!(decode::<Ended>(&buffer[..length + 1]), Err(DecodeError::Malformed));
        assert_eq!(decode::<Ended>(&[]), Err(DecodeError::Malformed));
        assert_eq!(decode::<Ended>(&[9]), Err(DecodeError::Malformed));
    }
}
