//! Taking back what is large, what is half made, and what others wait at: in pieces, and to the end.

use crate::common::Desk;
use abi::boot::root_slot;
use abi::message::MessageInfo;
use abi::method::*;
use abi::object::ObjectType;
use abi::{Error, Syscall};
use kernel_core::tcb::State;

/// The most words of memory that change between two preemption points: 64 entries of a table with what knows of them. A
/// reset writes 16 KiB of zeros at a time.
const WORDS_MAX: usize = 64 * 10;
const RESET_WORDS_MAX: usize = 16384 / 4 + 16;

/// Makes a call whose every preemption point finds an interrupt: how often it was begun, and the most that it changed at once.
fn in_pieces(desk: &mut Desk, cap: u32, label: u16, words: &[u32]) -> (usize, usize) {
    let caller = desk.world.kernel.current();
    desk.world.kernel.platform.pending = true;
    let (mut pieces, mut most) = (0, 0);
    loop {
        let context = &mut desk.world.kernel.arena.get_mut(caller).context;
        context.r[0] = cap;
        context.r[1] = MessageInfo::new(label, words.len() * 4).0;
        context.r[2..2 + words.len()].copy_from_slice(words);
        context.pc = 0x1004;
        let before = desk.world.snapshot();
        desk.world.enter(Syscall::Call as u32);
        most = most.max(desk.world.changed_words(&before));
        pieces += 1;
        assert!(pieces < 20_000, "{label:#x} never ends");
        let context = &desk.world.kernel.arena.get(caller).context;
        if context.pc == 0x1004 {
            assert_eq!(context.r[0], 0, "{label:#x}");
            break;
        }
    }
    desk.world.kernel.platform.pending = false;
    desk.check();
    (pieces, most)
}

/// A VM that fills its tables: 512 mappings of one frame, 600 capabilities in its CNode, 30 threads that wait at one endpoint.
struct Large {
    desk: Desk,
    memory: u32,
    space: u32,
    level2: u32,
    level3: u32,
    cnode: u32,
    frame: u32,
    endpoint: u32,
    handler: u32,
    waiting: Vec<u32>,
}

const MAPPINGS: u32 = 512;
const WAITING: usize = 30;

impl Large {
    fn new() -> Self {
        let mut desk = Desk::new();
        let memory = desk.make(ObjectType::Untyped, 19, 1);
        let make = |desk: &mut Desk, object, bits| {
            let slot = desk.slot();
            desk.world.retype(memory, object, bits, 1, slot).expect("it fits");
            slot
        };
        let space = make(&mut desk, ObjectType::VSpace, 0);
        let (level2, level3) = (make(&mut desk, ObjectType::Table, 2), make(&mut desk, ObjectType::Table, 3));
        let (cnode, frame) = (make(&mut desk, ObjectType::CNode, 10), make(&mut desk, ObjectType::Frame, 12));
        let (endpoint, notification) =
            (make(&mut desk, ObjectType::Endpoint, 0), make(&mut desk, ObjectType::Notification, 0));
        desk.ok(level2, TableMethod::Map as u16, &[space, 0]);
        desk.ok(level3, TableMethod::Map as u16, &[space, 0]);
        let hand = desk.slot();
        for n in 0..MAPPINGS {
            desk.ok(root_slot::CNODE, CNodeMethod::Copy as u16, &[hand, frame, 15]);
            desk.ok(hand, FrameMethod::Map as u16, &[space, n << 12, 3]);
            desk.ok(cnode, CNodeMethod::Move as u16, &[1 + n, hand]);
        }
        for n in 0..88 {
            desk.ok(cnode, CNodeMethod::Copy as u16, &[1 + MAPPINGS + n, endpoint, 7]);
        }
        let handler = desk.slot();
        desk.ok(root_slot::IRQ_CONTROL, IrqControlMethod::Get as u16, &[40, root_slot::CNODE, handler, 0]);
        desk.ok(handler, IrqHandlerMethod::SetNotification as u16, &[notification]);
        let waiting = (0..WAITING)
            .map(|_| {
                let tcb = make(&mut desk, ObjectType::Tcb, 0);
                let context = make(&mut desk, ObjectType::SchedContext, 0);
                desk.ok(tcb, TcbMethod::SetSpaces as u16, &[root_slot::CNODE, space]);
                desk.ok(tcb, TcbMethod::SetPriority as u16, &[root_slot::TCB, 230, 230]);
                desk.ok(context, SchedContextMethod::Configure as u16, &[0, 10, 10, root_slot::SCHED_CONTROL]);
                desk.ok(tcb, TcbMethod::Resume as u16, &[]);
                desk.ok(context, SchedContextMethod::Bind as u16, &[tcb]);
                assert!(desk.runs(tcb));
                desk.svc(Syscall::Send, endpoint, 1, &[], 0);
                tcb
            })
            .collect();
        desk.check();
        Self { desk, memory, space, level2, level3, cnode, frame, endpoint, handler, waiting }
    }
}

