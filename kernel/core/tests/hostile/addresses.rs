//! Addresses that are cut off, that are off by one, and ranges that end where addresses do.

use crate::common::{Desk, FIRST, guest_and_vmm};
use abi::boot::{DeviceRange, PAYLOAD_MAGIC, PAYLOAD_VERSION, PayloadHeader, ROOT_LINK_ADDRESS, Segment, root_slot};
use abi::method::*;
use abi::object::ObjectType;
use abi::vcpu::GuestRegister;
use abi::{Error, Syscall};
use kernel_core::boot::{BootPlan, MemoryRange};
use kernel_core::cap::Cap;
use kernel_core::sim::machine::walk;
use kernel_core::sim::{Machine, Ram, World};
use kernel_core::tcb::State;

const MIB: u32 = 1 << 20;

/// A world whose 16 MiB of RAM begin there, with devices in these ranges.
fn world(ram: u32, devices: &[DeviceRange]) -> World {
    let mut header = PayloadHeader {
        magic: PAYLOAD_MAGIC,
        version: PAYLOAD_VERSION,
        bytes: 8192,
        build: [0; 2],
        root_entry: ROOT_LINK_ADDRESS,
        root_cnode_bits: 10,
        root_segment_count: 1,
        root_segments: [Segment::default(); 6],
        system_offset: 0,
        system_bytes: 0,
        device_count: devices.len() as u32,
        devices: [DeviceRange::default(); 32],
        fault_action: 0,
        fault_delay_ms: 0,
        further_cores: 0,
    };
    header.root_segments[0] =
        Segment { offset: 4096, address: ROOT_LINK_ADDRESS, file_bytes: 4096, memory_bytes: 4096, flags: 1 | 8 };
    header.devices[..devices.len()].copy_from_slice(devices);
    let plan = BootPlan {
        ram: &[MemoryRange { base: ram + 4 * MIB, bytes: 12 * MIB }],
        payload: ram,
        header,
        counter_hz: 62_500_000,
        cores: 1,
        kernel_log: ram + 3 * MIB,
    };
    World::boot(Ram::new(ram, 16 << 20).expect("16 MiB"), Machine::default(), &plan).expect("a world boots")
}

/// The page that the walker finds in the space of `slot`.
fn page(world: &World, slot: u32, address: u32) -> Option<u32> {
    let Cap::VSpace { vspace } = world.cap(slot) else { panic!("no space in {slot}") };
    walk(&world.kernel.arena, vspace.address(), address).map(|found| found.page)
}

#[test]
fn the_last_page_of_a_space_is_itself_and_no_other() {
    let mut desk = Desk::new();
    let space = desk.make(ObjectType::VSpace, 0, 1);
    let frames = desk.make(ObjectType::Frame, 12, 3);
    let edges = [(0u32, 0), (0x3fff_f000, 0), (0xffff_f000, 0)];
    for (n, (address, _)) in (0..).zip(edges) {
        let (level2, level3) = (desk.make(ObjectType::Table, 2, 1), desk.make(ObjectType::Table, 3, 1));
        if address != 0x3fff_f000 {
            desk.ok(level2, TableMethod::Map as u16, &[space, address]);
        }
        desk.ok(level3, TableMethod::Map as u16, &[space, address]);
        desk.ok(frames + n, FrameMethod::Map as u16, &[space, address, 3]);
    }
    let pages = edges.map(|(address, _)| page(&desk.world, space, address));
    let own: [Option<u32>; 3] =
        std::array::from_fn(|n| Some(desk.ok(frames + n as u32, FrameMethod::Address as u16, &[])[0]));
    assert_eq!(pages, own);
    // One page further on each side, and where the same index stands in other tables.
    for address in [0x1000, 0x3fff_e000, 0x4000_0000, 0x7fff_f000, 0x8000_0000, 0xbfff_f000, 0xc000_0000, 0xffff_e000] {
        assert_eq!(page(&desk.world, space, address), None, "{address:#x}");
    }
    // The last block has a table: 2 MiB do not fit over it, and the one before is free.
    let block = desk.make(ObjectType::Frame, 21, 1);
    desk.fails(block, FrameMethod::Map as u16, &[space, 0xffe0_0000, 3], Error::AddressOccupied);
    desk.ok(block, FrameMethod::Map as u16, &[space, 0xffc0_0000, 3]);
    desk.ok(frames + 2, FrameMethod::Unmap as u16, &[]);
    assert_eq!(page(&desk.world, space, 0xffff_f000), None);
    assert_eq!(page(&desk.world, space, 0), own[0]);
    desk.check();
}

