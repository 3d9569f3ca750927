//! Budgets: nobody takes more than was given, whatever it does.

mod common;

use abi::Syscall;
use abi::boot::root_slot;
use abi::method::*;
use abi::object::ObjectType;
use common::Desk;
use kernel_core::Next;

#[test]
fn a_spinning_thread_takes_its_budget_and_no_more() {
    let mut desk = Desk::new();
    let greedy = desk.thread(250);
    let context = desk.context(2_000, 10_000);
    desk.ok(greedy, TcbMethod::Resume as u16, &[]);
    desk.ok(context, SchedContextMethod::Bind as u16, &[greedy]);
    let mut ran_us = 0;
    for _ in 0..1000 {
        if desk.runs(greedy) {
            ran_us += 100;
        }
        desk.pass_us(100);
    }
    // 100 ms, a fifth of it.
    assert!((19_000..=22_200).contains(&ran_us), "ran {ran_us} us of 100000");
}

#[test]
fn threads_of_one_priority_take_turns_by_their_slices() {
    let mut desk = Desk::new();
    let threads: Vec<u32> = (0..3)
        .map(|_| {
            let tcb = desk.thread(199);
            let context = desk.context(1_000, 1_000);
            desk.ok(tcb, TcbMethod::Resume as u16, &[]);
            desk.ok(context, SchedContextMethod::Bind as u16, &[tcb]);
            tcb
        })
        .collect();
    // Root waits for something that never comes.
    let notification = desk.make(ObjectType::Notification, 0, 1);
    desk.svc(Syscall::Wait, notification, 0, &[], 0);
    let mut ran = [0; 3];
    for _ in 0..300 {
        for (n, &tcb) in threads.iter().enumerate() {
            ran[n] += u32::from(desk.runs(tcb));
        }
        desk.pass_us(100);
    }
    assert!(ran.iter().all(|&turns| (90..=110).contains(&turns)), "{ran:?}");
}

#[test]
fn yielding_a_budget_waits_for_the_next_period() {
    let mut desk = Desk::new();
    let poller = desk.thread(250);
    let context = desk.context(1_000, 50_000);
    desk.ok(poller, TcbMethod::Resume as u16, &[]);
    desk.ok(context, SchedContextMethod::Bind as u16, &[poller]);
    for _ in 0..3 {
        assert!(desk.runs(poller));
        desk.svc(Syscall::Yield, 0, 0, &[], 0);
        assert!(!desk.runs(poller));
        desk.pass_us(48_000);
        assert!(!desk.runs(poller));
        desk.pass_us(2_200);
    }
}

#[test]
fn six_hundred_spaces_run_with_256_vmids_and_see_only_their_own_memory() {
    let mut desk = Desk::new();
    let notification = desk.make(ObjectType::Notification, 0, 1);
    let table = desk.make(ObjectType::Table, 2, 1);
    let leaf = desk.make(ObjectType::Table, 3, 1);
    let frames = desk.make(ObjectType::Frame, 12, 2);
    let mark = desk.mark();
    for n in 0..600 {
        let tcb = desk.thread(250);
        let (space, frame) = (tcb + 1, frames + n % 2);
        desk.ok(table, TableMethod::Map as u16, &[space, 0]);
        desk.ok(leaf, TableMethod::Map as u16, &[space, 0]);
        desk.ok(frame, FrameMethod::Map as u16, &[space, 0x5000, 3]);
        let page = desk.ok(frame, FrameMethod::Address as u16, &[])[0];
        let context = desk.context(10_000, 10_000);
        desk.ok(tcb, TcbMethod::Resume as u16, &[]);
        desk.ok(context, SchedContextMethod::Bind as u16, &[tcb]);
        let Next::Run(running) = desk.world.kernel.schedule() else { panic!("it runs") };
        assert_eq!(running.tcb, desk.tcb(tcb));
        let kernel = &mut *desk.world.kernel;
        let seen = kernel.platform.access(&kernel.arena, running.vttbr, 0x5000).expect("it is mapped");
        assert_eq!(seen.page, page, "space {n} sees another's memory");
        desk.svc(Syscall::Wait, notification, 0, &[], 0);
        for slot in [tcb, space, context] {
            desk.ok(root_slot::CNODE, CNodeMethod::Delete as u16, &[slot]);
        }
        desk.rewind(mark);
    }
}