#[test]
fn a_large_vm_is_torn_down_in_pieces_of_bounded_work() {
    let cnode = |method: CNodeMethod, slot: u32| (root_slot::CNODE, method as u16, vec![slot]);
    let delete = |slot| cnode(CNodeMethod::Delete, slot);
    // What is called, and the fewest pieces that it must come in.
    let all = |large: &Large| {
        [
            ("its memory is revoked", cnode(CNodeMethod::Revoke, large.memory), 600),
            ("its frame is revoked", cnode(CNodeMethod::Revoke, large.frame), 512),
            ("its frame is deleted", delete(large.frame), 512),
            ("its table is unmapped", (large.level3, TableMethod::Unmap as u16, vec![]), 8),
            ("its table is deleted", delete(large.level3), 8),
            ("the table above is unmapped", (large.level2, TableMethod::Unmap as u16, vec![]), 8),
            ("its space is deleted", delete(large.space), 1),
            ("its CNode is deleted", delete(large.cnode), 600),
            ("its interrupt is taken back", (large.handler, IrqHandlerMethod::Clear as u16, vec![]), 1),
            ("the handler is deleted", delete(large.handler), 1),
        ]
    };
    for n in 0..all(&Large::new()).len() {
        let mut large = Large::new();
        let (why, (cap, label, words), least) = all(&large)[n].clone();
        let (pieces, most) = in_pieces(&mut large.desk, cap, label, &words);
        println!("{why}: {pieces} pieces, {most} words at most");
        assert!(pieces >= least, "{why}: only {pieces} pieces");
        assert!(most <= WORDS_MAX, "{why}: {most} words at once");
    }
}

#[test]
fn an_endpoint_at_which_many_wait_is_deleted_in_pieces_and_all_are_told() {
    let mut large = Large::new();
    for n in 0..88 {
        large.desk.ok(large.cnode, CNodeMethod::Delete as u16, &[1 + MAPPINGS + n]);
    }
    // Root is more urgent, so that nobody who was told runs before all are.
    large.desk.ok(root_slot::TCB, TcbMethod::SetPriority as u16, &[root_slot::TCB, 250, 250]);
    let (pieces, most) = in_pieces(&mut large.desk, root_slot::CNODE, CNodeMethod::Delete as u16, &[large.endpoint]);
    assert!(pieces > WAITING && most <= WORDS_MAX, "{pieces} pieces, {most} words");
    for &tcb in &large.waiting {
        assert_eq!(large.desk.state(tcb), State::Running);
        assert_eq!(large.desk.registers(tcb).r[0], Error::PeerGone as u32);
    }
}

#[test]
fn a_reset_zeroes_in_pieces() {
    let mut large = Large::new();
    large.desk.ok(root_slot::CNODE, CNodeMethod::Revoke as u16, &[large.memory]);
    let (pieces, most) = in_pieces(&mut large.desk, large.memory, UntypedMethod::Reset as u16, &[]);
    assert!(pieces >= 3 && most <= RESET_WORDS_MAX, "{pieces} pieces, {most} words");
}

/// What a small VM is made of, in the order in which it is made.
const OBJECTS: [(ObjectType, u32); 12] = [
    (ObjectType::VSpace, 0),
    (ObjectType::Table, 2),
    (ObjectType::Table, 3),
    (ObjectType::Frame, 12),
    (ObjectType::Tcb, 0),
    (ObjectType::Vcpu, 0),
    (ObjectType::CNode, 4),
    (ObjectType::Endpoint, 0),
    (ObjectType::Reply, 0),
    (ObjectType::Notification, 0),
    (ObjectType::SchedContext, 0),
    (ObjectType::Frame, 12),
];
/// Calls that join them, of which the last lets the guest run.
const JOINTS: usize = 12;

/// Those calls: object, method, words.
fn joints(slots: u32) -> [(u32, u16, Vec<u32>); JOINTS] {
    let at = |n: usize| slots + n as u32;
    let [space, level2, level3, frame, tcb, vcpu, cnode, endpoint, _, _, context, buffer] = std::array::from_fn(at);
    [
        (level2, TableMethod::Map as u16, vec![space, 0]),
        (level3, TableMethod::Map as u16, vec![space, 0]),
        (frame, FrameMethod::Map as u16, vec![space, 0x1000, 1 | 2 | 8]),
        (cnode, CNodeMethod::Copy as u16, vec![3, endpoint, 7]),
        (tcb, TcbMethod::SetSpaces as u16, vec![cnode, space]),
        (tcb, TcbMethod::SetIpcBuffer as u16, vec![buffer, 512]),
        (tcb, TcbMethod::SetFaultHandler as u16, vec![endpoint]),
        (tcb, TcbMethod::SetPriority as u16, vec![root_slot::TCB, 100, 100]),
        (tcb, TcbMethod::BindVcpu as u16, vec![vcpu]),
        (context, SchedContextMethod::Configure as u16, vec![0, 500, 1000, root_slot::SCHED_CONTROL]),
        (context, SchedContextMethod::Bind as u16, vec![tcb]),
        (tcb, TcbMethod::Resume as u16, vec![]),
    ]
}

