//! Random requests against an ideal disk, and random madness.

use super::fake::{CACHED, DEPTH, Fake, Guest, IN, OUT, place, ready};
use super::*;
use crate::virtio::fake as guest;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Ask { kind: u32, sector: u64, sectors: u32, fill: u8 },
    End(usize),
    Room(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop::sample::select(vec![IN, OUT, OUT, spec::FLUSH, spec::WRITE_ZEROES]);
    prop_oneof![
        3 => (kind, 0..8u64, 1..6u32, any::<u8>()).prop_map(|(kind, sector, sectors, fill)| Step::Ask { kind, sector, sectors, fill }),
        4 => any::<usize>().prop_map(Step::End),
        1 => (0..=DEPTH).prop_map(Step::Room),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Two requests at a time, of any length, ended in any order and piece by piece: each has the effect that its driver may expect, and
    /// what a flush has acknowledged outlives a power cut.
    #[test]
    fn the_disk_is_what_its_driver_thinks(steps in prop::collection::vec(step(), 1..120)) {
        let mut guest = ready(CACHED);
        let mut ideal = Fake::new().stable;
        // What a flush must make stable: what stood when it was asked for. Each of the two works in its half of the disk.
        let mut flushed = ideal.clone();
        let mut asked: [Option<(u32, u64, u32, u8)>; 2] = [None; 2];
        let mut seen = 0;
        for step in steps {
            match step {
                Step::Ask { kind, sector, sectors, fill } => {
                    let Some(n) = (0..2).find(|&n| asked[n].is_none()) else { continue };
                    // Beside another one: elsewhere, or its effect would be anybody's guess.
                    let sector = sector + 32 * n as u64;
                    let bytes = sectors * 512;
                    let data = place(n as u16).1;
                    let bytes = match kind {
                        spec::FLUSH => {
                            flushed.clone_from(&ideal);
                            0
                        }
                        spec::WRITE_ZEROES => {
                            guest.ram.write(data, &sector.to_le_bytes()).unwrap();
                            guest.ram.write(data + 8, &u64::from(sectors).to_le_bytes()).unwrap();
                            16
                        }
                        _ => {
                            guest.ram.write(data, &vec![fill; bytes as usize]).unwrap();
                            bytes
                        }
                    };
                    asked[n] = Some((kind, sector, sectors, fill));
                    guest.request(n as u16, kind, sector, bytes);
                }
                Step::End(which) => {
                    let tags = guest.host.tags();
                    if !tags.is_empty() {
                        guest.host.end(tags[which % tags.len()], Ok(()));
                    }
                    while guest.serve() {}
                }
                Step::Room(room) => {
                    guest.host.room = room;
                    while guest.serve() {}
                }
            }
            while seen != guest.used(0) {
                let n = guest.used_at(0, seen).0 as usize / 4;
                seen = seen.wrapping_add(1);
                let (kind, sector, sectors, fill) = asked[n].take().unwrap();
                prop_assert_eq!(guest.status(n as u16), 0);
                let bytes = Fake::place(sector, sectors);
                match kind {
                    IN => prop_assert_eq!(guest.ram.at(place(n as u16).1, bytes.len()), &ideal[bytes]),
                    OUT => ideal[bytes].fill(fill),
                    spec::WRITE_ZEROES => ideal[bytes].fill(0),
                    _ => {
                        let half = n * 32 * 512..(n + 1) * 32 * 512;
                        prop_assert!(guest.host.stable[half.clone()] == flushed[half], "lost what was flushed");
                    }
                }
            }
        }
        guest.host.room = DEPTH;
        guest.settle();
        prop_assert!(asked.iter().flatten().count() <= 2);
        prop_assert!(guest.mmio.take_misuse().is_none());
    }

    /// Whatever a driver does, and however often what it shares changes while it is read.
    #[test]
    fn anything_is_survived(seed in 1..u64::MAX, steps in prop::collection::vec(guest::madness(), 1..120)) {
        mad(seed, &steps);
    }
}

/// A driver that has lost its mind: how many chains the device gave back.
fn mad(seed: u64, steps: &[guest::Madness]) -> u32 {
    let mut guest = ready(CACHED);
    let request = |guest: &mut Guest, _queue: u32, first: u16, salt: u16| {
        let (header, data, status) = place(first / 4);
        let kind =
            [IN, OUT, OUT, IN, spec::FLUSH, spec::GET_ID, spec::DISCARD, spec::WRITE_ZEROES, 77][usize::from(salt % 9)];
        let bytes = [512, 1024, 3072, 16, 20][usize::from(salt / 9 % 5)];
        guest.ram.set32(header, kind);
        guest.ram.write(header + 8, &u64::from(salt % 70).to_le_bytes()).unwrap();
        let is_in = kind == IN || kind == spec::GET_ID;
        guest.chain(0, first, &[(header, 16, false), (data, bytes, is_in), (status, 1, true)]);
    };
    guest.rave(CACHED, (seed, steps), request, |disk, value| {
        disk.room = value as usize % 8;
        for tag in disk.tags() {
            if value >> tag & 1 != 0 {
                disk.end(tag, if value & 0x100 != 0 { Err(Failed) } else { Ok(()) });
            }
        }
        if value.is_multiple_of(31) {
            disk.ended.push_back((value as usize >> 8, Ok(())));
        }
    })
}

#[test]
fn it_takes_a_lot_from_a_driver_that_is_only_busy() {
    let used = (1..10).map(|seed| mad(seed << 32, &guest::busy())).max();
    assert!(used.is_some_and(|used| used > 40), "{used:?}");
}
