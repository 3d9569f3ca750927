//! The guest's GICv2 distributor (ARM IHI 0048B, section 4.3).
//!
//! **Where the truth lies.** The kernel holds what was handed over: pending, active, level, source, and the priority
//! with which it was handed over. The distributor holds enable, group, priority, target and configuration, the
//! levels of the input lines, and what is pending but cannot be delivered now. An interrupt's pending state
//! is in one of the two places, never in both: what is handed over is forgotten here, what is taken back
//! is forgotten there. So none is lost and none is doubled.
//!
//! **What is implementation-defined here:** no Security Extensions; SGIs are always enabled; SGIs are
//! edge-triggered, PPIs can be configured; priorities have 5 bits; an interrupt with several targets goes to the
//! lowest-numbered; with one vCPU GICD_ITARGETSR is RAZ/WI. The pending bit of the virtual timer (27) follows the
//! hardware and is read-only. Widths and offsets that the architecture does not have are RAZ/WI, half words among them; so are the
//! registers that it leaves to implementations (0xd00-0xdff, where ARM's own show the levels of the lines).
//!
//! **What is not emulated:** active state that software sets or clears. GICD_ISACTIVER and GICD_ICACTIVER read what is
//! active; stores have an effect if [`Cpus::set_active`] has one, for which the kernel has no call yet. Linux stores to them when it starts,
//! when nothing is active.

mod cpus;
mod deliver;
mod registers;
pub mod spec;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod manual;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use cpus::{Cpus, Signal};
use spec::{INTERRUPTS, PRIVATE, RANKS, SGIS, VCPUS_MAX};

/// Nowhere yet: the home of an SPI that was never handed over.
const NOWHERE: u8 = 0xff;

/// State of 32 interrupts, one bit each.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bank {
    enabled: u32,
    group1: u32,
    /// Edge-triggered; else level-sensitive.
    edge: u32,
    /// Level of the input lines.
    line: u32,
    /// Pending, and held here: an edge, or a write to GICD_ISPENDR. For an SGI: it has sources.
    latch: u32,
    /// `inject` was called since the last `retract`: the kernel may hold a pending state.
    handed: u32,
    /// The kernel was told that the line is high.
    told: u32,
    /// The kernel was given this interrupt at some time: it may be active.
    seen: u32,
    priority: [u8; 32],
}

impl Bank {
    const RESET: Bank =
        Bank { enabled: 0, group1: 0, edge: 0, line: 0, latch: 0, handed: 0, told: 0, seen: 0, priority: [0; 32] };
}

/// One interrupt as one vCPU sees it. `cpu` matters for banked interrupts only.
#[derive(Clone, Copy, Debug)]
struct Irq {
    cpu: usize,
    intid: usize,
}

impl Irq {
    fn rank(self) -> usize {
        self.intid / 32
    }
    fn bit(self) -> u32 {
        1 << (self.intid % 32)
    }
    fn is_private(self) -> bool {
        self.intid < PRIVATE
    }
    fn is_sgi(self) -> bool {
        self.intid < SGIS
    }
}

/// The distributor of one VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distributor {
    vcpus: usize,
    ctlr: u32,
    private: [Bank; VCPUS_MAX],
    shared: [Bank; RANKS - 1],
    /// GICD_ITARGETSR of the SPIs.
    targets: [u8; INTERRUPTS - PRIVATE],
    /// The vCPU that an SPI was last handed over to.
    home: [u8; INTERRUPTS - PRIVATE],
    /// Sources of the SGIs that are pending here, by receiving vCPU.
    sources: [[u8; SGIS]; VCPUS_MAX],
}

impl Distributor {
    /// A distributor for `vcpus` vCPUs (1 to 4; other numbers are brought into that range), as after reset.
    pub fn new(vcpus: usize) -> Self {
        let mut private = [const { Bank::RESET }; VCPUS_MAX];
        for bank in &mut private {
            bank.enabled = 0xffff;
            bank.edge = 0xffff;
        }
        Self {
            vcpus: vcpus.clamp(1, VCPUS_MAX),
            ctlr: 0,
            private,
            shared: [const { Bank::RESET }; RANKS - 1],
            targets: [0; INTERRUPTS - PRIVATE],
            home: [NOWHERE; INTERRUPTS - PRIVATE],
            sources: [[0; SGIS]; VCPUS_MAX],
        }
    }

    /// Every register as after reset; the input lines stay as the devices drive them. The vCPUs must be reset too
    /// (`VcpuMethod::Reset`), for nothing is taken back from them.
    pub fn reset(&mut self) {
        let old = core::mem::replace(self, Self::new(self.vcpus));
        let banks = self.private.iter_mut().chain(&mut self.shared);
        for (bank, old) in banks.zip(old.private.iter().chain(&old.shared)) {
            bank.line = old.line;
        }
    }

    /// Number of vCPUs.
    pub fn vcpus(&self) -> usize {
        self.vcpus
    }

    /// A device drives the line of the SPI `intid` (32 to 287; others are ignored). Setting the level that it has costs nothing.
    #[inline(never)]
    pub fn set_line<C: Cpus>(&mut self, intid: u32, level: bool, cpus: &mut C) {
        if intid >= PRIVATE as u32 {
            self.drive(0, intid, level, cpus);
        }
    }

    /// A device drives the line of the PPI `intid` (16 to 31, but for the virtual timer's) of one vCPU.
    pub fn set_private_line<C: Cpus>(&mut self, vcpu: usize, intid: u32, level: bool, cpus: &mut C) {
        if (SGIS as u32..PRIVATE as u32).contains(&intid) && vcpu < self.vcpus {
            self.drive(vcpu, intid, level, cpus);
        }
    }

    /// An edge on the SPI `intid`, whatever its configuration: it becomes pending once.
    pub fn pulse<C: Cpus>(&mut self, intid: u32, cpus: &mut C) {
        if intid >= PRIVATE as u32
            && let Some(irq) = self.irq(0, intid as usize)
        {
            self.latch(irq);
            self.settle(irq, cpus);
        }
    }

    fn irq(&self, cpu: usize, intid: usize) -> Option<Irq> {
        (intid < INTERRUPTS && cpu < self.vcpus).then_some(Irq { cpu, intid })
    }

    fn bank(&self, cpu: usize, rank: usize) -> Option<&Bank> {
        match rank.checked_sub(1) {
            None => self.private.get(cpu),
            Some(shared) => self.shared.get(shared),
        }
    }

    fn bank_mut(&mut self, cpu: usize, rank: usize) -> Option<&mut Bank> {
        match rank.checked_sub(1) {
            None => self.private.get_mut(cpu),
            Some(shared) => self.shared.get_mut(shared),
        }
    }
}