/// Makes the VM of the untyped's memory, up to that call.
fn build(desk: &mut Desk, memory: u32, slots: u32, calls: usize) {
    for ((object, bits), slot) in OBJECTS.into_iter().zip(slots..).take(calls) {
        desk.world.retype(memory, object, bits, 1, slot).unwrap_or_else(|error| panic!("{object:?}: {error:?}"));
    }
    for (cap, label, words) in joints(slots).into_iter().take(calls.saturating_sub(OBJECTS.len())) {
        desk.ok(cap, label, &words);
    }
    desk.check();
}

/// Nothing of it is left, and it can be made again, whole.
fn again(desk: &mut Desk, memory: u32, slots: u32) {
    desk.check();
    desk.ok(memory, UntypedMethod::Reset as u16, &[]);
    for slot in slots..slots + OBJECTS.len() as u32 {
        desk.fails(slot, NOTHING, &[], Error::EmptySlot);
    }
    build(desk, memory, slots, usize::MAX);
    desk.ok(root_slot::CNODE, CNodeMethod::Revoke as u16, &[memory]);
    desk.ok(memory, UntypedMethod::Reset as u16, &[]);
    desk.check();
}

fn memory_and_slots(desk: &mut Desk) -> (u32, u32) {
    let memory = desk.make(ObjectType::Untyped, 17, 1);
    let slots = desk.slot();
    (1..OBJECTS.len()).for_each(|_| _ = desk.slot());
    (memory, slots)
}

/// Stopped after each call, and torn down by one revocation, or by deleting what there is in either order.
#[test]
fn a_half_built_vm_is_torn_down_wherever_its_building_stopped() {
    for calls in 0..=OBJECTS.len() + JOINTS {
        for way in 0..3 {
            let mut desk = Desk::new();
            let (memory, slots) = memory_and_slots(&mut desk);
            build(&mut desk, memory, slots, calls);
            let mut order: Vec<u32> = (slots..slots + OBJECTS.len() as u32).collect();
            match way {
                0 => order = Vec::new(),
                1 => {}
                _ => order.reverse(),
            }
            for slot in order {
                desk.ok(root_slot::CNODE, CNodeMethod::Delete as u16, &[slot]);
                desk.check();
            }
            desk.ok(root_slot::CNODE, CNodeMethod::Revoke as u16, &[memory]);
            again(&mut desk, memory, slots);
        }
    }
}

/// Each allocation in turn finds no memory; and each call finds its capability gone.
#[test]
fn a_vm_whose_every_allocation_fails_in_turn_is_torn_down_and_built_again() {
    for failing in 0..OBJECTS.len() {
        let mut desk = Desk::new();
        let (memory, slots) = memory_and_slots(&mut desk);
        build(&mut desk, memory, slots, failing);
        // Somebody uses all the rest, to the last granule.
        let filler = desk.mark() + 20;
        let mut slot = filler;
        for bits in (12..17).rev() {
            while desk.world.retype(memory, ObjectType::Untyped, bits, 1, slot).is_ok() {
                slot += 1;
            }
        }
        while desk.world.retype(memory, ObjectType::Endpoint, 0, 1, slot).is_ok() {
            slot += 1;
        }
        let (object, bits) = OBJECTS[failing];
        let failed = desk.world.retype(memory, object, bits, 1, slots + failing as u32);
        assert_eq!(failed, Err(Error::OutOfMemory), "{object:?}");
        desk.check();
        desk.ok(root_slot::CNODE, CNodeMethod::Revoke as u16, &[memory]);
        again(&mut desk, memory, slots);
    }
    for missing in 0..OBJECTS.len() as u32 {
        let mut desk = Desk::new();
        let (memory, slots) = memory_and_slots(&mut desk);
        build(&mut desk, memory, slots, OBJECTS.len());
        desk.ok(root_slot::CNODE, CNodeMethod::Delete as u16, &[slots + missing]);
        // The calls go on after one that failed, as careless code does.
        let failed =
            joints(slots).into_iter().filter(|(cap, label, words)| desk.world.invoke(*cap, *label, words).is_err());
        let failed = failed.count();
        let used = !matches!(OBJECTS[missing as usize].0, ObjectType::Reply | ObjectType::Notification);
        assert_eq!(failed > 0, used, "without {:?}", OBJECTS[missing as usize].0);
        desk.check();
        desk.ok(root_slot::CNODE, CNodeMethod::Revoke as u16, &[memory]);
        again(&mut desk, memory, slots);
    }
}
