//! For tests: peers that look after their connections, and the packets of a driver.

use super::spec::{HEADER_BYTES, Header, Op, Shutdown, TYPE_STREAM};
use super::*;
use crate::virtio::fake::{self, DATA, SIZE};
use std::collections::VecDeque;
use std::vec::Vec;

pub const CID: u32 = 3;
pub const CAPACITY: u32 = 1000;
pub const CONNECTIONS: usize = 3;
pub const RECEIVE: u32 = 0;
pub const TRANSMIT: u32 = 1;

/// The far end of a connection.
#[derive(Default)]
pub struct Peer {
    /// A connection is there.
    pub is_there: bool,
    pub from_guest: Vec<u8>,
    pub consumed: u32,
    pub put: u32,
    pub for_guest: VecDeque<u8>,
    pub shutdown: Shutdown,
}

/// What the device has said, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    Connect(usize, u32, Address),
    Accept(u32, usize),
    Refuse(u32),
    Opened(usize),
    Shutdown(usize, Shutdown),
    Close(usize),
}

#[derive(Default)]
pub struct Fake {
    pub events: VecDeque<Event>,
    pub peers: [Peer; CONNECTIONS],
    pub calls: Vec<Call>,
    pub is_deaf: bool,
    /// Packets that the guest has looked at.
    pub heard: u16,
}

impl Fake {
    fn begin(&mut self, id: usize) {
        assert!(!self.peers[id].is_there, "a number twice");
        self.peers[id] = Peer { is_there: true, ..Peer::default() };
    }
    /// The peer takes so many bytes.
    pub fn consume(&mut self, id: usize, bytes: usize) -> Vec<u8> {
        let peer = &mut self.peers[id];
        peer.consumed = peer.consumed.wrapping_add(bytes as u32);
        peer.from_guest.drain(..bytes).collect()
    }
    pub fn say(&mut self, id: usize, bytes: &[u8]) {
        assert!(self.peers[id].is_there);
        self.peers[id].for_guest.extend(bytes);
    }
    fn there(&mut self, id: usize) -> &mut Peer {
        assert!(self.peers[id].is_there, "no such connection");
        &mut self.peers[id]
    }
}

impl Peers for Fake {
    fn event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
    fn connect(&mut self, id: usize, from_port: u32, to: Address) -> bool {
        if self.is_deaf {
            return false;
        }
        self.begin(id);
        self.calls.push(Call::Connect(id, from_port, to));
        true
    }
    fn accept(&mut self, ticket: u32, id: usize) {
        self.begin(id);
        self.calls.push(Call::Accept(ticket, id));
    }
    fn refuse(&mut self, ticket: u32) {
        self.calls.push(Call::Refuse(ticket));
    }
    fn opened(&mut self, id: usize) {
        self.there(id);
        self.calls.push(Call::Opened(id));
    }
    fn shutdown(&mut self, id: usize, what: Shutdown) {
        self.there(id).shutdown = what;
        self.calls.push(Call::Shutdown(id, what));
    }
    fn close(&mut self, id: usize) {
        self.there(id).is_there = false;
        self.events.retain(|event| match event {
            Event::Connected(other) | Event::Closed(other) | Event::Shutdown(other, _) => *other != id,
            Event::Incoming { .. } => true,
        });
        self.calls.push(Call::Close(id));
    }
    fn capacity(&self) -> u32 {
        CAPACITY
    }
    fn consumed(&self, id: usize) -> u32 {
        self.peers[id].consumed
    }
    fn put(&mut self, id: usize, bytes: &[u8]) {
        let peer = self.there(id);
        peer.from_guest.extend(bytes);
        peer.put = peer.put.wrapping_add(bytes.len() as u32);
        assert!(peer.from_guest.len() <= CAPACITY as usize, "there is no room for it");
    }
    fn waiting(&self, id: usize) -> usize {
        assert!(self.peers[id].is_there, "no such connection");
        self.peers[id].for_guest.len()
    }
    fn take(&mut self, id: usize, into: &mut [u8]) -> usize {
        let waiting = &mut self.there(id).for_guest;
        let len = waiting.len().min(into.len());
        into.iter_mut().zip(waiting.drain(..len)).for_each(|(into, byte)| *into = byte);
        len
    }
}

pub type Guest = fake::Guest<VsockOf<CONNECTIONS>, Fake, VSOCK_QUEUES>;

