//! The virtio socket device (virtio 1.2, section 5.10): streams between the guest and those peers that its manifest allows. Queue 0
//! receives, queue 1 transmits; queue 2 is for events, of which there are none.
//!
//! **Buffers.** The device has none. What the guest may send is bounded by the room in its peer's buffer, which it is told
//! (`buf_alloc`, `fwd_cnt`); what its peer sends waits there until the guest has credit and a buffer. A guest that sends more than
//! it may loses the connection.
//!
//! **Answers.** Whatever is wrong gets a RST: a port that is not allowed, a packet of no connection, of a wrong state or type, of another
//! source. A guest that has no buffers for answers is not heard until it has. A packet that is no packet (shorter than its
//! header, or than it says) is a misuse.

mod connection;
mod packet;
mod peers;
pub mod spec;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use peers::{Address, Event, Peers, Policy, RULES_MAX};

use super::chain::ChainOf;
use super::device::{Device, Serve};
use super::memory::{Fault, GuestMemory, Misuse};
use super::queue::Queue;
use arrayvec::ArrayVec;
pub use connection::Connection;
use connection::State;
use spec::{FEATURE_STREAM, Header, Op, VSOCK_ID};

/// Number of queues.
pub const VSOCK_QUEUES: usize = 3;
/// Descriptors of each.
pub const VSOCK_QUEUE_SIZE: u16 = 64;
/// Buffers of a packet: more than a driver uses.
pub const PACKET_SEGMENTS_MAX: usize = 18;
/// Bytes of data in a packet for the guest.
pub const PACKET_BYTES_MAX: usize = 1 << 14;
/// Packets that one call of `serve` moves in each direction.
pub const SERVE_PACKETS_MAX: usize = 16;

/// Packets that are refused and wait for a buffer of the guest's.
const REFUSALS_MAX: usize = 8;
/// Bytes that are copied at once.
const PIECE_BYTES: usize = 512;

type Segments = ChainOf<PACKET_SEGMENTS_MAX>;

/// That context can't be a guest's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReservedCid(pub u32);

/// The socket device. Its host keeps a [`VsockOf`], its code knows it as `Vsock`, however many connections there may be.
#[derive(Clone, Debug)]
pub struct Vsock<C: ?Sized = [Connection]> {
    cid: u32,
    policy: Policy,
    /// Headers of packets that no connection answers for.
    refusals: ArrayVec<Header, REFUSALS_MAX>,
    /// Whose turn it is to send to the guest.
    turn: usize,
    connections: C,
}

/// The socket device, with up to `CONNECTIONS` connections.
pub type VsockOf<const CONNECTIONS: usize> = Vsock<[Connection; CONNECTIONS]>;

impl<const CONNECTIONS: usize> VsockOf<CONNECTIONS> {
    /// The device of the guest `cid`.
    pub fn new(cid: u32, policy: Policy) -> Result<Self, ReservedCid> {
        if !spec::is_guest(cid) {
            return Err(ReservedCid(cid));
        }
        Ok(Self { cid, policy, connections: [Connection::FREE; CONNECTIONS], refusals: ArrayVec::new(), turn: 0 })
    }

    /// How many connections there are, ending ones among them.
    pub fn connections(&self) -> usize {
        self.connections.iter().filter(|connection| connection.state != State::Free).count()
    }
}

impl Vsock {
    /// A place for a connection: if there is none, that of one which only its guest keeps.
    fn place(&mut self) -> Option<usize> {
        let mut all = self.connections.iter();
        let free = all.position(|connection| connection.state == State::Free);
        free.or_else(|| self.connections.iter().position(|connection| connection.state == State::Closing))
    }

    #[inline(never)]
    fn find(&self, port: u32, peer: Address) -> Option<usize> {
        self.connections.iter().position(|connection| {
            connection.state != State::Free && connection.port == port && connection.peer == peer
        })
    }

    /// Ends a connection in a way that the guest is told.
    #[inline(never)]
    fn end(&mut self, id: usize, peers: &mut impl Peers) {
        if let Some(connection) = self.connections.get_mut(id) {
            if connection.has_peer() {
                peers.close(id);
            }
            connection.state = State::Reset;
        }
    }

    /// What has happened at the peers: whether there may be more.
    #[inline(never)]
    fn events(&mut self, is_live: bool, peers: &mut impl Peers) -> bool {
        for _ in 0..SERVE_PACKETS_MAX {
            match peers.event() {
                None => return false,
                Some(Event::Incoming { ticket, .. }) if !is_live => peers.refuse(ticket),
                Some(event) => self.event(event, peers),
            }
        }
        true
    }

