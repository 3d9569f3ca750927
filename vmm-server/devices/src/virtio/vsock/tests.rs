//! One behaviour a test.

use super::fake::{
    CAPACITY, CID, CLIENT, CONNECTIONS, Call, Fake, Guest, LISTENER, RECEIVE, SERVER, TRANSMIT, ready, to,
};
use super::spec::{HEADER_BYTES, Header, Op, Shutdown};
use super::*;
use crate::virtio::fake::{BASE, DATA, SIZE, device};
use std::vec::Vec;

const PORT: u32 = 1024;

#[test]
fn a_guest_connects_talks_and_ends() {
    let mut guest = ready();
    guest.send(to(SERVER, PORT, Op::Request), &[]);
    assert_eq!(guest.host.calls, [Call::Connect(0, PORT, SERVER)]);
    assert_eq!(guest.hear(), [], "the peer has not answered");
    guest.host.events.push_back(Event::Connected(0));
    assert_eq!(guest.hear(), [(Op::Response, PORT, vec![])]);
    assert!(guest.level);
    guest.send(to(SERVER, PORT, Op::Rw), b"GET /");
    assert_eq!(guest.host.peers[0].from_guest, b"GET /");
    guest.host.say(0, b"hello");
    assert_eq!(guest.hear(), [(Op::Rw, PORT, b"hello".to_vec())]);
    guest.send(Header { flags: 3, ..to(SERVER, PORT, Op::Shutdown) }, &[]);
    assert_eq!(guest.hear(), [(Op::Rst, PORT, vec![])]);
    assert_eq!(guest.host.calls[1..], [Call::Close(0)]);
    assert_eq!(guest.mmio.device().connections(), 0);
    assert!(guest.mmio.take_misuse().is_none());
}

#[test]
fn packets_say_who_and_how_much() {
    let mut guest = ready();
    let id = guest.connect(PORT);
    guest.send(to(SERVER, PORT, Op::Rw), &[1; 100]);
    guest.host.consume(id, 30);
    guest.host.say(id, b"x");
    let from = guest.host.heard;
    guest.hear();
    let [(header, _)] = &guest.packets(from)[..] else { panic!() };
    assert_eq!((header.src_cid, header.src_port, header.dst_cid, header.dst_port), (2, 80, 3, PORT));
    assert_eq!((header.buf_alloc, header.fwd_cnt, header.flags), (CAPACITY, 30, 0));
}

#[test]
fn what_is_wrong_is_answered_with_a_reset() {
    let other = |change: fn(&mut Header)| {
        let mut header = to(SERVER, PORT, Op::Request);
        change(&mut header);
        header
    };
    for (header, name) in [
        (other(|h| h.dst_port = 81), "a port that is not allowed"),
        (other(|h| h.dst_cid = 7), "a VM that is not allowed"),
        (other(|h| h.dst_cid = CID.into()), "itself"),
        (other(|h| h.dst_cid = 1 << 32 | 2), "a context of more than 32 bits"),
        (other(|h| h.src_cid = 4), "another one's name"),
        (other(|h| h.src_cid = 1 << 32 | 3), "a name of more than 32 bits"),
        (other(|h| h.kind = 2), "SEQPACKET"),
        (other(|h| h.op = 0), "no operation"),
        (other(|h| h.op = 8), "no operation"),
        (other(|h| h.fwd_cnt = 1), "what it has not got"),
        (to(SERVER, PORT, Op::Rw), "no connection"),
        (to(SERVER, PORT, Op::Response), "no connection"),
        (to(SERVER, PORT, Op::Shutdown), "no connection"),
        (to(SERVER, PORT, Op::CreditRequest), "no connection"),
    ] {
        let mut guest = ready();
        guest.send(header, &[]);
        let from = guest.used(RECEIVE);
        guest.buffers(1);
        let [(answer, data)] = &guest.raw(from)[..] else { panic!("{name}") };
        assert_eq!((answer.op, answer.kind, data.len()), (Op::Rst as u16, header.kind, 0), "{name}");
        assert_eq!((answer.src_cid, answer.src_port), (header.dst_cid, header.dst_port), "{name}");
        assert_eq!((answer.dst_cid, answer.dst_port), (CID.into(), PORT), "{name}");
        assert_eq!((guest.host.calls.len(), guest.mmio.device().connections()), (0, 0), "{name}");
    }
    let mut guest = ready();
    guest.send(to(SERVER, PORT, Op::Rst), &[]);
    assert_eq!(guest.hear(), [], "a reset is not answered");
    guest.host.is_deaf = true;
    guest.send(to(SERVER, PORT, Op::Request), &[]);
    assert_eq!(guest.hear(), [(Op::Rst, PORT, vec![])], "the host knows of no such peer");
}

