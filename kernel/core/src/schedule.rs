//! Who runs, and on whose time.
//!
//! A thread runs if it is `Running`, has a scheduling context, and the context has budget now. Priorities
//! are 0-255; the most urgent thread runs, threads of one priority take turns. A context is a sporadic
//! server (Sprunt, Sha, Lehoczky 1989): what was consumed from some time on comes back one period after that time.
//! A context whose budget is its whole period is a round-robin slice and never waits.
//!
//! Time is read only when the context changes, so that a call to a passive server costs no clock.

use crate::arena::{Arena, Handle};
use crate::kernel::{Next, PriorityQueue, Running};
use crate::objects::{REFILLS_MAX, Refill, SchedContext, VSpace};
use crate::tcb::{State, Tcb};
use crate::timeout::{Owner, Timeout};
use crate::{Kernel, Platform};
use abi::Error;
use abi::object::PRIORITY_MAX;
use core::mem::offset_of;

const PRIORITIES: usize = PRIORITY_MAX as usize + 1;
/// Consumption below this many ticks is charged to the current refill but makes no refill of its own.
const SMALLEST_REFILL: u64 = 64;

/// Threads that could run, by priority, with bitmaps to find the first: two words looked at, whatever is in them.
pub struct ReadyQueues {
    queues: [PriorityQueue; PRIORITIES],
    words: [u32; PRIORITIES / 32],
    summary: u32,
    /// The highest priority that is ready, -1 if nobody is: kept, since every message asks for it.
    top: i32,
}

impl ReadyQueues {
    /// Nobody.
    pub const EMPTY: Self =
        Self { queues: [PriorityQueue::EMPTY; PRIORITIES], words: [0; PRIORITIES / 32], summary: 0, top: -1 };

    fn push(&mut self, arena: &mut Arena, tcb: Handle<Tcb>, front: bool) {
        let thread = arena.get_mut(tcb);
        thread.queued = true;
        let priority = usize::from(thread.priority);
        if front {
            self.queues[priority].push_front(arena, tcb);
        } else {
            self.queues[priority].push(arena, tcb);
        }
        self.words[priority / 32] |= 1 << (priority % 32);
        self.summary |= 1 << (priority / 32);
        self.top = self.top.max(priority as i32);
    }

    fn remove(&mut self, arena: &mut Arena, tcb: Handle<Tcb>) {
        let thread = arena.get_mut(tcb);
        thread.queued = false;
        let priority = usize::from(thread.priority);
        self.queues[priority].remove(arena, tcb);
        if self.queues[priority].is_empty() {
            self.words[priority / 32] &= !(1 << (priority % 32));
            if self.words[priority / 32] == 0 {
                self.summary &= !(1 << (priority / 32));
            }
            self.top = self.highest().map_or(-1, i32::from);
        }
    }

    /// The highest priority at which somebody is ready, -1 if nobody is.
    #[inline(always)]
    pub fn top(&self) -> i32 {
        self.top
    }

    /// The same, found by the bitmaps.
    fn highest(&self) -> Option<u8> {
        let word = self.summary.checked_ilog2()?;
        let bit = self.words[word as usize % self.words.len()].checked_ilog2()?;
        Some((word * 32 + bit) as u8)
    }

    fn first(&self) -> Option<Handle<Tcb>> {
        self.queues[usize::try_from(self.top).ok()?].head
    }

    /// The queue of a priority, for checks.
    pub fn queue(&self, priority: u8) -> &PriorityQueue {
        &self.queues[usize::from(priority)]
    }
}

impl<P: Platform> Kernel<P> {
    /// The timeout inside a context.
    pub(crate) fn context_timeout(&self, context: Handle<SchedContext>) -> Handle<Timeout> {
        self.arena.part(context, offset_of!(SchedContext, timeout))
    }

    /// Whether a thread could run now, were it the most urgent.
    pub(crate) fn runnable(&self, tcb: Handle<Tcb>) -> bool {
        let thread = self.arena.get(tcb);
        thread.state == State::Running
            && thread.sched.is_some_and(|context| self.arena.get(context).timeout.owner == Owner::None)
    }

    /// Makes a thread that has just become able to run known to the scheduler.
    #[inline]
    pub(crate) fn make_ready(&mut self, tcb: Handle<Tcb>) {
        if !self.runnable(tcb) || self.arena.get(tcb).queued {
            return;
        }
        let here = self.here();
        let core = &mut self.cores[here];
        if core.current == Some(tcb) {
            return;
        }
        let urgent = core.current.is_none_or(|current| {
            let current = self.arena.get(current);
            current.state != State::Running || self.arena.get(tcb).priority > current.priority
        });
        core.ready.push(&mut self.arena, tcb, false);
        core.reschedule |= urgent;
    }

