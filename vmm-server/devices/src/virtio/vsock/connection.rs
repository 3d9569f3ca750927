//! A connection: where it stands, and who may send how much (virtio 1.2, section 5.10.6.3).

use super::peers::{Address, Peers};
use super::spec::{Header, Op, Shutdown, TYPE_STREAM};

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// There is none.
    Free,
    /// The guest has asked, its peer has not answered.
    Connecting,
    /// A peer has asked: the guest is to be told.
    Asking,
    /// The guest has been told, and has not answered.
    Offered,
    /// Data flows.
    Open,
    /// Both sides know that it ends; the guest has not confirmed it. It has no peer any more.
    Closing,
    /// The guest is to be told that it has ended. It has no peer any more.
    Reset,
}

/// A connection, or the place for one.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    pub(super) state: State,
    /// The guest's port.
    pub(super) port: u32,
    pub(super) peer: Address,
    /// The guest's buffer, and what it has taken out of it, as it says.
    buf_alloc: u32,
    fwd_cnt: u32,
    /// Bytes sent to the guest so far.
    sent: u32,
    /// The guest was asked to say when it has room.
    has_asked: bool,
    /// Bytes received from the guest so far, and how many of them it knows to be consumed.
    received: u32,
    told: u32,
    /// The peer has accepted: the guest is to be told.
    response_due: bool,
    /// The guest wants to know how much room there is.
    update_due: bool,
    /// What the guest will do no more.
    pub(super) guest: Shutdown,
    /// What the peer will do no more, and what of it the guest knows.
    pub(super) peer_shutdown: Shutdown,
    told_shutdown: Shutdown,
}

impl Connection {
    pub(super) const FREE: Self = Self::new(State::Free, 0, Address { cid: 0, port: 0 });

    pub(super) const fn new(state: State, port: u32, peer: Address) -> Self {
        Self {
            state,
            port,
            peer,
            buf_alloc: 0,
            fwd_cnt: 0,
            sent: 0,
            has_asked: false,
            received: 0,
            told: 0,
            response_due: false,
            update_due: false,
            guest: Shutdown::empty(),
            peer_shutdown: Shutdown::empty(),
            told_shutdown: Shutdown::empty(),
        }
    }

    /// Whether a peer knows of it.
    pub(super) fn has_peer(&self) -> bool {
        matches!(self.state, State::Connecting | State::Asking | State::Offered | State::Open)
    }

    /// The peer has accepted.
    pub(super) fn connected(&mut self) {
        self.state = State::Open;
        self.response_due = true;
    }

    /// The guest wants an update of its credit.
    pub(super) fn wants_update(&mut self) {
        self.update_due = true;
    }

    /// What the guest says of its buffer. False if it claims to have taken what it was never sent. What is older than what is known
    /// is no news: two threads of a guest may overtake each other.
    pub(super) fn told_by_guest(&mut self, header: &Header) -> bool {
        let known = self.sent.wrapping_sub(self.fwd_cnt);
        let now = self.sent.wrapping_sub(header.fwd_cnt);
        if now > known && now > u32::MAX / 2 {
            return false;
        }
        if now < known {
            self.has_asked = false;
        }
        if now <= known {
            self.fwd_cnt = header.fwd_cnt;
        }
        self.has_asked &= self.buf_alloc == header.buf_alloc;
        self.buf_alloc = header.buf_alloc;
        true
    }

    /// Bytes that the guest has room for.
    pub(super) fn credit(&self) -> u32 {
        self.buf_alloc.saturating_sub(self.sent.wrapping_sub(self.fwd_cnt))
    }

    /// Bytes that the guest may send.
    pub(super) fn room(&self, id: usize, peers: &impl Peers) -> u32 {
        peers.capacity().saturating_sub(self.received.wrapping_sub(peers.consumed(id)))
    }

    pub(super) fn received(&mut self, bytes: u32) {
        self.received = self.received.wrapping_add(bytes);
    }

