//! Cache maintenance by address, through the kernel's window (ARM DDI 0406C B2.2.7, B4.2.1).

use crate::sysreg::{bpiallis, dccimvac, dccmvac, dccmvau, dcimvac, dsb_ish, dsb_sy, icialluis, isb};
use kernel_core::platform::CacheOp;

/// A line of a Cortex-A15's data cache, in bytes: the smallest of its kin, so none is left out.
const LINE: u32 = 64;

/// Works on whole lines from `address` on, and completes before returning. Callers bound `bytes`.
pub fn maintain(op: CacheOp, address: u32, bytes: u32) {
    let first = address & !(LINE - 1);
    let lines = (address - first + bytes).div_ceil(LINE);
    let operation = match op {
        CacheOp::Clean => dccmvac::write,
        CacheOp::CleanInvalidate => dccimvac::write,
        CacheOp::Invalidate => dcimvac::write,
        CacheOp::Unify => dccmvau::write,
    };
    dsb_sy();
    for line in 0..lines {
        operation(first.wrapping_add(line * LINE));
    }
    if op == CacheOp::Unify {
        dsb_ish();
        icialluis::write(0);
        bpiallis::write(0);
    }
    dsb_sy();
    isb();
}
