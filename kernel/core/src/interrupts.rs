//! What a VMM and the kernel do to a vCPU's virtual interrupts. Where they are kept stands in `vgic.rs`.

use crate::arena::Handle;
use crate::platform::ListRegister;
use crate::vcpu::{Interrupt, Vcpu, bits};
use crate::vgic::{ACTIVE, HARDWARE, LEVEL, LINE, LISTED, PENDING, SGIS};
use crate::{Kernel, Platform};
use abi::Error;
use abi::object::VIRTUAL_INTERRUPTS;
use abi::vcpu::{InterruptState, VIRTUAL_TIMER_INTID};

impl<P: Platform> Kernel<P> {
    /// Makes an interrupt pending once.
    ///
    /// # Errors
    /// `OutOfRange` for a number that a vCPU does not have, or a source above 7.
    pub(crate) fn inject(&mut self, vcpu: Handle<Vcpu>, intid: u32, priority: u32, source: u32) -> Result<(), Error> {
        let intid = checked(intid)?;
        self.fetch(vcpu);
        if source > 7 || priority > 255 {
            return Err(Error::OutOfRange);
        }
        self.sync(vcpu);
        let state = self.interrupt(vcpu, intid);
        state.priority = priority as u8;
        // If it was retracted, and a physical interrupt is still active for it, it is linked to that again.
        state.flags |= PENDING;
        if intid < SGIS {
            state.sources |= 1 << source;
        }
        self.offer(vcpu, intid);
        Ok(())
    }

    /// An interrupt is pending: into a list register with it, or among those that wait.
    fn offer(&mut self, vcpu: Handle<Vcpu>, intid: u16) {
        let state = *self.interrupt(vcpu, intid);
        if state.flags & LISTED != 0 {
            let index = usize::from(state.list_register - 1);
            let mut value = self.read_list(vcpu, index);
            let same_source = intid >= SGIS || state.sources & 1 << value.source != 0;
            if !value.pending && !value.active {
                // It has just been ended.
                self.sync(vcpu);
                self.set_waiting(vcpu, intid, true);
            } else if value.pending && same_source {
                // Pending already: the two are one.
                let state = self.interrupt(vcpu, intid);
                if intid < SGIS {
                    state.sources &= !(1 << value.source);
                }
                if state.sources == 0 {
                    state.flags &= !PENDING;
                }
            } else if !value.pending && intid >= SGIS && value.hardware.is_none() {
                // Active: it can be pending at the same time.
                value.pending = true;
                self.write_list(vcpu, index, value);
                self.interrupt(vcpu, intid).flags &= !PENDING;
            } else if value.hardware.is_none() && !value.notify_end {
                // Kept in memory until the one that is active ends, which must be told.
                value.notify_end = true;
                self.write_list(vcpu, index, value);
            }
        } else {
            self.set_waiting(vcpu, intid, true);
        }
        self.fill(vcpu);
        self.wake_if_pending(vcpu);
    }

    /// Sets the level of a line.
    ///
    /// # Errors
    /// `OutOfRange`; SGIs and the virtual timer's interrupt are no lines.
    pub(crate) fn set_level(
        &mut self,
        vcpu: Handle<Vcpu>,
        intid: u32,
        priority: u32,
        level: bool,
    ) -> Result<(), Error> {
        let intid = checked(intid)?;
        if intid < SGIS || u32::from(intid) == VIRTUAL_TIMER_INTID || priority > 255 {
            return Err(Error::OutOfRange);
        }
        self.fetch(vcpu);
        self.sync(vcpu);
        let state = self.interrupt(vcpu, intid);
        let was = state.flags & LEVEL != 0;
        state.priority = priority as u8;
        state.flags |= LINE;
        if level {
            state.flags |= LEVEL;
            let state = *state;
            if state.flags & LISTED == 0 {
                if state.flags & ACTIVE == 0 {
                    self.set_waiting(vcpu, intid, true);
                    self.fill(vcpu);
                }
            } else if !was {
                let index = usize::from(state.list_register - 1);
                let mut value = self.read_list(vcpu, index);
                if value.active && !value.notify_end {
                    value.notify_end = true;
                    self.write_list(vcpu, index, value);
                }
            }
            self.wake_if_pending(vcpu);
        } else if was {
            state.flags &= !LEVEL;
            self.withdraw(vcpu, intid);
        }
        Ok(())
    }

    /// Takes back what is only pending; an active interrupt stays so, and needs no notice of its end.
    fn withdraw(&mut self, vcpu: Handle<Vcpu>, intid: u16) {
        self.set_waiting(vcpu, intid, false);
        let state = self.interrupt(vcpu, intid);
        state.flags &= !PENDING;
        state.sources = 0;
        let state = *state;
        if state.flags & LISTED == 0 {
            return;
        }
        let index = usize::from(state.list_register - 1);
        let mut value = self.read_list(vcpu, index);
        if value.active {
            if value.pending || value.notify_end {
                value.pending = false;
                value.notify_end = false;
                self.write_list(vcpu, index, value);
            }
        } else {
            self.write_list(vcpu, index, ListRegister::default());
            let state = self.interrupt(vcpu, intid);
            state.flags &= !LISTED;
            state.list_register = 0;
            self.fill(vcpu);
        }
    }

