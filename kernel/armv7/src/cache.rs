//! Cache maintenance by address, through the kernel's window (ARM DDI 0406C B2.2.7, B4.2.1).

use crate::sysreg::{bpiallis, dccimvac, dccmvac, dccmvau, dcimvac, dsb_ish, dsb_sy, icialluis, isb};
use kernel_core::platform::CacheOp;

/// A line of a Cortex-A15's data cache, in bytes: the smallest of its kin, so none is left out.
const LINE: u32 = 64;

/// Works on whole lines from `address` on, and completes before returning. Callers bound `bytes`.
pub fn maintain(op: CacheOp, address: u32, bytes: u32) {
    let first = address & !(LINE - 1);
    let lines = (address - first + bytes).div_ceil(LINE);
    dsb_sy();
    // One loop for each: a boot works on millions of lines.
    match op {
        CacheOp::Clean => each_line(first, lines, dccmvac::write),
        CacheOp::CleanInvalidate => each_line(first, lines, dccimvac::write),
        CacheOp::Invalidate => each_line(first, lines, dcimvac::write),
        CacheOp::Unify => each_line(first, lines, dccmvau::write),
    }
    if op == CacheOp::Unify {
        dsb_ish();
        icialluis::write(0);
        bpiallis::write(0);
    }
    dsb_sy();
    isb();
}

#[inline(always)]
fn each_line(first: u32, lines: u32, operation: impl Fn(u32)) {
    for line in 0..lines {
        operation(first.wrapping_add(line * LINE));
    }
}
