//! Invariants of threads, messages and time.

use super::census::{Addresses, Census};
use super::{Found, hold};
use crate::Platform;
use crate::arena::Handle;
use crate::objects::Waiters;
use crate::queue::Queue;
use crate::tcb::{State, Tcb};
use crate::timeout::Owner;
use std::string::String;
use std::vec::Vec;

/// Threads of a queue, which is linked both ways.
fn members(census: &Census, queue: &Queue) -> core::result::Result<Vec<Handle<Tcb>>, String> {
    let mut all = Vec::new();
    let (mut at, mut prev) = (queue.head, None);
    while let Some(tcb) = at {
        hold!(census.threads.has(tcb), "{tcb:?} is queued and dead");
        let thread = census.get(tcb);
        hold!(thread.prev == prev && all.len() <= census.threads.all.len(), "{tcb:?} is linked wrongly");
        all.push(tcb);
        prev = at;
        at = thread.next;
    }
    hold!(queue.tail == prev, "the tail of the queue of {:?} is {:?}", queue.head, queue.tail);
    Ok(all)
}

/// Ready, waiting at an endpoint or a notification, or nowhere: as the state says, and never in two queues.
pub(super) fn one_queue_each(census: &Census) -> Found {
    let mut queued = Addresses::default();
    let mut once = |tcb: Handle<Tcb>| queued.insert(tcb.address());
    for priority in 0..=255 {
        for (core, state) in census.kernel.cores.iter().enumerate() {
            for tcb in members(census, state.ready.queue(priority))? {
                hold!(once(tcb), "{tcb:?} is in two queues");
                let thread = census.get(tcb);
                hold!(thread.queued && thread.priority == priority, "{tcb:?} is ready, at {priority}");
                hold!(census.kernel.core_of(tcb) == core, "{tcb:?} is ready on core {core}");
            }
        }
    }
    let ready = queued.len();
    let mut once = |tcb: Handle<Tcb>| queued.insert(tcb.address());
    for &endpoint in &census.endpoints.all {
        let point = census.get(endpoint);
        let all = members(census, &point.queue)?;
        hold!(all.is_empty() == (point.waiters == Waiters::None), "{endpoint:?}: {:?}", point.waiters);
        for tcb in all {
            let state = census.get(tcb).state;
            let right = match point.waiters {
                Waiters::Senders => state == State::Sending(endpoint),
                Waiters::Receivers => state == State::Receiving(endpoint),
                Waiters::None => false,
            };
            hold!(once(tcb) && right, "{tcb:?}, {state:?}, waits at {endpoint:?}, {:?}", point.waiters);
        }
    }
    for &notification in &census.notifications.all {
        for tcb in members(census, &census.get(notification).queue)? {
            let state = census.get(tcb).state;
            hold!(once(tcb) && state == State::Waiting(notification), "{tcb:?}, {state:?}, waits at {notification:?}");
        }
    }
    let mut count = ready;
    for &tcb in &census.threads.all {
        let thread = census.get(tcb);
        let waits = matches!(thread.state, State::Sending(_) | State::Receiving(_) | State::Waiting(_));
        count += usize::from(waits);
        hold!(
            queued.contains(&tcb.address()) == (thread.queued || waits),
            "{tcb:?}, {:?}, is in no queue",
            thread.state
        );
        hold!(!(thread.queued && waits), "{tcb:?}, {:?}, is ready", thread.state);
        let linked = thread.next.is_some() || thread.prev.is_some();
        hold!(!linked || thread.queued || waits, "{tcb:?} is linked and in no queue");
    }
    hold!(count == queued.len(), "{} threads in queues, {count} by their states", queued.len());
    Ok(())
}

