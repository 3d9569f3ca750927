//! The VM's channel to the console: two rings and a signal.

use arrayvec::ArrayVec;
use runtime::ring::{Reader, Writer};
use vmm_devices::line::Output;
use vmm_devices::virtio::console;

/// Bytes that wait for room in the ring before they are lost.
const BACKLOG_BYTES: usize = 64;

/// The channel. A VM without a console has none of its parts.
#[derive(Debug)]
pub struct Port {
    output: Option<Writer>,
    input: Option<Reader>,
    backlog: ArrayVec<u8, BACKLOG_BYTES>,
    /// The console must be signalled, once no lock is held.
    signal: bool,
}

impl Port {
    /// A channel of these rings.
    pub fn new(output: Option<Writer>, input: Option<Reader>) -> Self {
        Self { output, input, backlog: ArrayVec::new(), signal: false }
    }

    /// Whether the console must be signalled now; asked once.
    #[inline]
    pub fn take_signal(&mut self) -> bool {
        core::mem::take(&mut self.signal)
    }

    /// Whether bytes wait for room.
    #[inline]
    pub fn is_stuck(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// Sends what waited, as far as there is room.
    pub fn flush(&mut self) {
        let Some(output) = &mut self.output else { return self.backlog.clear() };
        let moved = output.push(&self.backlog);
        self.signal |= moved.signal;
        self.backlog.drain(..moved.bytes);
    }

    /// Gives up what waits.
    pub fn drop_backlog(&mut self) {
        self.backlog.clear();
    }

    /// The next byte of input.
    pub fn next_input(&mut self) -> Option<u8> {
        let mut byte = [0];
        let moved = self.input.as_mut()?.pop(&mut byte);
        self.signal |= moved.signal;
        (moved.bytes == 1).then_some(byte[0])
    }
}

impl Output for Port {
    fn put(&mut self, byte: u8) {
        if self.backlog.is_empty()
            && let Some(output) = &mut self.output
        {
            let moved = output.push(&[byte]);
            self.signal |= moved.signal;
            if moved.bytes == 1 {
                return;
            }
        }
        // A byte that finds no room even here is lost.
        let _ = self.backlog.try_push(byte);
    }

    fn room(&self) -> usize {
        match (&self.output, self.backlog.is_empty()) {
            (Some(output), true) => output.room(),
            (Some(_), false) => 0,
            (None, _) => usize::MAX,
        }
    }
}

impl console::Port for Port {
    fn waiting(&self) -> usize {
        self.input.as_ref().map_or(0, Reader::waiting)
    }

    fn take(&mut self, into: &mut [u8]) -> usize {
        let Some(input) = &mut self.input else { return 0 };
        let moved = input.pop(into);
        self.signal |= moved.signal;
        moved.bytes
    }
}
