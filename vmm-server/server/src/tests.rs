//! Exits against a machine whose kernel is a recorder.

use crate::cpus::Vcpus;
use crate::exit::{Verdict, device, event, finish, seldom};
use crate::flush::Flusher;
use crate::machine::Machine;
use crate::port::Port;
use crate::progress::FAULTS_MAX;
use crate::ram::Ram;
use abi::MessageInfo;
use abi::exit::{Access, CoprocessorAccess, ExitKind, ExitReply};
use protocol::config::Console;
use protocol::ring::{DATA_BYTES, PAGE_BYTES};
use protocol::vm::Ending;
use runtime::ring::{Reader, Writer};
use runtime::{Lock, Mapped, Tcb, Vcpu, host};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::vec::Vec;

const WORD: u32 = 2;
const STEP: ExitReply = ExitReply::STEP;

/// Methods called on vCPUs and frames: label and words.
type Calls = Rc<RefCell<Vec<(u16, [u32; 4])>>>;

struct World {
    machine: Lock<Option<Machine>>,
    ram: Ram,
    screen: Reader,
    keys: Writer,
    calls: Calls,
    signals: Cell<u32>,
}

fn world(console: Console) -> World {
    let calls = Calls::default();
    let seen = calls.clone();
    host::install(move |number: u32, r: &mut [u32; 7]| {
        if number == 0 {
            seen.borrow_mut().push((MessageInfo(r[1]).label(), [r[2], r[3], r[4], r[5]]));
        }
        *r = [0, 0, 0, 0xdead_0000, 0, 0, 0];
    });
    let (tx, rx) = (Mapped::allocate(PAGE_BYTES), Mapped::allocate(PAGE_BYTES));
    let ram = Ram { memory: Mapped::allocate(2 << 20), base: 0x4000_0000 };
    let cpus = Vcpus::new([(Vcpu(40), Tcb(50))].into_iter());
    let port = Port::new(Writer::new(tx), Reader::new(rx));
    World {
        machine: Lock::new(Some(Machine::new(cpus, console, port, ram, Flusher::new(60, 1)))),
        ram,
        screen: Reader::new(tx).unwrap(),
        keys: Writer::new(rx).unwrap(),
        calls,
        signals: Cell::new(0),
    }
}

impl World {
    fn exit(&self, kind: ExitKind, words: [u32; 4]) -> Verdict {
        let signal = || self.signals.set(self.signals.get() + 1);
        match device(&self.machine, 0, kind as u16, words, |todo| finish(&self.machine, todo, signal)) {
            Some((info, word)) => Verdict::Answer(ExitReply::from_bits(info.label()).unwrap(), [word, 0]),
            None => seldom(&self.machine, 0, kind as u16, words, signal),
        }
    }
    fn load(&self, access: u32, ipa: u32) -> u32 {
        match self.exit(ExitKind::Mmio, [access, ipa, 0, 0x4000_8000]) {
            Verdict::Answer(reply, [value, _]) if reply == STEP | ExitReply::WRITE => value,
            other => panic!("{other:?}"),
        }
    }
    fn store(&self, ipa: u32, value: u32) {
        let verdict = self.exit(ExitKind::Mmio, [WORD | Access::WRITE, ipa, value, 0x4000_8000]);
        assert_eq!(verdict, Verdict::Answer(STEP, [0; 2]));
    }
    fn text(&mut self) -> Vec<u8> {
        let mut bytes = std::vec![0; DATA_BYTES];
        let moved = self.screen.pop(&mut bytes);
        bytes.truncate(moved.bytes);
        bytes
    }
    fn events(&self) {
        event(&self.machine, || self.signals.set(self.signals.get() + 1));
    }
}