/// Who could run is ready or runs, nobody else does; nobody who is ready is more urgent than who runs.
pub(super) fn the_most_urgent_runs(census: &Census) -> Found {
    let cores = &census.kernel.cores;
    for &tcb in &census.threads.all {
        let thread = census.get(tcb);
        // A core that will choose anew may still name one that runs elsewhere by now, or nowhere.
        let runs: Vec<usize> = (0..cores.len()).filter(|&core| cores[core].current == Some(tcb)).collect();
        let there = census.kernel.core_of(tcb);
        let runs_there = runs.contains(&there);
        let elsewhere = runs.iter().find(|&&core| core != there && !cores[core].reschedule);
        hold!(elsewhere.is_none(), "{tcb:?}, whose time is core {there}'s, runs on core {elsewhere:?}");
        let could = census.kernel.runnable(tcb);
        hold!(!(thread.queued && runs_there), "{tcb:?} runs and is ready");
        hold!(could == (thread.queued || runs_there), "{tcb:?}, {:?}, could run: {could}", thread.state);
    }
    (0..cores.len()).try_for_each(|core| the_most_urgent_runs_on(census, core))
}

fn the_most_urgent_runs_on(census: &Census, number: usize) -> Found {
    let core = &census.kernel.cores[number];
    let queued =
        census.threads.all.iter().filter(|&&tcb| census.get(tcb).queued && census.kernel.core_of(tcb) == number);
    let most = queued.map(|&tcb| i32::from(census.get(tcb).priority)).max().unwrap_or(-1);
    let machine = &census.kernel.platform;
    let told = !core.reschedule || number == machine.core() || machine.kicked[number];
    hold!(told, "core {number} is to choose who runs, and nobody told it");
    hold!(core.ready.top() == most, "ready at {}, {most} in the queues", core.ready.top());
    let alive = core.current.is_none_or(|tcb| census.threads.has(tcb));
    hold!(alive, "{:?} is dead, and is to run on core {number}", core.current);
    hold!(core.ready.agrees(), "the bitmaps of ready priorities");
    if core.reschedule {
        // It will choose before it leaves.
        return Ok(());
    }
    match core.current {
        Some(tcb) => {
            hold!(census.threads.has(tcb), "{tcb:?} runs and is dead");
            let thread = census.get(tcb);
            hold!(i32::from(thread.priority) >= most, "{tcb:?} runs at {}, {most} is ready", thread.priority);
            hold!(core.active == thread.sched, "{tcb:?} runs on the time of {:?}", core.active);
        }
        None => hold!(most < 0, "nobody runs, {most} is ready"),
    }
    Ok(())
}

/// `caller` and `AwaitingReply`, `receiver` and `reply` are the same, seen from both sides.
pub(super) fn callers_and_replies_agree(census: &Census) -> Found {
    for &tcb in &census.threads.all {
        let thread = census.get(tcb);
        if let State::AwaitingReply(reply) = thread.state {
            hold!(census.replies.has(reply), "{tcb:?} awaits an answer of {reply:?}, which is dead");
            hold!(census.get(reply).caller == Some(tcb), "{tcb:?} awaits an answer of {reply:?}");
        }
        if let Some(reply) = thread.reply {
            hold!(census.replies.has(reply), "{tcb:?} receives into {reply:?}, which is dead");
            hold!(matches!(thread.state, State::Receiving(_)), "{tcb:?}, {:?}, receives", thread.state);
            hold!(census.get(reply).receiver == Some(tcb), "{tcb:?} receives into {reply:?}");
        }
    }
    for &reply in &census.replies.all {
        let object = census.get(reply);
        if let Some(caller) = object.caller {
            let state = census.get(caller).state;
            hold!(state == State::AwaitingReply(reply), "{reply:?}: caller {caller:?} is {state:?}");
        } else {
            hold!(object.donated.is_none(), "{reply:?} keeps time and no caller");
        }
        if let Some(receiver) = object.receiver {
            hold!(census.get(receiver).reply == Some(reply), "{reply:?}: receiver {receiver:?}");
        }
        hold!(object.caller.is_none() || object.receiver.is_none(), "{reply:?} keeps a caller and is received into");
    }
    Ok(())
}

