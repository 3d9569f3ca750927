//! Calls at random, from threads in all states, with arguments that make sense, nearly do, or do not: none stops the kernel,
//! none fails with what its description does not say, and none that fails changes anything.

use crate::room::{Call, Room, all_methods};
use abi::boot::root_slot;
use abi::describe::{CapType, Description, Kind, METHOD_ERRORS};
use abi::message::MessageInfo;
use abi::object::ObjectType;
use abi::{Error, Syscall};
use kernel_core::cap::Cap;
use kernel_core::platform::ListRegister;
use kernel_core::sim::Snapshot;
use kernel_core::sim::trace::{Random, populate};
use kernel_core::vcpu::ExitRecord;
use std::collections::BTreeMap;

/// Numbers at which something ends.
const EDGES: &[u32] = &[
    0,
    1,
    2,
    3,
    7,
    15,
    16,
    26,
    27,
    31,
    32,
    33,
    63,
    64,
    127,
    128,
    255,
    256,
    287,
    288,
    511,
    512,
    0xfff,
    0x1000,
    0x1001,
    0xffff,
    0x1_0000,
    0x1_0001,
    0x1f_ffff,
    0x20_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_f000,
    0xffff_ffc0,
    0xffff_fffe,
    0xffff_ffff,
];

/// Slots of root's that the worlds of `populate` use.
const SLOTS: std::ops::Range<u32> = root_slot::FIRST_FREE..root_slot::FIRST_FREE + 96;

pub fn type_of(cap: Cap) -> Option<CapType> {
    Some(match cap {
        Cap::Null => return None,
        Cap::Untyped { .. } => CapType::Untyped,
        Cap::CNode { .. } => CapType::CNode,
        Cap::Frame { .. } => CapType::Frame,
        Cap::Table { .. } => CapType::Table,
        Cap::VSpace { .. } => CapType::VSpace,
        Cap::Tcb { .. } => CapType::Tcb,
        Cap::Vcpu { .. } => CapType::Vcpu,
        Cap::Endpoint { .. } => CapType::Endpoint,
        Cap::Notification { .. } => CapType::Notification,
        Cap::Reply { .. } => CapType::Reply,
        Cap::SchedContext { .. } => CapType::SchedContext,
        Cap::IrqControl => CapType::IrqControl,
        Cap::IrqHandler { .. } => CapType::IrqHandler,
        Cap::Power => CapType::Power,
        Cap::SchedControl => CapType::SchedControl,
    })
}

/// The address of some capability of that type.
fn some(room: &Room, random: &mut Random, ty: CapType) -> u32 {
    let found: Vec<u32> = (1..16).chain(SLOTS).filter(|&slot| type_of(room.desk.world.cap(slot)) == Some(ty)).collect();
    if found.is_empty() { 0 } else { random.pick(&found) }
}

fn anything(random: &mut Random) -> u32 {
    match random.below(4) {
        0 => random.pick(EDGES),
        1 => random.next() as u32,
        2 => random.below(16),
        _ => SLOTS.start + random.below(SLOTS.len() as u32),
    }
}

/// A word of that kind: mostly a good one.
fn word(room: &Room, random: &mut Random, kind: Kind) -> u32 {
    if random.below(12) == 0 {
        return anything(random);
    }
    match kind {
        Kind::Free | Kind::PeriodUs => random.pick(&[0, 1, 0x1000, 5000, 2 << 20, u32::MAX]),
        Kind::Capability(ty, _) | Kind::OptionalCapability(ty, _) => some(room, random, ty),
        Kind::AnyCapability | Kind::Slot | Kind::EmptySlot | Kind::EmptySlots => SLOTS.start + random.below(96),
        Kind::Objects => {
            let object = ObjectType::from_number(1 + random.below(11)).expect("there are 11");
            let bits = random.pick(&[0, 0, 0, 1, 2, 3, 4, 12, 12, 13, 21]);
            object as u32 | bits << 8 | (1 + random.below(3)) << 16
        }
        Kind::Flags(mask) => random.next() as u32 & mask | random.below(2),
        Kind::Number(ranges) => {
            let (least, most) = random.pick(ranges);
            least + random.below(most - least + 1)
        }
        Kind::Core => 0,
        Kind::Priority => random.pick(&[0, 31, 32, 63, 64, 200, 255]),
        Kind::FrameAddress => random.pick(&[0, 0x1000, 0x2000, 0x3000, 2 << 20]),
        Kind::Offset(align) => random.below(4) * align,
        Kind::Bytes(align, most) => random.pick(&[align, most, 4096]),
        Kind::BudgetUs => random.pick(&[1, 100, 2000]),
    }
}