    /// Takes a thread that can't run any more out of the scheduler's sight.
    #[inline]
    pub(crate) fn make_unready(&mut self, tcb: Handle<Tcb>) {
        let core = &mut self.cores[self.here()];
        if self.arena.get(tcb).queued {
            core.ready.remove(&mut self.arena, tcb);
        }
        if core.current == Some(tcb) {
            core.reschedule = true;
        }
    }

    /// Runs `tcb` next instead of the current thread, which cannot run any more: the direct switch of a call
    /// or a reply. `tcb` is runnable and in no queue. If somebody more urgent is ready, the scheduler decides.
    #[inline]
    pub(crate) fn switch_to(&mut self, tcb: Handle<Tcb>) {
        let priority = self.arena.get(tcb).priority;
        let core = &mut self.cores[self.here()];
        if core.ready.top() > i32::from(priority) {
            core.ready.push(&mut self.arena, tcb, true);
            core.reschedule = true;
        } else {
            core.current = Some(tcb);
            core.reschedule |= self.arena.get(tcb).sched != core.active;
        }
    }

    /// Chooses who runs, loads its vCPU, and sets the timer. Called before every exit from the kernel.
    #[inline(always)]
    pub fn schedule(&mut self) -> Next {
        if self.cores[self.here()].reschedule {
            self.reschedule();
        }
        match self.cores[self.here()].current {
            Some(tcb) => self.enter(tcb),
            None => Next::Idle,
        }
    }

    #[inline(always)]
    fn enter(&mut self, tcb: Handle<Tcb>) -> Next {
        let thread = self.arena.get(tcb);
        let vcpu = thread.vcpu;
        let crate::cap::Cap::VSpace { vspace } = thread.vspace.cap else { return self.no_space(tcb) };
        if vcpu.is_some() && vcpu != self.cores[self.here()].loaded {
            self.load_vcpu(vcpu);
        }
        let vttbr = self.vttbr(vspace);
        Next::Run(Running { tcb, vttbr, vcpu })
    }

    /// A thread whose space was deleted can't run: it stops, and somebody else is chosen.
    #[cold]
    fn no_space(&mut self, tcb: Handle<Tcb>) -> Next {
        self.suspend(tcb);
        self.schedule()
    }

    /// The value of VTTBR for a space, which gets a VMID of this generation if it has none.
    #[inline(always)]
    fn vttbr(&mut self, vspace: Handle<VSpace>) -> u64 {
        if self.arena.get(vspace).generation != self.generation {
            self.assign_vmid(vspace);
        }
        u64::from(self.arena.get(vspace).vmid) << 48 | u64::from(vspace.address())
    }

    #[cold]
    fn assign_vmid(&mut self, vspace: Handle<VSpace>) {
        if self.next_vmid == 256 {
            // All are used up: forget every translation, and begin a new generation.
            self.generation = self.generation.wrapping_add(1).max(1);
            self.next_vmid = 1;
            self.platform.flush_all();
        }
        let space = self.arena.get_mut(vspace);
        space.vmid = self.next_vmid;
        space.generation = self.generation;
        self.next_vmid += 1;
    }

    #[inline(never)]
    fn reschedule(&mut self) {
        let here = self.here();
        self.cores[here].reschedule = false;
        let current = self.cores[here].current;
        let stays = current.filter(|&tcb| self.runnable(tcb));
        let challenger = self.cores[here].ready.first();
        let chosen = match (stays, challenger) {
            (Some(current), Some(challenger))
                if self.arena.get(challenger).priority > self.arena.get(current).priority =>
            {
                // It loses its turn to a more urgent one, not its place.
                self.cores[here].ready.push(&mut self.arena, current, true);
                Some(challenger)
            }
            (Some(current), _) => Some(current),
            (None, challenger) => challenger,
        };
        if let Some(tcb) = chosen.filter(|&tcb| self.arena.get(tcb).queued) {
            self.cores[here].ready.remove(&mut self.arena, tcb);
        }
        self.cores[here].current = chosen;
        let context = chosen.and_then(|tcb| self.arena.get(tcb).sched);
        if context != self.cores[here].active {
            self.change_context(context);
        } else {
            self.set_timer();
        }
    }

