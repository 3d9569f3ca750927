//! Handing interrupts over to the kernel and taking them back.
//!
//! All rests on two steps. `settle` hands over what can be delivered and takes back what cannot; it is right to
//! call it at any time. `change` takes back, changes a property, and settles. What is active stays active in the
//! kernel throughout.

use super::spec::{CTLR_ENABLE_GROUP0, CTLR_ENABLE_GROUP1, INTERRUPTS, PRIVATE, RANKS, SGIS, VCPUS_MAX};
use super::{Bank, Cpus, Distributor, Irq, NOWHERE, Signal};
use abi::vcpu::{InterruptState, VIRTUAL_TIMER_INTID};

/// Whether the kernel's word has that flag of [`InterruptState`].
pub(super) fn has(state: InterruptState, flag: u32) -> bool {
    state.0 & flag != 0
}

/// The sources of an SGI in the kernel's word. An SGI that is pending without one counts as its own vCPU's.
fn sources(state: InterruptState, vcpu: usize) -> u8 {
    match (state.0 >> 16) as u8 {
        0 if has(state, InterruptState::PENDING) => 1 << (vcpu % 8),
        sources => sources,
    }
}

impl Irq {
    /// The hardware-linked interrupt, whose state the distributor never holds.
    pub(super) fn is_timer(self) -> bool {
        self.intid == VIRTUAL_TIMER_INTID as usize
    }
}

impl Distributor {
    /// The line changes to `level`.
    pub(super) fn drive<C: Cpus>(&mut self, cpu: usize, intid: u32, level: bool, cpus: &mut C) {
        let Some(irq) = self.irq(cpu, intid as usize).filter(|irq| !irq.is_timer()) else { return };
        let Some(bank) = self.bank_mut(cpu, irq.rank()) else { return };
        if (bank.line & irq.bit() != 0) == level {
            return;
        }
        bank.line ^= irq.bit();
        if level && bank.edge & irq.bit() != 0 {
            bank.latch |= irq.bit();
        }
        self.settle(irq, cpus);
    }

    /// Makes it pending here.
    pub(super) fn latch(&mut self, irq: Irq) {
        if let Some(bank) = self.bank_mut(irq.cpu, irq.rank()) {
            bank.latch |= irq.bit();
        }
    }

    /// Makes an SGI pending here, from these sources besides those that it has.
    pub(super) fn latch_sgi(&mut self, irq: Irq, from: u8) {
        if from != 0
            && let Some(sources) = self.sources.get_mut(irq.cpu).and_then(|sgis| sgis.get_mut(irq.intid))
        {
            *sources |= from;
            self.latch(irq);
        }
    }

    /// Sources of an SGI that is pending here.
    pub(super) fn sgi_sources(&self, irq: Irq) -> u8 {
        self.sources.get(irq.cpu).and_then(|sgis| sgis.get(irq.intid)).copied().unwrap_or(0)
    }

    /// Makes an interrupt no longer pending here, and tells the sources that an SGI had.
    pub(super) fn unlatch(&mut self, irq: Irq) -> u8 {
        if let Some(bank) = self.bank_mut(irq.cpu, irq.rank()) {
            bank.latch &= !irq.bit();
        }
        let sources = self.sources.get_mut(irq.cpu).and_then(|sgis| sgis.get_mut(irq.intid));
        sources.map_or(0, core::mem::take)
    }

    /// Takes the interrupt back, applies `change` to its bank, and settles.
    pub(super) fn change<C: Cpus>(&mut self, irq: Irq, cpus: &mut C, change: impl FnOnce(&mut Bank)) {
        self.withdraw(irq, cpus);
        if let Some(bank) = self.bank_mut(irq.cpu, irq.rank()) {
            change(bank);
        }
        self.settle(irq, cpus);
    }

    /// The vCPU in whose kernel state this interrupt is, if it was ever handed over.
    pub(super) fn home(&self, irq: Irq) -> Option<usize> {
        if irq.is_private() {
            return Some(irq.cpu);
        }
        self.home.get(irq.intid - PRIVATE).copied().filter(|&home| home != NOWHERE).map(usize::from)
    }

    /// Hands over what can be delivered, takes back what cannot.
    pub(super) fn settle<C: Cpus>(&mut self, irq: Irq, cpus: &mut C) {
        if irq.is_timer() {
            return self.settle_timer(irq, cpus);
        }
        let wanted = self.destination(irq);
        if wanted.is_none() || wanted != self.home(irq) {
            self.withdraw(irq, cpus);
            self.move_home(irq, wanted, cpus);
        }
        if wanted.is_some() {
            self.hand_over(irq, cpus);
        }
    }

    /// Takes back all that is only pending in the kernel; it is then pending here.
    pub(super) fn withdraw<C: Cpus>(&mut self, irq: Irq, cpus: &mut C) {
        let (Some(home), Some(signal)) = (self.home(irq), self.signal(irq)) else { return };
        let Some(bank) = self.bank_mut(irq.cpu, irq.rank()) else { return };
        let (told, handed) = (bank.told & irq.bit() != 0, bank.handed & irq.bit() != 0);
        bank.told &= !irq.bit();
        bank.handed &= !irq.bit();
        // The level first: what then is still pending is a latch.
        if told {
            cpus.set_level(home, signal, false);
        }
        if handed {
            let taken = cpus.retract(home, signal.intid);
            if irq.is_sgi() {
                self.latch_sgi(irq, sources(taken, home));
            } else if has(taken, InterruptState::PENDING) {
                self.latch(irq);
            }
        }
    }

