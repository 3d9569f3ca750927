//! The console's work: input to the selected client, output of all clients in turns.

use crate::client::Client;
use crate::demux::{Demux, Input};
use crate::mux::Stage;
use crate::uart::Uart;
use arrayvec::ArrayVec;

/// The most clients.
pub const CLIENTS_MAX: usize = 31;
/// Bytes of input that are taken before output gets its turn again.
const INPUT_TURN: usize = 64;

/// The console.
#[derive(Debug)]
pub struct Console<U> {
    uart: U,
    clients: ArrayVec<Client, CLIENTS_MAX>,
    demux: Demux,
    selected: Option<usize>,
    stage: Stage,
    turn: usize,
}

impl<U: Uart> Console<U> {
    /// A console with these clients. Input goes to the first that is not raw, until another is selected.
    pub fn new(uart: U, clients: ArrayVec<Client, CLIENTS_MAX>) -> Self {
        let selected = clients.iter().position(|client| !client.is_raw());
        Self { uart, clients, demux: Demux::default(), selected, stage: Stage::default(), turn: 0 }
    }

    /// Does what can be done now. To be called when a client or the UART signals.
    pub fn work(&mut self) {
        loop {
            self.take_input();
            while let Some(byte) = self.stage.next() {
                if !self.uart.send(byte) {
                    return self.uart.want_room(true);
                }
                self.stage.advance();
            }
            if !self.next_turn() {
                return self.uart.want_room(false);
            }
        }
    }

    fn take_input(&mut self) {
        for _ in 0..INPUT_TURN {
            let Some(byte) = self.uart.receive() else {
                return;
            };
            match self.demux.take(byte) {
                Input::Nothing => {}
                Input::Select(id) => {
                    self.selected = self.clients.iter().position(|client| !client.is_raw() && client.id == id);
                }
                Input::Byte(byte) => {
                    if let Some(client) = self.selected.and_then(|index| self.clients.get_mut(index)) {
                        client.tell(byte);
                    }
                }
            }
        }
    }

