//! How much of the processor others take, seen by who gets the rest: it looks at the clock all the time, and what it
//! missed, another had.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

/// Between two looks of one that runs undisturbed passes less than this, in microseconds.
pub const GAP_US: u64 = 20;

/// What was seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meter {
    last_us: Option<u64>,
    /// Microseconds that others had.
    pub taken_us: u64,
    /// The longest time without a look, in microseconds.
    pub longest_us: u64,
}

impl Meter {
    /// A look at the clock.
    pub fn look(&mut self, now_us: u64) {
        let gap = now_us.saturating_sub(self.last_us.unwrap_or(now_us));
        if gap >= GAP_US {
            self.taken_us += gap;
            self.longest_us = self.longest_us.max(gap);
        }
        self.last_us = Some(now_us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_others_time_and_steps_are_not() {
        let mut meter = Meter::default();
        for now in [1000, 1001, 1019, 1119, 1120, 2120] {
            meter.look(now);
        }
        assert_eq!((meter.taken_us, meter.longest_us), (1100, 1000));
    }
}