    #[inline(never)]
    fn event(&mut self, event: Event, peers: &mut impl Peers) {
        let state = |id: usize| self.connections.get(id).map_or(State::Free, |connection| connection.state);
        match event {
            Event::Connected(id) if state(id) == State::Connecting => {
                if let Some(connection) = self.connections.get_mut(id) {
                    connection.connected();
                }
            }
            // A guest that was not asked yet need not be told.
            Event::Closed(id) if state(id) == State::Asking => self.free(id, peers),
            Event::Closed(id) if self.connections.get(id).is_some_and(Connection::has_peer) => self.end(id, peers),
            Event::Shutdown(id, what) if state(id) == State::Open => {
                if let Some(connection) = self.connections.get_mut(id) {
                    connection.peer_shutdown |= what;
                }
            }
            Event::Incoming { ticket, from, port } => {
                let is_allowed = self.policy.inward.contains(&Address { cid: from.cid, port });
                match self.place().filter(|_| is_allowed && self.find(port, from).is_none()) {
                    Some(id) => {
                        if let Some(place) = self.connections.get_mut(id) {
                            *place = Connection::new(State::Asking, port, from);
                        }
                        peers.accept(ticket, id);
                    }
                    None => peers.refuse(ticket),
                }
            }
            // Of a connection that has ended, or never was.
            _ => {}
        }
    }

    /// Forgets a connection without a word to the guest.
    #[inline(never)]
    fn free(&mut self, id: usize, peers: &mut impl Peers) {
        if let Some(connection) = self.connections.get_mut(id) {
            if connection.has_peer() {
                peers.close(id);
            }
            connection.state = State::Free;
        }
    }

    /// Takes the guest's packets: whether there may be more.
    #[inline(never)]
    fn transmit<M: GuestMemory>(
        &mut self,
        queue: &mut Queue,
        memory: &mut M,
        peers: &mut impl Peers,
    ) -> Result<bool, Fault> {
        let mut chain = Segments::new();
        for _ in 0..SERVE_PACKETS_MAX {
            if self.refusals.is_full() {
                queue.listen(false, memory)?;
                return Ok(false);
            }
            if !queue.pop(&mut chain, memory)? {
                if queue.listen(true, memory)? {
                    continue;
                }
                return Ok(false);
            }
            self.packet(&chain, memory, peers)?;
            queue.push(chain.head(), 0, memory)?;
        }
        Ok(true)
    }

    /// Hands packets to the guest: whether there may be more.
    #[inline(never)]
    fn receive<M: GuestMemory>(
        &mut self,
        queue: &mut Queue,
        memory: &mut M,
        peers: &mut impl Peers,
    ) -> Result<bool, Fault> {
        let mut chain = Segments::new();
        for _ in 0..SERVE_PACKETS_MAX {
            let next = self.next(peers);
            if next.is_none() && self.refusals.is_empty() {
                // Buffers are of no interest until there is something to put in.
                queue.listen(false, memory)?;
                return Ok(false);
            }
            if !queue.pop(&mut chain, memory)? {
                if queue.listen(true, memory)? {
                    continue;
                }
                return Ok(false);
            }
            let written = self.put(&chain, next, memory, peers)?;
            queue.push(chain.head(), written, memory)?;
        }
        Ok(true)
    }

    /// Who has something to say to the guest, and what.
    #[inline(never)]
    fn next(&self, peers: &impl Peers) -> Option<(usize, Op)> {
        let count = self.connections.len();
        for step in 0..count {
            let id = (self.turn + step) % count;
            if let Some(op) = self.connections.get(id).and_then(|connection| connection.next(id, peers)) {
                return Some((id, op));
            }
        }
        None
    }
}

impl<const CONNECTIONS: usize> Device<VSOCK_QUEUES> for VsockOf<CONNECTIONS> {
    const ID: u32 = VSOCK_ID;
    const QUEUE_SIZE: u16 = VSOCK_QUEUE_SIZE;

    fn features(&self) -> u64 {
        FEATURE_STREAM
    }

    /// guest_cid, of which the upper half is reserved.
    fn configuration(&self, offset: u32) -> u8 {
        self.cid.to_le_bytes().get(offset as usize).copied().unwrap_or(0)
    }
}

impl<P: Peers, const CONNECTIONS: usize> Serve<P, VSOCK_QUEUES> for VsockOf<CONNECTIONS> {
    fn reset(&mut self, peers: &mut P) {
        let this: &mut Vsock = self;
        (0..this.connections.len()).for_each(|id| this.free(id, peers));
        self.refusals.clear();
    }

    fn serve<M: GuestMemory>(
        &mut self,
        [receive, transmit, _]: &mut [Queue; VSOCK_QUEUES],
        memory: &mut M,
        peers: &mut P,
    ) -> Result<bool, Misuse> {
        let this: &mut Vsock = self;
        let mut more = this.events(true, peers);
        more |= this.transmit(transmit, memory, peers).map_err(|fault| transmit.misuse(fault))?;
        let was_full = this.refusals.is_full();
        more |= this.receive(receive, memory, peers).map_err(|fault| receive.misuse(fault))?;
        // There is room for answers again.
        Ok(more || was_full && !this.refusals.is_full())
    }

    fn idle(&mut self, peers: &mut P) -> bool {
        let this: &mut Vsock = self;
        this.events(false, peers)
    }
}
