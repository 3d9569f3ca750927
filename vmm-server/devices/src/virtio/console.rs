//! The virtio console (virtio 1.2, section 5.3): one port, no size, no multiport.
//!
//! Queue 0 receives, queue 1 transmits. Where the wire has no room, a chain that is half sent waits; where the driver
//! has given no buffers, input waits with the host.

use super::chain::Chain;
use super::device::Device;
use super::memory::{Fault, GuestMemory, Misuse};
use super::queue::{QUEUE_SIZE_MAX, Queue};
use crate::line::Output;

/// The console's device type.
pub const CONSOLE_ID: u32 = 3;
/// Number of its queues.
pub const CONSOLE_QUEUES: usize = 2;
/// Bytes that one call of `serve` sends at most.
pub const SEND_BYTES_MAX: usize = 16384;

/// Bytes that are copied at once.
const PIECE_BYTES: usize = 256;

/// The far side of the console: where its output goes and its input comes from.
pub trait Port: Output {
    /// Bytes of input that wait.
    fn waiting(&self) -> usize;
    /// Takes input into `into`, up to its length; tells how many bytes.
    fn take(&mut self, into: &mut [u8]) -> usize;
}

/// The console device.
#[derive(Clone, Debug, Default)]
pub struct Console {
    /// A chain that is being sent, and how many of its bytes have been.
    sending: Option<(Chain, u64)>,
}

impl Console {
    /// A console with nothing under way.
    pub const fn new() -> Self {
        Self { sending: None }
    }

    fn receive<M: GuestMemory, P: Port>(
        &mut self,
        queue: &mut Queue,
        memory: &mut M,
        port: &mut P,
    ) -> Result<bool, Misuse> {
        for _ in 0..QUEUE_SIZE_MAX {
            if port.waiting() == 0 {
                // Buffers are of no interest until there is something to put in.
                queue.listen(false, memory)?;
                return Ok(false);
            }
            let Some(chain) = queue.pop(memory)? else {
                if queue.listen(true, memory)? {
                    continue;
                }
                return Ok(false);
            };
            let written = fill(&chain, memory, port).map_err(|fault| queue.misuse(fault))?;
            queue.push(chain.head, written, memory)?;
        }
        Ok(true)
    }

    fn transmit<M: GuestMemory, P: Port>(
        &mut self,
        queue: &mut Queue,
        memory: &mut M,
        port: &mut P,
    ) -> Result<bool, Misuse> {
        let mut budget = SEND_BYTES_MAX;
        for _ in 0..QUEUE_SIZE_MAX {
            if self.sending.is_none() {
                self.sending = queue.pop(memory)?.map(|chain| (chain, 0));
            }
            let Some((chain, sent)) = &mut self.sending else {
                if queue.listen(true, memory)? {
                    continue;
                }
                return Ok(false);
            };
            let drained = drain(chain, sent, &mut budget, memory, port).map_err(|fault| queue.misuse(fault))?;
            if !drained {
                // Out of budget: again soon. Out of room: again when the host says so.
                return Ok(budget == 0);
            }
            let head = chain.head;
            self.sending = None;
            queue.push(head, 0, memory)?;
        }
        Ok(true)
    }
}

/// Puts input into a chain: how many bytes.
fn fill<M: GuestMemory, P: Port>(chain: &Chain, memory: &mut M, port: &mut P) -> Result<u32, Fault> {
    let mut piece = [0; PIECE_BYTES];
    let mut written = 0u64;
    let room = chain.len(true);
    while written < room && port.waiting() > 0 {
        let want = usize::try_from(room - written).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
        let got = port.take(piece.get_mut(..want).unwrap_or_default()).min(want);
        if got == 0 {
            break;
        }
        let mut rest = piece.get(..got).unwrap_or_default();
        while !rest.is_empty() {
            let done = chain.write(written, rest, memory)?;
            written += done as u64;
            rest = rest.get(done.max(1)..).unwrap_or_default();
        }
    }
    Ok(u32::try_from(written).unwrap_or(u32::MAX))
}

/// Sends what is left of a chain: whether all of it has been.
fn drain<M: GuestMemory, P: Port>(
    chain: &Chain,
    sent: &mut u64,
    budget: &mut usize,
    memory: &M,
    port: &mut P,
) -> Result<bool, Fault> {
    let mut piece = [0; PIECE_BYTES];
    loop {
        if *sent >= chain.len(false) {
            return Ok(true);
        }
        let want = port.room().min(*budget).min(PIECE_BYTES);
        let got = chain.read(*sent, piece.get_mut(..want).unwrap_or_default(), memory)?;
        if got == 0 {
            return Ok(false);
        }
        piece.iter().take(got).for_each(|&byte| port.put(byte));
        *sent += got as u64;
        *budget -= got;
    }
}

impl<P: Port> Device<P, CONSOLE_QUEUES> for Console {
    const ID: u32 = CONSOLE_ID;
    const FEATURES: u64 = 0;

    /// cols, rows, max_nr_ports and emerg_wr: all of them need features that are not offered.
    fn configuration(&self, _offset: u32) -> u8 {
        0
    }

    fn reset(&mut self) {
        self.sending = None;
    }

    fn stop(&mut self, queue: usize) {
        if queue == 1 {
            self.sending = None;
        }
    }

    fn serve<M: GuestMemory>(
        &mut self,
        [receive, transmit]: &mut [Queue; CONSOLE_QUEUES],
        memory: &mut M,
        port: &mut P,
    ) -> Result<bool, Misuse> {
        let more = self.receive(receive, memory, port)?;
        Ok(self.transmit(transmit, memory, port)? | more)
    }
}
