//! What crosses cores.
//!
//! One core is in the kernel at a time: it holds the lock, and everything in memory is its own. What is not in memory is
//! in the other cores' hardware: the registers of threads that run there, the vCPUs that are loaded there, translations
//! that are current there. A core gets at these by an [`Errand`]: it makes the other core enter the kernel, if it is not waiting to
//! enter already, and has it do something to its own hardware while it waits for the lock. Whoever ran there is out of
//! the hardware then; what it had asked for is as if it had not come yet. Nothing else of the kernel's is touched by the core
//! that waits, so the two can't get into each other's way.
//!
//! With one core all of this is empty, and costs nothing.

use crate::arena::{Arena, Handle};
use crate::cap::Slot;
use crate::gate::Note;
use crate::kernel::CORES_MAX;
use crate::objects::SchedContext;
use crate::platform::{ListRegister, Maintenance};
use crate::tcb::Tcb;
use crate::vcpu::{LIST_REGISTERS_MAX, SavedListRegister, Vcpu, bits};
use crate::{Kernel, Platform};
use core::mem::offset_of;

/// What a core does for another one that is in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// No more than to leave user mode, or the guest: the thread's registers are in memory.
    Leave,
    /// Selects nobody's space, too.
    LeaveSpace,
    /// Takes that vCPU out of the hardware, too.
    PutDown(Handle<Vcpu>),
    /// Saves that vCPU's floating-point registers, too.
    SaveFloat(Handle<Vcpu>),
}

impl Errand {
    /// As it lies in a box of the gate.
    pub fn note(self) -> Note {
        match self {
            Self::Leave => (1, 0),
            Self::LeaveSpace => (2, 0),
            Self::PutDown(vcpu) => (3, vcpu.address()),
            Self::SaveFloat(vcpu) => (4, vcpu.address()),
        }
    }

    /// What a note of [`note`](Self::note) says; `vcpu` makes the handle of a vCPU again.
    pub fn of((what, whom): Note, vcpu: impl FnOnce(u32) -> Handle<Vcpu>) -> Self {
        match what {
            1 => Self::Leave,
            2 => Self::LeaveSpace,
            3 => Self::PutDown(vcpu(whom)),
            _ => Self::SaveFloat(vcpu(whom)),
        }
    }

    /// Does it, on the core whose hardware `platform` means.
    pub fn run<P: Platform>(self, platform: &mut P, arena: &mut Arena) {
        match self {
            Self::Leave => {}
            Self::LeaveSpace => {
                platform.maintain(arena, Maintenance::SelectNobody);
                platform.maintain(arena, Maintenance::Isb);
            }
            Self::PutDown(vcpu) => put_down(platform, arena, vcpu),
            Self::SaveFloat(vcpu) => platform.fpu_save(arena.get_mut(vcpu)),
        }
    }
}

/// Moves a loaded vCPU from the hardware to its structure. What this means for its interrupts is for
/// `Kernel::settle` to say.
pub(crate) fn put_down<P: Platform>(platform: &mut P, arena: &mut Arena, vcpu: Handle<Vcpu>) {
    for index in bits(arena.get(vcpu).interrupts.listed_mask) {
        let value = platform.list_read(index);
        arena.get_mut(vcpu).interrupts.listed[index % LIST_REGISTERS_MAX] = SavedListRegister::from(value);
        platform.list_write(index, ListRegister::default());
    }
    // What it asked for concerns nobody else, and ends that were not told yet are its own.
    arena.get_mut(vcpu).interrupts.ends = platform.list_control(false, false);
    platform.vcpu_save(arena.get_mut(vcpu));
}

impl<P: Platform> Kernel<P> {
    /// The core that a context's time is of.
    #[inline(always)]
    pub(crate) fn core_of_context(&self, context: Handle<SchedContext>) -> usize {
        if CORES_MAX == 1 { 0 } else { self.arena.get(context).core as usize % CORES_MAX }
    }

    /// The core that a thread runs on, if it has time to run on; this one, if it has none.
    #[inline(always)]
    pub(crate) fn core_of(&self, tcb: Handle<Tcb>) -> usize {
        if CORES_MAX == 1 {
            return 0;
        }
        self.arena.get(tcb).sched.map_or(self.here(), |context| self.core_of_context(context))
    }