impl Guest {
    /// Packets as they are, be they sense or not.
    fn raw(&mut self, from: u16) -> Vec<(Header, Vec<u8>)> {
        (from..self.used(RECEIVE))
            .map(|n| {
                let (head, len) = self.used_at(RECEIVE, n);
                let bytes = self.ram.at(DATA + 0x1_0000 + u64::from(head) * 0x1000, len as usize);
                (Header::from(*bytes.first_chunk().unwrap()), bytes[HEADER_BYTES..].to_vec())
            })
            .collect()
    }
}

#[test]
fn what_is_wrong_in_a_connection_ends_it() {
    type Change = fn(&mut Header);
    let cases: [(Op, Change, usize, &str); 7] = [
        (Op::Request, |_| {}, 0, "a second request"),
        (Op::Response, |_| {}, 0, "an answer to nothing"),
        (Op::Rw, |_| {}, CAPACITY as usize + 1, "more than there is room for"),
        (Op::CreditUpdate, |h| h.fwd_cnt = 6, 0, "it took more than it got"),
        (Op::Rw, |h| h.fwd_cnt = 0x7fff_ffff, 10, "it took more than it got"),
        (Op::Shutdown, |h| h.flags = 3, 0, "its end"),
        (Op::Shutdown, |h| h.flags = u32::MAX, 0, "its end, and bits that mean nothing"),
    ];
    for (op, change, bytes, name) in cases {
        let mut guest = ready();
        let id = guest.connect(PORT);
        guest.host.say(id, b"12345");
        assert_eq!(guest.hear().len(), 1);
        let mut header = to(SERVER, PORT, op);
        change(&mut header);
        guest.send(header, &vec![0; bytes]);
        assert_eq!(guest.hear(), [(Op::Rst, PORT, vec![])], "{name}");
        assert_eq!(guest.host.calls.last(), Some(&Call::Close(id)), "{name}");
        assert!(guest.host.peers[id].from_guest.is_empty(), "{name}");
        assert_eq!(guest.mmio.device().connections(), 0, "{name}");
    }
    let mut guest = ready();
    guest.send(to(SERVER, PORT, Op::Request), &[]);
    guest.send(to(SERVER, PORT, Op::Rw), b"too early");
    assert_eq!(guest.hear(), [(Op::Rst, PORT, vec![])]);
    assert_eq!(guest.host.calls.last(), Some(&Call::Close(0)));
}

#[test]
fn a_guest_sends_no_more_than_its_peer_has_room_for() {
    let mut guest = ready();
    let id = guest.connect(PORT);
    guest.send(to(SERVER, PORT, Op::Rw), &[1; 600]);
    guest.send(to(SERVER, PORT, Op::Rw), &[2; 400]);
    assert_eq!((guest.host.peers[id].from_guest.len(), guest.hear().len()), (1000, 0));
    guest.host.consume(id, 1);
    let from = guest.host.heard;
    assert_eq!(guest.hear(), [(Op::CreditUpdate, PORT, vec![])], "it is told without asking");
    assert_eq!(guest.packets(from)[0].0.fwd_cnt, 1);
    guest.send(to(SERVER, PORT, Op::Rw), &[3]);
    guest.send(to(SERVER, PORT, Op::CreditRequest), &[]);
    assert_eq!(guest.hear(), [(Op::CreditUpdate, PORT, vec![])]);
    assert_eq!(guest.hear(), [], "once for each time that it asks");
    guest.send(to(SERVER, PORT, Op::Rw), &[4]);
    assert_eq!(guest.hear(), [(Op::Rst, PORT, vec![])]);
}

