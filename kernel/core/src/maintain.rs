//! What it takes until everybody sees a change: table walkers, TLBs, readers past the cache, instruction fetch.
//!
//! Each order of operations stands here once, one operation a line, and the platform knows nothing but single ones.
//! So the simulated machine executes what the processor executes, and `sim/sabotage.rs` can leave out any one line and
//! see a check fail. What has no such effect is not here: the return to user mode synchronizes the context (ARM DDI
//! 0406C A3.8.3), so no sequence ends with an ISB; and branch predictors of the processors that the kernel is for never need
//! maintenance (their ID_MMFR1 says 4 in bits 31:28, B4.1.90).

use crate::platform::{CacheOp, Maintenance};
use crate::{Kernel, Platform};

/// A line of a Cortex-A15's data cache, in bytes: the smallest of its kin, so none is left out.
const LINE: u32 = 64;

/// One of the orders below, for whoever asked for it.
pub(crate) struct Order<'k, P: Platform>(&'k mut Kernel<P>);

impl<P: Platform> Kernel<P> {
    /// What comes next is for the caller: so that a test can leave it out for one and not for the others.
    #[cfg_attr(any(test, feature = "sim"), track_caller)]
    #[inline(always)]
    pub(crate) fn order(&mut self) -> Order<'_, P> {
        #[cfg(any(test, feature = "sim"))]
        self.platform.used_at(core::panic::Location::caller());
        Order(self)
    }
}

impl<P: Platform> Order<'_, P> {
    #[cfg_attr(any(test, feature = "sim"), track_caller)]
    #[inline(always)]
    fn maintain(&mut self, operation: Maintenance) {
        self.0.platform.maintain(&mut self.0.arena, operation);
    }

    /// Descriptors that were written are what every walker finds from now on.
    #[inline(always)]
    pub(crate) fn descriptors_written(&mut self) {
        self.maintain(Maintenance::DsbIshst);
    }

    /// Forgets all translations under `vmid`, on every core, after [`descriptors_written`](Self::descriptors_written).
    /// v7 has no invalidation by intermediate physical address: a whole VMID goes at once, and it must be the current
    /// one (B4.2.2), with a table that maps nothing, so that no walk finds another's memory under it.
    #[inline(always)]
    pub(crate) fn forget_translations(&mut self, vmid: u8) {
        self.maintain(Maintenance::SelectVmid(vmid));
        self.maintain(Maintenance::Isb);
        self.maintain(Maintenance::Tlbiallis);
        self.maintain(Maintenance::DsbIsh);
        self.0.complete_elsewhere();
        self.maintain(Maintenance::SelectRunning);
    }

    /// Forgets the translations of all spaces, and instructions that were cached under their VMIDs. Nobody's space is
    /// current from then on, or walks of who ran last would leave translations under a VMID that goes to another. Only on
    /// the way out, which selects the space of who runs next.
    #[inline(always)]
    pub(crate) fn forget_all_translations(&mut self) {
        self.maintain(Maintenance::SelectNobody);
        self.maintain(Maintenance::Isb);
        self.maintain(Maintenance::Tlbiallnsnhis);
        self.maintain(Maintenance::Icialluis);
        self.maintain(Maintenance::DsbIsh);
        self.0.complete_elsewhere();
    }

    /// Works on the cache lines of `bytes` bytes of RAM at the physical address `address`, and completes before
    /// returning. Callers bound `bytes`. (B2.2.7, B4.2.1)
    #[inline(never)]
    pub(crate) fn cache(&mut self, operation: CacheOp, address: u32, bytes: u32) {
        // What was stored past the cache is in RAM, whoever stored it.
        self.maintain(Maintenance::DsbSy);
        // One loop for each: a boot works on millions of lines.
        match operation {
            CacheOp::Clean => self.each_line(address, bytes, Maintenance::Dccmvac),
            CacheOp::CleanInvalidate => self.each_line(address, bytes, Maintenance::Dccimvac),
            CacheOp::Invalidate => self.each_line(address, bytes, Maintenance::Dcimvac),
            CacheOp::Unify => {
                self.each_line(address, bytes, Maintenance::Dccmvau);
                self.maintain(Maintenance::DsbIsh);
                self.maintain(Maintenance::Icialluis);
            }
        }
        self.maintain(Maintenance::DsbSy);
    }

    #[cfg_attr(any(test, feature = "sim"), track_caller)]
    #[inline(always)]
    fn each_line(&mut self, address: u32, bytes: u32, operation: impl Fn(u32) -> Maintenance) {
        let first = address & !(LINE - 1);
        let lines = (address - first + bytes).div_ceil(LINE);
        for line in 0..lines {
            self.maintain(operation(first.wrapping_add(line * LINE)));
        }
    }
}
