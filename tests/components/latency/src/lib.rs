//! The driver of a timer that rings again and again, and tells how late it is woken: from the moment at which the timer's line
//! rises, which it knows from the clock, to its own first instructions.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

/// Registers of an SP804 (ARM DDI 0271D 3.2), the first of its two timers.
pub mod sp804 {
    /// What it counts down from, at 1 MHz.
    pub const LOAD: usize = 0x00;
    /// Its control register.
    pub const CONTROL: usize = 0x08;
    /// Any write makes its line fall.
    pub const INT_CLR: usize = 0x0c;
    /// Enabled, periodic, with its interrupt, 32 bits wide.
    pub const RING: u32 = 1 << 7 | 1 << 6 | 1 << 5 | 1 << 1;
}

/// Between two rings: even, so that it is a whole number of ticks of 16 ns, and no part of any other period here.
pub const PERIOD_US: u32 = 178;
/// Rings that are counted.
pub const ROUNDS: u32 = 500;
/// The end mark that is made when it has been woken.
pub const WOKEN: u32 = 12;

/// How late it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lateness {
    start: u64,
    period: u64,
    /// The most, in ticks.
    pub most: u64,
    /// Rings after which it was woken only when the next was due.
    pub missed: u64,
    last: u64,
}

impl Lateness {
    /// Rings come each `period` ticks after `start`.
    pub const fn new(start: u64, period: u64) -> Self {
        Self { start, period, most: 0, missed: 0, last: 0 }
    }

    /// It was woken now.
    pub fn woken(&mut self, now: u64) {
        let (ring, late) = ((now - self.start) / self.period, (now - self.start) % self.period);
        // Who is more than a period late is later than can be seen.
        let missed = ring.saturating_sub(self.last + 1);
        self.missed += missed;
        self.last = ring;
        self.most = self.most.max(late + missed * self.period);
    }
}

/// Ticks in nanoseconds, which are instructions where an instruction takes one.
pub fn ns(ticks: u64, hz: u32) -> u64 {
    ticks * 1_000_000_000 / u64::from(hz.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_is_kept_and_a_missed_ring_is_a_period_more() {
        let mut late = Lateness::new(1000, 100);
        [1105, 1230, 1301].into_iter().for_each(|now| late.woken(now));
        assert_eq!((late.most, late.missed), (30, 0));
        late.woken(1510);
        assert_eq!((late.most, late.missed), (110, 1));
        assert_eq!(ns(10, 62_500_000), 160);
    }

    #[test]
    fn periods_are_whole_ticks() {
        assert_eq!(u64::from(PERIOD_US) * 62_500_000 % 1_000_000, 0);
    }
}
