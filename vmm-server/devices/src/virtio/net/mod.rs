//! The virtio network device (virtio 1.2, section 5.1): queue 0 receives, queue 1 transmits. It offers MAC, MTU and STATUS; no
//! offloads, so that a frame is what is on the wire, no mergeable buffers, since each frame then fits the buffer that a driver
//! must provide, and no control queue.
//!
//! **Who waits, and who does not.** A frame that the link does not take waits, and the guest with it, who is not heard meanwhile:
//! that costs no exits. A frame for a guest that has no buffer for it is dropped, as a real one does; the guest is
//! never asked to say when it has more. Every frame is counted once: as sent, as received, or by why it was dropped.

mod link;
mod pace;
pub mod spec;

#[cfg(test)]
mod tests;

pub use link::Link;
pub use pace::Pace;

use super::chain::{Chain, ChainOf};
use super::device::{Device, Serve};
use super::memory::{Fault, GuestMemory, Misuse};
use super::queue::Queue;
use spec::{ETHERNET_BYTES, FEATURE_MAC, FEATURE_MTU, FEATURE_STATUS, HEADER_BYTES, MTU_MIN, NET_ID, TAG_BYTES};

/// Number of queues.
pub const NET_QUEUES: usize = 2;
/// Descriptors of each.
pub const NET_QUEUE_SIZE: u16 = 128;
/// Buffers of a frame: more than a driver uses that cuts nothing into segments.
pub const FRAME_SEGMENTS_MAX: usize = 32;
/// Frames that one call of `serve` moves in each direction.
pub const SERVE_FRAMES_MAX: usize = 64;

/// Bytes that are copied at once.
const PIECE_BYTES: usize = 512;

type Segments = ChainOf<FRAME_SEGMENTS_MAX>;

/// What became of frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sent by the guest.
    pub sent: u64,
    /// Of the guest's, dropped: shorter than a header or longer than the MTU.
    pub sent_unfit: u64,
    /// Received by the guest.
    pub received: u64,
    /// For the guest, dropped: it had no buffer.
    pub no_buffer: u64,
    /// For the guest, dropped: longer than the MTU, longer than its buffer, or no frame at all.
    pub received_unfit: u64,
    /// For the guest, dropped: no driver was there.
    pub no_driver: u64,
}

/// Why there is no such device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// The address is that of a group, or zero.
    Mac([u8; 6]),
    /// The MTU is less than 68.
    Mtu(u16),
}

/// The network device.
#[derive(Clone, Debug)]
pub struct Net {
    mac: [u8; 6],
    mtu: u16,
    is_up: bool,
    generation: u32,
    counts: Counts,
    /// The guest's frame at hand, if it is waiting for the link.
    chain: Segments,
    is_waiting: bool,
}

impl Net {
    /// A device with that address, and with that many bytes at most in a frame besides the Ethernet header; its link is up.
    pub const fn new(mac: [u8; 6], mtu: u16) -> Result<Self, Unfit> {
        if mac[0] & 1 != 0 || u64::from_le_bytes([mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], 0, 0]) == 0 {
            return Err(Unfit::Mac(mac));
        }
        if mtu < MTU_MIN {
            return Err(Unfit::Mtu(mtu));
        }
        let counts = Counts { sent: 0, sent_unfit: 0, received: 0, no_buffer: 0, received_unfit: 0, no_driver: 0 };
        Ok(Self { mac, mtu, is_up: true, generation: 0, counts, chain: Segments::new(), is_waiting: false })
    }

    /// What has become of frames so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The link comes up or goes down: the driver is told.
    pub fn set_link(&mut self, is_up: bool) {
        if self.is_up != is_up {
            self.is_up = is_up;
            self.generation = self.generation.wrapping_add(1);
        }
    }

    /// Whether a frame has a length that may be.
    fn fits(&self, bytes: u64) -> bool {
        bytes >= ETHERNET_BYTES as u64 && bytes <= (ETHERNET_BYTES + TAG_BYTES) as u64 + u64::from(self.mtu)
    }

    /// Sends the guest's frames: whether there may be more.
    #[inline(never)]
    fn transmit<M: GuestMemory>(
        &mut self,
        queue: &mut Queue,
        memory: &mut M,
        link: &mut impl Link,
    ) -> Result<bool, Fault> {
        for _ in 0..SERVE_FRAMES_MAX {
            if !self.is_waiting && !queue.pop(&mut self.chain, memory)? {
                if queue.listen(true, memory)? {
                    continue;
                }
                return Ok(false);
            }
            let len = frame(&self.chain, memory)?;
            self.is_waiting = self.fits(len);
            if self.is_waiting {
                if !link.open(len as usize) {
                    queue.listen(false, memory)?;
                    return Ok(false);
                }
                copy_out(&self.chain, len as usize, memory, link)?;
                link.send();
                self.is_waiting = false;
                self.counts.sent += 1;
            } else {
                self.counts.sent_unfit += 1;
            }
            queue.push(self.chain.head(), 0, memory)?;
        }
        Ok(true)
    }

    /// Hands frames to the guest: whether there may be more.
    #[inline(never)]
    fn receive<M: GuestMemory>(
        &mut self,
        queue: &mut Queue,
        memory: &mut M,
        link: &mut impl Link,
    ) -> Result<bool, Fault> {
        queue.listen(false, memory)?;
        if link.waiting().is_none() {
            return Ok(false);
        }
        let mut chain = Segments::new();
        for _ in 0..SERVE_FRAMES_MAX {
            let Some(len) = link.waiting() else { return Ok(false) };
            if !self.fits(len as u64) {
                self.counts.received_unfit += 1;
            } else if !queue.pop(&mut chain, memory)? {
                self.counts.no_buffer += 1;
            } else if chain.writable().len() < (HEADER_BYTES + len) as u64 {
                queue.unpop();
                self.counts.received_unfit += 1;
            } else {
                copy_in(&chain, len, memory, link)?;
                queue.push(chain.head(), (HEADER_BYTES + len) as u32, memory)?;
                self.counts.received += 1;
            }
            link.next();
        }
        Ok(true)
    }
}