#[test]
fn a_guest_gets_no_more_than_it_has_room_for() {
    let mut guest = ready();
    let id = guest.connect(PORT);
    let data: Vec<u8> = (0..700).map(|n| n as u8).collect();
    guest.host.say(id, &data);
    let heard = guest.hear();
    assert_eq!(heard, [(Op::Rw, PORT, data[..500].to_vec()), (Op::CreditRequest, PORT, vec![])]);
    assert_eq!(guest.hear(), [], "asked once");
    guest.send(Header { fwd_cnt: 100, ..to(SERVER, PORT, Op::CreditUpdate) }, &[]);
    assert_eq!(guest.hear(), [(Op::Rw, PORT, data[500..600].to_vec()), (Op::CreditRequest, PORT, vec![])]);
    // What is older than what is known, then a smaller buffer, then a larger one.
    guest.send(Header { fwd_cnt: 50, ..to(SERVER, PORT, Op::CreditUpdate) }, &[]);
    assert_eq!(guest.hear(), []);
    guest.send(Header { fwd_cnt: 150, buf_alloc: 100, ..to(SERVER, PORT, Op::CreditUpdate) }, &[]);
    assert_eq!(guest.hear(), [(Op::CreditRequest, PORT, vec![])]);
    guest.send(Header { fwd_cnt: 150, buf_alloc: u32::MAX, ..to(SERVER, PORT, Op::CreditUpdate) }, &[]);
    assert_eq!(guest.hear(), [(Op::Rw, PORT, data[600..].to_vec())]);
    // All is taken; what comes late is no news; a buffer that only grows is worth another question.
    guest.send(Header { fwd_cnt: 700, ..to(SERVER, PORT, Op::CreditUpdate) }, &[]);
    guest.send(Header { fwd_cnt: 300, ..to(SERVER, PORT, Op::CreditUpdate) }, &[]);
    guest.host.say(id, &data);
    assert_eq!(guest.hear(), [(Op::Rw, PORT, data[..500].to_vec()), (Op::CreditRequest, PORT, vec![])]);
    guest.send(Header { fwd_cnt: 700, buf_alloc: 550, ..to(SERVER, PORT, Op::CreditUpdate) }, &[]);
    assert_eq!(guest.hear(), [(Op::Rw, PORT, data[500..550].to_vec()), (Op::CreditRequest, PORT, vec![])]);
}

#[test]
fn a_peer_connects_if_it_may() {
    let mut guest = ready();
    for (ticket, from, port) in [(1, CLIENT, 23), (2, Address { cid: 8, port: 5000 }, LISTENER)] {
        guest.host.events.push_back(Event::Incoming { ticket, from, port });
        assert_eq!(guest.hear(), []);
        assert_eq!(guest.host.calls.last(), Some(&Call::Refuse(ticket)));
    }
    guest.host.events.push_back(Event::Incoming { ticket: 3, from: CLIENT, port: LISTENER });
    assert_eq!(guest.hear(), [(Op::Request, LISTENER, vec![])]);
    guest.host.events.push_back(Event::Incoming { ticket: 4, from: CLIENT, port: LISTENER });
    assert_eq!(guest.hear(), [], "the same twice");
    guest.send(to(CLIENT, LISTENER, Op::Response), &[]);
    assert_eq!(guest.host.calls[2..], [Call::Accept(3, 0), Call::Refuse(4), Call::Opened(0)]);
    guest.host.say(0, b"knock");
    assert_eq!(guest.hear(), [(Op::Rw, LISTENER, b"knock".to_vec())]);
    guest.send(to(CLIENT, LISTENER, Op::Rst), &[]);
    assert_eq!((guest.host.calls.last(), guest.mmio.device().connections()), (Some(&Call::Close(0)), 0));
    assert_eq!(guest.hear(), [], "a reset is not answered");
    // A guest that does not listen, and a peer that goes before it is answered.
    guest.host.events.push_back(Event::Incoming { ticket: 5, from: CLIENT, port: LISTENER });
    guest.hear();
    guest.send(to(CLIENT, LISTENER, Op::Rst), &[]);
    assert_eq!(guest.host.calls.last(), Some(&Call::Close(0)));
    guest.host.events.push_back(Event::Incoming { ticket: 6, from: CLIENT, port: LISTENER });
    guest.hear();
    guest.host.events.push_back(Event::Closed(0));
    assert_eq!(guest.hear(), [(Op::Rst, LISTENER, vec![])]);
    guest.host.events.extend([Event::Incoming { ticket: 7, from: CLIENT, port: LISTENER }, Event::Closed(0)]);
    assert_eq!(guest.hear(), [], "it need not know");
    assert_eq!(guest.mmio.device().connections(), 0);
}