/// A context is at one thread, bound to one, and each of them says so.
pub(super) fn contexts_and_threads_agree(census: &Census) -> Found {
    for &context in &census.contexts.all {
        let data = census.get(context);
        if let Some(tcb) = data.tcb {
            hold!(census.get(tcb).sched == Some(context), "{context:?} at {tcb:?}");
        }
        if let Some(home) = data.home {
            hold!(census.get(home).home == Some(context), "{context:?} of {home:?}");
        }
    }
    for &tcb in &census.threads.all {
        let thread = census.get(tcb);
        for (context, side) in [(thread.sched, 0), (thread.home, 1)] {
            let Some(context) = context else { continue };
            hold!(census.contexts.has(context), "{tcb:?} has {context:?}, which is dead");
            let data = census.get(context);
            let other = if side == 0 { data.tcb } else { data.home };
            hold!(other == Some(tcb), "{tcb:?} has {context:?}, which has {other:?}");
        }
    }
    for (number, core) in census.kernel.cores.iter().enumerate() {
        if let Some(active) = core.active {
            hold!(census.contexts.has(active), "time runs for {active:?}, which is dead");
            let of = census.kernel.core_of_context(active);
            hold!(of == number, "time runs on core {number} for {active:?} of core {of}");
        }
    }
    Ok(())
}

/// What a context may use now and later is its budget, no more and no less; a slice only counts down.
pub(super) fn budgets_are_conserved(census: &Census) -> Found {
    for &context in &census.contexts.all {
        let data = census.get(context);
        let refills = &data.refills[..(data.refill_count as usize).min(data.refills.len())];
        let total: u64 = refills.iter().map(|refill| refill.amount).sum();
        let slice = data.budget == data.period;
        let right = if slice { total <= data.budget } else { total == data.budget };
        hold!(right, "{context:?}: {total} of {}", data.budget);
        let ordered = refills.windows(2).skip(1).all(|pair| pair[0].time <= pair[1].time);
        hold!(slice || ordered, "{context:?}: {refills:?} are out of order");
    }
    Ok(())
}

/// Timeouts stand in order, each with its owner; the timer is not set for later than the first, or than the end of the
/// running budget.
pub(super) fn timeouts_are_in_order(census: &Census) -> Found {
    let mut count = 0;
    for number in 0..census.kernel.cores.len() {
        count += timeouts_of_a_core(census, number)?;
    }
    let owned = |owner: &Owner| *owner != Owner::None;
    let contexts = census.contexts.all.iter().filter(|&&context| owned(&census.get(context).timeout.owner)).count();
    let vcpus = census.vcpus.all.iter().filter(|&&vcpu| owned(&census.get(vcpu).timeout.owner)).count();
    hold!(contexts + vcpus == count, "{count} timeouts, {contexts} contexts and {vcpus} vCPUs have one");
    Ok(())
}

/// How many there are.
fn timeouts_of_a_core(census: &Census, number: usize) -> core::result::Result<usize, String> {
    let core = &census.kernel.cores[number];
    let (mut at, mut prev, mut count) = (core.timeouts.head(), None, 0);
    let mut last = 0;
    while let Some(node) = at {
        let timeout = census.get(node);
        hold!(timeout.prev == prev && count < 10_000, "{node:?} is linked wrongly");
        hold!(timeout.time >= last, "{node:?} at {} after {last}", timeout.time);
        match timeout.owner {
            Owner::Context(context) => {
                hold!(census.contexts.has(context), "{node:?} of {context:?}, which is dead");
                hold!(census.kernel.context_timeout(context) == node, "{node:?} of {context:?}");
            }
            Owner::Vcpu(vcpu) => {
                hold!(census.vcpus.has(vcpu), "{node:?} of {vcpu:?}, which is dead");
                let loaded = census.kernel.cores.iter().any(|core| core.loaded == Some(vcpu));
                hold!(!loaded, "{node:?} of {vcpu:?}, whose timer is in the hardware");
                hold!(census.get(vcpu).watched_on as usize == number, "{node:?} of {vcpu:?} is on core {number}");
            }
            Owner::None => return Err(format!("{node:?} is nobody's")),
        }
        (last, prev, at, count) = (timeout.time, at, timeout.next, count + 1);
    }
    if core.reschedule {
        return Ok(count);
    }
    let mut due = core.timeouts.next(&census.kernel.arena);
    if let Some(active) = core.active {
        let active = census.get(active);
        due = due.min(active.started + active.refills[0].amount);
    }
    let set = census.kernel.platform.of_core(number).deadline;
    hold!(set <= due, "core {number} is set for {set}, due at {due}");
    Ok(count)
}
