//! The other cores: how they are started, and what each does before it comes to the gate.

use crate::board::{POWER, Power};
use crate::hyp_map::{HMAIR0, HSCTLR, HTCR};
use crate::platform::Armv7;
use crate::{board, boot, cell, entry, klog, start, sysreg, timer, trap};
use core::sync::atomic::{AtomicU32, Ordering};
use kernel_core::kernel::CORES_MAX;

/// Cores that this kernel can run on.
pub const CORES: usize = CORES_MAX;

/// Cores that have come so far, by bits.
static COME: AtomicU32 = AtomicU32::new(1);

/// How long a core may take: firmware that powers one up takes some milliseconds.
const PATIENCE_MS: u32 = 200;

/// PSCI's CPU_ON (ARM DEN 0022 5.4), for who calls with 32 bits.
const PSCI_CPU_ON: u32 = 0x8400_0003;
/// What it returns for a core that is on its way (5.2.2).
const PSCI_SUCCESS: u32 = 0;

/// Starts so many cores, if the board has them and this kernel can run on them; how many run, this one included. One that does not
/// come is told of, and those behind it are not used.
pub(crate) fn start_all(further: u32) -> usize {
    let wanted = if CORES_MAX == 1 { 1 } else { further.saturating_add(1).min(board::CORES) as usize };
    let wanted = wanted.min(CORES_MAX);
    for core in 1..wanted {
        if !release(core as u32) || !comes(core) {
            klog!("core {=usize} did not come up: {=usize} of {=usize} run", core, core, wanted);
            return core;
        }
    }
    wanted
}

/// Lets a core come. Whether there is such a core, as far as can be known.
fn release(core: u32) -> bool {
    match POWER {
        Power::PsciSmc => sysreg::smc3(PSCI_CPU_ON, core, start::secondary_entry(), 0) == PSCI_SUCCESS,
        // They were parked by the image's first instructions, all at one word.
        Power::Vexpress { .. } => {
            start::unpark();
            true
        }
    }
}

fn comes(core: usize) -> bool {
    let ticks = u64::from(PATIENCE_MS) * u64::from(sysreg::cntfrq::read() / 1000);
    let begin = timer::now();
    while timer::now().wrapping_sub(begin) < ticks {
        if COME.load(Ordering::Acquire) & 1 << core != 0 {
            return true;
        }
    }
    false
}

/// What another core does, from the image's first instructions on, on its own stack.
pub fn secondary() -> ! {
    start::mmu_on(entry::vectors(), HMAIR0, HTCR, HSCTLR);
    boot::fixed_controls();
    Armv7::start_core();
    COME.fetch_or(1 << sysreg::core(), Ordering::AcqRel);
    trap::leave(cell::first_entry())
}
