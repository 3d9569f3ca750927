//! Replaying the boot on the desk: the last thing that is checked before an image is given away.
//!
//! The kernel's own code takes the payload on a simulated machine with the board's RAM, and root's own code builds the
//! compiled system there: every retype, mapping, copy and configuration is made as it will be on the board. What fails
//! is told as a problem. No component's code runs: of a thread that runs while root builds, all that is replayed is
//! that it waits to receive ([`seat`]).

mod boot;
mod explain;
mod seat;
#[cfg(test)]
mod tests;

pub use boot::boot;

use super::layout::plan::Plan;
use super::pack::KernelPlace;
use super::problem::Problem;
use super::resolve::Resolved;
use abi::boot::{BootInfo, root_slot};
use abi::object::{GRANULE_BYTES, PAGE_BITS};
use boards::Board;
use kernel_core::cap::Cap;
use kernel_core::sim::World;
use kernel_core::untyped::granules;
use root::Failure;
use std::cell::RefCell;
use std::rc::Rc;

/// What is booted.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    /// On which board.
    pub board: &'a Board,
    /// Where the kernel lies.
    pub kernel: KernelPlace,
    /// What the kernel finds behind itself.
    pub payload: &'a [u8],
}

/// An untyped after the boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Physical address.
    pub base: u64,
    /// log2 of its bytes.
    pub bits: u32,
    /// Bytes of it that nothing was made of.
    pub free_bytes: u64,
}

/// Where everything is after the boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Root's own untypeds of RAM.
    pub root: Vec<Piece>,
    /// Those of each group, in the order of their numbers.
    pub groups: Vec<Vec<Piece>>,
}

/// A machine on which root has built what it could.
pub struct Boot {
    /// The kernel, with root at rest.
    pub world: Rc<RefCell<World>>,
    /// What the kernel told root.
    pub info: Box<BootInfo>,
    /// How root's building ended.
    pub built: Result<(), Failure>,
}

/// Boots an image and lets root build.
///
/// # Errors
/// Why root was not started.
pub fn run(image: &Image<'_>) -> Result<Boot, Problem> {
    let world = boot(image)?;
    let info = world.boot_info().map(Box::new).ok_or_else(|| Problem::new("the kernel told root nothing"))?;
    let (world, built) = seat::build(world, &info, image.payload);
    Ok(Boot { world, info, built })
}

/// Why an image is no good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// In words.
    pub problem: Problem,
    /// What can be tried.
    pub retry: Retry,
}

/// With what there may be room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Nothing of the composer's.
    Never,
    /// With no piece of a memory larger than two to the power of this bytes.
    Pieces(u32),
    /// With less RAM for the VM that has the most.
    LessRam,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self { problem, retry: Retry::Never }
    }
}

/// Replays the boot of a laid-out system. The problem names what would fail, and what mends it.
pub fn replay(system: &Resolved, plan: &Plan, image: &Image<'_>) -> Result<Replayed, Refusal> {
    let boot = run(image)?;
    if let Err(failure) = boot.built {
        return Err(explain::explain(&failure, system, plan, &boot.info, image.payload));
    }
    let world = boot.world.borrow();
    let piece = |slot| piece(&world.cap(slot));
    let parts =
        |group: &super::layout::plan::Group| (group.slot..).take(group.untypeds.len()).filter_map(piece).collect();
    Ok(Replayed {
        root: (root_slot::UNTYPED..).take(boot.info.untyped_count as usize).filter_map(piece).collect(),
        groups: plan.ordered_groups().into_iter().map(parts).collect(),
    })
}

fn piece(cap: &Cap) -> Option<Piece> {
    match *cap {
        Cap::Untyped { bits, flags, page, used } if !flags.contains(kernel_core::cap::UntypedFlags::DEVICE) => {
            let free_bytes = u64::from(granules(bits) - used) * u64::from(GRANULE_BYTES);
            Some(Piece { base: u64::from(page) << PAGE_BITS, bits: bits.into(), free_bytes })
        }
        _ => None,
    }
}