#[test]
fn what_the_guest_prints_arrives_at_the_console_which_is_woken_once() {
    let mut world = world(Console::Pl011);
    for byte in b"hi" {
        world.store(0x0900_0000, (*byte).into());
    }
    assert_eq!((world.text(), world.signals.get()), (b"hi".to_vec(), 1));
    assert!(world.calls.borrow().is_empty(), "printing costs no call but the signal");
}

#[test]
fn keys_reach_the_guest_with_an_interrupt() {
    let mut world = world(Console::Pl011);
    world.store(0x0800_0000, 1);
    world.store(0x0800_0104, 1 << 1);
    world.store(0x0900_0038, 1 << 4 | 1 << 6);
    world.calls.borrow_mut().clear();
    world.keys.push(b"k");
    world.events();
    assert_eq!(*world.calls.borrow(), [(0x704, [33, 0, 1, 0])]);
    assert_eq!(world.load(WORD, 0x0900_0000), u32::from(b'k'));
    assert_eq!(world.calls.borrow().last(), Some(&(0x704, [33, 0, 0, 0])));
    // More than the port's FIFO holds comes as the guest reads.
    world.keys.push(b"abc");
    world.events();
    let read: Vec<u32> = (0..3).map(|_| world.load(WORD, 0x0900_0000)).collect();
    assert_eq!(read, b"abc".map(u32::from));
}

#[test]
fn a_guest_that_reads_gets_a_flood_of_input_whole_and_in_order() {
    let mut world = world(Console::Pl011);
    // UARTLCR_H: with FIFO.
    world.store(0x0900_002c, 1 << 4);
    let typed: Vec<u8> = (0..5000_u32).map(|n| n as u8).collect();
    let (mut sent, mut read) = (0, Vec::new());
    while read.len() < typed.len() {
        // As much as the ring takes, which is more than the port does.
        let moved = world.keys.push(&typed[sent..]);
        sent += moved.bytes;
        if moved.signal {
            world.events();
        }
        for _ in 0..700 {
            if world.load(WORD, 0x0900_0018) & 1 << 4 == 0 {
                read.push(world.load(WORD, 0x0900_0000));
            }
        }
    }
    assert!(read.iter().zip(&typed).all(|(read, typed)| *read == u32::from(*typed)), "and no overrun is flagged");
}

#[test]
fn a_full_console_loses_what_the_port_can_not_hold_and_the_guest_goes_on() {
    let mut world = world(Console::Pl011);
    for number in 0..DATA_BYTES as u32 + 2 {
        world.store(0x0900_0000, number & 0x7f);
    }
    assert_eq!(world.text().len(), DATA_BYTES);
    world.store(0x0900_0000, u32::from(b'!'));
    assert_eq!(world.text(), b"!");
}

#[test]
fn loads_are_extended_and_every_load_from_the_bus_is_answered() {
    let world = world(Console::Pl011);
    assert_eq!(world.load(WORD, 0x0900_0fe0), 0x11);
    assert_eq!(world.load(Access::SIGNED, 0x0900_0ff4), 0xffff_fff0);
    assert_eq!(world.load(WORD, 0x0a00_0000), 0x7472_6976);
    assert_eq!(world.load(WORD, 0x0a00_0008), 0);
    assert_eq!(world.load(WORD, 0x0901_0fe0), 0x31);
    assert_eq!(self::world(Console::Virtio).load(WORD, 0x0a00_0008), 3);
}

#[test]
fn a_store_is_as_wide_as_it_is() {
    let world = world(Console::Pl011);
    for (width, read) in [(0, 0x78), (1, 0x5678), (WORD, 0x5678)] {
        let ibrd = 0x0900_0024;
        let verdict = world.exit(ExitKind::Mmio, [width | Access::WRITE, ibrd, 0x1234_5678, 0x4000_8000]);
        assert_eq!((verdict, world.load(WORD, ibrd)), (Verdict::Answer(STEP, [0; 2]), read));
    }
}

