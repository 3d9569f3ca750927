//! What a system gets that its manifest does not say.

use super::manifest::Time;

/// The highest priority that a manifest can give: below root, so that root can stop whatever runs.
pub const PRIORITY_MAX: u64 = 199;
/// Of the console.
pub const CONSOLE_PRIORITY: u8 = 150;
/// Of a component.
pub const COMPONENT_PRIORITY: u8 = 120;
/// The log collector's: above guests and components that spin, or nobody would hear of a crash beside one. It takes 2 ms of 50
/// at most, and hardly that.
pub const LOG_PRIORITY: u8 = 145;
/// Of a guest.
pub const GUEST_PRIORITY: u8 = 100;
/// A VMM's thread for events is more urgent than its guest by this,
pub const EVENTS_ABOVE_GUEST: u8 = 5;
/// and its thread for exits by this.
pub const EXITS_ABOVE_GUEST: u8 = 10;

/// Bytes of a stack: reading a configuration alone takes more than 16 KiB.
pub const STACK_BYTES: u32 = 32 << 10;
/// The most bytes of a stack: its stride in the address space, less a page that stays unmapped.
pub const STACK_BYTES_MAX: u64 = (1 << protocol::layout::STACK_STRIDE_BITS) - 4096;

/// The most bytes of a component's own untyped memory.
pub const UNTYPED_BYTES_MAX: u64 = 1 << 30;
/// Slots of a component's CNode that are left for what it is sent,
pub const SPARE_SLOTS: u32 = 16;
/// and for what it makes of its own untyped memory.
pub const UNTYPED_SLOTS: u32 = 64;

/// The least budget in microseconds: what the kernel lends a server of the next refill must be in it.
pub const BUDGET_US_MIN: u32 = abi::fault::OVERDRAFT_US;
/// A guest has at least this part of its core's time: what boots in seconds takes an hour then.
pub const GUEST_PART_MIN: u32 = 1000;

/// Budget and period in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Budget.
    pub budget_us: u32,
    /// Period.
    pub period_us: u32,
}

/// A component's time.
pub const COMPONENT: Share = Share { budget_us: 2_000, period_us: 10_000 };
/// The console's.
pub const CONSOLE: Share = Share { budget_us: 5_000, period_us: 10_000 };
/// The log collector's: it polls, and yields the rest of its period.
pub const LOG: Share = Share { budget_us: 2_000, period_us: 50_000 };
/// A VMM's own, for events.
pub const VMM: Share = Share { budget_us: 5_000, period_us: 10_000 };
/// A guest's: all the time that is left, in turns of this length.
pub const GUEST: Share = Share { budget_us: 10_000, period_us: 10_000 };

/// What was asked for, completed.
pub fn share(time: &Time, default: Share) -> Share {
    match (&time.budget_us, &time.period_us) {
        (Some(budget), Some(period)) => Share { budget_us: budget.value, period_us: period.value },
        (Some(budget), None) => Share { budget_us: budget.value, period_us: default.period_us.max(budget.value) },
        (None, Some(period)) => Share { budget_us: default.budget_us.min(period.value), period_us: period.value },
        (None, None) => default,
    }
}

/// The core that was asked for.
pub fn core(time: &Time) -> u8 {
    time.core.as_ref().map_or(0, |core| core.value.min(u8::MAX.into()) as u8)
}

/// The priority that was asked for.
pub fn priority(time: &Time, default: u8) -> u8 {
    time.priority.as_ref().map_or(default, |priority| priority.value.min(PRIORITY_MAX) as u8)
}
