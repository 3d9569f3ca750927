//! Virtual interrupts: which of them are in list registers.
//!
//! An interrupt that a vCPU was given is in exactly one place: in a list register (`LISTED`), waiting for one
//! (its bit in `waiting`), active but spilled (`ACTIVE` without `LISTED`), or nowhere. The list registers are those
//! of the hardware while the vCPU is loaded, and `listed` in memory while it is not.
//!
//! A guest ends an interrupt without an exit; the kernel learns of it when it looks next (`sync`). A level line that
//! is still high then is pending again (ARM IHI 0048B 3.2.4): for that its list register asks for a maintenance
//! interrupt at the end.

use crate::arena::Handle;
use crate::platform::ListRegister;
use crate::vcpu::{Interrupt, SavedListRegister, Vcpu, WAITING_WORDS, bits};
use crate::{Kernel, Platform};
use abi::object::VIRTUAL_INTERRUPTS;
use abi::vcpu::{InterruptState, VIRTUAL_TIMER_INTID};

pub(crate) const PENDING: u8 = InterruptState::PENDING as u8;
pub(crate) const ACTIVE: u8 = InterruptState::ACTIVE as u8;
pub(crate) const LEVEL: u8 = InterruptState::LEVEL as u8;
pub(crate) const LISTED: u8 = InterruptState::LISTED as u8;
/// The interrupt is a level line: it is pending again while the line is high.
pub(crate) const LINE: u8 = 16;
/// A physical interrupt is active until the guest ends this one: its number is the same (the virtual timer) or kept in
/// `hardware`. If it is in no place, it was retracted, and the VMM injects it again.
pub(crate) const HARDWARE: u8 = 32;

/// Interrupts below this are software-generated.
pub(crate) const SGIS: u16 = 16;

impl<P: Platform> Kernel<P> {
    pub(crate) fn is_loaded(&self, vcpu: Handle<Vcpu>) -> bool {
        self.cores[self.here()].loaded == Some(vcpu)
    }

    pub(crate) fn interrupt(&mut self, vcpu: Handle<Vcpu>, intid: u16) -> &mut Interrupt {
        &mut self.arena.get_mut(vcpu).interrupts.state[usize::from(intid) % VIRTUAL_INTERRUPTS]
    }

    pub(crate) fn set_waiting(&mut self, vcpu: Handle<Vcpu>, intid: u16, waiting: bool) {
        self.arena.get_mut(vcpu).interrupts.set_waiting(intid, waiting);
    }

    pub(crate) fn read_list(&mut self, vcpu: Handle<Vcpu>, index: usize) -> ListRegister {
        if self.is_loaded(vcpu) {
            self.platform.list_read(index)
        } else {
            self.arena.get(vcpu).interrupts.listed(index).value()
        }
    }

    /// Writes a list register and remembers in memory which interrupt it holds.
    pub(crate) fn write_list(&mut self, vcpu: Handle<Vcpu>, index: usize, value: ListRegister) {
        if self.is_loaded(vcpu) {
            self.platform.list_write(index, value);
        }
        self.arena.get_mut(vcpu).interrupts.set_listed(index, SavedListRegister::from(value));
    }

    /// Looks which interrupts the guest has ended since the last look.
    #[inline(never)]
    pub(crate) fn sync(&mut self, vcpu: Handle<Vcpu>) {
        if !self.is_loaded(vcpu) {
            return;
        }
        let mask = self.arena.get(vcpu).interrupts.listed_mask;
        if mask == 0 {
            return;
        }
        for index in bits(mask & self.platform.list_empty() as u32) {
            let saved = self.arena.get(vcpu).interrupts.listed(index);
            self.arena.get_mut(vcpu).interrupts.set_listed(index, SavedListRegister::default());
            if saved.value().notify_end {
                // It goes on telling until it is written.
                self.platform.list_write(index, ListRegister::default());
            }
            self.ended(vcpu, saved);
        }
    }

