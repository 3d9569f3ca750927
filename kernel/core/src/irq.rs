//! Physical interrupts: who handles each.
//!
//! A handler's interrupt stays active from its delivery to its acknowledgement, so that it can't come again
//! meanwhile, whoever else shares the core.

use crate::arena::Handle;
use crate::cap::{Cap, Slot};
use crate::{Kernel, Platform, tree};
use abi::Error;
use abi::object::VIRTUAL_INTERRUPTS;

/// Interrupt numbers that a handler can have.
pub const IRQS: usize = VIRTUAL_INTERRUPTS;

/// What is known of one interrupt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Irq {
    /// Somebody has the handler.
    taken: bool,
    /// Edge-triggered.
    edge: bool,
    /// It came and was not acknowledged.
    unacknowledged: bool,
    /// Number and priority at the vCPU that it is bound to.
    virtual_intid: u16,
    priority: u8,
}

/// All interrupts, and the slots that hold what they are bound to (a notification or a vCPU).
#[derive(Clone, PartialEq, Eq)]
pub struct IrqTable {
    irqs: [Irq; IRQS],
    slots: Option<Handle<Slot>>,
}

impl IrqTable {
    /// Nothing bound, and no place to bind: boot gives one.
    pub const EMPTY: Self = Self {
        irqs: [Irq { taken: false, edge: false, unacknowledged: false, virtual_intid: 0, priority: 0 }; IRQS],
        slots: None,
    };

    /// The row of slots.
    #[cfg(any(test, feature = "sim"))]
    pub(crate) fn slots(&self) -> Option<Handle<Slot>> {
        self.slots
    }

    /// What is known of the interrupts of which anything is.
    #[cfg(any(test, feature = "sim"))]
    pub(crate) fn known(&self) -> impl Iterator<Item = (u16, Irq)> {
        let all = self.irqs.iter().enumerate().filter(|(_, irq)| **irq != Irq::default());
        all.map(|(intid, &irq)| (intid as u16, irq))
    }

    /// The same table with that known and no more.
    #[cfg(any(test, feature = "sim"))]
    pub(crate) fn learn(&mut self, known: &[(u16, Irq)]) {
        self.irqs = Self::EMPTY.irqs;
        for &(intid, irq) in known {
            self.irqs[usize::from(intid)] = irq;
        }
    }

    /// The number and priority of an interrupt at the vCPU that it is bound to.
    #[cfg(any(test, feature = "sim"))]
    pub(crate) fn at_vcpu(&self, intid: usize) -> (u16, u8) {
        (self.irqs[intid].virtual_intid, self.irqs[intid].priority)
    }

    /// Whether somebody has the handler, and whether the interrupt came and was not acknowledged.
    #[cfg(any(test, feature = "sim"))]
    pub(crate) fn state(&self, intid: usize) -> (bool, bool) {
        (self.irqs[intid].taken, self.irqs[intid].unacknowledged)
    }

    /// Gives the table a row of [`IRQS`] slots.
    pub(crate) fn set_slots(&mut self, slots: Handle<Slot>) {
        self.slots = Some(slots);
    }
}

impl<P: Platform> Kernel<P> {
    /// The slot that holds what an interrupt is bound to.
    fn irq_slot(&self, intid: u16) -> Option<Handle<Slot>> {
        let row = self.irqs.slots?;
        (usize::from(intid) < IRQS).then(|| self.arena.nth(row, u32::from(intid)))
    }

    /// Gives out the handler of an interrupt, into an empty slot.
    ///
    /// # Errors
    /// `OutOfRange` if there is none or it is the kernel's own, `IrqTaken`.
    pub(crate) fn irq_get(
        &mut self,
        control: Handle<Slot>,
        intid: u32,
        edge: bool,
        to: Handle<Slot>,
    ) -> Result<(), Error> {
        if intid as usize >= IRQS || !self.platform.irq_exists(intid) {
            return Err(Error::OutOfRange);
        }
        if self.irqs.irqs[intid as usize].taken {
            return Err(Error::IrqTaken);
        }
        self.irqs.irqs[intid as usize] = Irq { taken: true, edge, ..Irq::default() };
        tree::insert(&mut self.arena, to, Cap::IrqHandler { intid: intid as u16 }, Some(control));
        Ok(())
    }

    /// Binds an interrupt to what `source` names (a notification, or a vCPU at `virtual_intid`), and lets it through.
    ///
    /// # Errors
    /// `WrongState` if it is bound already.
    pub(crate) fn irq_bind(
        &mut self,
        intid: u16,
        source: Handle<Slot>,
        virtual_intid: u16,
        priority: u8,
    ) -> Result<(), Error> {
        let slot = self.irq_slot(intid).ok_or(Error::OutOfRange)?;
        if !self.arena.get(slot).cap.is_null() {
            return Err(Error::WrongState);
        }
        self.copy_cap(source, slot, abi::Rights::all(), 0)?;
        let irq = &mut self.irqs.irqs[usize::from(intid)];
        irq.virtual_intid = virtual_intid;
        irq.priority = priority;
        let edge = irq.edge;
        let core = match self.arena.get(slot).cap {
            // Where its guest runs, nobody else need be told.
            Cap::Vcpu { vcpu } => self.arena.get(vcpu).tcb.map(|tcb| self.core_of(tcb)),
            _ => None,
        };
        self.platform.irq_enable(u32::from(intid), edge, core.unwrap_or(self.here()));
        Ok(())
    }

    /// The handler has done its work.
    pub(crate) fn irq_ack(&mut self, intid: u16) {
        if core::mem::take(&mut self.irqs.irqs[usize::from(intid)].unacknowledged) {
            self.platform.irq_deactivate(u32::from(intid));
        }
    }

    /// One step towards an interrupt that is silent and bound to nothing. `true`: it is.
    pub(crate) fn irq_unbind_step(&mut self, intid: u16) -> bool {
        self.platform.irq_disable(u32::from(intid));
        self.irq_ack(intid);
        match self.irq_slot(intid) {
            Some(slot) if let Cap::Vcpu { vcpu } = self.arena.get(slot).cap => {
                let number = self.irqs.irqs[usize::from(intid)].virtual_intid;
                self.unlink_hardware(vcpu, number);
                self.platform.irq_quiet(u32::from(intid));
                !tree::hoist_child(&mut self.arena, slot) && self.clear_step(slot)
            }
            Some(slot) => !tree::hoist_child(&mut self.arena, slot) && self.clear_step(slot),
            None => true,
        }
    }

    /// The handler capability is going.
    pub(crate) fn irq_release(&mut self, intid: u16) {
        self.irqs.irqs[usize::from(intid)] = Irq::default();
    }

    /// A physical interrupt that is not the kernel's own: acknowledged, its priority dropped, still active.
    pub fn on_irq(&mut self, intid: u32) {
        let Some(slot) = u16::try_from(intid).ok().and_then(|intid| self.irq_slot(intid)) else {
            return self.platform.irq_deactivate(intid);
        };
        let irq = self.irqs.irqs[intid as usize];
        match self.arena.get(slot).cap {
            Cap::Notification { notification, badge, .. } => {
                self.irqs.irqs[intid as usize].unacknowledged = true;
                self.signal(notification, badge);
            }
            Cap::Vcpu { vcpu } => self.inject_hardware(vcpu, irq.virtual_intid, irq.priority, intid as u16),
            _ => {
                // Nobody is bound (any more): keep it from coming again.
                self.platform.irq_disable(intid);
                self.platform.irq_deactivate(intid);
            }
        }
    }
}