/// The component's port that the guest may connect to, and the one of its own that another VM may.
pub const SERVER: Address = Address { cid: 2, port: 80 };
pub const CLIENT: Address = Address { cid: 7, port: 5000 };
pub const LISTENER: u32 = 22;

pub fn policy() -> Policy {
    Policy {
        outward: [SERVER, Address { cid: 9, port: 1 }].into_iter().collect(),
        inward: [Address { cid: CLIENT.cid, port: LISTENER }].into_iter().collect(),
    }
}

pub fn ready() -> Guest {
    Guest::ready(VsockOf::new(CID, policy()).unwrap(), Fake::default(), 1)
}

/// A header of the guest's, from its port to a peer, with a buffer of 500 bytes.
pub fn to(peer: Address, port: u32, op: Op) -> Header {
    Header {
        src_cid: CID.into(),
        dst_cid: peer.cid.into(),
        src_port: port,
        dst_port: peer.port,
        kind: TYPE_STREAM,
        op: op as u16,
        buf_alloc: 500,
        ..Header::default()
    }
}

const BUFFERS: u64 = DATA + 0x1_0000;
const BUFFER_BYTES: u32 = 0x400;

impl Guest {
    /// Sends a packet; its `len` is that of the data.
    pub fn send(&mut self, header: Header, data: &[u8]) {
        let header = Header { len: data.len() as u32, ..header };
        self.send_raw(header, data);
    }
    pub fn send_raw(&mut self, header: Header, data: &[u8]) {
        self.ram.write(DATA, &<[u8; HEADER_BYTES]>::from(header)).unwrap();
        self.ram.write(DATA + 0x100, data).unwrap();
        let head = (HEADER_BYTES as u32, false);
        self.chain(TRANSMIT, 0, &[(DATA, head.0, head.1), (DATA + 0x100, data.len() as u32, false)]);
        self.offer(TRANSMIT, &[0]);
    }
    /// Provides buffers for packets, as many as that.
    pub fn buffers(&mut self, count: u16) {
        for _ in 0..count {
            let n = self.ram.get16(fake::driver(RECEIVE) + 2) % SIZE;
            self.chain(RECEIVE, n, &[(BUFFERS + u64::from(n) * 0x1000, BUFFER_BYTES, true)]);
            self.provide(RECEIVE, &[n]);
        }
        self.write(0x50, RECEIVE);
    }
    /// The packets from the `from`-th on that the guest has got.
    pub fn packets(&mut self, from: u16) -> Vec<(Header, Vec<u8>)> {
        let used = self.used(RECEIVE);
        assert!(used.wrapping_sub(from) <= SIZE);
        (0..used.wrapping_sub(from))
            .map(|n| {
                let (head, len) = self.used_at(RECEIVE, from.wrapping_add(n));
                let bytes = self.ram.at(BUFFERS + u64::from(head) * 0x1000, len as usize);
                let header = Header::from(*bytes.first_chunk().unwrap());
                let data = bytes[HEADER_BYTES..].to_vec();
                assert_eq!(header.len as usize, data.len());
                assert_eq!((header.dst_cid, header.kind), (CID.into(), TYPE_STREAM));
                (header, data)
            })
            .collect()
    }
    /// Provides buffers, and tells what has come since it was last asked: operation, the guest's port, data.
    pub fn hear(&mut self) -> Vec<(Op, u32, Vec<u8>)> {
        let from = self.host.heard;
        // Those that stand there already, and as many more as there is place for.
        let open = self.ram.get16(fake::driver(RECEIVE) + 2).wrapping_sub(from);
        self.buffers(SIZE - open);
        while self.serve() {}
        self.host.heard = self.used(RECEIVE);
        let op = |header: &Header| Op::from_number(header.op).unwrap();
        self.packets(from).into_iter().map(|(header, data)| (op(&header), header.dst_port, data)).collect()
    }
    /// The guest connects from that port, and is accepted: the connection's number.
    pub fn connect(&mut self, port: u32) -> usize {
        self.send(to(SERVER, port, Op::Request), &[]);
        let Some(&Call::Connect(id, ..)) = self.host.calls.last() else { panic!("{:?}", self.host.calls) };
        self.host.events.push_back(Event::Connected(id));
        assert_eq!(self.hear(), [(Op::Response, port, vec![])]);
        id
    }
}
