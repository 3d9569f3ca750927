//! Scheduling contexts: budgets, refills, and who has which context.

use crate::arena::Handle;
use crate::objects::{REFILLS_MAX, Refill, SchedContext};
use crate::tcb::Tcb;
use crate::timeout::Timeout;
use crate::{Kernel, Platform};
use abi::Error;
use abi::fault::OVERDRAFT_US;
use core::mem::offset_of;

/// Consumption below this many ticks is charged to the current refill but makes no refill of its own.
pub(crate) const SMALLEST_REFILL: u64 = 64;

impl<P: Platform> Kernel<P> {
    /// The timeout inside a context.
    pub(crate) fn context_timeout(&self, context: Handle<SchedContext>) -> Handle<Timeout> {
        self.arena.part(context, offset_of!(SchedContext, timeout))
    }

    /// Gives a context its core, budget and period.
    pub(crate) fn configure_context(
        &mut self,
        context: Handle<SchedContext>,
        core: u32,
        budget_us: u32,
        period_us: u32,
    ) {
        let scale = u64::from(self.platform.ticks_per_us_q16());
        let ticks = |us: u32| (u64::from(us) * scale) >> 16;
        let node = self.context_timeout(context);
        let there = self.core_of_context(context);
        self.cores[there].timeouts.remove(&mut self.arena, node);
        if there != core as usize {
            // Nobody runs on it while it moves.
            if let Some(tcb) = self.arena.get(context).tcb {
                self.make_unready(tcb);
            }
            if self.core().active == Some(context) {
                self.change_context(None);
            }
            self.end_turn(context);
        }
        let now = self.platform.now();
        let data = self.arena.get_mut(context);
        data.core = core;
        data.budget = ticks(budget_us).max(SMALLEST_REFILL);
        data.period = ticks(period_us).max(data.budget);
        data.started = now;
        data.refills[0] = Refill { time: now, amount: data.budget };
        data.refill_count = 1;
        data.overdrawn = 0;
        if let Some(tcb) = data.tcb {
            self.make_ready(tcb);
        }
        self.core().reschedule = true;
        // Whoever runs on it there runs on, with another deadline.
        self.poke(core as usize);
    }

    /// Binds a context to a thread.
    ///
    /// # Errors
    /// `WrongState` if either has a partner already, or the context has no budget yet.
    pub(crate) fn bind_context(&mut self, context: Handle<SchedContext>, tcb: Handle<Tcb>) -> Result<(), Error> {
        let data = self.arena.get(context);
        let thread = self.arena.get(tcb);
        if data.home.is_some()
            || data.tcb.is_some()
            || data.budget == 0
            || thread.home.is_some()
            || thread.sched.is_some()
        {
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

    /// Takes a context from whoever has it. If it waits for a refill, it goes on waiting, or binding it anew would be a
    /// budget anew.
    pub(crate) fn unbind_context(&mut self, context: Handle<SchedContext>) {
        if let Some(home) = self.arena.get_mut(context).home.take() {
            self.arena.get_mut(home).home = None;
        }
        if let Some(tcb) = self.arena.get_mut(context).tcb.take() {
            self.make_unready(tcb);
            self.arena.get_mut(tcb).sched = None;
        }
        let here = self.here();
        if self.cores[here].active == Some(context) {
            self.change_context(None);
            self.cores[here].reschedule = true;
        }
        self.end_turn(context);
    }

    /// The last capability to a context is going: nobody has it, and it waits for nothing.
    pub(crate) fn end_context(&mut self, context: Handle<SchedContext>) {
        self.unbind_context(context);
        let node = self.context_timeout(context);
        let there = self.core_of_context(context);
        self.cores[there].timeouts.remove(&mut self.arena, node);
    }

    /// Moves the context that `from` runs on to `to`, which has none. Neither is in the ready queue.
    #[inline(always)]
    pub(crate) fn donate(&mut self, from: Handle<Tcb>, to: Handle<Tcb>) -> Option<Handle<SchedContext>> {
        let context = self.arena.get_mut(from).sched.take()?;
        self.arena.get_mut(to).sched = Some(context);
        self.arena.get_mut(context).tcb = Some(to);
        Some(context)
    }

    /// Ticks of the overdraft.
    pub(crate) fn overdraft_ticks(&self) -> u64 {
        (u64::from(OVERDRAFT_US) * u64::from(self.platform.ticks_per_us_q16())) >> 16
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
    pub(crate) fn consume(&mut self, used: u64) {
        let head = &mut self.refills[0];
        let taken = used.min(head.amount);
        if taken == 0 {
            return;
        }
        let back = Refill { time: head.time + self.period, amount: taken };
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

    /// Lends `ticks` of the next refill, which is not due yet, to the server that runs on this context. Nothing is given
    /// away: that refill brings so much less, and what is lent comes back when it would have otherwise. `false`, and nothing lent, if that was done already since the last refill
    /// came, or there is hardly anything to lend.
    pub(crate) fn overdraw(&mut self, ticks: u64) -> bool {
        let lent = ticks.min(self.refills[0].amount);
        let count = self.refill_count as usize;
        if self.overdrawn != 0 || lent < SMALLEST_REFILL || count >= REFILLS_MAX {
            return false;
        }
        self.overdrawn = 1;
        self.refills[0].amount -= lent;
        for n in (0..count).rev() {
            self.refills.swap(n, n + 1);
        }
        self.refills[0] = Refill { time: self.refills[1].time, amount: lent };
        self.refill_count += 1;
        true
    }

    /// Drops an empty oldest refill. Whether the next one can be used at `now`.
    pub(crate) fn next_refill(&mut self, now: u64) -> bool {
        if self.refill_count > 1 {
            let rest = self.refills[0].amount;
            // One by one: a `memmove` for these few would be a kilobyte of the kernel.
            for n in 1..REFILLS_MAX.min(self.refill_count as usize) {
                self.refills.swap(n - 1, n);
            }
            self.refill_count -= 1;
            self.refills[0].amount += rest;
        }
        let head = &mut self.refills[0];
        let usable = head.time <= now;
        if usable {
            // What is used of it comes back a period after now, however long ago it came.
            head.time = now;
        }
        usable
    }
}
