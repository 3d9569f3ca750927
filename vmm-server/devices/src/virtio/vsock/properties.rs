//! Streams arrive whole and in order whatever happens, and nothing that a driver does harms more than its own.

use super::fake::{CAPACITY, CLIENT, Call, Guest, LISTENER, RECEIVE, SERVER, ready, to};
use super::spec::{HEADER_BYTES, Header, Op};
use super::*;
use crate::virtio::fake::{self as guest, DATA};
use proptest::prelude::*;
use std::vec::Vec;

#[derive(Clone, Debug)]
enum Step {
    /// The guest sends so many bytes, if it may.
    Send(usize),
    /// The peer takes what has come.
    Consume(usize),
    /// The peer sends.
    Say(usize),
    /// The guest provides buffers.
    Buffers(u16),
    /// The guest takes so many bytes out of its buffer, and says so.
    Take(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1..600usize).prop_map(Step::Send),
        3 => (1..600usize).prop_map(Step::Consume),
        3 => (1..900usize).prop_map(Step::Say),
        3 => (0..4u16).prop_map(Step::Buffers),
        2 => (1..600usize).prop_map(Step::Take),
    ]
}

const PORT: u32 = 77;
/// The guest's buffer.
const BUFFER: u32 = 500;

/// The guest's end of a connection.
#[derive(Default)]
struct End {
    sent: u32,
    peer_fwd_cnt: u32,
    received: Vec<u8>,
    taken: usize,
    seen: u16,
}

impl End {
    /// Looks at what has come.
    fn look(&mut self, guest: &mut Guest) {
        for (header, data) in guest.packets(self.seen) {
            assert!(
                header.op == Op::Rw as u16
                    || header.op == Op::CreditUpdate as u16
                    || header.op == Op::CreditRequest as u16
            );
            self.peer_fwd_cnt = header.fwd_cnt;
            self.received.extend(data);
            assert!(self.received.len() - self.taken <= BUFFER as usize, "more than the guest has room for");
        }
        self.seen = guest.used(RECEIVE);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn streams_arrive_whole_and_in_order(steps in prop::collection::vec(step(), 1..150)) {
        let mut guest = ready();
        let id = guest.connect(PORT);
        let mut end = End { seen: guest.used(RECEIVE), ..End::default() };
        let (mut at_peer, mut said, mut salt) = (vec![], vec![], 0u8);
        let mut sent = vec![];
        for step in steps {
            salt = salt.wrapping_add(37);
            let header = |op, end: &End| Header { fwd_cnt: end.taken as u32, buf_alloc: BUFFER, ..to(SERVER, PORT, op) };
            match step {
                Step::Send(bytes) => {
                    let credit = CAPACITY - end.sent.wrapping_sub(end.peer_fwd_cnt);
                    let data: Vec<u8> = (0..bytes.min(credit as usize)).map(|n| salt ^ n as u8).collect();
                    end.sent += data.len() as u32;
                    sent.extend(&data);
                    guest.send(header(Op::Rw, &end), &data);
                }
                Step::Consume(bytes) => {
                    let bytes = bytes.min(guest.host.peers[id].from_guest.len());
                    at_peer.extend(guest.host.consume(id, bytes));
                }
                Step::Say(bytes) => {
                    let data: Vec<u8> = (0..bytes).map(|n| salt.wrapping_add(n as u8)).collect();
                    said.extend(&data);
                    guest.host.say(id, &data);
                }
                Step::Buffers(count) => {
                    let open = guest.ram.get16(guest::driver(RECEIVE) + 2).wrapping_sub(guest.used(RECEIVE));
                    guest.buffers(count.min(guest::SIZE - open));
                }
                Step::Take(bytes) => {
                    end.taken += bytes.min(end.received.len() - end.taken);
                    guest.send(header(Op::CreditUpdate, &end), &[]);
                }
            }
            while guest.serve() {}
            end.look(&mut guest);
        }
        // Everything goes through in the end.
        for _ in 0..200 {
            let bytes = guest.host.peers[id].from_guest.len();
            at_peer.extend(guest.host.consume(id, bytes));
            guest.host.heard = guest.used(RECEIVE);
            guest.hear();
            end.look(&mut guest);
            end.taken = end.received.len();
            guest.send(Header { fwd_cnt: end.taken as u32, buf_alloc: BUFFER, ..to(SERVER, PORT, Op::CreditUpdate) }, &[]);
        }
        prop_assert!(at_peer == sent, "{} {}", at_peer.len(), sent.len());
        prop_assert!(end.received == said);
        prop_assert!(CAPACITY - end.sent.wrapping_sub(end.peer_fwd_cnt) > CAPACITY / 2 - 1, "the guest knows of its room");
        prop_assert!(!guest.host.calls.contains(&Call::Close(id)));
    }

    /// Whatever a driver does.
    #[test]
    fn anything_is_survived(seed in 1..u64::MAX, steps in prop::collection::vec(guest::madness(), 1..150)) {
        mad(seed, &steps);
    }
}

/// A driver that has lost its mind: how many chains the device gave back.
fn mad(seed: u64, steps: &[guest::Madness]) -> u32 {
    let mut guest = ready();
    let request = |guest: &mut Guest, queue: u32, first: u16, salt: u16| {
        let place = DATA + u64::from(first) * 0x1000;
        if queue == RECEIVE {
            return guest.chain(queue, first, &[(place + 0x1_0000, 200, true), (place + 0x1_1000, 900, true)]);
        }
        let header = Header {
            src_port: [22, 1, 2][usize::from(salt % 3)],
            op: [1, 1, 5, 5, 4, 6, 7, 2, 2, 3, 9][usize::from(salt / 3 % 11)],
            len: [0, 7, 200, 5000][usize::from(salt / 33 % 4)],
            flags: u32::from(salt / 5 % 4),
            fwd_cnt: salt.is_multiple_of(50).into(),
            ..to(if salt.is_multiple_of(3) { CLIENT } else { SERVER }, 0, Op::Rw)
        };
        guest.ram.write(place, &<[u8; HEADER_BYTES]>::from(header)).unwrap();
        guest.chain(queue, first, &[(place, 44, false), (place + 0x100, 300, false)]);
    };
    guest.rave(1, (seed, steps), request, |peers, value| {
        let id = value as usize % 4;
        peers.events.push_back(match value >> 2 & 7 {
            0..3 => Event::Connected(id),
            3 => Event::Closed(id),
            4 => Event::Shutdown(id, spec::Shutdown::from_bits_truncate(value >> 5)),
            _ => Event::Incoming { ticket: value, from: CLIENT, port: LISTENER },
        });
        if let Some(peer) = peers.peers.get_mut(id).filter(|peer| peer.is_there) {
            peer.for_guest.extend((0..value >> 8 & 0xff).map(|n| n as u8));
            let bytes = peer.from_guest.len() / 2;
            peers.consume(id, bytes);
        }
    })
}

#[test]
fn it_takes_a_lot_from_a_driver_that_is_only_busy() {
    let used = (1..10).map(|seed| mad(seed << 32, &guest::busy())).max();
    assert!(used.is_some_and(|used| used > 40), "{used:?}");
}
