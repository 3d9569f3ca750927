//! From a core that has just entered the image to the first thread.

use crate::board::{self, POWER, Power};
use crate::epitaph::{self, cannot_start};
use crate::hyp_map::{HMAIR0, HSCTLR, HTCR, Hyp, HypMap, OutOfTables};
use crate::platform::Armv7;
use crate::{controls, entry, klog, secondary, stage2, start, sysreg, trap};
use abi::boot::{PAYLOAD_MAGIC, PAYLOAD_VERSION, PayloadHeader};
use kernel_core::boot::BootPlan;
use kernel_core::kernel::CORES_MAX;
use kernel_core::memory_plan::free_ram;

/// Where the pieces of the kernel's image are; all are multiples of a page.
#[derive(Clone, Copy, Debug)]
pub struct Image {
    /// Instructions: first address, and the one behind the last.
    pub text: (u32, u32),
    /// Constants.
    pub constants: (u32, u32),
    /// Data, and stacks: mapped each for itself, so that the pages between them are guards.
    pub writable: [(u32, u32); 3],
    /// The stack of each core, the same.
    pub stacks: [(u32, u32); CORES_MAX],
    /// Behind everything of the kernel's.
    pub end: u32,
    /// The page of the kernel's log.
    pub log: u32,
    /// Where a payload would be.
    pub payload: u32,
}

/// Starts the kernel and runs root.
pub fn boot(image: &Image) -> ! {
    if start::with_map(|map| map_all(map, image)).is_err() {
        cannot_start("the kernel's map needs more tables", 0);
    }
    start::mmu_on(entry::vectors(), HMAIR0, HTCR, HSCTLR);
    start::log(image.log);
    let header = start::payload_header(image.payload);
    check(&header, image.payload);
    epitaph::set_will(&header);
    fixed_controls();
    let counter_hz = sysreg::cntfrq::read();
    if counter_hz == 0 {
        cannot_start("the firmware left CNTFRQ at zero", 0);
    }
    let payload_end = u64::from(image.payload) + u64::from(header.bytes);
    let taken = [(u64::from(image.text.0), u64::from(image.end)), (u64::from(image.payload), payload_end)];
    let ram = free_ram(board::RAM, &taken);
    klog!("bulkhead on {=str}, build {=u32:08x}{=u32:08x}", board::NAME, header.build[1], header.build[0]);
    let kernel = start::kernel(Armv7::start(counter_hz));
    let cores = secondary::start_all(header.further_cores);
    kernel.platform.set_cores(cores);
    let plan =
        BootPlan { ram: &ram, payload: image.payload, header, counter_hz, cores: cores as u32, kernel_log: image.log };
    if kernel.boot(&plan).is_err() {
        cannot_start("root does not fit", header.bytes);
    }
    trap::leave(kernel)
}

fn check(header: &PayloadHeader, payload: u32) {
    if header.magic != PAYLOAD_MAGIC {
        cannot_start("there is no payload behind the kernel", payload);
    }
    if header.version != PAYLOAD_VERSION {
        cannot_start("the payload is of another version", header.version);
    }
    let end = u64::from(payload) + u64::from(header.bytes);
    if !board::RAM.iter().any(|&(base, bytes)| u64::from(payload) >= base && end <= base + bytes) {
        cannot_start("the payload does not fit into RAM", header.bytes);
    }
}

/// Registers that never change again. Those of the world are written on the first way out.
pub(crate) fn fixed_controls() {
    sysreg::vtcr::write(stage2::VTCR);
    sysreg::vpidr::write(sysreg::midr::read());
    sysreg::hdcr::write(sysreg::hdcr::read() & controls::HDCR_HPMN | controls::HDCR);
    sysreg::isb();
}

fn map_all(map: &mut HypMap, image: &Image) -> Result<(), OutOfTables> {
    const BLOCK: u32 = 1 << 21;
    let mut devices = arrayvec::ArrayVec::<u32, 5>::new();
    let sysreg = match POWER {
        Power::PsciSmc => board::UART,
        Power::Vexpress { sysreg } => sysreg,
    };
    for address in [board::GICD, board::GICC, board::GICH, board::UART, sysreg] {
        let block = address & !(BLOCK - 1);
        if !devices.contains(&block) {
            devices.push(block);
            map.map(u64::from(block), u64::from(BLOCK), Hyp::DEVICES)?;
        }
    }
    for &(base, bytes) in board::RAM {
        let (start, end) = (u64::from(image.text.0), u64::from(image.end));
        for (from, to) in [(base, start.min(base + bytes)), (end.max(base), base + bytes)] {
            if from < to && (to <= start || from >= end) {
                map.map(from, to - from, Hyp::DATA)?;
            }
        }
    }
    let span = |map: &mut HypMap, (from, to): (u32, u32), attributes| {
        map.map(u64::from(from), u64::from(to - from), attributes)
    };
    span(map, image.text, Hyp::TEXT)?;
    span(map, image.constants, Hyp::CONSTANTS)?;
    for piece in image.writable.into_iter().chain(image.stacks) {
        span(map, piece, Hyp::DATA)?;
    }
    Ok(())
}