/// A call that the running thread makes.
fn call(room: &Room, random: &mut Random) -> Call {
    if random.below(4) == 0 {
        let call = random.pick(Syscall::ALL);
        let description = call.description();
        let cap = match description.object {
            Some(ty) if random.below(8) != 0 => some(room, random, ty),
            _ => anything(random),
        };
        let reply = match random.below(3) {
            0 => 0,
            1 => some(room, random, CapType::Reply),
            _ => anything(random),
        };
        let bytes = random.pick(&[0, 4, 16, 17, 100, 480, 0x3ff]);
        let label = random.pick(&[0, 1, 0x100, 0xffff]);
        let words = (0..4).map(|_| anything(random)).collect();
        return Call { call, cap, label, words, bytes: Some(bytes), reply };
    }
    let methods: Vec<&Description> = all_methods().filter(|method| method.object != Some(CapType::Power)).collect();
    let method = random.pick(&methods);
    let cap = match method.object {
        // Root's own is the CNode that everybody lives in: a revocation would end everything.
        Some(CapType::CNode) => root_slot::CNODE,
        Some(ty) if random.below(12) != 0 => some(room, random, ty),
        _ => anything(random),
    };
    let words = method.words.iter().map(|each| word(room, random, each.kind)).collect();
    let label = if random.below(50) == 0 { random.next() as u16 } else { method.number as u16 };
    let mut call = Call { call: Syscall::Call, cap, label, words, bytes: None, reply: anything(random) };
    if random.below(20) == 0 {
        call.bytes = Some(random.below(24) as usize);
    }
    call
}

/// The description that the call goes by: for an invocation that of the method, if r0 names an object that has it.
fn description(room: &Room, call: &Call) -> Option<&'static Description> {
    let ty = capability(room, call.cap).and_then(type_of);
    if call.call != Syscall::Call || ty == Some(CapType::Endpoint) {
        return Some(call.call.description());
    }
    all_methods().find(|method| method.number == call.label.into() && method.object == ty)
}

/// What an address of root's space leads to: all the threads here have that space.
fn capability(room: &Room, address: u32) -> Option<Cap> {
    (1..1024).contains(&address).then(|| room.desk.world.cap(address))
}

/// What happens besides: time, interrupts, and what guests do.
fn meanwhile(room: &mut Room, random: &mut Random) {
    let kernel = &mut *room.desk.world.kernel;
    kernel.platform.now += u64::from(random.below(20_000));
    match random.below(12) {
        0 => kernel.on_timer(),
        1 => kernel.on_irq(32 + random.below(4)),
        _ => {}
    }
    room.desk.world.schedule();
    while let Some(tcb) = room.desk.world.kernel.running()
        && room.desk.world.kernel.arena.get(tcb).vcpu.is_some()
    {
        let list = &mut room.desk.world.kernel.platform.lists[random.below(4) as usize];
        match random.below(4) {
            0 if list.pending => (list.pending, list.active) = (false, true),
            1 if list.active => *list = ListRegister { active: false, ..*list },
            2 => {
                room.desk.world.kernel.on_guest_wait(true);
                room.desk.world.schedule();
            }
            _ => {
                room.desk.world.exit(ExitRecord {
                    kind: 1 + random.below(7),
                    words: [1, 2, 3, 4],
                    ..ExitRecord::default()
                });
            }
        }
    }
}

/// What came of calls, by their error, 0 for none.
type Tally = BTreeMap<u32, u32>;