    /// Ends the time of the active context and begins that of another.
    fn change_context(&mut self, context: Option<Handle<SchedContext>>) {
        let now = self.platform.now();
        self.charge_active(now);
        self.cores[self.here()].active = context;
        if let Some(context) = context {
            let data = self.arena.get_mut(context);
            data.started = now;
            // What was not used so far counts from now on: the most that it may use in a period stays its budget.
            data.refills[0].time = data.refills[0].time.max(now);
        }
        self.set_timer();
    }

    /// Charges the active context for the time since it was last charged.
    pub(crate) fn charge_active(&mut self, now: u64) {
        let Some(context) = self.cores[self.here()].active else { return };
        let context = self.arena.get_mut(context);
        let used = now.saturating_sub(context.started);
        context.started = now;
        context.consumed += used;
        if context.budget < context.period {
            context.consume(used, now);
        } else {
            // A round-robin slice only counts down; `on_timer` renews it.
            context.refills[0].amount = context.refills[0].amount.saturating_sub(used);
        }
    }

    /// Sets the timer to the end of the active context's budget or the first timeout, whichever comes first.
    fn set_timer(&mut self) {
        let here = self.here();
        let core = &self.cores[here];
        let mut deadline = core.timeouts.next(&self.arena);
        if let Some(context) = core.active {
            let context = self.arena.get(context);
            deadline = deadline.min(context.started + context.refills[0].amount);
        }
        if deadline != core.deadline {
            self.cores[here].deadline = deadline;
            self.platform.set_deadline(deadline);
        }
    }

    /// The kernel's own timer: budgets end, refills come, vCPUs' timers are due.
    pub fn on_timer(&mut self) {
        let now = self.platform.now();
        let here = self.here();
        self.cores[here].deadline = u64::MAX;
        self.charge_active(now);
        if let Some(context) = self.cores[here].active
            && self.arena.get(context).refills[0].amount < SMALLEST_REFILL
        {
            self.end_of_budget(context, now);
        }
        while let Some(node) = self.cores[here].timeouts.head()
            && self.arena.get(node).time <= now
        {
            let owner = self.arena.get(node).owner;
            self.cores[here].timeouts.remove(&mut self.arena, node);
            match owner {
                Owner::Context(context) => {
                    if let Some(tcb) = self.arena.get(context).tcb {
                        self.make_ready(tcb);
                    }
                }
                Owner::Vcpu(vcpu) => self.wake_vcpu(vcpu),
                Owner::None => {}
            }
        }
        self.resample_timer();
        self.cores[here].reschedule = true;
    }

    /// The active context has nothing left: a round-robin slice begins anew at the end of the queue,
    /// any other context waits for its next refill.
    fn end_of_budget(&mut self, context: Handle<SchedContext>, now: u64) {
        let tcb = self.arena.get(context).tcb;
        let data = self.arena.get_mut(context);
        if data.budget >= data.period {
            data.refills[0] = Refill { time: now, amount: data.budget };
        } else if !data.next_refill(now) {
            let time = data.refills[0].time;
            let node = self.context_timeout(context);
            let here = self.here();
            self.cores[here].timeouts.insert(&mut self.arena, node, time, Owner::Context(context));
        }
        if let Some(tcb) = tcb {
            self.to_the_back(tcb);
        }
    }

    /// Puts a running thread behind the others of its priority.
    fn to_the_back(&mut self, tcb: Handle<Tcb>) {
        let here = self.here();
        if self.arena.get(tcb).queued {
            self.cores[here].ready.remove(&mut self.arena, tcb);
        }
        if self.cores[here].current == Some(tcb) {
            self.cores[here].current = None;
        }
        if self.runnable(tcb) {
            self.cores[here].ready.push(&mut self.arena, tcb, false);
        }
        self.cores[here].reschedule = true;
    }

    /// `Yield`: a round-robin thread goes behind its equals; any other gives up what is left of this refill and
    /// waits for the next.
    pub(crate) fn yield_now(&mut self) {
        let now = self.platform.now();
        let here = self.here();
        let Some(context) = self.cores[here].active else { return };
        self.charge_active(now);
        let data = self.arena.get_mut(context);
        if data.budget < data.period {
            let left = data.refills[0].amount;
            data.consume(left, now);
        } else {
            data.refills[0].amount = 0;
        }
        self.end_of_budget(context, now);
    }

