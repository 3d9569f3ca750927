//! Input: `0x00, id` selects the channel for the bytes that follow.

use protocol::wire::FRAME;

/// What a byte of input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// For the selected channel.
    Byte(u8),
    /// From now on, this channel is selected.
    Select(u8),
    /// The first half of a selection.
    Nothing,
}

/// Takes the input apart.
#[derive(Clone, Copy, Debug, Default)]
pub struct Demux {
    selecting: bool,
}

impl Demux {
    /// Takes a byte from the wire.
    pub fn take(&mut self, byte: u8) -> Input {
        match (core::mem::replace(&mut self.selecting, byte == FRAME), byte) {
            (_, FRAME) => Input::Nothing,
            (true, id) => Input::Select(id),
            (false, byte) => Input::Byte(byte),
        }
    }
}