    /// The guest has ended the interrupt that `saved` was written for.
    #[inline(never)]
    pub(crate) fn ended(&mut self, vcpu: Handle<Vcpu>, saved: SavedListRegister) {
        let intid = saved.intid;
        let state = self.interrupt(vcpu, intid);
        state.list_register = 0;
        state.flags &= !(LISTED | ACTIVE);
        if saved.hardware != 0 {
            // The guest has deactivated it.
            state.flags &= !HARDWARE;
        }
        if intid < SGIS {
            if state.sources != 0 {
                self.set_waiting(vcpu, intid, true);
            }
        } else if state.flags & (LINE | LEVEL) == LINE | LEVEL || state.flags & PENDING != 0 {
            self.set_waiting(vcpu, intid, true);
        }
        if u32::from(intid) == VIRTUAL_TIMER_INTID {
            self.arena.get_mut(vcpu).interrupts.timer_listed = 0;
        }
    }

    /// What the list register of `intid` should hold when it is pending.
    fn wanted(&mut self, vcpu: Handle<Vcpu>, intid: u16) -> ListRegister {
        let state = *self.interrupt(vcpu, intid);
        ListRegister {
            intid,
            priority: state.priority,
            pending: true,
            active: false,
            source: if intid < SGIS { state.sources.trailing_zeros() as u8 & 7 } else { 0 },
            hardware: (state.flags & HARDWARE != 0).then(|| self.hardware_of(vcpu, intid)),
            notify_end: state.flags & LINE != 0,
        }
    }

    fn hardware_of(&mut self, vcpu: Handle<Vcpu>, intid: u16) -> u16 {
        if u32::from(intid) == VIRTUAL_TIMER_INTID {
            intid
        } else {
            self.arena.get(vcpu).interrupts.hardware[usize::from(intid) % VIRTUAL_INTERRUPTS]
        }
    }

    /// Puts waiting interrupts into list registers, the most urgent first, and asks for a maintenance
    /// interrupt if some have to wait on.
    #[inline(never)]
    pub(crate) fn fill(&mut self, vcpu: Handle<Vcpu>) {
        let mut more = false;
        while let Some(intid) = self.most_urgent_waiting(vcpu) {
            let Some(index) = self.room_for(vcpu, intid) else {
                more = true;
                break;
            };
            let value = self.wanted(vcpu, intid);
            self.set_waiting(vcpu, intid, false);
            let state = self.interrupt(vcpu, intid);
            state.flags = state.flags & !PENDING | LISTED;
            state.list_register = index as u8 + 1;
            if intid < SGIS {
                state.sources &= state.sources.wrapping_sub(1);
            }
            if u32::from(intid) == VIRTUAL_TIMER_INTID {
                self.arena.get_mut(vcpu).interrupts.timer_listed = 1;
            }
            self.write_list(vcpu, index, value);
        }
        if self.is_loaded(vcpu) {
            let spilled = self.arena.get(vcpu).interrupts.spilled != 0;
            if more || spilled || self.arena.get(vcpu).interrupts.refill != 0 {
                self.arena.get_mut(vcpu).interrupts.refill = u32::from(more || spilled);
                let ends = self.platform.list_control(more, spilled);
                for _ in 0..ends {
                    self.end_spilled(vcpu);
                }
            }
        }
    }

    fn most_urgent_waiting(&self, vcpu: Handle<Vcpu>) -> Option<u16> {
        let interrupts = &self.arena.get(vcpu).interrupts;
        let mut best: Option<(u8, u16)> = None;
        for word in bits(interrupts.waiting_words) {
            for bit in bits(interrupts.waiting[word % WAITING_WORDS]) {
                let intid = word * 32 + bit;
                let Interrupt { priority, flags, .. } = interrupts.state[intid % VIRTUAL_INTERRUPTS];
                // An interrupt that is active must be ended before it is pending again in a list register.
                if flags & (ACTIVE | LISTED) == 0 && best.is_none_or(|(most, _)| priority < most) {
                    best = Some((priority, intid as u16));
                }
            }
        }
        best.map(|(_, intid)| intid)
    }

