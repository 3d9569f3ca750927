//! The interrupt controller: physical interrupts, and the virtual interface of one core (ARM IHI 0048B 3, 5).

use super::Machine;
use crate::platform::ListRegister;

/// Priorities that are one to the virtual interface: it has 5 bits.
pub const PRIORITY_STEP: u32 = 8;

impl Machine {
    /// The list registers that there are.
    fn listed(&self) -> &[ListRegister] {
        &self.lists[..self.list_count]
    }

    /// The list register of the interrupt that the guest would take: the most urgent that is pending and not active, if it is
    /// more urgent than all that the guest is at work on (ARM IHI 0048B 3.3, 5.3.4: GICH_APR).
    pub fn takable(&self) -> Option<usize> {
        let running = self.registers.active_priorities().trailing_zeros();
        let takable =
            |list: &ListRegister| list.pending && !list.active && u32::from(list.priority) / PRIORITY_STEP < running;
        let all = self.listed().iter().enumerate().filter(|(_, list)| takable(list));
        all.min_by_key(|(index, list)| (list.priority, *index)).map(|(index, _)| index)
    }

    /// The guest acknowledges it: its number and source.
    pub fn guest_acknowledges(&mut self) -> Option<(u16, u8)> {
        let index = self.takable()?;
        let list = &mut self.lists[index];
        (list.pending, list.active) = (false, true);
        let active = self.registers.active_priorities() | 1 << (u32::from(list.priority) / PRIORITY_STEP);
        let (intid, source) = (list.intid, list.source);
        self.registers.set_active_priorities(active);
        Some((intid, source))
    }

    /// The guest ends an interrupt, the one that it is at work on: what is linked to a physical one deactivates that. Without a
    /// list register in which it is active, the end is counted.
    pub fn guest_ends(&mut self, intid: u16) {
        let active = self.registers.active_priorities();
        self.registers.set_active_priorities(active & active.wrapping_sub(1));
        match self.lists.iter_mut().find(|list| list.active && list.intid == intid) {
            Some(list) => {
                list.active = false;
                if let Some(linked) = list.hardware {
                    self.active.remove(&u32::from(linked));
                }
            }
            None => self.eoi_count = (self.eoi_count + 1).min(31),
        }
    }

    /// Whether the maintenance interrupt is asserted.
    pub fn maintenance(&self) -> bool {
        let holds = |list: &&ListRegister| list.pending || list.active;
        let ended = self.listed().iter().any(|list| list.notify_end && !list.pending && !list.active);
        let room = self.refill && self.listed().iter().filter(holds).count() <= 1;
        ended || room || (self.spilled && self.eoi_count != 0)
    }
}
