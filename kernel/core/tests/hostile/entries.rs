//! Translations that outlive their mapping, and memory that is free before they are gone.

use crate::common::Desk;
use abi::boot::root_slot;
use abi::message::MessageInfo;
use abi::method::*;
use abi::object::ObjectType;
use abi::{Error, Syscall};
use kernel_core::cap::Cap;
use kernel_core::sim::machine::Translation;
use kernel_core::{Next, Running};

/// Where the tests map: in the second table of level 3 of the second GiB, and a block beside it.
const PAGE: u32 = 0x4020_5000;
const BLOCK: u32 = 0x4060_0000;

/// A thread that runs in a space of its own, with all that is mapped there made of one untyped.
struct Mapped {
    desk: Desk,
    memory: u32,
    running: Running,
    space: u32,
    level2: u32,
    level3: u32,
    page: u32,
    block: u32,
    copy: u32,
}

impl Mapped {
    fn new() -> Self {
        let mut desk = Desk::new();
        let memory = desk.make(ObjectType::Untyped, 22, 1);
        let make = |desk: &mut Desk, object, bits| {
            let slot = desk.slot();
            desk.world.retype(memory, object, bits, 1, slot).expect("it fits");
            slot
        };
        let (level2, level3) = (make(&mut desk, ObjectType::Table, 2), make(&mut desk, ObjectType::Table, 3));
        let (page, block) = (make(&mut desk, ObjectType::Frame, 12), make(&mut desk, ObjectType::Frame, 21));
        let tcb = desk.thread(230);
        let space = tcb + 1;
        let context = desk.context(10_000, 10_000);
        desk.ok(tcb, TcbMethod::Resume as u16, &[]);
        desk.ok(context, SchedContextMethod::Bind as u16, &[tcb]);
        assert!(desk.runs(tcb));
        desk.ok(level2, TableMethod::Map as u16, &[space, PAGE]);
        desk.ok(level3, TableMethod::Map as u16, &[space, PAGE]);
        let copy = desk.slot();
        desk.ok(root_slot::CNODE, CNodeMethod::Copy as u16, &[copy, page, 15]);
        // The copy is mapped, so that the page's own capability can be revoked.
        desk.ok(copy, FrameMethod::Map as u16, &[space, PAGE, 3]);
        desk.ok(block, FrameMethod::Map as u16, &[space, BLOCK, 3]);
        let Next::Run(running) = desk.world.schedule() else { panic!("the thread runs") };
        let mut mapped = Self { desk, memory, running, space, level2, level3, page, block, copy };
        assert!(mapped.touch(PAGE).is_some() && mapped.touch(BLOCK).is_some());
        mapped
    }

    /// The thread touches the address: what it is translated to, by whatever is remembered.
    fn touch(&mut self, address: u32) -> Option<Translation> {
        let kernel = &mut *self.desk.world.kernel;
        kernel.platform.access(&kernel.arena, self.running.vttbr, address)
    }
}

/// What ends a mapping: which call, and which of the two mappings it ends.
fn ways(mapped: &Mapped) -> Vec<(&'static str, u32, u16, Vec<u32>, [bool; 2])> {
    let cnode = |method: CNodeMethod, slot: u32| (root_slot::CNODE, method as u16, vec![slot]);
    let (delete, revoke) = (|slot| cnode(CNodeMethod::Delete, slot), |slot| cnode(CNodeMethod::Revoke, slot));
    let unmap = FrameMethod::Unmap as u16;
    let unmap_table = TableMethod::Unmap as u16;
    [
        ("the page is unmapped", (mapped.copy, unmap, vec![]), [true, false]),
        ("the block is unmapped", (mapped.block, unmap, vec![]), [false, true]),
        ("the page's capability is deleted", delete(mapped.copy), [true, false]),
        ("the block's capability is deleted", delete(mapped.block), [false, true]),
        ("what it was copied from is revoked", revoke(mapped.page), [true, false]),
        ("its table is unmapped", (mapped.level3, unmap_table, vec![]), [true, false]),
        ("its table is deleted", delete(mapped.level3), [true, false]),
        ("the table above is unmapped", (mapped.level2, unmap_table, vec![]), [true, true]),
        ("the table above is deleted", delete(mapped.level2), [true, true]),
        ("all memory is revoked", revoke(mapped.memory), [true, true]),
    ]
    .into_iter()
    .map(|(why, (cap, label, words), ends)| (why, cap, label, words, ends))
    .collect()
}