/// Makes the call once; what is said of it in `tally` is checked.
fn try_once(room: &mut Room, call: &Call, before: Snapshot, tally: &mut Tally) -> Option<Snapshot> {
    let caller = room.desk.world.kernel.current();
    let described = description(room, call);
    let empty = capability(room, call.cap).is_none_or(|cap| cap.is_null());
    let context = &mut room.desk.world.kernel.arena.get_mut(caller).context;
    let mut words = [0; 4];
    words[..call.words.len()].copy_from_slice(&call.words);
    context.r[0] = call.cap;
    context.r[1] = MessageInfo::new(call.label, call.bytes.unwrap_or(call.words.len() * 4)).0;
    context.r[2..6].copy_from_slice(&words);
    context.r[12] = call.reply;
    context.pc = 0x1004;
    room.desk.world.enter(call.call as u32);
    let after = room.desk.world.kernel.arena.get(caller).context;
    // It waits, is gone, was preempted, or another goes on first: nothing is to be said of it.
    if room.desk.world.kernel.running() != Some(caller) || after.pc != 0x1004 {
        return None;
    }
    *tally.entry(after.r[0]).or_default() += 1;
    let error = Error::from_status(after.r[0])?;
    match described {
        Some(described) => assert!(described.can_fail_with(error), "{call:x?}: {error:?} is not in {}", described.name),
        None if empty => assert!(matches!(error, Error::EmptySlot | Error::OutOfRange), "{call:x?}: {error:?}"),
        None => assert!(METHOD_ERRORS.contains(&error), "{call:x?}: {error:?}"),
    }
    if error == Error::PeerGone {
        // The message was taken, by one who has no place to keep a caller.
        return None;
    }
    if let Some(difference) = room.desk.world.difference(&before) {
        panic!("{call:x?} failed with {error:?} and changed {difference}");
    }
    Some(before)
}

/// A world in which nothing has happened yet.
fn world(random: &mut Random) -> Room {
    let mut room = Room::bare();
    populate(&mut room.desk.world);
    room.desk.world.kernel.platform.preempt_every = random.below(3) * 5;
    room
}

/// Goes on to where a component runs. `None`: nobody ever will.
fn somebody_runs(room: &mut Room, random: &mut Random) -> Option<()> {
    meanwhile(room, random);
    if room.desk.world.kernel.running().is_none() {
        room.desk.world.kernel.platform.now = room.desk.world.kernel.platform.deadline.min(1 << 60);
        room.desk.world.kernel.on_timer();
        room.desk.world.schedule();
        meanwhile(room, random);
    }
    room.desk.world.kernel.running().map(|_| ())
}

fn trace(seed: u64, steps: u32, tally: &mut Tally) {
    let mut random = Random::new(seed);
    let mut room = world(&mut random);
    let mut before = None;
    for step in 0..steps {
        if before.is_none() && somebody_runs(&mut room, &mut random).is_none() {
            room = world(&mut random);
            continue;
        }
        let call = call(&room, &mut random);
        let now = before.take().unwrap_or_else(|| room.desk.world.snapshot());
        before = try_once(&mut room, &call, now, tally);
        if random.below(3) == 0 {
            before = None;
        }
        if step % 8 == 0 {
            room.desk.check();
        }
    }
}

#[test]
fn calls_at_random_fail_as_described_and_change_nothing_then() {
    let seeds = std::env::var("BULKHEAD_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(24);
    let mut tally = Tally::new();
    for seed in 0..seeds {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| trace(seed, 250, &mut tally)));
        assert!(result.is_ok(), "seed {seed}");
    }
    let failed: u32 = tally.iter().filter(|(status, _)| **status != 0).map(|(_, count)| count).sum();
    let well = tally.get(&0).copied().unwrap_or(0);
    println!("{well} calls succeeded, {failed} failed: {tally:?}");
    assert!(well > 10 * seeds as u32 && failed > 40 * seeds as u32 && tally.len() > 15, "too little is reached");
}

/// Registers of nothing but edges, any number of a call, any label: no state of the kernel's, and no promise, but that it goes on.
#[test]
fn registers_of_any_content_stop_nobody_but_their_thread() {
    for seed in 0..8 {
        let mut random = Random::new(seed + 1000);
        let mut room = world(&mut random);
        for _ in 0..600 {
            if somebody_runs(&mut room, &mut random).is_none() {
                room = world(&mut random);
                continue;
            }
            let tcb = room.desk.world.kernel.current();
            let context = &mut room.desk.world.kernel.arena.get_mut(tcb).context;
            context.r.iter_mut().for_each(|register| *register = anything(&mut random));
            if random.below(2) == 0 {
                context.r[1] = random.pick(&all_methods().map(|method| method.number << 16 | 16).collect::<Vec<_>>());
            }
            // Power off is no fault of the kernel's, and root's CNode is what everybody here lives by.
            if context.r[0] == root_slot::CNODE || context.r[0] == root_slot::POWER {
                context.r[0] = 0;
            }
            context.pc = 0x1004;
            let number = if random.below(16) == 0 { random.below(0x1_0000) } else { random.below(Syscall::COUNT) };
            room.desk.world.enter(number);
            room.desk.check();
        }
    }
}
