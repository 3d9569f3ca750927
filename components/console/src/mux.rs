//! Output: what goes on the wire next. Clients take turns; each turn is one frame of bounded length.

use crate::client::Client;
use protocol::wire::{DEFMT, FRAME};
use runtime::lossy::FRAME_BYTES_MAX;

/// The most bytes of text in one turn.
pub const TEXT_BYTES_MAX: usize = 256;
/// Room for the longest turn.
const STAGE_BYTES: usize = FRAME_BYTES_MAX;
const _: () = assert!(TEXT_BYTES_MAX + 3 <= STAGE_BYTES);

/// A frame on its way out.
#[derive(Debug)]
pub struct Stage {
    bytes: [u8; STAGE_BYTES],
    length: usize,
    sent: usize,
}

impl Default for Stage {
    fn default() -> Self {
        Self { bytes: [0; STAGE_BYTES], length: 0, sent: 0 }
    }
}

impl Stage {
    /// The next byte to send.
    pub fn next(&self) -> Option<u8> {
        (self.sent < self.length).then(|| self.bytes[self.sent])
    }

    /// It was sent.
    pub fn advance(&mut self) {
        self.sent += 1;
    }

    /// Takes a client's turn; `false` if it has nothing to say. What was sent before is forgotten.
    pub fn take(&mut self, client: &mut Client) -> bool {
        (self.sent, self.length) = (0, 0);
        if client.is_raw() { self.take_frame(client) } else { self.take_text(client) }
    }

    fn put(&mut self, byte: u8) {
        self.bytes[self.length] = byte;
        self.length += 1;
    }

    fn take_text(&mut self, client: &mut Client) -> bool {
        let available = client.output.available().min(TEXT_BYTES_MAX);
        self.put(FRAME);
        self.put(client.id);
        for index in 0..available {
            let byte = client.output.peek(index);
            if byte != FRAME {
                self.put(byte);
            }
        }
        let any = self.length > 2;
        self.put(FRAME);
        client.consume(available);
        if !any {
            self.length = 0;
        }
        any
    }

    /// One whole frame with a log's tag; whatever else the client says is skipped.
    fn take_frame(&mut self, client: &mut Client) -> bool {
        let available = client.output.available();
        let mut skipped = 0;
        while skipped + 2 < available {
            let (first, tag) = (client.output.peek(skipped), client.output.peek(skipped + 1));
            if first == FRAME && tag & DEFMT != 0 {
                let longest = (available - skipped).min(STAGE_BYTES);
                let output = &client.output;
                match (2..longest).find(|index| output.peek(skipped + index) == FRAME) {
                    Some(end) => {
                        for index in 0..=end {
                            let byte = client.output.peek(skipped + index);
                            // The client may change its ring meanwhile: between the delimiters there is no zero.
                            let inside = index != 0 && index != end;
                            match (inside, index) {
                                (false, _) => self.put(FRAME),
                                (true, 1) => self.put(byte | DEFMT),
                                (true, _) => self.put(if byte == FRAME { DEFMT } else { byte }),
                            }
                        }
                        client.consume(skipped + end + 1);
                        return true;
                    }
                    // The rest of it has not been written yet.
                    None if longest < STAGE_BYTES => break,
                    None => {}
                }
            }
            skipped += 1;
        }
        client.consume(skipped);
        false
    }
}