    /// Gives the turn to the next client that has something to say.
    fn next_turn(&mut self) -> bool {
        let count = self.clients.len();
        for index in (self.turn..count).chain(0..self.turn.min(count)) {
            if self.stage.take(&mut self.clients[index]) {
                self.turn = (index + 1) % count;
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::RAW;
    use proptest::prelude::*;
    use protocol::ring::PAGE_BYTES;
    use runtime::ring::{Reader, Writer};
    use runtime::{Mapped, Notification, host};
    use std::cell::RefCell;
    use std::collections::VecDeque;
    use std::rc::Rc;
    use std::vec::Vec;

    #[derive(Default)]
    struct Fake {
        room: usize,
        sent: Vec<u8>,
        arriving: VecDeque<u8>,
        wanted: bool,
    }

    #[derive(Clone, Default)]
    struct FakeUart(Rc<RefCell<Fake>>);

    impl Uart for FakeUart {
        fn send(&mut self, byte: u8) -> bool {
            let mut fake = self.0.borrow_mut();
            if fake.room == 0 {
                return false;
            }
            fake.room -= 1;
            fake.sent.push(byte);
            true
        }
        fn receive(&mut self) -> Option<u8> {
            self.0.borrow_mut().arriving.pop_front()
        }
        fn want_room(&mut self, wanted: bool) {
            self.0.borrow_mut().wanted = wanted;
        }
    }

    struct World {
        console: Console<FakeUart>,
        uart: FakeUart,
        ends: Vec<(Writer, Reader)>,
        signals: Rc<RefCell<Vec<u32>>>,
    }

    fn world(ids: &[u8], room: usize) -> World {
        let signals = Rc::new(RefCell::new(Vec::new()));
        let seen = signals.clone();
        host::install(move |number: u32, r: &mut [u32; 7]| {
            assert_eq!(number, 6);
            seen.borrow_mut().push(r[0]);
            r[0] = 0;
        });
        let uart = FakeUart::default();
        uart.0.borrow_mut().room = room;
        let mut clients = ArrayVec::new();
        let mut ends = Vec::new();
        for &id in ids {
            let (output, input) = (Mapped::allocate(PAGE_BYTES), Mapped::allocate(PAGE_BYTES));
            ends.push((Writer::new(output).unwrap(), Reader::new(input).unwrap()));
            clients.push(Client {
                id,
                output: Reader::new(output).unwrap(),
                input: Writer::new(input),
                signal: Some(Notification(100 + u32::from(id))),
            });
        }
        World { console: Console::new(uart.clone(), clients), uart, ends, signals }
    }

    fn input(world: &mut World, client: usize) -> Vec<u8> {
        let mut buffer = [0; 64];
        let moved = world.ends[client].1.pop(&mut buffer);
        buffer[..moved.bytes].to_vec()
    }

    #[test]
    fn text_is_framed_in_turns_and_zeros_are_dropped() {
        let mut world = world(&[1, 2], 10_000);
        world.ends[0].0.push(&[b'a'; 300]);
        world.ends[1].0.push(b"b\0c");
        world.console.work();
        let expected = [&[0, 1][..], &[b'a'; 256], &[0, 0, 2, b'b', b'c', 0, 0, 1], &[b'a'; 44], &[0]].concat();
        assert_eq!(world.uart.0.borrow().sent, expected);
        assert!(!world.uart.0.borrow().wanted);
        world.ends[1].0.push(b"\0\0");
        world.console.work();
        assert_eq!(world.uart.0.borrow().sent, expected);
    }

    #[test]
    fn a_full_uart_asks_for_an_interrupt_and_goes_on_where_it_stopped() {
        let mut world = world(&[1], 3);
        world.ends[0].0.push(b"hello");
        world.console.work();
        assert!(world.uart.0.borrow().wanted);
        while world.uart.0.borrow().wanted {
            world.uart.0.borrow_mut().room = 2;
            world.console.work();
        }
        assert_eq!(world.uart.0.borrow().sent, b"\0\x01hello\0");
    }

    #[test]
    fn a_client_that_waits_for_room_is_woken() {
        let mut world = world(&[1], 10_000);
        world.ends[0].0.push(&[b'x'; protocol::ring::DATA_BYTES]);
        world.console.work();
        assert_eq!(*world.signals.borrow(), [101]);
    }

    #[test]
    fn input_goes_where_it_was_sent() {
        let mut world = world(&[RAW, 1, 2], 0);
        world.uart.0.borrow_mut().arriving.extend(b"ab\0\x02cd\0\x09ef\0\0\x01g");
        world.console.work();
        assert_eq!(
            (input(&mut world, 0), input(&mut world, 1), input(&mut world, 2)),
            (vec![], b"abg".to_vec(), b"cd".to_vec())
        );
        assert_eq!(*world.signals.borrow(), [101, 102]);
    }

    #[test]
    fn a_flood_fills_the_ring_of_who_does_not_read_and_stops_nobody_else() {
        const FLOOD: usize = 5000;
        let mut world = world(&[1, 2], 0);
        let typed = |n: usize| b'a' + (n % 26) as u8;
        world.uart.0.borrow_mut().arriving.extend((0..FLOOD).map(typed));
        world.uart.0.borrow_mut().arriving.extend(b"\0\x02there");
        world.ends[1].0.push(b"still talks");
        // Sixty-four bytes a turn: with an interrupt for each, as the UART gives one while anything waits.
        while !world.uart.0.borrow().arriving.is_empty() {
            world.console.work();
        }
        let mut kept = [0; 2 * FLOOD];
        let moved = world.ends[0].1.pop(&mut kept);
        assert_eq!(moved.bytes, protocol::ring::DATA_BYTES);
        assert!(kept[..moved.bytes].iter().enumerate().all(|(n, byte)| *byte == typed(n)));
        assert_eq!(input(&mut world, 1), b"there");
        assert_eq!(*world.signals.borrow(), [101, 102], "each is woken once");
        world.uart.0.borrow_mut().room = 100;
        world.console.work();
        assert_eq!(world.uart.0.borrow().sent, b"\0\x02still talks\0");
    }

    #[test]
    fn log_frames_pass_whole_and_nothing_else_of_theirs_does() {
        let mut world = world(&[RAW, 1], 10_000);
        world.ends[0].0.push(b"junk\0\x01spoofed\0\0\x85fr");
        world.ends[1].0.push(b"t");
        world.console.work();
        assert_eq!(world.uart.0.borrow().sent, b"\0\x01t\0");
        world.ends[0].0.push(b"ame\0");
        world.console.work();
        assert_eq!(world.uart.0.borrow().sent, b"\0\x01t\0\0\x85frame\0");
        // One that never ends is skipped sooner or later.
        world.ends[0].0.push(b"\0\x85");
        world.ends[0].0.push(&[1; 600]);
        world.ends[0].0.push(b"\0\0\x86ok\0");
        world.console.work();
        assert!(world.uart.0.borrow().sent.ends_with(b"\0\x86ok\0"));
        assert_eq!(world.uart.0.borrow().sent.len(), 12 + 5);
    }

    /// The host's side: text by channel.
    fn taken_apart(sent: &[u8]) -> Option<Vec<(u8, Vec<u8>)>> {
        let mut frames = Vec::new();
        let mut rest = sent;
        while let [0, id, tail @ ..] = rest {
            let end = tail.iter().position(|&byte| byte == 0)?;
            frames.push((*id, tail[..end].to_vec()));
            rest = &tail[end + 1..];
        }
        rest.is_empty().then_some(frames)
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_mixed_however_slow_the_wire_is(
            steps in proptest::collection::vec((0_usize..3, proptest::collection::vec(any::<u8>(), 0..200), 0_usize..300), 1..30),
        ) {
            let mut world = world(&[1, 2, 3], 0);
            let mut said = [Vec::new(), Vec::new(), Vec::new()];
            for (client, bytes, room) in steps {
                let moved = world.ends[client].0.push(&bytes);
                said[client].extend(bytes[..moved.bytes].iter().filter(|byte| **byte != 0));
                world.uart.0.borrow_mut().room = room;
                world.console.work();
            }
            world.uart.0.borrow_mut().room = usize::MAX;
            world.console.work();
            let mut heard = [Vec::new(), Vec::new(), Vec::new()];
            let sent = world.uart.0.borrow().sent.clone();
            for (id, text) in taken_apart(&sent).expect("frames are whole") {
                prop_assert!(!text.is_empty() && text.len() <= crate::mux::TEXT_BYTES_MAX);
                heard[usize::from(id) - 1].extend(text);
            }
            prop_assert_eq!(heard, said);
        }
    }
}
