//! One behaviour a test.

use super::fake::{CACHED, DEPTH, Fake, Guest, IN, OUT, SECTORS, block, parameters, place, ready};
use super::*;
use crate::virtio::Fault;
use crate::virtio::fake::{self as guest, DATA, device};
use std::vec::Vec;

#[test]
fn it_reads_writes_and_tells_its_name() {
    let mut guest = ready(CACHED);
    let data = place(0).1;
    assert_eq!(guest.ask(IN, 3, 1024), (0, 1025));
    assert_eq!(guest.ram.at(data, 1024), &guest.host.stable[3 * 512..5 * 512]);
    guest.ram.write(data, &[7; 512]).unwrap();
    assert_eq!(guest.ask(OUT, 63, 512), (0, 1));
    assert_eq!(guest.host.cached[63 * 512..], [7; 512]);
    assert_eq!(guest.ask(spec::GET_ID, 0, 20), (0, 21));
    assert_eq!(guest.ram.at(data, 20), b"a disk for the tests");
    assert_eq!(guest.ask(spec::GET_ID, 0, 4), (0, 5));
    assert_eq!(guest.ask(spec::GET_ID, 0, 30), (0, 20), "only as much as there is");
    assert_eq!(guest.ask(spec::FLUSH, 0, 0), (0, 1));
    assert!(guest.level);
}

#[test]
fn several_are_under_way_and_end_in_any_order() {
    let mut guest = ready(CACHED);
    guest.request(0, IN, 1, 512);
    guest.request(1, IN, 2, 512);
    assert_eq!((guest.used(0), guest.host.tags()), (0, vec![0, 1]), "the device does not wait");
    guest.host.end(1, Ok(()));
    guest.serve();
    assert_eq!((guest.used(0), guest.used_at(0, 0), guest.status(0)), (1, (4, 513), 0xff));
    guest.host.end(0, Ok(()));
    guest.serve();
    assert_eq!((guest.used(0), guest.used_at(0, 1), guest.status(0)), (2, (0, 513), 0));
    assert_eq!([guest.ram.at(place(0).1, 1)[0], guest.ram.at(place(1).1, 1)[0]], [1, 2]);
}

#[test]
fn what_is_longer_than_a_window_goes_in_pieces() {
    let mut guest = ready(CACHED);
    let data = place(0).1;
    guest.request(0, IN, 0, 5 * 512);
    assert_eq!(guest.host.under_way[&0], Operation::Read { sector: 0, sectors: 2 });
    guest.settle();
    assert_eq!(guest.status(0), 0);
    assert_eq!(guest.ram.at(data, 5 * 512), &guest.host.stable[..5 * 512]);
    let bytes: Vec<u8> = (0..7 * 512).map(|n| (n / 3) as u8).collect();
    guest.ram.write(data, &bytes).unwrap();
    assert_eq!(guest.ask(OUT, 20, 7 * 512), (0, 1));
    assert_eq!(guest.host.cached[20 * 512..27 * 512], bytes);
}

#[test]
fn a_write_is_stable_when_it_has_to_be() {
    // (features, writeback as the driver sets it, stable at its end)
    for (features, writeback, stable) in [
        (CACHED, None, false),
        (CACHED, Some(1), false),
        (CACHED, Some(0), true),
        (FEATURE_FLUSH, None, false),
        (FEATURE_FLUSH, Some(0), false),
        (FEATURE_CONFIG_WCE, None, true),
        (FEATURE_CONFIG_WCE, Some(1), false),
        (0, None, true),
    ] {
        let mut guest = ready(features);
        assert_eq!(guest.read(0x120) & 1, u32::from(features & FEATURE_FLUSH != 0));
        if let Some(byte) = writeback {
            guest.store(0x120, 1, byte);
        }
        guest.ram.write(place(0).1, &[9; 512]).unwrap();
        assert_eq!(guest.ask(OUT, 5, 512), (0, 1));
        let lost = guest.host.stable[5 * 512] != 9;
        assert_eq!(lost, !stable, "{features:#x} {writeback:?}");
        assert_eq!(guest.range(spec::WRITE_ZEROES, 6, 1, 0), 0);
        assert_eq!(guest.host.stable[6 * 512] != 0, !stable, "{features:#x} {writeback:?}");
        assert_eq!(guest.ask(spec::FLUSH, 0, 0).0, 0);
        assert_eq!((guest.host.stable[5 * 512], guest.host.stable[6 * 512]), (9, 0), "a flush");
    }
}