    /// Bytes that wait for the guest, and that it wants.
    pub(super) fn waiting(&self, id: usize, peers: &impl Peers) -> usize {
        if self.state != State::Open || self.guest.contains(Shutdown::RECEIVE) { 0 } else { peers.waiting(id) }
    }

    /// The next packet for the guest, if there is anything to say.
    pub(super) fn next(&self, id: usize, peers: &impl Peers) -> Option<Op> {
        match self.state {
            State::Free | State::Connecting | State::Offered | State::Closing => None,
            State::Reset => Some(Op::Rst),
            State::Asking => Some(Op::Request),
            State::Open => self.next_open(id, peers),
        }
    }

    fn next_open(&self, id: usize, peers: &impl Peers) -> Option<Op> {
        let waiting = self.waiting(id, peers);
        if self.response_due {
            Some(Op::Response)
        } else if waiting > 0 && self.credit() > 0 {
            Some(Op::Rw)
        } else if self.update_due || self.is_update_useful(id, peers) {
            Some(Op::CreditUpdate)
        } else if waiting > 0 && !self.has_asked {
            Some(Op::CreditRequest)
        } else if self.shutdown_now(waiting) != self.told_shutdown {
            Some(Op::Shutdown)
        } else {
            None
        }
    }

    /// Less than half of the buffer is free as far as the guest knows, and in truth it is more.
    fn is_update_useful(&self, id: usize, peers: &impl Peers) -> bool {
        let unread = self.received.wrapping_sub(self.told);
        unread > peers.capacity() / 2 && peers.consumed(id) != self.told
    }

    /// What the peer will do no more, as of now: it sends as long as something waits.
    fn shutdown_now(&self, waiting: usize) -> Shutdown {
        if waiting > 0 { self.peer_shutdown - Shutdown::SEND } else { self.peer_shutdown }
    }

    /// The header of that packet, with `len` bytes of data: it has been sent then.
    pub(super) fn send(&mut self, op: Op, len: u32, id: usize, guest_cid: u32, peers: &impl Peers) -> Header {
        let mut flags = 0;
        match op {
            Op::Request => self.state = State::Offered,
            Op::Response => self.response_due = false,
            Op::Rst => self.state = State::Free,
            Op::CreditRequest => self.has_asked = true,
            Op::Rw => self.sent = self.sent.wrapping_add(len),
            Op::Shutdown => {
                self.told_shutdown = self.shutdown_now(self.waiting(id, peers));
                flags = self.told_shutdown.bits();
            }
            Op::CreditUpdate => {}
        }
        let (mut buf_alloc, mut fwd_cnt) = (0, self.told);
        if op != Op::Rst {
            // Every packet tells how much room there is.
            self.update_due = false;
            (buf_alloc, fwd_cnt) = (peers.capacity(), peers.consumed(id));
            self.told = fwd_cnt;
        }
        Header {
            src_cid: self.peer.cid.into(),
            dst_cid: guest_cid.into(),
            src_port: self.peer.port,
            dst_port: self.port,
            len,
            kind: TYPE_STREAM,
            op: op as u16,
            flags,
            buf_alloc,
            fwd_cnt,
        }
    }

    /// Whether the guest knows that its peer does nothing more.
    pub(super) fn is_told_of_end(&self) -> bool {
        self.told_shutdown == Shutdown::all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_wrap() {
        let mut connection = Connection::FREE;
        (connection.sent, connection.fwd_cnt) = (5, u32::MAX - 10);
        let says = |fwd_cnt| Header { fwd_cnt, buf_alloc: 100, ..Header::default() };
        assert!(connection.told_by_guest(&says(u32::MAX - 10)));
        assert_eq!(connection.credit(), 100 - 16);
        assert!(connection.told_by_guest(&says(3)));
        assert_eq!(connection.credit(), 100 - 2);
        assert!(connection.told_by_guest(&says(u32::MAX)), "no news");
        assert_eq!(connection.credit(), 100 - 2);
        assert!(!connection.told_by_guest(&says(6)), "more than was sent");
        assert!(connection.told_by_guest(&says(5)));
        assert_eq!(connection.credit(), 100);
    }
}
