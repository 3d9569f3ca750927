//! Bitmaps, at the edges of their words.

use crate::common::{Desk, guest_and_vmm};
use abi::boot::root_slot;
use abi::error::Error;
use abi::method::*;
use abi::vcpu::InterruptState;
use kernel_core::Next;
use std::collections::BTreeMap;

const EDGES: [u32; 12] = [0, 1, 30, 31, 32, 33, 63, 64, 65, 127, 128, 255];

/// Ready threads are found by a bitmap of 8 words of 32.
#[test]
fn threads_run_by_priority_at_every_edge_of_the_bitmap() {
    let mut desk = Desk::new();
    let threads: BTreeMap<u32, u32> = EDGES
        .iter()
        .map(|&priority| {
            let thread = desk.thread(priority);
            let context = desk.context(1000, 1000);
            // Root stays above them until all are ready.
            desk.ok(root_slot::TCB, TcbMethod::SetPriority as u16, &[root_slot::TCB, 255, 255]);
            desk.ok(thread, TcbMethod::Resume as u16, &[]);
            desk.ok(context, SchedContextMethod::Bind as u16, &[thread]);
            (priority, thread)
        })
        .collect();
    desk.check();
    desk.ok(root_slot::TCB, TcbMethod::Suspend as u16, &[]);
    for (priority, &thread) in threads.iter().rev() {
        assert!(desk.runs(thread), "priority {priority}");
        desk.check();
        // It makes way: from an edge to every other, and back, it is found where it is.
        for &to in &EDGES {
            if to < *priority {
                desk.ok(thread, TcbMethod::SetPriority as u16, &[root_slot::TCB, to, 255]);
                desk.check();
                desk.ok(thread, TcbMethod::SetPriority as u16, &[root_slot::TCB, *priority, 255]);
                assert!(desk.runs(thread), "priority {priority} after {to}");
            }
        }
        desk.ok(thread, TcbMethod::Suspend as u16, &[]);
    }
    assert_eq!(desk.world.kernel.running(), None);
    desk.check();
}

/// Pending interrupts stand in a bitmap of 9 words; which are taken next is found there.
#[test]
fn every_virtual_interrupt_is_delivered_at_every_edge_of_the_bitmap() {
    let mut desk = Desk::new();
    let (_, _, _, _, vcpu) = guest_and_vmm(&mut desk);
    let numbers = [0, 1, 15, 16, 26, 28, 30, 31, 32, 33, 63, 64, 65, 127, 128, 159, 160, 255, 256, 286, 287];
    // All at once, of one urgency: more than there are list registers.
    for intid in numbers {
        desk.ok(vcpu, VcpuMethod::Inject as u16, &[intid, 0x80, 0]);
        desk.check();
    }
    let mut taken = Vec::new();
    while let Some(list) = desk.world.kernel.platform.lists.iter_mut().find(|list| list.pending) {
        taken.push(u32::from(list.intid));
        *list = Default::default();
        desk.world.kernel.on_maintenance();
        desk.check();
        assert!(taken.len() <= numbers.len(), "{taken:?}");
    }
    taken.sort_unstable();
    assert_eq!(taken, numbers);
    for intid in [288, 289, 319, 320, 1019, 1023, 1 << 16, u32::MAX] {
        desk.fails(vcpu, VcpuMethod::Inject as u16, &[intid, 0x80, 0], Error::OutOfRange);
        desk.fails(vcpu, VcpuMethod::ReadInterrupt as u16, &[intid], Error::OutOfRange);
    }
    for intid in numbers {
        assert_eq!(
            desk.ok(vcpu, VcpuMethod::ReadInterrupt as u16, &[intid])[0] & InterruptState::PENDING,
            0,
            "{intid}"
        );
    }
}

/// The same, taken back before the guest sees them.
#[test]
fn an_interrupt_is_retracted_at_every_edge_and_its_neighbours_are_not() {
    for intid in [0u32, 15, 16, 31, 32, 63, 64, 255, 256, 287] {
        let mut desk = Desk::new();
        let (_, _, _, _, vcpu) = guest_and_vmm(&mut desk);
        // What fills the list registers is more urgent.
        for busy in 100..104 {
            desk.ok(vcpu, VcpuMethod::Inject as u16, &[busy, 0, 0]);
        }
        let beside: Vec<u32> = [intid.wrapping_sub(1), intid + 1].into_iter().filter(|&n| n < 288).collect();
        for &each in beside.iter().chain([&intid]) {
            desk.ok(vcpu, VcpuMethod::Inject as u16, &[each, 0x80, 0]);
        }
        desk.ok(vcpu, VcpuMethod::Retract as u16, &[intid]);
        desk.check();
        let pending = |desk: &mut Desk, intid: u32| {
            desk.ok(vcpu, VcpuMethod::ReadInterrupt as u16, &[intid])[0] & InterruptState::PENDING != 0
        };
        assert!(!pending(&mut desk, intid), "{intid}");
        assert!(beside.iter().all(|&each| pending(&mut desk, each)), "beside {intid}");
    }
}

/// VMIDs have 8 bits; 0 is nobody's, and after 255 a new generation begins.
#[test]
fn vmids_begin_again_after_255_and_nobody_has_0() {
    let mut desk = Desk::new();
    let thread = desk.thread(230);
    let context = desk.context(10_000, 10_000);
    desk.ok(context, SchedContextMethod::Bind as u16, &[thread]);
    desk.ok(thread, TcbMethod::Resume as u16, &[]);
    desk.ok(thread, TcbMethod::Suspend as u16, &[]);
    let (mut seen, mut roots) = (Vec::new(), Vec::new());
    for _ in 0..520 {
        // A new space for each turn, and a new thread, since a thread has one space for life.
        let mark = desk.mark();
        let each = desk.thread(240);
        desk.ok(each, TcbMethod::Resume as u16, &[]);
        desk.ok(context, SchedContextMethod::Unbind as u16, &[]);
        desk.ok(context, SchedContextMethod::Bind as u16, &[each]);
        let Next::Run(running) = desk.world.schedule() else { panic!("somebody runs") };
        assert!(desk.runs(each));
        seen.push((running.vttbr >> 48) as u8);
        for slot in [each, each + 1] {
            desk.ok(root_slot::CNODE, CNodeMethod::Delete as u16, &[slot]);
        }
        desk.rewind(mark);
        desk.check();
        let Next::Run(root) = desk.world.schedule() else { panic!("root runs") };
        roots.push((root.vttbr >> 48) as u8);
    }
    assert!(!seen.contains(&0) && !roots.contains(&0), "{seen:?} {roots:?}");
    // Root has one in each generation, too.
    assert!((1..=255).all(|vmid| seen.contains(&vmid) || roots.contains(&vmid)), "{seen:?} {roots:?}");
    // Within a generation each is given once.
    let mut generation = Vec::new();
    for vmid in seen {
        if generation.contains(&vmid) {
            assert!(generation.len() > 200, "{vmid} came again after {} others", generation.len());
            generation.clear();
        }
        generation.push(vmid);
    }
}
