//! Budgets: nobody takes more than was given, whatever it does.

mod common;

use abi::boot::root_slot;
use abi::fault::{FaultKind, OVERDRAFT_US};
use abi::method::*;
use abi::object::ObjectType;
use abi::{MessageInfo, Syscall};
use common::Desk;
use kernel_core::Next;
use kernel_core::tcb::State;

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
        let Next::Run(running) = desk.world.schedule() else { panic!("it runs") };
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

/// A client with that budget and period has called a passive server, which runs now. `(client, server, endpoint, reply)`.
fn served(desk: &mut Desk, budget_us: u32, period_us: u32) -> (u32, u32, u32, u32) {
    let endpoint = desk.make(ObjectType::Endpoint, 0, 1);
    let reply = desk.make(ObjectType::Reply, 0, 1);
    let server = desk.thread(230);
    let client = desk.thread(220);
    let start = desk.context(10_000, 10_000);
    desk.ok(server, TcbMethod::Resume as u16, &[]);
    desk.ok(start, SchedContextMethod::Bind as u16, &[server]);
    desk.svc(Syscall::Recv, endpoint, 0, &[], reply);
    desk.ok(start, SchedContextMethod::Unbind as u16, &[]);
    let context = desk.context(budget_us, period_us);
    desk.ok(client, TcbMethod::Resume as u16, &[]);
    desk.ok(context, SchedContextMethod::Bind as u16, &[client]);
    desk.svc(Syscall::Call, endpoint, 1, &[], 0);
    assert!(desk.runs(server));
    (client, server, endpoint, reply)
}

/// Microseconds that a thread runs of the next `us`, looked at every 5.
fn runs_us(desk: &mut Desk, tcb: u32, us: u32) -> u32 {
    (0..us / 5)
        .map(|_| {
            let ran = u32::from(desk.runs(tcb)) * 5;
            desk.pass_us(5);
            ran
        })
        .sum()
}

#[test]
fn a_server_whose_callers_time_runs_out_has_an_overdraft_that_the_next_refill_pays() {
    let mut desk = Desk::new();
    let (client, server, _, reply) = served(&mut desk, 1_000, 10_000);
    let near = |ran: u32, wanted: u32| assert!(ran.abs_diff(wanted) <= 15, "ran {ran} us, not {wanted}");
    near(runs_us(&mut desk, server, 9_900), 1_000 + OVERDRAFT_US);
    // No window of a period has more than the budget and one overdraft, and in the long run it is the budget.
    let mut all = 0;
    for _ in 0..20 {
        let ran = runs_us(&mut desk, server, 10_000);
        assert!(ran <= 1_000 + OVERDRAFT_US + 10, "ran {ran} us");
        all += ran;
    }
    near(all / 20, 1_000);
    while !desk.runs(server) {
        desk.pass_us(5);
    }
    desk.svc(Syscall::Reply, reply, 0, &[], 0);
    assert!(desk.runs(client));
}

#[test]
fn past_the_overdraft_a_server_faults_and_goes_on_if_its_handler_lets_it() {
    let mut desk = Desk::new();
    let faults = desk.make(ObjectType::Endpoint, 0, 1);
    let place = desk.make(ObjectType::Reply, 0, 1);
    let (client, server, _, _) = served(&mut desk, 1_000, 10_000);
    let handler = desk.thread(240);
    let slice = desk.context(10_000, 10_000);
    // Whoever runs shares root's capabilities.
    desk.ok(server, TcbMethod::SetFaultHandler as u16, &[faults]);
    desk.ok(handler, TcbMethod::Resume as u16, &[]);
    desk.ok(slice, SchedContextMethod::Bind as u16, &[handler]);
    assert!(desk.runs(handler));
    desk.svc(Syscall::Recv, faults, 0, &[], place);
    assert!(desk.runs(server));
    desk.pass_us(1_000 + u64::from(OVERDRAFT_US) - 10);
    assert!(desk.runs(server), "the overdraft is not used up");
    desk.pass_us(20);
    assert!(desk.runs(handler), "the fault is delivered at once");
    let told = desk.registers(handler);
    assert_eq!(MessageInfo(told.r[1]).label(), FaultKind::TimeOut as u16);
    assert!(
        matches!(desk.state(server), State::AwaitingReply(_)) && matches!(desk.state(client), State::AwaitingReply(_))
    );
    desk.svc(Syscall::ReplyRecv, faults, 0, &[], place);
    assert_eq!(desk.state(server), State::Running);
    assert!(!desk.runs(server), "it has no time");
    desk.pass_us(9_000);
    assert!(desk.runs(server), "it goes on with its caller's next refill");
}

