//! What each core has of its own. The machine's fields mean one core; those of the others are put by.

use super::registers::Registers;
use super::{Machine, TIMER};
use crate::platform::ListRegister;
use std::hash::{Hash, Hasher};

/// What a core's virtual interface holds and asks for, and what its timer is set to.
#[derive(Clone, Copy, Debug)]
pub struct OfCore<'a> {
    /// List registers.
    pub lists: &'a [ListRegister],
    /// Whether a maintenance interrupt was asked for when at most one list register holds something.
    pub refill: bool,
    /// Whether one was asked for when an end of interrupt finds no list register.
    pub spilled: bool,
    /// When the timer fires.
    pub deadline: u64,
}

/// What a core has of its own, but for its translations.
#[derive(Clone, Debug)]
pub(super) struct Hardware {
    deadline: u64,
    lists: [ListRegister; 4],
    eoi_count: u32,
    refill: bool,
    spilled: bool,
    registers: Registers,
    timer_high: bool,
    timer_active: bool,
}

impl Default for Hardware {
    fn default() -> Self {
        Self {
            deadline: u64::MAX,
            lists: [ListRegister::default(); 4],
            eoi_count: 0,
            refill: false,
            spilled: false,
            registers: Registers::default(),
            timer_high: false,
            timer_active: false,
        }
    }
}

impl Machine {
    /// What a core's virtual interface holds and asks for, and what its timer is set to.
    pub fn of_core(&self, core: usize) -> OfCore<'_> {
        let count = self.list_count;
        if core == self.core {
            let (lists, deadline) = (&self.lists[..count], self.deadline);
            OfCore { lists, refill: self.refill, spilled: self.spilled, deadline }
        } else {
            let other = &self.parked[core];
            let (lists, deadline) = (&other.lists[..count], other.deadline);
            OfCore { lists, refill: other.refill, spilled: other.spilled, deadline }
        }
    }

    /// Whether this core was told to look at what there is to do, since this was last asked.
    pub fn told(&mut self) -> bool {
        std::mem::take(&mut self.kicked[self.core])
    }

    /// When the first timer fires.
    pub fn first_deadline(&self) -> u64 {
        (0..self.core_count).map(|core| self.of_core(core).deadline).min().unwrap_or(u64::MAX)
    }

    /// From now on this core is meant.
    pub fn switch_core(&mut self, core: usize) {
        if core == self.core {
            return;
        }
        for one in [self.core, core] {
            let other = &mut self.parked[one];
            std::mem::swap(&mut self.deadline, &mut other.deadline);
            std::mem::swap(&mut self.lists, &mut other.lists);
            std::mem::swap(&mut self.eoi_count, &mut other.eoi_count);
            std::mem::swap(&mut self.refill, &mut other.refill);
            std::mem::swap(&mut self.spilled, &mut other.spilled);
            std::mem::swap(&mut self.registers, &mut other.registers);
            std::mem::swap(&mut self.timer_high, &mut other.timer_high);
            let active = self.active.remove(&TIMER);
            if std::mem::replace(&mut other.timer_active, active) {
                self.active.insert(TIMER);
            }
        }
        self.core = core;
        self.mmu.switch_core(core);
    }

    /// What the cores that are not meant hold.
    pub(super) fn hash_cores(&self, hasher: &mut impl Hasher) {
        if self.core_count > 1 {
            (self.core, &self.kicked).hash(hasher);
            for other in &self.parked[..self.core_count] {
                (&other.lists, other.eoi_count, other.refill, other.spilled, other.timer_active).hash(hasher);
                other.registers.hash_from(self.now, hasher);
            }
        }
    }
}