/// Page numbers of 28 bits: an address of 40 bits is not cut to 32 on any way.
#[test]
fn a_device_above_4_gib_keeps_its_whole_address() {
    // The last page below 4 GiB, the first above, the last below 64 GiB, and the last of all.
    for first in [0xf_ffffu32, 0x10_0000, 0xff_ffff, 0xfff_ffff] {
        let mut world = world(0x4000_0000, &[DeviceRange { page: first, size_bits: 12 }]);
        let is_it = |cap| matches!(cap, Cap::Untyped { page, bits: 12, .. } if page == first);
        let untyped = (root_slot::UNTYPED..FIRST).find(|&slot| is_it(world.cap(slot))).expect("the device");
        assert_eq!(world.invoke(untyped, UntypedMethod::Describe as u16, &[]), Ok([first, 12 | 1 << 8, 4096, 0]));
        world.retype(untyped, ObjectType::Frame, 12, 1, FIRST).expect("its frame");
        assert_eq!(world.invoke(FIRST, FrameMethod::Address as u16, &[]), Ok([first, 12, 0, 0]));
        let address = abi::boot::ROOT_SCRATCH_ADDRESS;
        world.invoke(FIRST, FrameMethod::Map as u16, &[root_slot::VSPACE, address, 3 | 32]).expect("it can be mapped");
        assert_eq!(page(&world, root_slot::VSPACE, address), Some(first));
    }
}

/// The largest untyped that there is, at the end of 40 bits: its last page is reached by halves.
#[test]
fn the_last_page_of_the_largest_untyped_is_where_it_should_be() {
    let bits = abi::object::UNTYPED_BITS_MAX;
    let first = (1u32 << 28) - (1 << (bits - 12));
    let mut world = world(0x4000_0000, &[DeviceRange { page: first, size_bits: bits }]);
    let is_it = |cap| matches!(cap, Cap::Untyped { bits: found, .. } if u32::from(found) == bits);
    let mut untyped = (root_slot::UNTYPED..FIRST).find(|&slot| is_it(world.cap(slot))).expect("the device");
    let [page, _, low, high] = world.invoke(untyped, UntypedMethod::Describe as u16, &[]).expect("it is one");
    assert_eq!((page, u64::from(high) << 32 | u64::from(low)), (first, 1 << bits));
    let mut slot = FIRST;
    for half in (12..bits).rev() {
        world.retype(untyped, ObjectType::Untyped, half, 2, slot).expect("two halves");
        assert_eq!(world.retype(untyped, ObjectType::Frame, 12, 1, slot + 2), Err(Error::OutOfMemory));
        untyped = slot + 1;
        slot += 2;
    }
    world.retype(untyped, ObjectType::Frame, 12, 1, slot).expect("the last page");
    assert_eq!(world.invoke(slot, FrameMethod::Address as u16, &[]), Ok([(1 << 28) - 1, 12, 0, 0]));
}