#[test]
fn what_is_not_there_aborts_at_its_virtual_address() {
    let world = world(Console::Pl011);
    let abort = |address| Verdict::Answer(ExitReply::DATA_ABORT, [address, 0]);
    assert_eq!(world.exit(ExitKind::Mmio, [WORD, 0x0700_0000, 0, 0]), abort(0xdead_0000));
    assert_eq!(world.exit(ExitKind::Mmio, [WORD | Access::WALK, 0x0900_0000, 0, 0]), abort(0xdead_0000));
    assert_eq!(world.exit(ExitKind::Mmio, [WORD | 1 << 24, 0x0900_0000, 0, 0]), abort(0xdead_0000));
    assert_eq!(world.exit(ExitKind::Undecoded, [0, 0x0900_0000, 0xc000_0000, 0]), abort(0xc000_0000));
    let fetch = world.exit(ExitKind::Fetch, [0, 0x0900_0000, 0xc000_0004, 0]);
    assert_eq!(fetch, Verdict::Answer(ExitReply::PREFETCH_ABORT, [0xc000_0004, 0]));
    assert_eq!(world.exit(ExitKind::Undefined, [0; 4]), Verdict::Answer(ExitReply::UNDEFINED, [0; 2]));
}

#[test]
fn a_guest_that_does_nothing_but_abort_has_crashed() {
    let world = world(Console::Pl011);
    for round in 1..=FAULTS_MAX {
        let verdict = world.exit(ExitKind::Fetch, [0, 0xc, 0xc, 0xc]);
        assert_eq!(verdict == Verdict::End(Ending::Crashed), round == FAULTS_MAX, "{round}");
    }
    let (info, _) = Verdict::End(Ending::Crashed).message();
    assert_eq!(info.label(), ExitReply::STOP.bits());
    world.load(WORD, 0x0900_0000);
    let verdict = world.exit(ExitKind::Fetch, [0, 0xc, 0xc, 0xc]);
    assert_eq!(verdict, Verdict::Answer(ExitReply::PREFETCH_ABORT, [0xc, 0]));
    // An undefined instruction where the handler of undefined instructions begins.
    let ended = (0..=FAULTS_MAX).position(|_| world.exit(ExitKind::Undefined, [0; 4]) == Verdict::End(Ending::Crashed));
    assert_eq!(ended, Some(FAULTS_MAX as usize - 2), "the abort before counts as well");
}

#[test]
fn a_million_bad_accesses_of_a_program_or_a_prober_harm_nobody_and_say_nothing() {
    let world = world(Console::Pl011);
    let user = CoprocessorAccess::USER | 15 << 10;
    for n in 0..1_000_000 {
        let verdict = match n % 3 {
            // The same again and again, by a program that has a handler.
            0 => world.exit(ExitKind::Mmio, [WORD | Access::USER, 0x0700_0000, 0, 0x8000]),
            1 => world.exit(ExitKind::Coprocessor, [user, 0, 0, 0x8000]),
            // Another each time, by a kernel.
            _ => world.exit(ExitKind::Mmio, [WORD, 0x0700_0000, n, 0x4000_8000]),
        };
        assert!(!matches!(verdict, Verdict::End(_)), "{n}");
        world.calls.borrow_mut().clear();
    }
    assert_eq!(world.signals.get(), 0);
}

#[test]
fn a_guest_that_says_that_it_has_panicked_has_crashed() {
    let world = world(Console::Pl011);
    assert_eq!(world.load(0, 0x0907_0000), 3);
    assert_eq!(world.load(1, 0x0907_0000), 3);
    let store = |value| world.exit(ExitKind::Mmio, [Access::WRITE, 0x0907_0000, value, 0x4000_8000]);
    assert_eq!(store(0), Verdict::Answer(STEP, [0; 2]));
    assert_eq!(store(2), Verdict::Answer(STEP, [0; 2]), "its crash kernel goes on");
    assert_eq!(store(1), Verdict::End(Ending::Crashed));
    // A warm reset is what Linux asks for after a panic; any other is a reset.
    assert_eq!(world.exit(ExitKind::Hvc, [0x8400_0012, 0, 0, 0]), Verdict::End(Ending::Crashed));
}