    /// Gives a context its core, budget and period.
    pub(crate) fn configure_context(&mut self, context: Handle<SchedContext>, core: u32, budget_us: u32, period_us: u32) {
        let scale = u64::from(self.platform.ticks_per_us_q16());
        let ticks = |us: u32| (u64::from(us) * scale) >> 16;
        let node = self.context_timeout(context);
        let here = self.here();
        self.cores[here].timeouts.remove(&mut self.arena, node);
        let now = self.platform.now();
        let data = self.arena.get_mut(context);
        data.core = core;
        data.budget = ticks(budget_us).max(SMALLEST_REFILL);
        data.period = ticks(period_us).max(data.budget);
        data.started = now;
        data.refills[0] = Refill { time: now, amount: data.budget };
        data.refill_count = 1;
        if let Some(tcb) = data.tcb {
            self.make_ready(tcb);
        }
        self.cores[here].reschedule = true;
    }

    /// Binds a context to a thread.
    ///
    /// # Errors
    /// `WrongState` if either has a partner already, or the context has no budget yet.
    pub(crate) fn bind_context(&mut self, context: Handle<SchedContext>, tcb: Handle<Tcb>) -> Result<(), Error> {
        let data = self.arena.get(context);
        let thread = self.arena.get(tcb);
        if data.home.is_some() || data.tcb.is_some() || data.budget == 0 || thread.home.is_some() || thread.sched.is_some() {
            return Err(Error::WrongState);
        }
        let data = self.arena.get_mut(context);
        data.home = Some(tcb);
        data.tcb = Some(tcb);
        let thread = self.arena.get_mut(tcb);
        thread.home = Some(context);
        thread.sched = Some(context);
        self.make_ready(tcb);
        Ok(())
    }

    /// Takes a context from whoever has it.
    pub(crate) fn unbind_context(&mut self, context: Handle<SchedContext>) {
        if let Some(home) = self.arena.get_mut(context).home.take() {
            self.arena.get_mut(home).home = None;
        }
        if let Some(tcb) = self.arena.get_mut(context).tcb.take() {
            self.make_unready(tcb);
            self.arena.get_mut(tcb).sched = None;
        }
        let node = self.context_timeout(context);
        let here = self.here();
        self.cores[here].timeouts.remove(&mut self.arena, node);
        if self.cores[here].active == Some(context) {
            self.change_context(None);
            self.cores[here].reschedule = true;
        }
    }

    /// Moves the context that `from` runs on to `to`, which has none. Neither is in the ready queue.
    #[inline(always)]
    pub(crate) fn donate(&mut self, from: Handle<Tcb>, to: Handle<Tcb>) -> Option<Handle<SchedContext>> {
        let context = self.arena.get_mut(from).sched.take()?;
        self.arena.get_mut(to).sched = Some(context);
        self.arena.get_mut(context).tcb = Some(to);
        Some(context)
    }

    /// Takes a thread's own context back from wherever a broken-off call left it.
    pub(crate) fn reclaim_context(&mut self, tcb: Handle<Tcb>) {
        let thread = self.arena.get(tcb);
        if thread.sched.is_some() {
            return;
        }
        let Some(context) = thread.home else { return };
        if let Some(holder) = self.arena.get(context).tcb {
            self.make_unready(holder);
            self.donate(holder, tcb);
        } else {
            self.arena.get_mut(context).tcb = Some(tcb);
            self.arena.get_mut(tcb).sched = Some(context);
        }
    }
}

impl SchedContext {
    /// Takes `used` ticks from the oldest refill; they come back one period after that refill's time.
    fn consume(&mut self, used: u64, now: u64) {
        let head = &mut self.refills[0];
        let taken = used.min(head.amount);
        if taken == 0 {
            return;
        }
        let back = Refill { time: head.time.min(now) + self.period, amount: taken };
        head.amount -= taken;
        let count = self.refill_count as usize;
        if count < REFILLS_MAX && count > 0 && (count == 1 || self.refills[count - 1].time != back.time) {
            self.refills[count] = back;
            self.refill_count += 1;
        } else if let Some(last) = self.refills.get_mut(count.wrapping_sub(1)).filter(|_| count > 1) {
            // Later than owed is allowed, sooner is not.
            last.amount += back.amount;
            last.time = last.time.max(back.time);
        }
    }

    /// Drops an empty oldest refill. Whether the next one can be used at `now`.
    fn next_refill(&mut self, now: u64) -> bool {
        if self.refill_count > 1 {
            let rest = self.refills[0].amount;
            self.refills.copy_within(1..self.refill_count as usize, 0);
            self.refill_count -= 1;
            self.refills[0].amount += rest;
        }
        self.refills[0].time <= now
    }
}