    /// Hands over again everything that CTLR holds back or lets go.
    pub(super) fn settle_all<C: Cpus>(&mut self, cpus: &mut C) {
        for rank in 0..RANKS {
            for cpu in 0..if rank == 0 { self.vcpus } else { 1 } {
                let Some(bank) = self.bank(cpu, rank) else { continue };
                let mut bits = bank.enabled & (bank.latch | bank.line | bank.handed | bank.told);
                if rank == 0 {
                    bits |= bank.enabled & 1 << VIRTUAL_TIMER_INTID;
                }
                for intid in ones(bits) {
                    self.settle(Irq { cpu, intid: rank * 32 + intid }, cpus);
                }
            }
        }
    }

    /// Puts a vCPU into its reset state by `reset` (`VcpuMethod::Reset`), which drops all that the kernel holds for it. That is the
    /// processor's alone: the distributor's registers stay, and what is pending is so afterwards as before. What was active ends.
    pub fn reset_cpu<C: Cpus>(&mut self, cpu: usize, cpus: &mut C, reset: impl FnOnce(&mut C)) {
        for intid in 0..INTERRUPTS {
            if let Some(irq) = self.irq(cpu, intid)
                && self.home(irq) == Some(cpu)
            {
                self.withdraw(irq, cpus);
            }
        }
        reset(cpus);
        self.settle_all(cpus);
    }

    /// An SPI moves to `wanted`, having been taken back, unless it is still active where it was: then it stays there, as
    /// it may be active in one place only, and moves at a later event.
    fn move_home<C: Cpus>(&mut self, irq: Irq, wanted: Option<usize>, cpus: &mut C) {
        let Some(wanted) = wanted.filter(|_| !irq.is_private()) else { return };
        let seen = self.bank(0, irq.rank()).is_some_and(|bank| bank.seen & irq.bit() != 0);
        if let Some(home) = self.home(irq)
            && home != wanted
            && seen
            && has(cpus.state(home, irq.intid as u16), InterruptState::ACTIVE)
        {
            return;
        }
        if let Some(home) = self.home.get_mut(irq.intid - PRIVATE) {
            *home = wanted as u8;
        }
    }

    /// Where the interrupt goes now, or `None` while it cannot be delivered: it is disabled, its group is, or it has no target.
    fn destination(&self, irq: Irq) -> Option<usize> {
        let bank = self.bank(irq.cpu, irq.rank())?;
        let group = if bank.group1 & irq.bit() != 0 { CTLR_ENABLE_GROUP1 } else { CTLR_ENABLE_GROUP0 };
        if self.ctlr & group == 0 || bank.enabled & irq.bit() == 0 {
            return None;
        }
        if irq.is_private() {
            return Some(irq.cpu);
        }
        if self.vcpus == 1 {
            return Some(0);
        }
        let targets = *self.targets.get(irq.intid - PRIVATE)?;
        Some(targets.trailing_zeros() as usize).filter(|&vcpu| vcpu < self.vcpus)
    }

    fn signal(&self, irq: Irq) -> Option<Signal> {
        let bank = self.bank(irq.cpu, irq.rank())?;
        Some(Signal {
            intid: irq.intid as u16,
            priority: *bank.priority.get(irq.intid % 32)?,
            group1: bank.group1 & irq.bit() != 0,
        })
    }

    fn hand_over<C: Cpus>(&mut self, irq: Irq, cpus: &mut C) {
        let (Some(home), Some(signal)) = (self.home(irq), self.signal(irq)) else { return };
        let Some(bank) = self.bank_mut(irq.cpu, irq.rank()) else { return };
        let level = bank.line & !bank.edge & irq.bit() != 0;
        let tell = level != (bank.told & irq.bit() != 0);
        let pend = bank.latch & irq.bit() != 0;
        if tell {
            bank.told ^= irq.bit();
            cpus.set_level(home, signal, level);
        }
        if pend {
            bank.handed |= irq.bit();
        }
        if tell || pend {
            bank.seen |= irq.bit();
        }
        if !pend {
            return;
        }
        let sources = self.unlatch(irq);
        if irq.intid < SGIS {
            for source in ones(u32::from(sources)) {
                cpus.inject(home, signal, Some(source as u8));
            }
        } else {
            cpus.inject(home, signal, None);
        }
    }

    fn settle_timer<C: Cpus>(&mut self, irq: Irq, cpus: &mut C) {
        if let Some(signal) = self.signal(irq).filter(|_| irq.cpu < VCPUS_MAX) {
            cpus.set_timer(irq.cpu, signal, self.destination(irq).is_some());
        }
    }
}

/// Numbers of the bits that are set, lowest first.
pub(super) fn ones(mut bits: u32) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let lowest = bits.trailing_zeros();
        bits &= bits.wrapping_sub(1);
        (lowest < 32).then_some(lowest as usize)
    })
}