#[test]
fn a_peer_that_ends_is_heard_to_the_end() {
    let mut guest = ready();
    let id = guest.connect(PORT);
    guest.host.say(id, &[7; 600]);
    guest.host.events.push_back(Event::Shutdown(id, Shutdown::all()));
    let from = guest.host.heard;
    assert_eq!(
        guest.hear(),
        [(Op::Rw, PORT, vec![7; 500]), (Op::CreditRequest, PORT, vec![]), (Op::Shutdown, PORT, vec![]),],
        "it receives no more, and sends what waits"
    );
    assert_eq!(guest.packets(from)[2].0.flags, 1);
    guest.send(Header { fwd_cnt: 500, ..to(SERVER, PORT, Op::CreditUpdate) }, &[]);
    let from = guest.host.heard;
    assert_eq!(guest.hear(), [(Op::Rw, PORT, vec![7; 100]), (Op::Shutdown, PORT, vec![])]);
    assert_eq!(guest.packets(from)[1].0.flags, 3);
    assert_eq!(guest.host.calls.last(), Some(&Call::Close(id)));
    assert_eq!(guest.mmio.device().connections(), 1, "the guest has not confirmed it");
    guest.send(to(SERVER, PORT, Op::Rw), b"late");
    guest.send(to(SERVER, PORT, Op::CreditUpdate), &[]);
    assert_eq!(guest.hear(), []);
    guest.send(Header { flags: 3, ..to(SERVER, PORT, Op::Shutdown) }, &[]);
    assert_eq!(guest.hear(), [(Op::Rst, PORT, vec![])]);
    assert_eq!(guest.mmio.device().connections(), 0);
    assert_eq!(guest.hear(), []);
}

#[test]
fn half_an_end_is_passed_on() {
    let mut guest = ready();
    let id = guest.connect(PORT);
    guest.send(Header { flags: 2, ..to(SERVER, PORT, Op::Shutdown) }, &[]);
    assert_eq!(guest.host.peers[id].shutdown, Shutdown::SEND);
    guest.host.say(id, b"still");
    assert_eq!(guest.hear(), [(Op::Rw, PORT, b"still".to_vec())]);
    guest.send(to(SERVER, PORT, Op::Rw), b"not any more");
    assert_eq!(guest.hear(), [(Op::Rst, PORT, vec![])]);
    let id = guest.connect(PORT + 1);
    guest.send(Header { flags: 1, ..to(SERVER, PORT + 1, Op::Shutdown) }, &[]);
    guest.host.say(id, b"not wanted");
    assert_eq!(guest.hear(), []);
    guest.send(to(SERVER, PORT + 1, Op::Rw), b"still");
    assert_eq!(guest.host.peers[id].from_guest, b"still");
    guest.send(Header { flags: 2, ..to(SERVER, PORT + 1, Op::Shutdown) }, &[]);
    assert_eq!(guest.hear(), [(Op::Rst, PORT + 1, vec![])], "both halves");
}

#[test]
fn a_peer_that_goes_or_refuses_resets() {
    let mut guest = ready();
    let id = guest.connect(PORT);
    guest.host.say(id, b"lost");
    guest.host.events.push_back(Event::Closed(id));
    assert_eq!(guest.hear(), [(Op::Rst, PORT, vec![])]);
    guest.send(to(SERVER, PORT, Op::Request), &[]);
    guest.host.events.push_back(Event::Closed(0));
    assert_eq!(guest.hear(), [(Op::Rst, PORT, vec![])]);
    // Of what is not there, nothing is believed.
    guest.host.events.extend([Event::Connected(0), Event::Closed(1), Event::Shutdown(99, Shutdown::all())]);
    assert_eq!((guest.hear(), guest.mmio.device().connections()), (vec![], 0));
}

#[test]
fn the_table_is_bounded_and_what_only_the_guest_keeps_makes_room() {
    let mut guest = ready();
    for n in 0..CONNECTIONS as u32 {
        guest.connect(PORT + n);
    }
    guest.send(to(SERVER, 99, Op::Request), &[]);
    assert_eq!(guest.hear(), [(Op::Rst, 99, vec![])]);
    guest.host.events.push_back(Event::Incoming { ticket: 1, from: CLIENT, port: LISTENER });
    guest.hear();
    assert_eq!(guest.host.calls.last(), Some(&Call::Refuse(1)));
    guest.host.events.push_back(Event::Shutdown(1, Shutdown::all()));
    assert_eq!(guest.hear(), [(Op::Shutdown, PORT + 1, vec![])]);
    assert_eq!(guest.connect(99), 1);
    guest.send(to(SERVER, PORT + 1, Op::Rw), b"?");
    assert_eq!(guest.hear(), [(Op::Rst, PORT + 1, vec![])]);
}