/// The length of the frame in a chain of the guest's. One that wants what was not offered, or has no header, is a misuse.
fn frame<M: GuestMemory>(chain: &Chain, memory: &M) -> Result<u64, Fault> {
    if !spec::is_plain(chain.readable().array(0, memory)?) {
        return Err(Fault::Request);
    }
    Ok(chain.readable().len() - HEADER_BYTES as u64)
}

fn copy_out<M: GuestMemory>(chain: &Chain, len: usize, memory: &M, link: &mut impl Link) -> Result<(), Fault> {
    let mut piece = [0; PIECE_BYTES];
    let mut done = 0;
    while done < len {
        let piece = piece.get_mut(..PIECE_BYTES.min(len - done)).unwrap_or_default();
        chain.readable().read((HEADER_BYTES + done) as u64, piece, memory)?;
        link.put(piece);
        done += piece.len();
    }
    Ok(())
}

fn copy_in<M: GuestMemory>(chain: &Chain, len: usize, memory: &mut M, link: &mut impl Link) -> Result<(), Fault> {
    let mut piece = [0; PIECE_BYTES];
    chain.writable().write(0, &spec::RECEIVED, memory)?;
    let mut done = 0;
    while done < len {
        let piece = piece.get_mut(..PIECE_BYTES.min(len - done)).unwrap_or_default();
        link.take(done, piece);
        chain.writable().write((HEADER_BYTES + done) as u64, piece, memory)?;
        done += piece.len();
    }
    Ok(())
}

impl Device<NET_QUEUES> for Net {
    const ID: u32 = NET_ID;
    const QUEUE_SIZE: u16 = NET_QUEUE_SIZE;

    fn features(&self) -> u64 {
        FEATURE_MAC | FEATURE_MTU | FEATURE_STATUS
    }

    fn configuration(&self, offset: u32) -> u8 {
        spec::configuration(self.mac, self.is_up, self.mtu, offset)
    }

    fn generation(&self) -> u32 {
        self.generation
    }
}

impl<L: Link> Serve<L, NET_QUEUES> for Net {
    fn reset(&mut self, _link: &mut L) {
        self.is_waiting = false;
    }

    fn stop(&mut self, queue: usize, _link: &mut L) {
        if queue == 1 {
            self.is_waiting = false;
        }
    }

    fn serve<M: GuestMemory>(
        &mut self,
        [receive, transmit]: &mut [Queue; NET_QUEUES],
        memory: &mut M,
        link: &mut L,
    ) -> Result<bool, Misuse> {
        let more = self.receive(receive, memory, link).map_err(|fault| receive.misuse(fault))?;
        let transmitted = self.transmit(transmit, memory, link);
        Ok(transmitted.map_err(|fault| transmit.misuse(fault))? | more)
    }

    fn idle(&mut self, link: &mut L) -> bool {
        for _ in 0..SERVE_FRAMES_MAX {
            if link.waiting().is_none() {
                return false;
            }
            self.counts.no_driver += 1;
            link.next();
        }
        true
    }
}
