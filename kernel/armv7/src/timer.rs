//! The generic timer (ARM DDI 0406C B8): the kernel's own is the Hyp timer (PPI 26); a guest's is the virtual
//! one (PPI 27).

use crate::sysreg::{cnthp_ctl, cnthp_cval, cntpct, cntv_ctl, isb};

/// Interrupt of the Hyp timer.
pub const HYP_TIMER: u32 = 26;
/// Interrupt of the virtual timer.
pub const VIRTUAL_TIMER: u32 = 27;

const ENABLE: u32 = 1;
const MASKED: u32 = 2;
const CONDITION: u32 = 4;

/// The physical counter.
#[inline(always)]
pub fn now() -> u64 {
    isb();
    cntpct::read()
}

/// Asks for an interrupt at that time; `u64::MAX` for none.
#[inline(always)]
pub fn set_deadline(deadline: u64) {
    if deadline == u64::MAX {
        cnthp_ctl::write(0);
    } else {
        cnthp_cval::write(deadline);
        cnthp_ctl::write(ENABLE);
    }
}

/// Whether the virtual timer pulls its line.
pub fn virtual_line() -> bool {
    isb();
    cntv_ctl::read() & (ENABLE | MASKED | CONDITION) == ENABLE | CONDITION
}