/// RAM whose last byte is that of the 32 bits.
#[test]
fn ram_that_ends_at_4_gib_is_used_to_its_last_granule() {
    let ram = 0u32.wrapping_sub(16 * MIB);
    let mut world = world(ram, &[]);
    let ends_there =
        |cap| matches!(cap, Cap::Untyped { bits, page, .. } if u64::from(page) + (1 << (bits - 12)) == 1 << 20);
    let last = (root_slot::UNTYPED..FIRST).find(|&slot| ends_there(world.cap(slot))).expect("the last of the RAM");
    world.invoke(last, UntypedMethod::Reset as u16, &[]).expect("it can be reset");
    let [_, bits, ..] = world.invoke(last, UntypedMethod::Describe as u16, &[]).expect("it is one");
    // All of it but the last page, in pieces that halve; then the last page, by 64 bytes each.
    let mut slot = FIRST;
    for half in (12..bits & 0xff).rev() {
        world.retype(last, ObjectType::Untyped, half, 1, slot).expect("a half");
        slot += 1;
    }
    world.retype(last, ObjectType::Endpoint, 0, 64, slot).expect("the last granules");
    assert_eq!(world.retype(last, ObjectType::Endpoint, 0, 1, slot + 64), Err(Error::OutOfMemory));
    let Cap::Endpoint { endpoint, .. } = world.cap(slot + 63) else { panic!("no endpoint") };
    assert_eq!(endpoint.address(), 0u32.wrapping_sub(64));
    assert_eq!(world.syscall(Syscall::NbRecv, slot + 63, 0, [0; 4], 0)[0], Error::WouldBlock as u32);
    // All of it back, and once more as one frame of its last 2 MiB.
    world.invoke(root_slot::CNODE, CNodeMethod::Revoke as u16, &[last]).expect("it can be revoked");
    world.invoke(last, UntypedMethod::Reset as u16, &[]).expect("it can be reset");
    let blocks = 1 << ((bits & 0xff) - 21);
    world.retype(last, ObjectType::Frame, 21, blocks, FIRST).expect("blocks");
    let block = FIRST + blocks - 1;
    assert_eq!(world.invoke(block, FrameMethod::Address as u16, &[]), Ok([(1 << 20) - 512, 21, 0, 0]));
    let ends = (2 * MIB - 64, 64);
    world.invoke(block, FrameMethod::Clean as u16, &[ends.0, ends.1]).expect("its last line");
    let beyond = world.invoke(block, FrameMethod::Clean as u16, &[ends.0, ends.1 + 64]);
    assert_eq!(beyond, Err(Error::OutOfRange));
}

/// Times at the end of 64 bits, and microseconds at the end of 32.
#[test]
fn times_at_the_end_of_their_range_come_late_and_not_at_once() {
    let mut desk = Desk::new();
    let context = desk.make(ObjectType::SchedContext, 0, 1);
    for (budget, period) in [(u32::MAX, u32::MAX), (u32::MAX - 1, u32::MAX), (1, u32::MAX), (1, 1)] {
        let words = [0, budget, period, root_slot::SCHED_CONTROL];
        desk.ok(context, SchedContextMethod::Configure as u16, &words);
        desk.check();
    }
    let thread = desk.thread(230);
    desk.ok(context, SchedContextMethod::Configure as u16, &[0, u32::MAX, u32::MAX, root_slot::SCHED_CONTROL]);
    desk.ok(thread, TcbMethod::Resume as u16, &[]);
    desk.ok(context, SchedContextMethod::Bind as u16, &[thread]);
    assert!(desk.runs(thread));
    desk.pass_us(1_000_000);
    assert!(desk.runs(thread), "71 minutes are not over");
}

#[test]
fn a_guests_timer_at_the_end_of_time_wakes_it_when_it_is_due_and_stops_nobody() {
    let (low, high) = (|value: u64| value as u32, |value: u64| (value >> 32) as u32);
    for (compare, offset) in [(u64::MAX, 0), (u64::MAX, 1), (u64::MAX, u64::MAX), (0, u64::MAX), (1 << 63, 1 << 63)] {
        let mut desk = Desk::new();
        let (guest, _, _, _, vcpu) = guest_and_vmm(&mut desk);
        let set = |desk: &mut Desk, register, value: u64| {
            desk.ok(vcpu, VcpuMethod::WriteRegister as u16, &[register as u32, low(value), high(value)]);
        };
        desk.ok(vcpu, VcpuMethod::SetTimer as u16, &[1, 0x80]);
        set(&mut desk, GuestRegister::CntvCtl, 1);
        set(&mut desk, GuestRegister::CntvCval, compare);
        set(&mut desk, GuestRegister::Cntvoff, offset);
        desk.world.kernel.on_guest_wait(true);
        desk.world.schedule();
        assert_eq!(desk.state(guest), State::Idle);
        // Another guest takes the hardware, and the kernel watches the timer.
        let (_, _, _, _, _) = guest_and_vmm(&mut desk);
        desk.check();
        let now = desk.world.kernel.platform.now;
        let due = compare.wrapping_add(offset) <= now;
        desk.world.kernel.on_timer();
        desk.world.schedule();
        desk.check();
        assert_eq!(desk.state(guest) == State::Running, due, "{compare:#x} {offset:#x} at {now:#x}");
    }
}