#[test]
fn what_cannot_be_done_is_told() {
    let mut guest = ready(CACHED);
    for (kind, sector, bytes, status, name) in [
        (IN, SECTORS, 512, 1, "the first sector beyond"),
        (IN, SECTORS - 1, 1024, 1, "over the end"),
        (IN, SECTORS - 1, 512, 0, "the last"),
        (IN, SECTORS, 0, 0, "nothing, at the end"),
        (IN, u64::MAX, 512, 1, "wraps"),
        (IN, u64::MAX, 0, 1, "nothing, out there"),
        (IN, 0, 511, 1, "no whole sector"),
        (IN, 0, 513, 1, "no whole sector"),
        (OUT, u64::MAX - 1, 1024, 1, "wraps"),
        (OUT, 0, 100, 1, "no whole sector"),
        (2, 0, 512, 2, "SCSI"),
        (10, 0, 512, 2, "GET_LIFETIME"),
        (14, 0, 16, 2, "SECURE_ERASE"),
        (u32::MAX, 0, 0, 2, "no such request"),
        (spec::DISCARD, 0, 15, 1, "half a range"),
        (spec::DISCARD, 0, 32, 1, "two ranges"),
        (spec::WRITE_ZEROES, 0, 0, 1, "no range"),
    ] {
        guest.ram.write(place(0).1, &[0; 32]).unwrap();
        assert_eq!(guest.ask(kind, sector, bytes).0, status, "{name}");
    }
    assert!(guest.host.cached == Fake::new().cached, "nothing was written");
    assert!(guest.mmio.take_misuse().is_none());
}

#[test]
fn ranges_are_discarded_and_zeroed() {
    let mut guest = ready(CACHED);
    for (kind, sector, sectors, flags, status) in [
        (spec::DISCARD, 4, 2, 0, 0),
        (spec::DISCARD, 0, 0, 0, 0),
        (spec::DISCARD, 4, 2, 1, 2),
        (spec::DISCARD, 4, 33, 0, 1),
        (spec::DISCARD, 63, 2, 0, 1),
        (spec::DISCARD, u64::MAX, 2, 0, 1),
        (spec::WRITE_ZEROES, 8, 16, 0, 0),
        (spec::WRITE_ZEROES, 30, 2, 1, 0),
        (spec::WRITE_ZEROES, 8, 17, 0, 1),
        (spec::WRITE_ZEROES, 8, 2, 2, 2),
        (spec::WRITE_ZEROES, 8, u32::MAX, 0, 1),
    ] {
        assert_eq!(guest.range(kind, sector, sectors, flags), status, "{kind} {sector} {sectors} {flags}");
    }
    let changed: Vec<usize> =
        (0..64).filter(|n| guest.host.cached[n * 512..][..512] != Fake::new().cached[n * 512..][..512]).collect();
    assert_eq!(changed, [&[4, 5][..], &(8..24).collect::<Vec<_>>(), &[30, 31]].concat());
    let plain = Parameters { discard_sectors_max: 0, write_zeroes_sectors_max: 0, ..parameters() };
    let mut guest = Guest::ready(block(plain), Fake::new(), CACHED);
    assert_eq!([guest.range(spec::DISCARD, 0, 1, 0), guest.range(spec::WRITE_ZEROES, 0, 1, 0)], [2, 2]);
    assert_eq!(guest.mmio.device().features() & (FEATURE_DISCARD | FEATURE_WRITE_ZEROES), 0);
    let mut guest =
        Guest::ready(block(Parameters { read_only: true, ..parameters() }), Fake::new(), CACHED | FEATURE_RO);
    assert_eq!([guest.range(spec::DISCARD, 0, 1, 0), guest.range(spec::WRITE_ZEROES, 0, 1, 0)], [1, 1]);
    assert_eq!([guest.ask(OUT, 0, 512).0, guest.ask(IN, 0, 512).0, guest.ask(spec::FLUSH, 0, 0).0], [1, 0, 0]);
    assert!(guest.host.cached == Fake::new().cached);
}