#[test]
fn nobody_gets_an_overdraft_on_time_of_its_own() {
    let mut desk = Desk::new();
    let thread = desk.thread(220);
    let context = desk.context(1_000, 10_000);
    desk.ok(thread, TcbMethod::Resume as u16, &[]);
    desk.ok(context, SchedContextMethod::Bind as u16, &[thread]);
    let ran = runs_us(&mut desk, thread, 9_900);
    assert!(ran.abs_diff(1_000) <= 5, "ran {ran} us");
}

#[test]
fn a_passive_handler_of_a_time_out_waits_for_the_refill_as_well() {
    let mut desk = Desk::new();
    let faults = desk.make(ObjectType::Endpoint, 0, 1);
    let place = desk.make(ObjectType::Reply, 0, 1);
    let (_, server, _, _) = served(&mut desk, 1_000, 10_000);
    desk.ok(server, TcbMethod::SetFaultHandler as u16, &[faults]);
    let handler = desk.thread(240);
    let start = desk.context(10_000, 10_000);
    desk.ok(handler, TcbMethod::Resume as u16, &[]);
    desk.ok(start, SchedContextMethod::Bind as u16, &[handler]);
    desk.svc(Syscall::Recv, faults, 0, &[], place);
    assert!(desk.runs(server));
    desk.ok(start, SchedContextMethod::Unbind as u16, &[]);
    desk.pass_us(1_100);
    assert!(!desk.runs(handler) && !desk.runs(server));
    desk.pass_us(9_000);
    assert!(desk.runs(handler));
    desk.svc(Syscall::ReplyRecv, faults, 0, &[], place);
    assert!(desk.runs(server));
}

/// However a thread cuts its time into pieces, by waiting and going on.
#[test]
fn no_window_of_a_period_has_more_than_the_budget() {
    const BUDGET: u64 = 2_000;
    const PERIOD: u64 = 10_000;
    const STEP: u64 = 50;
    for seed in 0..40 {
        let mut random = kernel_core::sim::trace::Random::new(seed);
        let mut desk = Desk::new();
        let notification = desk.make(ObjectType::Notification, 0, 1);
        let bursts = desk.thread(250);
        let context = desk.context(BUDGET as u32, PERIOD as u32);
        desk.ok(bursts, TcbMethod::Resume as u16, &[]);
        desk.ok(context, SchedContextMethod::Bind as u16, &[bursts]);
        let badged = desk.slot();
        desk.ok(root_slot::CNODE, CNodeMethod::Mint as u16, &[badged, notification, 3, 1]);
        // Microseconds at which it ran.
        let mut ran = Vec::new();
        let mut now = 0;
        for _ in 0..60 {
            for _ in 0..random.below(60) {
                if desk.runs(bursts) {
                    ran.push(now);
                }
                desk.pass_us(STEP);
                now += STEP;
            }
            if desk.runs(bursts) {
                desk.svc(Syscall::Wait, notification, 0, &[], 0);
            } else if random.below(2) == 0 {
                desk.svc(Syscall::Signal, badged, 0, &[], 0);
            }
        }
        for (n, &start) in ran.iter().enumerate() {
            let used = STEP * ran[n..].iter().take_while(|&&at| at < start + PERIOD).count() as u64;
            assert!(used <= BUDGET + 2 * STEP, "seed {seed}: {used} us of {BUDGET} in the period from {start} us on");
        }
    }
}

#[test]
fn a_context_that_waits_for_its_refill_waits_at_whomever_it_is_bound_to() {
    let mut desk = Desk::new();
    let thread = desk.thread(250);
    let other = desk.thread(250);
    let context = desk.context(1_000, 10_000);
    desk.ok(thread, TcbMethod::Resume as u16, &[]);
    desk.ok(other, TcbMethod::Resume as u16, &[]);
    desk.ok(context, SchedContextMethod::Bind as u16, &[thread]);
    desk.pass_us(1_100);
    assert!(!desk.runs(thread), "it has used its budget");
    for next in [thread, other] {
        desk.ok(context, SchedContextMethod::Unbind as u16, &[]);
        desk.ok(context, SchedContextMethod::Bind as u16, &[next]);
        assert!(!desk.runs(next), "binding it anew is no budget anew");
    }
    desk.pass_us(9_000);
    assert!(desk.runs(other));
}

#[test]
fn an_equal_that_is_ready_does_not_take_the_turn_of_who_runs() {
    let mut desk = Desk::new();
    let [one, two] = [(); 2].map(|()| {
        let tcb = desk.thread(250);
        let context = desk.context(10_000, 10_000);
        desk.ok(tcb, TcbMethod::Resume as u16, &[]);
        desk.ok(context, SchedContextMethod::Bind as u16, &[tcb]);
        tcb
    });
    assert!(desk.runs(one));
    // The scheduler is asked, for the space might have been its own.
    let space = desk.make(ObjectType::VSpace, 0, 1);
    desk.ok(root_slot::CNODE, CNodeMethod::Delete as u16, &[space]);
    assert!(desk.runs(one) && !desk.runs(two));
}