    /// Takes back an interrupt that is only pending (the distributor disabled it); its state from just before.
    ///
    /// # Errors
    /// `OutOfRange`.
    pub(crate) fn retract(&mut self, vcpu: Handle<Vcpu>, intid: u32) -> Result<u32, Error> {
        let before = self.read_interrupt(vcpu, intid)?;
        let intid = checked(intid)?;
        self.interrupt(vcpu, intid).flags &= !LEVEL;
        self.withdraw(vcpu, intid);
        Ok(before)
    }

    /// What is known of an interrupt, in the format of [`InterruptState`].
    ///
    /// # Errors
    /// `OutOfRange`.
    pub(crate) fn read_interrupt(&mut self, vcpu: Handle<Vcpu>, intid: u32) -> Result<u32, Error> {
        let intid = checked(intid)?;
        self.fetch(vcpu);
        self.sync(vcpu);
        let state = *self.interrupt(vcpu, intid);
        let mut word = u32::from(state.flags & (PENDING | ACTIVE | LEVEL | LISTED))
            | u32::from(state.priority) << 8
            | u32::from(state.sources) << 16;
        if self.arena.get(vcpu).interrupts.waits(intid) {
            word |= InterruptState::PENDING;
        }
        if state.flags & LISTED != 0 {
            let value = self.read_list(vcpu, usize::from(state.list_register - 1));
            word |= if value.pending { InterruptState::PENDING } else { 0 };
            word |= if value.active { InterruptState::ACTIVE } else { 0 };
            if intid < SGIS && (value.pending || value.active) {
                word |= 1 << (16 + u32::from(value.source));
            }
        }
        Ok(word)
    }

    /// A physical interrupt that is bound to a vCPU: hardware-linked, the guest's end of it deactivates it.
    pub(crate) fn inject_hardware(&mut self, vcpu: Handle<Vcpu>, intid: u16, priority: u8, physical: u16) {
        self.fetch(vcpu);
        self.sync(vcpu);
        let state = self.interrupt(vcpu, intid);
        state.priority = priority;
        state.flags |= PENDING | HARDWARE;
        self.arena.get_mut(vcpu).interrupts.hardware[usize::from(intid) % VIRTUAL_INTERRUPTS] = physical;
        self.offer(vcpu, intid);
    }

    /// Ends the link of a number to a physical interrupt: it is pending and active no more.
    #[inline(never)]
    pub(crate) fn unlink_hardware(&mut self, vcpu: Handle<Vcpu>, intid: u16) {
        self.fetch(vcpu);
        self.sync(vcpu);
        if self.interrupt(vcpu, intid).flags & HARDWARE == 0 {
            return;
        }
        self.set_waiting(vcpu, intid, false);
        let state = self.interrupt(vcpu, intid);
        let listed = state.list_register.checked_sub(1);
        let spilled = state.flags & (ACTIVE | LISTED) == ACTIVE;
        *state = Interrupt { priority: state.priority, ..Interrupt::default() };
        if spilled {
            self.arena.get_mut(vcpu).interrupts.spilled -= 1;
        }
        if let Some(index) = listed {
            self.write_list(vcpu, usize::from(index), ListRegister::default());
            self.fill(vcpu);
        }
    }

    /// Deactivates all physical interrupts that a vCPU which goes away was given and has not ended.
    pub(crate) fn release_hardware(&mut self, vcpu: Handle<Vcpu>) {
        for intid in 32..VIRTUAL_INTERRUPTS as u16 {
            if self.interrupt(vcpu, intid).flags & HARDWARE != 0 {
                let physical = self.arena.get(vcpu).interrupts.hardware[usize::from(intid) % VIRTUAL_INTERRUPTS];
                self.unlink_hardware(vcpu, intid);
                self.platform.irq_quiet(u32::from(physical));
            }
        }
    }

    /// Whether a guest that waits has something to wake up for, masked or not.
    pub(crate) fn has_pending(&mut self, vcpu: Handle<Vcpu>) -> bool {
        if self.arena.get(vcpu).interrupts.waiting_words != 0 {
            return true;
        }
        bits(self.arena.get(vcpu).interrupts.listed_mask).any(|index| self.read_list(vcpu, index).pending)
    }
}

fn checked(intid: u32) -> Result<u16, Error> {
    if (intid as usize) < VIRTUAL_INTERRUPTS { Ok(intid as u16) } else { Err(Error::OutOfRange) }
}
