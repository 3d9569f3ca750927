//! The virtio console (virtio 1.2, section 5.3): one port, no size, no multiport.
//!
//! Queue 0 receives, queue 1 transmits. Where the wire has no room, a chain that is half sent waits; where the driver
//! has given no buffers, input waits with the host.

use super::chain::{Chain, ChainOf};
use super::device::{Device, Serve};
use super::memory::{Fault, GuestMemory, Misuse};
use super::queue::Queue;
use crate::line::Output;

/// The console's device type.
pub const CONSOLE_ID: u32 = 3;
/// Number of its queues.
pub const CONSOLE_QUEUES: usize = 2;
/// Descriptors of each: drivers keep one chain under way, and fill the queue for input with pages.
pub const CONSOLE_QUEUE_SIZE: u16 = 32;
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
    /// The chain at hand.
    chain: ChainOf<{ CONSOLE_QUEUE_SIZE as usize }>,
    /// How many of its bytes have been sent, if it is being sent.
    sent: Option<u64>,
}

impl Console {
    /// A console with nothing under way.
    pub const fn new() -> Self {
        Self { chain: ChainOf::new(), sent: None }
    }

    fn receive<M: GuestMemory, P: Port>(
        &mut self,
        queue: &mut Queue,
        memory: &mut M,
        port: &mut P,
    ) -> Result<bool, Fault> {
        if port.waiting() == 0 {
            // Buffers are of no interest until there is something to put in.
            queue.listen(false, memory)?;
            return Ok(false);
        }
        let mut chain = ChainOf::<{ CONSOLE_QUEUE_SIZE as usize }>::new();
        for _ in 0..CONSOLE_QUEUE_SIZE {
            if !queue.pop(&mut chain, memory)? {
                if queue.listen(true, memory)? {
                    continue;
                }
                return Ok(false);
            }
            let written = fill(&chain, memory, port)?;
            queue.push(chain.head(), written, memory)?;
            if port.waiting() == 0 {
                queue.listen(false, memory)?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn transmit<M: GuestMemory, P: Port>(
        &mut self,
        queue: &mut Queue,
        memory: &mut M,
        port: &mut P,
    ) -> Result<bool, Fault> {
        let mut budget = SEND_BYTES_MAX;
        for _ in 0..CONSOLE_QUEUE_SIZE {
            if self.sent.is_none() && queue.pop(&mut self.chain, memory)? {
                self.sent = Some(0);
            }
            let Some(sent) = &mut self.sent else {
                if queue.listen(true, memory)? {
                    continue;
                }
                return Ok(false);
            };
            let drained = drain(&self.chain, sent, &mut budget, memory, port)?;
            if !drained {
                // Out of budget: again soon. Out of room: again when the host says so.
                return Ok(budget == 0);
            }
            self.sent = None;
            queue.push(self.chain.head(), 0, memory)?;
        }
        Ok(true)
    }
}

/// Puts input into a chain: how many bytes.
fn fill<M: GuestMemory, P: Port>(chain: &Chain, memory: &mut M, port: &mut P) -> Result<u32, Fault> {
    let mut piece = [0; PIECE_BYTES];
    let mut written = 0u64;
    let room = chain.writable().len();
    while written < room && port.waiting() > 0 {
        let want = usize::try_from(room - written).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
        let got = port.take(piece.get_mut(..want).unwrap_or_default()).min(want);
        if got == 0 {
            break;
        }
        written += chain.writable().write(written, piece.get(..got).unwrap_or_default(), memory)? as u64;
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
    let len = chain.readable().len();
    loop {
        if *sent >= len {
            return Ok(true);
        }
        let want = port.room().min(*budget).min(PIECE_BYTES);
        let got = chain.readable().read(*sent, piece.get_mut(..want).unwrap_or_default(), memory)?;
        if got == 0 {
            return Ok(false);
        }
        piece.iter().take(got).for_each(|&byte| port.put(byte));
        *sent += got as u64;
        *budget -= got;
    }
}

impl Device<CONSOLE_QUEUES> for Console {
    const ID: u32 = CONSOLE_ID;
    const QUEUE_SIZE: u16 = CONSOLE_QUEUE_SIZE;

    /// cols, rows, max_nr_ports and emerg_wr: all of them need features that are not offered.
    fn configuration(&self, _offset: u32) -> u8 {
        0
    }
}

impl<P: Port> Serve<P, CONSOLE_QUEUES> for Console {
    fn reset(&mut self, _port: &mut P) {
        self.sent = None;
    }

    fn stop(&mut self, queue: usize, _port: &mut P) {
        if queue == 1 {
            self.sent = None;
        }
    }

    fn serve<M: GuestMemory>(
        &mut self,
        [receive, transmit]: &mut [Queue; CONSOLE_QUEUES],
        memory: &mut M,
        port: &mut P,
    ) -> Result<bool, Misuse> {
        let more = self.receive(receive, memory, port).map_err(|fault| receive.misuse(fault))?;
        let transmitted = self.transmit(transmit, memory, port);
        Ok(transmitted.map_err(|fault| transmit.misuse(fault))? | more)
    }
}