    /// Whether this core is the one that a thread runs on.
    #[inline(always)]
    pub(crate) fn is_here(&self, tcb: Handle<Tcb>) -> bool {
        CORES_MAX == 1 || self.core_of(tcb) == self.here()
    }

    /// All cores that run but this one.
    #[inline(always)]
    fn others(&self) -> impl Iterator<Item = usize> + use<P> {
        let here = self.here();
        (0..self.platform.cores().min(CORES_MAX)).filter(move |&core| core != here)
    }

    /// Has a core choose anew who runs there.
    #[inline(always)]
    pub(crate) fn poke(&mut self, core: usize) {
        self.cores[core].reschedule = true;
        if CORES_MAX > 1 && core != self.here() {
            self.platform.kick(core);
        }
    }

    /// If a thread runs on another core, its registers are in memory until this core leaves the kernel. Where it runs.
    #[inline(always)]
    pub(crate) fn freeze(&mut self, tcb: Handle<Tcb>) -> Option<usize> {
        if CORES_MAX == 1 {
            return None;
        }
        let core = self.others().find(|&core| self.cores[core].current == Some(tcb))?;
        self.recall(core, Errand::Leave);
        Some(core)
    }

    /// If a thread runs on another core, it does so no more. Whether it did.
    #[inline(always)]
    pub(crate) fn halt(&mut self, tcb: Handle<Tcb>) -> bool {
        let found = self.freeze(tcb);
        if let Some(core) = found {
            self.cores[core].current = None;
        }
        found.is_some()
    }

    fn recall(&mut self, core: usize, errand: Errand) {
        self.cores[core].reschedule = true;
        self.platform.recall(&mut self.arena, core, errand);
    }

    /// If a vCPU is in another core's hardware, it is so no more.
    #[inline(always)]
    pub(crate) fn fetch(&mut self, vcpu: Handle<Vcpu>) {
        if CORES_MAX == 1 {
            return;
        }
        if let Some(core) = self.others().find(|&core| self.cores[core].loaded == Some(vcpu)) {
            self.recall(core, Errand::PutDown(vcpu));
            self.cores[core].loaded = None;
            self.settle(vcpu);
        }
    }

    /// If a vCPU's floating-point registers are in another core's hardware, they are so no more.
    #[inline(always)]
    pub(crate) fn fetch_float(&mut self, vcpu: Handle<Vcpu>) {
        if CORES_MAX == 1 {
            return;
        }
        if let Some(core) = self.others().find(|&core| self.cores[core].float_owner == Some(vcpu)) {
            self.recall(core, Errand::SaveFloat(vcpu));
            self.cores[core].float_owner = None;
        }
    }

    /// Makes all other cores leave the spaces that they are in: VMIDs are about to change hands, or a space is going.
    #[inline(always)]
    pub(crate) fn leave_spaces(&mut self) {
        if CORES_MAX == 1 {
            return;
        }
        for core in self.others() {
            self.recall(core, Errand::LeaveSpace);
        }
    }

    /// On a processor whose broadcast invalidations the barrier does not wait for on other cores, each of them passes a barrier
    /// of its own.
    #[inline(always)]
    pub(crate) fn complete_elsewhere(&mut self) {
        if CORES_MAX > 1 && self.platform.completes_late() {
            for core in self.others() {
                self.recall(core, Errand::Leave);
            }
        }
    }

    /// The thread whose space stands in `slot` is about to lose it: if it runs on another core, it does so no more.
    #[inline(always)]
    pub(crate) fn lose_space(&mut self, slot: Handle<Slot>) {
        if CORES_MAX == 1 {
            return;
        }
        let of = |tcb| Tcb::slot(&self.arena, tcb, offset_of!(Tcb, vspace));
        if let Some(core) = self.others().find(|&core| self.cores[core].current.is_some_and(|tcb| of(tcb) == slot)) {
            self.recall(core, Errand::Leave);
        }
    }

    /// Ends the time of a context that is running on another core. Whoever ran on it was halted.
    #[inline(always)]
    pub(crate) fn end_turn(&mut self, context: Handle<SchedContext>) {
        if CORES_MAX == 1 {
            return;
        }
        if let Some(core) = self.others().find(|&core| self.cores[core].active == Some(context)) {
            let now = self.platform.now();
            self.charge(core, now);
            self.cores[core].active = None;
            self.poke(core);
        }
    }
}
