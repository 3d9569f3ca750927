//! Budgets: nobody takes more than was given, whatever it does.

mod common;

use abi::Syscall;
use abi::method::*;
use common::Desk;

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
    let notification = desk.make(abi::object::ObjectType::Notification, 0, 1);
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
fn more_spaces_than_vmids_can_run() {
    let mut desk = Desk::new();
    let notification = desk.make(abi::object::ObjectType::Notification, 0, 1);
    // Each thread stops its turn by waiting; its slots are used again for the next, as its objects are deleted.
    for _ in 0..150 {
        let tcb = desk.thread(250);
        let context = desk.context(10_000, 10_000);
        desk.ok(tcb, TcbMethod::Resume as u16, &[]);
        desk.ok(context, SchedContextMethod::Bind as u16, &[tcb]);
        assert!(desk.runs(tcb));
        desk.svc(Syscall::Wait, notification, 0, &[], 0);
    }
}
