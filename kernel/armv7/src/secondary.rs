//! The other cores: how they are started, and what each does before it comes to the gate.

use crate::board::{POWER, Power};
use crate::epitaph::cannot_start;
use crate::hyp_map::{HMAIR0, HSCTLR, HTCR};
use crate::platform::Armv7;
use crate::{board, boot, cell, entry, start, sysreg, timer, trap};
use core::sync::atomic::{AtomicU32, Ordering};
use kernel_core::kernel::CORES_MAX;

/// Cores that this kernel can run on.
pub const CORES: usize = CORES_MAX;

/// Cores that have come so far, by bits.
static COME: AtomicU32 = AtomicU32::new(1);

/// How long a core may take: firmware that powers one up takes some milliseconds, an emulator on a busy machine far longer.
const PATIENCE_MS: u32 = 5_000;

/// PSCI's CPU_ON (ARM DEN 0022 5.4), for who calls with 32 bits.
const PSCI_CPU_ON: u32 = 0x8400_0003;
/// What it returns for a core that is on its way (5.2.2).
const PSCI_SUCCESS: u32 = 0;

/// Starts so many cores beside the first; how many run, this one included. The system needs them all: without one of them it does not
/// start.
pub(crate) fn start_all(further: u32) -> usize {
    if CORES_MAX == 1 {
        return 1;
    }
    let wanted = further.saturating_add(1);
    for core in 1..wanted {
        if core >= board::CORES.min(CORES_MAX as u32) || !release(core) || !comes(core) {
            cannot_start("a core that the system uses does not come up", core);
        }
    }
    wanted as usize
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

fn comes(core: u32) -> bool {
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