    /// A list register for `intid`: a free one; or that of a less urgent one that is only pending, which waits
    /// again; or, if all are active, that of the least urgent one, if `intid` is more urgent: it is spilled.
    fn room_for(&mut self, vcpu: Handle<Vcpu>, intid: u16) -> Option<usize> {
        let count = self.platform.list_registers();
        let free = (!self.arena.get(vcpu).interrupts.listed_mask).trailing_zeros() as usize;
        if free < count {
            return Some(free);
        }
        let urgency = self.interrupt(vcpu, intid).priority;
        let mut least: Option<(usize, ListRegister)> = None;
        let mut all_active = true;
        for index in 0..count {
            let value = self.read_list(vcpu, index);
            all_active &= value.active;
            if !value.active && least.is_none_or(|(_, old)| value.priority > old.priority) {
                least = Some((index, value));
            }
        }
        if all_active {
            least = None;
            for index in 0..count {
                let value = self.read_list(vcpu, index);
                if least.is_none_or(|(_, old)| value.priority > old.priority) {
                    least = Some((index, value));
                }
            }
        }
        let (index, value) = least.filter(|(_, value)| value.priority > urgency)?;
        self.unlist(vcpu, index, value);
        Some(index)
    }

    /// Takes an interrupt out of its list register: it waits again if it was pending, and is spilled if it was active.
    fn unlist(&mut self, vcpu: Handle<Vcpu>, index: usize, value: ListRegister) {
        self.write_list(vcpu, index, ListRegister::default());
        let state = self.interrupt(vcpu, value.intid);
        state.list_register = 0;
        state.flags &= !LISTED;
        if value.active {
            state.flags |= ACTIVE;
            self.arena.get_mut(vcpu).interrupts.spilled += 1;
        }
        if value.pending {
            let state = self.interrupt(vcpu, value.intid);
            state.flags |= PENDING;
            if value.intid < SGIS {
                state.sources |= 1 << value.source;
            }
            self.set_waiting(vcpu, value.intid, true);
        }
        if u32::from(value.intid) == VIRTUAL_TIMER_INTID {
            self.arena.get_mut(vcpu).interrupts.timer_listed = 0;
        }
    }

    /// The maintenance interrupt: something ended, or there is room.
    pub fn on_maintenance(&mut self) {
        let Some(vcpu) = self.cores[self.here()].loaded else {
            // Asked for by a vCPU that has left: nobody is to be told.
            self.platform.list_control(false, false);
            return;
        };
        self.sync(vcpu);
        self.arena.get_mut(vcpu).interrupts.refill = 1;
        self.fill(vcpu);
        self.fill(vcpu);
        self.resample_timer();
        self.wake_if_pending(vcpu);
    }

    /// The guest has ended an interrupt that was in no list register: the most urgent of the spilled ones.
    pub(crate) fn end_spilled(&mut self, vcpu: Handle<Vcpu>) {
        let interrupts = &self.arena.get(vcpu).interrupts;
        let spilled = (0..VIRTUAL_INTERRUPTS)
            .filter(|&intid| interrupts.state[intid].flags & (ACTIVE | LISTED) == ACTIVE)
            .min_by_key(|&intid| interrupts.state[intid].priority);
        let Some(intid) = spilled else { return };
        let hardware = u16::from(interrupts.state[intid].flags & HARDWARE != 0);
        self.arena.get_mut(vcpu).interrupts.spilled -= 1;
        self.ended(vcpu, SavedListRegister { intid: intid as u16, hardware, ..SavedListRegister::default() });
        if hardware != 0 {
            // No list register was there to deactivate it for the guest.
            if intid as u32 == VIRTUAL_TIMER_INTID {
                if self.is_loaded(vcpu) {
                    self.platform.timer_deactivate();
                }
                self.arena.get_mut(vcpu).timer_active = 0;
            } else {
                let physical = self.hardware_of(vcpu, intid as u16);
                self.platform.irq_deactivate(u32::from(physical));
            }
        }
    }
}
