//! From the image to root's first instruction: what `kernel/armv7` does on a board, done to a simulated machine.

use super::Image;
use crate::compose::pack::read_header;
use crate::compose::parse::units::show_size;
use crate::compose::problem::Problem;
use abi::zimage::ROOM_BYTES;
use kernel_core::boot::{BootError, BootPlan};
use kernel_core::kernel::CORES_MAX;
use kernel_core::memory_plan::free_ram;
use kernel_core::sim::{Fresh, Machine, Ram, World};

/// RAM is simulated from a multiple of this on.
const RAM_ALIGN: u64 = 1 << 21;
/// The frequency that the firmware of most boards sets; no object's place depends on it.
const COUNTER_HZ: u32 = 62_500_000;

/// Boots the kernel with the board's RAM.
///
/// # Errors
/// Why root does not start.
pub fn boot(image: &Image<'_>) -> Result<World, Problem> {
    let Image { board, kernel, payload } = image;
    let header = read_header(payload).ok_or_else(|| Problem::new("the payload is shorter than its header"))?;
    let payload_at = u64::from(kernel.payload);
    let payload_end = payload_at + u64::from(header.bytes);
    let taken = [(u64::from(kernel.base), u64::from(kernel.end)), (payload_at, payload_end)];
    let ram: Vec<(u64, u64)> = board.ram.iter().map(|ram| (ram.base, ram.bytes)).collect();
    // A zImage works from a place behind all that it writes.
    let last = payload_end + u64::from(ROOM_BYTES);
    if !ram.iter().any(|&(base, bytes)| base <= taken[0].0 && last <= base + bytes) {
        let message = format!("the image ends at {payload_end:#x}, beyond the RAM of `{}`", board.name);
        return Err(Problem::new(message).help("give guests smaller files"));
    }
    let free = free_ram(&ram, &taken);
    let mut simulated = simulated(&ram).ok_or_else(|| {
        let message = format!("there is not enough address space to simulate the RAM of `{}`", board.name);
        Problem::new(message).help("see to `ulimit -v`: no more of it is touched than the system's objects take")
    })?;
    if !simulated.load(kernel.payload, payload) {
        return Err(Problem::new("the payload does not lie in RAM").help("give guests smaller files"));
    }
    let fresh = free.iter().map(|range| (u64::from(range.base), u64::from(range.base) + u64::from(range.bytes)));
    let mut machine = Machine::with_fresh(Fresh::new(fresh));
    machine.core_count = (header.further_cores as usize + 1).min(CORES_MAX);
    let plan = BootPlan {
        ram: &free,
        payload: kernel.payload,
        header,
        counter_hz: COUNTER_HZ,
        cores: header.further_cores + 1,
        // Some page of the kernel's: only its capability matters here.
        kernel_log: kernel.base,
    };
    World::boot(simulated, machine, &plan).map_err(|error| {
        let largest = free.iter().map(|range| range.bytes).max().unwrap_or(0);
        let what = match error {
            BootError::BadPayload => "the payload's header contradicts itself".to_owned(),
            BootError::NoMemory => {
                let largest = show_size(largest.into());
                format!(
                    "there is no room for root: the largest free piece of the RAM of `{}` has {largest}",
                    board.name
                )
            }
            BootError::Root(error) => format!("the kernel can't make root: {error:?}"),
        };
        Problem::new(what).help(match error {
            BootError::NoMemory => "give guests smaller files, or choose a board with more RAM",
            _ => super::explain::COMPOSERS_FAULT,
        })
    })
}

/// One window over all RAM that 32 bits can name. What lies between its banks is never touched.
fn simulated(ram: &[(u64, u64)]) -> Option<Ram> {
    let below = 1 << 32;
    let banks = ram.iter().filter(|&&(base, _)| base < below);
    let start = banks.clone().map(|&(base, _)| base).min()? / RAM_ALIGN * RAM_ALIGN;
    let end = banks.map(|&(base, bytes)| (base + bytes).min(below)).max()?;
    Ram::new(start as u32, (end - start) as usize)
}