#[test]
fn blocks_of_4096_bytes_are_kept_whole() {
    let large = Parameters { block_bytes: 4096, ..parameters() };
    let mut guest = Guest::ready(block(large), Fake::new(), CACHED);
    assert_eq!(guest.read(0x114), 4096);
    for (sector, bytes) in [(0, 512), (1, 4096), (4, 4096), (60, 4096)] {
        assert_eq!(guest.ask(IN, sector, bytes).0, 1, "{sector} {bytes}");
    }
    assert_eq!(guest.ask(IN, 8, 4096).0, 1, "no window holds one");
    for (parameters, unfit) in [
        (Parameters { block_bytes: 0, ..large }, Unfit::BlockSize(0)),
        (Parameters { block_bytes: 256, ..large }, Unfit::BlockSize(256)),
        (Parameters { block_bytes: 1536, ..large }, Unfit::BlockSize(1536)),
        (Parameters { block_bytes: 1 << 16, ..large }, Unfit::BlockSize(1 << 16)),
        (Parameters { sectors: 63, ..large }, Unfit::Capacity(63)),
    ] {
        assert_eq!(BlockOf::<1>::new(parameters).err(), Some(unfit));
    }
}

#[test]
fn an_error_of_the_disk_is_an_error_of_its_request() {
    let mut guest = ready(CACHED);
    guest.request(0, IN, 0, 2048);
    guest.host.end(0, Ok(()));
    guest.serve();
    guest.host.end(0, Err(Failed));
    guest.serve();
    assert_eq!((guest.status(0), guest.used_at(0, 0)), (1, (0, 1024)), "the first piece came");
    assert_eq!(guest.ask(IN, 0, 512).0, 0, "the next one is served");
}

#[test]
fn a_full_disk_makes_the_driver_wait() {
    let mut guest = ready(CACHED);
    guest.host.room = 0;
    guest.ram.write(place(1).1, &[3; 512]).unwrap();
    guest.request(1, OUT, 9, 512);
    assert_eq!(guest.ram.get16(device(0)), 1, "no notifications, please");
    assert!(!guest.serve() && guest.host.under_way.is_empty());
    guest.host.room = 1;
    assert!(!guest.serve());
    assert_eq!(guest.host.tags(), [0]);
    guest.request(0, IN, 9, 512);
    guest.settle();
    assert_eq!((guest.status(1), guest.status(0), guest.used(0)), (0, 0, 2));
    assert_eq!(guest.host.cached[9 * 512..10 * 512], [3; 512]);
    assert_eq!(guest.ram.get16(device(0)), 0);
}

#[test]
fn what_a_driver_leaves_behind_touches_its_successor_s_memory_no_more() {
    for by_reset in [true, false] {
        let mut guest = ready(CACHED);
        guest.request(0, IN, 1, 512);
        guest.host.room = 1;
        guest.request(1, IN, 2, 512);
        if by_reset {
            guest.write(0x70, 0);
            guest.start(CACHED);
        } else {
            guest.write(0x30, 0);
            guest.write(0x44, 0);
            guest.ram.bytes[..0x1000].fill(0);
            guest.queue(0, [guest::descriptors(0), guest::driver(0), device(0)], guest::SIZE.into());
        }
        guest.ram.bytes[0x8000..].fill(0x55);
        guest.host.room = DEPTH;
        guest.request(1, IN, 3, 512);
        assert_eq!(guest.host.tags(), [0], "nothing new until the old has ended");
        guest.host.end(0, Ok(()));
        guest.serve();
        assert_eq!((guest.used(0), guest.host.tags()), (0, vec![0]));
        guest.settle();
        assert_eq!((guest.used(0), guest.status(1)), (1, 0));
        assert_eq!(guest.ram.at(place(0).1, 512), [0x55; 512]);
        assert_eq!(guest.ram.at(place(1).1, 1), [3]);
    }
}

#[test]
fn ends_that_come_while_no_driver_is_there_are_taken() {
    let mut guest = ready(CACHED);
    guest.request(0, IN, 1, 512);
    guest.request(1, OUT, 1, 512);
    guest.write(0x70, 0);
    guest.host.end_all();
    guest.serve();
    assert!(guest.host.ended.is_empty());
    guest.start(CACHED);
    assert_eq!(guest.ask(IN, 0, 512).0, 0);
}