#[test]
fn a_guest_without_buffers_for_answers_is_not_heard() {
    let mut guest = ready();
    for n in 0..20 {
        guest.send(to(SERVER, n, Op::Rw), &[]);
        if n >= 8 {
            break;
        }
    }
    assert_eq!(guest.used(TRANSMIT), 8, "the ninth stays where it is");
    assert_eq!(guest.ram.get16(device(RECEIVE)), 0, "buffers are wanted");
    guest.chain(RECEIVE, 0, &[(DATA + 0x1_0000, 100, true)]);
    guest.provide(RECEIVE, &[0]);
    assert!(guest.write(0x50, RECEIVE), "there is place for the ninth's answer");
    assert!(!guest.serve());
    let ports: Vec<u32> = guest.hear().iter().map(|(_, port, _)| *port).collect();
    assert_eq!(ports, (0..8).collect::<Vec<_>>());
    assert_eq!((guest.used(TRANSMIT), guest.hear()), (9, vec![(Op::Rst, 8, vec![])]));
    assert_eq!(guest.ram.get16(device(RECEIVE)), 1, "buffers are of no interest");
}

#[test]
fn connections_take_turns() {
    let mut guest = ready();
    let ids: Vec<usize> = (0..3).map(|n| guest.connect(PORT + n)).collect();
    for id in ids {
        guest.host.say(id, &[id as u8; 2000]);
    }
    let ports: Vec<u32> = guest.hear().iter().map(|(_, port, _)| *port - PORT).collect();
    assert_eq!(ports, [0, 1, 2, 0, 1, 2], "data, and then a request for credit, of each");
}

#[test]
fn a_reset_closes_everything() {
    let mut guest = ready();
    guest.connect(PORT);
    guest.send(to(SERVER, 5, Op::Request), &[]);
    guest.send(to(SERVER, 6, Op::Rw), &[]);
    guest.host.calls.clear();
    guest.write(0x70, 0);
    assert_eq!(guest.host.calls, [Call::Close(0), Call::Close(1)]);
    guest.host.events.push_back(Event::Incoming { ticket: 1, from: CLIENT, port: LISTENER });
    assert!(!guest.serve());
    assert_eq!(guest.host.calls.last(), Some(&Call::Refuse(1)), "no driver is there");
    guest.start(1);
    guest.host.heard = 0;
    assert_eq!(guest.hear(), []);
    assert_eq!(guest.connect(PORT), 0);
    let mut guest = ready();
    guest.send(to(SERVER, 6, Op::Rw), &[]);
    guest.write(0x70, 0);
    guest.start(1);
    assert_eq!(guest.hear(), [], "an answer to somebody who has gone");
}

#[test]
fn a_packet_that_is_none_stops_the_device() {
    let packet = <[u8; HEADER_BYTES]>::from(Header { len: 10, ..to(SERVER, PORT, Op::Rw) });
    for (buffers, fault) in [
        (&[(DATA, 43, false)][..], Fault::Short),
        (&[(DATA, 44, true)], Fault::Short),
        (&[(DATA, 44, false), (DATA, 9, false)], Fault::Short),
        (&[(BASE - 44, 44, false)], Fault::Memory(BASE - 44)),
    ] {
        let mut guest = ready();
        guest.connect(PORT);
        guest.ram.write(DATA, &packet).unwrap();
        guest.chain(TRANSMIT, 0, buffers);
        guest.offer(TRANSMIT, &[0]);
        guest.stopped(fault);
        assert!(!guest.host.peers[0].is_there, "the reset closed it");
    }
    let mut guest = ready();
    guest.connect(PORT);
    let n = guest.used(RECEIVE);
    assert_eq!(guest.mmio.take_misuse(), None);
    guest.write(0x70, 0);
    guest.start(1);
    guest.chain(RECEIVE, 0, &[(DATA, HEADER_BYTES as u32, true)]);
    guest.provide(RECEIVE, &[0]);
    guest.send(to(SERVER, PORT, Op::Rw), &[]);
    guest.stopped(Fault::Short);
    assert!(n < SIZE);
}

#[test]
fn a_guest_s_context_is_its_own() {
    let guest = ready();
    let bytes: Vec<u8> = (0..9).map(|n| guest.mmio.read(0x100 + n, 1) as u8).collect();
    assert_eq!(bytes, [3, 0, 0, 0, 0, 0, 0, 0, 0]);
    for cid in [0, 1, 2, u32::MAX] {
        assert_eq!(VsockOf::<1>::new(cid, Policy::default()).err(), Some(ReservedCid(cid)));
    }
    let mut silent = Guest::ready(VsockOf::new(CID, Policy::default()).unwrap(), Fake::default(), 1);
    silent.send(to(SERVER, PORT, Op::Request), &[]);
    assert_eq!(silent.hear(), [(Op::Rst, PORT, vec![])], "what is not allowed is refused");
}
