//! Invariants of threads, messages and time.

use super::census::{Addresses, Census};
use super::{Found, hold};
use crate::arena::Handle;
use crate::objects::Waiters;
use crate::queue::Queue;
use crate::tcb::{State, Tcb};
use crate::timeout::Owner;
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
        for tcb in members(census, census.kernel.cores[0].ready.queue(priority))? {
            hold!(once(tcb), "{tcb:?} is in two queues");
            let thread = census.get(tcb);
            hold!(thread.queued && thread.priority == priority, "{tcb:?} is ready, at {priority}");
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
    let core = &census.kernel.cores[0];
    let mut most = -1;
    for &tcb in &census.threads.all {
        let thread = census.get(tcb);
        let runs = core.current == Some(tcb);
        let could = census.kernel.runnable(tcb);
        hold!(!(thread.queued && runs), "{tcb:?} runs and is ready");
        hold!(could == (thread.queued || runs), "{tcb:?}, {:?}, could run: {could}", thread.state);
        if thread.queued {
            most = most.max(i32::from(thread.priority));
        }
    }
    hold!(core.ready.top() == most, "ready at {}, {most} in the queues", core.ready.top());
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
    let core = &census.kernel.cores[0];
    if let Some(active) = core.active {
        hold!(census.contexts.has(active), "time runs for {active:?}, which is dead");
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
    let core = &census.kernel.cores[0];
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
                hold!(core.loaded != Some(vcpu), "{node:?} of {vcpu:?}, whose timer is in the hardware");
            }
            Owner::None => return Err(format!("{node:?} is nobody's")),
        }
        (last, prev, at, count) = (timeout.time, at, timeout.next, count + 1);
    }
    let owned = |owner: &Owner| *owner != Owner::None;
    let contexts = census.contexts.all.iter().filter(|&&context| owned(&census.get(context).timeout.owner)).count();
    let vcpus = census.vcpus.all.iter().filter(|&&vcpu| owned(&census.get(vcpu).timeout.owner)).count();
    hold!(contexts + vcpus == count, "{count} timeouts, {contexts} contexts and {vcpus} vCPUs have one");
    if core.reschedule {
        return Ok(());
    }
    let mut due = core.timeouts.next(&census.kernel.arena);
    if let Some(active) = core.active {
        let active = census.get(active);
        due = due.min(active.started + active.refills[0].amount);
    }
    hold!(census.kernel.platform.deadline <= due, "set for {}, due at {due}", census.kernel.platform.deadline);
    Ok(())
}
