//! Forgetting stage-2 translations (ARM DDI 0406C B3.10.2). v7 has no invalidation by intermediate physical
//! address: a whole VMID goes at once, and it must be the current one.

use crate::stage2::vttbr;
use crate::sysreg::{self, dsb_ish, dsb_ishst, icialluis, isb, tlballis, tlballnsnhis};

/// A stage-2 table that maps nothing: what a speculative walk finds while another space's VMID is current.
#[repr(C, align(32))]
struct Nothing([u64; 4]);
static NOTHING: Nothing = Nothing([0; 4]);

/// Table entries that were written are seen by every walker.
pub fn tables_written() {
    dsb_ishst();
    isb();
}

/// Forgets what is cached under `vmid` on all cores. `current` is what VTTBR holds, and will hold again.
pub fn flush_vmid(vmid: u8, current: u64) {
    dsb_ishst();
    sysreg::vttbr::write(vttbr((&raw const NOTHING).addr() as u64, vmid));
    isb();
    tlballis::write(0);
    dsb_ish();
    isb();
    sysreg::vttbr::write(current);
    isb();
}

/// Forgets everything of PL1 and PL0 on all cores: a new generation of VMIDs begins. Instruction caches and branch
/// predictors go too.
pub fn flush_all() {
    dsb_ishst();
    tlballnsnhis::write(0);
    icialluis::write(0);
    dsb_ish();
    isb();
}
