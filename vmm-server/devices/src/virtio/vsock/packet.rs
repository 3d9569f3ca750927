//! Packets, from the guest and to it.

use super::connection::{Connection, State};
use super::peers::{Address, Peers};
use super::spec::{HEADER_BYTES, Header, Op, Shutdown, TYPE_STREAM};
use super::{Fault, GuestMemory, PACKET_BYTES_MAX, PIECE_BYTES, Vsock};
use crate::virtio::chain::Chain;

impl Vsock {
    /// Takes a packet of the guest's.
    #[inline(never)]
    pub(super) fn packet<M: GuestMemory>(
        &mut self,
        chain: &Chain,
        memory: &M,
        peers: &mut impl Peers,
    ) -> Result<(), Fault> {
        let header = Header::from(chain.readable().array(0, memory)?);
        if u64::from(header.len) > chain.readable().len() - HEADER_BYTES as u64 {
            return Err(Fault::Short);
        }
        let op = Op::from_number(header.op);
        let peer = u32::try_from(header.dst_cid).ok().map(|cid| Address { cid, port: header.dst_port });
        let (Some(op), Some(peer)) = (op, peer) else {
            self.refuse(&header);
            return Ok(());
        };
        if header.kind != TYPE_STREAM || header.src_cid != self.cid.into() {
            self.refuse(&header);
            return Ok(());
        }
        match (self.find(header.src_port, peer), op) {
            (None, Op::Request) => {
                if !self.connect(&header, peer, peers) {
                    self.refuse(&header);
                }
            }
            (None, _) => self.refuse(&header),
            (Some(id), Op::Rst) => self.free(id, peers),
            (Some(id), op) => {
                if !self.continues(id, op, &header, chain, memory, peers)? {
                    self.end(id, peers);
                }
            }
        }
        Ok(())
    }

    /// Answers with a RST, but not to one.
    #[inline(never)]
    fn refuse(&mut self, to: &Header) {
        if to.op == Op::Rst as u16 {
            return;
        }
        // There is room: nothing is taken from the guest while there is none.
        let _ = self.refusals.try_push(Header {
            src_cid: to.dst_cid,
            dst_cid: self.cid.into(),
            src_port: to.dst_port,
            dst_port: to.src_port,
            kind: to.kind,
            op: Op::Rst as u16,
            ..Header::default()
        });
    }

    /// The guest asks for a connection: whether its peer is asked.
    #[inline(never)]
    fn connect(&mut self, header: &Header, to: Address, peers: &mut impl Peers) -> bool {
        if !self.policy.outward.contains(&to) {
            return false;
        }
        let mut connection = Connection::new(State::Connecting, header.src_port, to);
        let Some(id) = self.place().filter(|_| connection.told_by_guest(header)) else { return false };
        if !peers.connect(id, header.src_port, to) {
            return false;
        }
        if let Some(place) = self.connections.get_mut(id) {
            *place = connection;
        }
        true
    }

    /// A packet of a connection that exists: whether that goes on.
    #[inline(never)]
    fn continues<M: GuestMemory>(
        &mut self,
        id: usize,
        op: Op,
        header: &Header,
        chain: &Chain,
        memory: &M,
        peers: &mut impl Peers,
    ) -> Result<bool, Fault> {
        let Some(connection) = self.connections.get_mut(id) else { return Ok(true) };
        // A guest that has not heard of its end yet may still speak.
        if connection.state == State::Reset || connection.state == State::Closing && op != Op::Shutdown {
            return Ok(op != Op::Request);
        }
        if !connection.told_by_guest(header) {
            return Ok(false);
        }
        Ok(match (connection.state, op) {
            (State::Offered, Op::Response) => {
                connection.state = State::Open;
                peers.opened(id);
                true
            }
            (State::Open, Op::Rw) => {
                let is_allowed = !connection.guest.contains(Shutdown::SEND) && header.len <= connection.room(id, peers);
                if is_allowed {
                    connection.received(header.len);
                    take(chain, header.len as usize, memory, |piece| peers.put(id, piece))?;
                }
                is_allowed
            }
            (State::Open, Op::CreditUpdate) => true,
            (State::Open, Op::CreditRequest) => {
                connection.wants_update();
                true
            }
            (State::Open, Op::Shutdown) => {
                connection.guest |= Shutdown::from_bits_truncate(header.flags);
                let is_half = connection.guest != Shutdown::all();
                if is_half {
                    peers.shutdown(id, connection.guest);
                }
                is_half
            }
            _ => false,
        })
    }

    /// Fills a buffer of the guest's: with a refusal, or with what a connection has to say. Tells how many bytes.
    #[inline(never)]
    pub(super) fn put<M: GuestMemory>(
        &mut self,
        chain: &Chain,
        next: Option<(usize, Op)>,
        memory: &mut M,
        peers: &mut impl Peers,
    ) -> Result<u32, Fault> {
        let room = chain.writable().len().saturating_sub(HEADER_BYTES as u64);
        if room == 0 {
            return Err(Fault::Short);
        }
        let mut len = 0;
        let header = match (self.refusals.pop_at(0), next) {
            (Some(refusal), _) => refusal,
            (None, None) => return Ok(0),
            (None, Some((id, op))) => {
                self.turn = id + 1;
                let Some(connection) = self.connections.get_mut(id) else { return Ok(0) };
                if op == Op::Rw {
                    let most = room.min(connection.credit().into()).min(PACKET_BYTES_MAX as u64) as usize;
                    len = give(chain, most.min(connection.waiting(id, peers)), memory, |piece| peers.take(id, piece))?;
                }
                let header = connection.send(op, len as u32, id, self.cid, peers);
                if op == Op::Shutdown && connection.is_told_of_end() {
                    peers.close(id);
                    connection.state = State::Closing;
                }
                header
            }
        };
        chain.writable().write(0, &<[u8; HEADER_BYTES]>::from(header), memory)?;
        Ok((HEADER_BYTES + len) as u32)
    }
}

/// Passes on the `len` bytes of data in a packet.
fn take<M: GuestMemory>(chain: &Chain, len: usize, memory: &M, mut put: impl FnMut(&[u8])) -> Result<(), Fault> {
    let mut piece = [0; PIECE_BYTES];
    let mut done = 0;
    while done < len {
        let piece = piece.get_mut(..PIECE_BYTES.min(len - done)).unwrap_or_default();
        chain.readable().read((HEADER_BYTES + done) as u64, piece, memory)?;
        put(piece);
        done += piece.len();
    }
    Ok(())
}

/// Puts up to `len` bytes of data into a packet; tells how many there were.
fn give<M: GuestMemory>(
    chain: &Chain,
    len: usize,
    memory: &mut M,
    mut take: impl FnMut(&mut [u8]) -> usize,
) -> Result<usize, Fault> {
    let mut piece = [0; PIECE_BYTES];
    let mut done = 0;
    while done < len {
        let piece = piece.get_mut(..PIECE_BYTES.min(len - done)).unwrap_or_default();
        let got = take(piece).min(piece.len());
        if got == 0 {
            break;
        }
        chain.writable().write((HEADER_BYTES + done) as u64, piece.get(..got).unwrap_or_default(), memory)?;
        done += got;
    }
    Ok(done)
}
