//! What a socket device wants from its host: the peers that its guest may talk to.

use super::spec::Shutdown;
use arrayvec::ArrayVec;

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// Who: [`CID_HOST`](super::spec::CID_HOST) for a component, else a VM.
    pub cid: u32,
    /// Which port of it.
    pub port: u32,
}

/// The most rules for one direction.
pub const RULES_MAX: usize = 16;

/// Who may connect to whom. What is not allowed is refused.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The peers' ports that the guest may connect to.
    pub outward: ArrayVec<Address, RULES_MAX>,
    /// Who may connect to the guest: the peer's `cid`, the guest's `port`.
    pub inward: ArrayVec<Address, RULES_MAX>,
}

/// What happens at the peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The peer has accepted the connection that the guest asked for.
    Connected(usize),
    /// The peer has refused it, or has gone: what waits is lost.
    Closed(usize),
    /// The peer will do that no more; what it has sent before can still be taken.
    Shutdown(usize, Shutdown),
    /// A peer wants to connect to the guest. The device answers by `accept` or `refuse`.
    Incoming {
        /// What the answer must name.
        ticket: u32,
        /// Who wants to.
        from: Address,
        /// To which port of the guest's.
        port: u32,
    },
}

/// The far ends of a guest's connections, which the device knows by numbers below its own number of connections. Each has a buffer
/// for what the guest sends, and one for what the peer sends. The device is served when there is an event, when
/// something waits for the guest, and when a peer has consumed something.
pub trait Peers {
    /// The next event. After `close` there is none of that connection.
    fn event(&mut self) -> Option<Event>;

    /// The guest wants a connection, from its port. False: there is no such thing. Else an event tells whether the peer accepts.
    fn connect(&mut self, connection: usize, from_port: u32, to: Address) -> bool;
    /// The guest is being asked about what is `Incoming`, under that number. If it agrees, that is [`opened`](Self::opened).
    fn accept(&mut self, ticket: u32, connection: usize);
    /// What was `Incoming` is not allowed, or there are too many connections.
    fn refuse(&mut self, ticket: u32);
    /// The guest has accepted.
    fn opened(&mut self, connection: usize);
    /// The guest will do that no more.
    fn shutdown(&mut self, connection: usize, what: Shutdown);
    /// It is over: said once of each that `connect` or `accept` began, even if the peer has gone. What the peer has not consumed yet is
    /// still the peer's. The number may come again.
    fn close(&mut self, connection: usize);

    /// Bytes of each buffer for what a guest sends.
    fn capacity(&self) -> u32;
    /// Bytes that the peer has taken out of that buffer since the connection began; wraps.
    fn consumed(&self, connection: usize) -> u32;
    /// Puts what the guest has sent into it. There is room.
    fn put(&mut self, connection: usize, bytes: &[u8]);

    /// Bytes that wait for the guest.
    fn waiting(&self, connection: usize) -> usize;
    /// Takes some of them; tells how many.
    fn take(&mut self, connection: usize, into: &mut [u8]) -> usize;
}
