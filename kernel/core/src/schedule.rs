//! Who runs, and on whose time.
//!
//! A thread runs if it is `Running`, has a scheduling context, and the context has budget now. Priorities
//! are 0-255; the most urgent thread runs, threads of one priority take turns. A context is a sporadic
//! server (Sprunt, Sha, Lehoczky 1989): what was consumed from some time on comes back one period after that time.
//! A context whose budget is its whole period is a round-robin slice and never waits.
//!
//! Time is read only when the context changes, so that a call to a passive server costs no clock.

use crate::arena::Handle;
use crate::budget::SMALLEST_REFILL;
use crate::fastpath::Fast;
use crate::kernel::{Next, Running};
use crate::objects::{Refill, SchedContext, VSpace};
use crate::tcb::{State, Tcb};
use crate::timeout::Owner;
use crate::{Kernel, Platform};

impl<P: Platform> Kernel<P> {
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
        let there = self.core_of(tcb);
        let core = &mut self.cores[there];
        if core.current == Some(tcb) {
            return;
        }
        let urgent = core.current.is_none_or(|current| {
            let current = self.arena.get(current);
            current.state != State::Running || self.arena.get(tcb).priority > current.priority
        });
        core.ready.push(&mut self.arena, tcb, false);
        if urgent {
            self.poke(there);
        }
    }

    /// As [`make_ready`](Self::make_ready), but if it is more urgent than the running thread, it runs from now on, past the
    /// queues. The last act of an entry: nothing after it asks who made the entry.
    #[inline]
    pub(crate) fn wake(&mut self, tcb: Handle<Tcb>) -> Fast {
        let here = self.here();
        let woken = self.arena.get(tcb);
        let (priority, context) = (woken.priority, woken.sched);
        if let Some(current) = self.cores[here].current
            && !self.cores[here].reschedule
            && self.arena.get(current).priority < priority
            && !woken.queued
            && self.is_here(tcb)
            && self.runnable(tcb)
        {
            self.cores[here].ready.push(&mut self.arena, current, true);
            self.cores[here].current = Some(tcb);
            self.change_context(context);
            Fast::Runs(tcb)
        } else {
            self.make_ready(tcb);
            Fast::Done
        }
    }

    /// Takes a thread that can't run any more out of the scheduler's sight.
    pub(crate) fn make_unready(&mut self, tcb: Handle<Tcb>) {
        if self.arena.get(tcb).queued {
            let there = self.core_of(tcb);
            self.cores[there].ready.remove(&mut self.arena, tcb);
        }
        self.halt(tcb);
        let core = self.core();
        if core.current == Some(tcb) {
            core.reschedule = true;
        }
    }

    /// Runs `tcb` next instead of the current thread, which cannot run any more: the direct switch of a call
    /// or a reply. `tcb` is in no queue. If somebody more urgent is ready, or its time is used up, the scheduler decides.
    #[inline]
    pub(crate) fn switch_to(&mut self, tcb: Handle<Tcb>) {
        if !self.runnable(tcb) {
            self.core().reschedule = true;
            return;
        }
        debug_assert!(self.is_here(tcb));
        let priority = self.arena.get(tcb).priority;
        let here = self.here();
        let core = &mut self.cores[here];
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

    /// What to run of a thread that runs at once, as [`on_syscall`](Self::on_syscall) says. `None`: there is more to do,
    /// [`schedule`](Self::schedule) must be asked.
    #[inline(always)]
    pub fn direct(&mut self, tcb: Handle<Tcb>) -> Option<Running> {
        let thread = self.arena.get(tcb);
        let crate::cap::Cap::VSpace { vspace } = thread.vspace.cap else { return None };
        let (space, vcpu) = (self.arena.get(vspace), thread.vcpu);
        if space.generation != self.generation || vcpu.is_some() && vcpu != self.cores[self.here()].loaded {
            return None;
        }
        let vttbr = u64::from(space.vmid) << 48 | u64::from(vspace.address());
        Some(Running { tcb, vttbr, vcpu })
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
            self.leave_spaces();
            self.order().forget_all_translations();
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
        let stays = current.filter(|&tcb| self.runnable(tcb) && self.is_here(tcb));
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
    pub(crate) fn change_context(&mut self, context: Option<Handle<SchedContext>>) {
        let now = self.platform.now();
        self.charge_active(now);
        self.core().active = context;
        if let Some(context) = context {
            let data = self.arena.get_mut(context);
            data.started = now;
            // What was not used so far counts from now on: the most that it may use in a period stays its budget.
            data.refills[0].time = data.refills[0].time.max(now);
        }
        self.set_timer();
    }

    /// Charges the active context for the time since it was last charged.
    #[inline(always)]
    pub(crate) fn charge_active(&mut self, now: u64) {
        self.charge(self.here(), now);
    }

    /// The same for the one that is active on a core.
    pub(crate) fn charge(&mut self, core: usize, now: u64) {
        let Some(context) = self.cores[core].active else { return };
        let context = self.arena.get_mut(context);
        // The counter never goes back.
        let used = now.wrapping_sub(context.started);
        context.started = now;
        context.consumed += used;
        if context.budget < context.period {
            context.consume(used);
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
            self.end_of_budget(context, now, true);
        }
        while let Some(node) = self.cores[here].timeouts.head()
            && self.arena.get(node).time <= now
        {
            let owner = self.arena.get(node).owner;
            self.cores[here].timeouts.remove(&mut self.arena, node);
            match owner {
                Owner::Context(context) => {
                    self.arena.get_mut(context).overdrawn = 0;
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
    /// any other context waits for its next refill. If it was `burnt` by a server to which it is lent, that one gets an
    /// overdraft once, and a time-out fault the next time.
    fn end_of_budget(&mut self, context: Handle<SchedContext>, now: u64, burnt: bool) {
        let tcb = self.arena.get(context).tcb;
        let server = tcb.filter(|&tcb| burnt && self.is_lent(context, tcb));
        let overdraft = self.overdraft_ticks();
        let data = self.arena.get_mut(context);
        if data.budget >= data.period {
            data.refills[0] = Refill { time: now, amount: data.budget };
        } else if !data.next_refill(now) {
            if server.is_some() && data.overdraw(overdraft) {
                return;
            }
            let time = data.refills[0].time;
            let node = self.context_timeout(context);
            let here = self.here();
            self.cores[here].timeouts.insert(&mut self.arena, node, time, Owner::Context(context));
            if let Some(server) = server {
                self.time_out(server);
            }
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
            data.consume(left);
        } else {
            data.refills[0].amount = 0;
        }
        self.end_of_budget(context, now, false);
    }
}
