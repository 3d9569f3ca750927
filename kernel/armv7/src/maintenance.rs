//! Single operations on translations and caches (ARM DDI 0406C B4.2). In which order they are done stands in the kernel's
//! core, where the simulated machine sees each.

use crate::stage2::vttbr;
use crate::sysreg::{
    self, dccimvac, dccmvac, dccmvau, dcimvac, dsb_ish, dsb_ishst, dsb_sy, icialluis, isb, tlballis, tlballnsnhis,
};
use crate::world::Live;
use kernel_core::platform::Maintenance;

/// A stage-2 table that maps nothing: what a walk finds while nobody's VMID is current.
#[repr(C, align(32))]
struct Nothing([u64; 4]);
static NOTHING: Nothing = Nothing([0; 4]);

#[inline(always)]
fn nothing(vmid: u8) -> u64 {
    vttbr((&raw const NOTHING).addr() as u64, vmid)
}

/// Does one operation.
#[inline(always)]
pub fn maintain(live: &mut Live, operation: Maintenance) {
    match operation {
        Maintenance::DsbIshst => dsb_ishst(),
        Maintenance::DsbIsh => dsb_ish(),
        Maintenance::DsbSy => dsb_sy(),
        Maintenance::Isb => isb(),
        Maintenance::SelectVmid(vmid) => sysreg::vttbr::write(nothing(vmid)),
        Maintenance::SelectRunning => sysreg::vttbr::write(live.vttbr),
        Maintenance::SelectNobody => {
            // Who runs next differs from this, so it is written on the way out.
            live.vttbr = nothing(0);
            sysreg::vttbr::write(live.vttbr);
        }
        Maintenance::Tlbiallis => tlballis::write(0),
        Maintenance::Tlbiallnsnhis => tlballnsnhis::write(0),
        Maintenance::Icialluis => icialluis::write(0),
        Maintenance::Dccmvac(line) => dccmvac::write(line),
        Maintenance::Dccimvac(line) => dccimvac::write(line),
        Maintenance::Dcimvac(line) => dcimvac::write(line),
        Maintenance::Dccmvau(line) => dccmvau::write(line),
    }
}
