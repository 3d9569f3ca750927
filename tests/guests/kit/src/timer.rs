//! The virtual timer.

use crate::cpu::{cntfrq, cntv_ctl, cntv_cval, cntvct};

/// Its interrupt: PPI 11.
pub const INTID: u32 = 27;

/// The time, in ticks of the counter.
pub fn now() -> u64 {
    cntvct::read()
}

/// Ticks of that many microseconds.
pub fn ticks(us: u32) -> u64 {
    u64::from(cntfrq::read()) * u64::from(us) / 1_000_000
}

/// It fires at that time.
pub fn at(time: u64) {
    cntv_cval::write(time);
    cntv_ctl::write(1);
}

/// It does not fire any more.
pub fn stop() {
    cntv_ctl::write(0);
}