#[test]
fn an_entry_does_not_survive_its_unmapping_however_that_comes_about() {
    for way in 0..ways(&Mapped::new()).len() {
        for preempt_every in [0, 1, 2] {
            let mut mapped = Mapped::new();
            let (why, cap, label, words, ends) = ways(&mapped).swap_remove(way);
            mapped.desk.world.kernel.platform.preempt_every = preempt_every;
            mapped.desk.ok(cap, label, &words);
            mapped.desk.check();
            let left = [PAGE, BLOCK].map(|address| mapped.touch(address).is_none());
            assert_eq!(left, ends, "{why}");
        }
    }
}

/// A capability that moves takes its mapping along; the place where it was does not.
#[test]
fn a_mapping_goes_with_its_capability_and_ends_there() {
    let mut mapped = Mapped::new();
    let to = mapped.desk.slot();
    mapped.desk.ok(root_slot::CNODE, CNodeMethod::Move as u16, &[to, mapped.copy]);
    assert!(mapped.touch(PAGE).is_some());
    // Something else in the old slot, unmapped and deleted, is not that mapping.
    let old = mapped.copy;
    mapped.desk.ok(root_slot::CNODE, CNodeMethod::Copy as u16, &[old, mapped.page, 15]);
    mapped.desk.fails(old, FrameMethod::Unmap as u16, &[], Error::NotMapped);
    mapped.desk.ok(root_slot::CNODE, CNodeMethod::Delete as u16, &[old]);
    assert!(mapped.touch(PAGE).is_some());
    mapped.desk.ok(to, FrameMethod::Unmap as u16, &[]);
    assert_eq!(mapped.touch(PAGE), None);
    mapped.desk.check();
}

/// One try of a call, at whose every preemption point an interrupt waits. Whether it is done.
fn one_step(desk: &mut Desk, cap: u32, label: u16, words: &[u32]) -> bool {
    let caller = desk.world.kernel.current();
    let context = &mut desk.world.kernel.arena.get_mut(caller).context;
    context.r[0] = cap;
    context.r[1] = MessageInfo::new(label, words.len() * 4).0;
    context.r[2..2 + words.len()].copy_from_slice(words);
    context.pc = 0x1004;
    desk.world.kernel.platform.pending = true;
    desk.world.enter(Syscall::Call as u32);
    desk.world.kernel.platform.pending = false;
    desk.world.kernel.arena.get(caller).context.pc == 0x1004
}

/// Between any two steps of a revocation others try to use the memory again, and to map into what is being emptied.
#[test]
fn memory_is_not_used_again_while_a_translation_leads_to_it() {
    let mut mapped = Mapped::new();
    let memory = mapped.memory;
    let Cap::Frame { page, .. } = mapped.desk.world.cap(mapped.page) else { panic!("no frame") };
    let Cap::Frame { page: block, .. } = mapped.desk.world.cap(mapped.block) else { panic!("no frame") };
    let (spare, mut steps) = (mapped.desk.make(ObjectType::Frame, 12, 1), 0);
    loop {
        let done = one_step(&mut mapped.desk, root_slot::CNODE, CNodeMethod::Revoke as u16, &[memory]);
        mapped.desk.check();
        let seen: Vec<u32> =
            [PAGE, BLOCK].into_iter().filter_map(|address| mapped.touch(address)).map(|t| t.page).collect();
        let reset = mapped.desk.world.invoke(memory, UntypedMethod::Reset as u16, &[]);
        if seen.contains(&page) || seen.contains(&block) {
            assert_eq!(reset, Err(Error::HasChildren), "step {steps}: still {seen:x?}");
        }
        if done {
            assert!(seen.is_empty() && reset.is_ok(), "{seen:x?} {reset:?}");
            break;
        }
        // Somebody maps beside it, as long as there is a table, and touches that.
        let beside = PAGE + 0x1000;
        if mapped.desk.world.invoke(spare, FrameMethod::Map as u16, &[mapped.space, beside, 3]).is_ok() {
            assert!(mapped.touch(beside).is_some());
            mapped.desk.check();
        } else if mapped.desk.world.invoke(spare, FrameMethod::Unmap as u16, &[]).is_ok() {
            assert_eq!(mapped.touch(beside), None);
        }
        steps += 1;
        assert!(steps < 1000, "it never ends");
    }
    assert!(steps > 3, "{steps} steps");
    assert_eq!(mapped.touch(PAGE + 0x1000), None);
}
