//! A client: two rings, and a notification that tells it of room and of input.

use runtime::Notification;
use runtime::ring::{Moved, Reader, Writer};

/// The tag of the client whose bytes are whole frames: `log`.
pub const RAW: u8 = 0xff;

/// One end of a channel.
#[derive(Debug)]
pub struct Client {
    /// Its id on the wire, or [`RAW`].
    pub id: u8,
    /// What it says.
    pub output: Reader,
    /// What it is told; `None` if it takes no input.
    pub input: Option<Writer>,
    /// What wakes it.
    pub signal: Option<Notification>,
}

impl Client {
    /// Whether it sends whole frames.
    pub fn is_raw(&self) -> bool {
        self.id == RAW
    }

    /// Drops what was read of its output; it is woken if it may wait for the room.
    pub fn consume(&mut self, bytes: usize) {
        let moved = self.output.skip(bytes);
        self.wake(moved);
    }

    /// Gives it a byte of input. If its ring is full, the byte is lost.
    pub fn tell(&mut self, byte: u8) {
        if let Some(input) = &mut self.input {
            let moved = input.push(&[byte]);
            self.wake(moved);
        }
    }

    fn wake(&self, moved: Moved) {
        if let (true, Some(signal)) = (moved.signal, self.signal) {
            // A client that can't be woken is its own loss.
            let _ = signal.signal();
        }
    }
}