#[test]
fn a_disk_that_tells_of_what_was_not_asked_is_not_believed() {
    let mut guest = ready(CACHED);
    guest.request(0, IN, 1, 512);
    guest.host.ended.extend([(3, Ok(())), (99, Ok(())), (usize::MAX, Err(Failed))]);
    for strays in 1..=3 {
        assert!(!guest.serve());
        assert_eq!((guest.mmio.device().strays(), guest.used(0)), (strays, 0), "one at a time");
    }
    guest.settle();
    assert_eq!(guest.status(0), 0);
}

#[test]
fn a_chain_that_is_no_request_stops_the_device() {
    type Buffers<'a> = &'a [(u64, u32, bool)];
    let (header, data, status) = place(0);
    let cases: [(Buffers<'_>, Fault); 6] = [
        (&[(header, 15, false), (status, 1, true)], Fault::Short),
        (&[(status, 1, true)], Fault::Short),
        (&[(header, 16, false)], Fault::Short),
        (&[(header, 16, false), (data, 0, true)], Fault::Short),
        (&[(header, 16, false), (0x1000, 512, true), (status, 1, true)], Fault::Memory(0x1000)),
        (&[(header, 16, false), (data, 512, true), (0x1000, 1, true)], Fault::Memory(0x1000)),
    ];
    for (buffers, fault) in cases {
        let mut guest = ready(CACHED);
        guest.chain(0, 0, buffers);
        guest.offer(0, &[0]);
        guest.host.end_all();
        guest.serve();
        guest.stopped(fault);
        assert_eq!(guest.used(0), 0);
        guest.start(CACHED);
        assert_eq!(guest.ask(IN, 0, 512).0, 0, "{buffers:?}");
    }
}

#[test]
fn a_chain_may_be_cut_anywhere() {
    let (header, data, status) = place(0);
    let mut guest = ready(CACHED);
    guest.ram.set32(header, OUT);
    guest.ram.write(header + 8, &[2]).unwrap();
    guest.ram.write(data, &[0xee; 512]).unwrap();
    // The header in two, the data beside it, and a status behind bytes that nobody writes.
    guest.chain(
        0,
        0,
        &[(header, 5, false), (header + 5, 11, false), (data, 1, false), (data, 511, false), (status - 3, 4, true)],
    );
    guest.offer(0, &[0]);
    guest.settle();
    assert_eq!((guest.status(0), guest.used_at(0, 0).1), (0, 0));
    assert_eq!(guest.host.cached[1024..1536], [0xee; 512]);
}

#[test]
fn work_is_bounded_however_large_the_requests() {
    let mut guest = Guest::ready(block(Parameters { sectors: 1 << 40, ..parameters() }), Fake::new(), CACHED);
    let (header, _, status) = place(0);
    guest.ram.set32(header, IN);
    guest.chain(0, 0, &[(header, 16, false), (DATA, 0x8000_0000, true), (status, 1, true)]);
    let before = guest.ram.reads.get();
    guest.offer(0, &[0]);
    assert!(guest.ram.reads.get() - before < 100);
    assert_eq!(guest.host.under_way[&0], Operation::Read { sector: 0, sectors: 2 });
}

#[test]
fn a_disk_that_ends_everything_at_once_is_no_reason_to_go_on_for_ever() {
    let mut guest = ready(CACHED);
    guest.host.is_instant = true;
    guest.request(0, OUT, 0, 512);
    assert_eq!((guest.status(0), guest.used(0)), (0xff, 0), "what has ended is looked at in the next call");
    guest.serve();
    guest.prepare(0, OUT, 0, SECTORS as u32 * 512);
    guest.prepare(1, OUT, 0, SECTORS as u32 * 512);
    assert!(!guest.serve(), "both are under way");
    let before = guest.ram.reads.get();
    assert!(guest.serve(), "there is more");
    let copied = (guest.ram.reads.get() - before) * 512;
    assert!((SERVE_BYTES_MAX as usize / 2..SERVE_BYTES_MAX as usize + 4096).contains(&copied), "{copied}");
    assert!(!guest.serve());
    assert_eq!((guest.used(0), guest.status(0), guest.status(1)), (3, 0, 0));
}

#[test]
fn queues_that_were_not_set_up_are_left_alone() {
    let mut block: BlockOf<DEPTH> = block(parameters());
    let mut queues = [Queue::new(0, BLOCK_QUEUE_SIZE)];
    let mut ram = Guest::new(block.clone(), Fake::new()).ram;
    assert_eq!(block.serve(&mut queues, &mut ram, &mut Fake::new()), Ok(false));
}