#[test]
fn firmware_calls_are_answered_and_end_the_guest() {
    let world = world(Console::Pl011);
    let version = [0x8400_0000, 0, 0, 0];
    assert_eq!(world.exit(ExitKind::Hvc, version), Verdict::Answer(ExitReply::WRITE, [0x1_0001, 0]));
    assert_eq!(world.exit(ExitKind::Smc, version), Verdict::Answer(STEP | ExitReply::WRITE, [0x1_0001, 0]));
    assert_eq!(world.exit(ExitKind::Hvc, [0x8400_0008, 0, 0, 0]), Verdict::End(Ending::Off));
    assert_eq!(world.exit(ExitKind::Smc, [0x8400_0009, 0, 0, 0]), Verdict::End(Ending::Reset));
}

#[test]
fn a_run_of_set_way_operations_flushes_ram_once_in_pieces() {
    let world = world(Console::Pl011);
    let clean = CoprocessorAccess(14 << 1 | 7 << 10 | 2 << 17).0;
    for set in 0..3 {
        assert_eq!(world.exit(ExitKind::Coprocessor, [clean, set << 6, 0, 0]), Verdict::Answer(STEP, [0; 2]));
    }
    let calls = world.calls.borrow();
    let pieces = calls.iter().filter(|(label, words)| *label == 0x304 && words[1] == 65536).count();
    assert!(pieces >= 32 && pieces % 32 == 0, "whole RAM, each time");
    assert!(calls.contains(&(0x70b, [1, 0, 0, 0])), "stage 1 is watched");
    let actlr = [CoprocessorAccess(CoprocessorAccess::READ | 1 << 10 | 1 << 17).0, 0, 0, 0];
    drop(calls);
    assert_eq!(world.exit(ExitKind::Coprocessor, actlr), Verdict::Answer(STEP | ExitReply::WRITE, [0x40, 0]));
}

#[test]
fn a_virtio_console_prints_what_the_guest_queued() {
    use vmm_devices::virtio::GuestMemory;
    let mut world = world(Console::Virtio);
    let (base, ring) = (0x0a00_0000, 0x4000_0000_u32);
    // One buffer in the transmit queue: descriptor 0 at the ring, available index 1.
    let mut ram = world.ram;
    let mut descriptor = Vec::new();
    descriptor.extend(u64::from(ring + 0x3000).to_le_bytes());
    descriptor.extend(5_u32.to_le_bytes());
    descriptor.extend([0; 4]);
    ram.write(ring.into(), &descriptor).unwrap();
    ram.write(u64::from(ring) + 0x1000, &[0, 0, 1, 0, 0, 0]).unwrap();
    ram.write(u64::from(ring) + 0x3000, b"hello").unwrap();
    for (offset, value) in [
        (0x70, 0),
        (0x70, 1),
        (0x70, 3),
        (0x24, 1),
        (0x20, 1),
        (0x24, 0),
        (0x20, 0),
        (0x70, 11),
        (0x30, 1),
        (0x38, 8),
        (0x80, ring),
        (0x90, ring + 0x1000),
        (0xa0, ring + 0x2000),
        (0x44, 1),
        (0x70, 15),
        (0x50, 1),
    ] {
        world.store(base + offset, value);
    }
    assert_eq!(world.text(), b"hello");
    let mut used = [0; 2];
    ram.read(u64::from(ring) + 0x2002, &mut used).unwrap();
    assert_eq!(used, [1, 0]);
    assert_eq!(world.load(WORD, base + 0x60), 1);
}

#[test]
fn the_machine_fits_where_it_must() {
    // It is built on a thread's stack before it moves to its place.
    assert!(size_of::<Machine>() < 8192, "{}", size_of::<Machine>());
}
