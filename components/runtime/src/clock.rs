//! Vault: the machine's counter, which components may read.
#![cfg_attr(target_os = "none", allow(unsafe_code, reason = "coprocessor reads"))]

/// The physical counter (CNTPCT).
#[cfg(target_os = "none")]
#[inline]
pub fn now_ticks() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: C: the kernel opens CNTPCT and CNTFRQ to components (CNTKCTL.PL0PCTEN); reading them changes nothing.
    unsafe {
        core::arch::asm!("isb", "mrrc p15, 0, {}, {}, c14", out(reg) low, out(reg) high, options(nomem, nostack, preserves_flags));
    }
    u64::from(high) << 32 | u64::from(low)
}

/// Ticks in a second (CNTFRQ).
#[cfg(target_os = "none")]
#[inline]
pub fn ticks_per_second() -> u32 {
    let hz: u32;
    // SAFETY: C.
    unsafe { core::arch::asm!("mrc p15, 0, {}, c14, c0, 0", out(reg) hz, options(nomem, nostack, preserves_flags)) };
    hz
}

/// The simulated machine's counter; without one, the host's monotonic clock in nanoseconds.
#[cfg(not(target_os = "none"))]
pub fn now_ticks() -> u64 {
    use std::sync::OnceLock;
    use std::time::Instant;
    static START: OnceLock<Instant> = OnceLock::new();
    crate::host::counter()
        .map_or_else(|| START.get_or_init(Instant::now).elapsed().as_nanos() as u64, |(ticks, _)| ticks)
}

/// Ticks in a second.
#[cfg(not(target_os = "none"))]
pub fn ticks_per_second() -> u32 {
    crate::host::counter().map_or(1_000_000_000, |(_, hz)| hz)
}

/// Microseconds since the machine's counter began.
pub fn now_us() -> u64 {
    to_us(now_ticks(), ticks_per_second())
}

/// Ticks in microseconds, without overflow.
pub fn to_us(ticks: u64, hz: u32) -> u64 {
    let hz = u64::from(hz.max(1));
    ticks / hz * 1_000_000 + ticks % hz * 1_000_000 / hz
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_become_microseconds_however_many_there_are() {
        assert_eq!(to_us(62_500_000, 62_500_000), 1_000_000);
        assert_eq!(to_us(125, 62_500_000), 2);
        assert_eq!(to_us(u64::MAX, 62_500_000), (u128::from(u64::MAX) * 2 / 125) as u64);
        assert_eq!(to_us(5, 0), 5_000_000);
    }
}
