//! How much may be told of the dead: a few at once, then one every now and then, so that who dies in a loop, or many that
//! die together, push nobody's words out of root's log ring.

/// So many epitaphs may be told one after the other: they fit into root's ring together.
pub const AT_ONCE: u32 = 2;
/// And one more each time that so much time has passed.
pub const EVERY_US: u64 = 250_000;

/// What may still be told. At first it is all zeros, like all of root's state.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// What was told and has not come back yet.
    told: u32,
    /// Until when what came back is counted.
    counted_us: u64,
}

impl Allowance {
    /// All that may be told at once.
    pub const fn new() -> Self {
        Self { told: 0, counted_us: 0 }
    }

    /// Whether one more may be told now.
    pub fn take(&mut self, now_us: u64) -> bool {
        let back = now_us.saturating_sub(self.counted_us) / EVERY_US;
        self.counted_us += back * EVERY_US;
        self.told = u64::from(self.told).saturating_sub(back) as u32;
        let may = self.told < AT_ONCE;
        self.told += u32::from(may);
        may
    }
}

impl Default for Allowance {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_at_once_and_then_one_at_a_time() {
        let mut allowance = Allowance::new();
        let told = (0..100).filter(|_| allowance.take(10)).count();
        assert_eq!(told as u32, AT_ONCE);
        assert!(!allowance.take(EVERY_US - 1) && allowance.take(EVERY_US) && !allowance.take(EVERY_US));
        // What is not used is not saved up, and a clock that goes back gives nothing.
        let told = (0..100).filter(|_| allowance.take(u64::MAX)).count();
        assert_eq!(told as u32, AT_ONCE);
        assert!(!allowance.take(0));
    }

    #[test]
    fn who_dies_all_the_time_is_told_of_at_that_rate() {
        let mut allowance = Allowance::new();
        let told = (0..10_000).filter(|step| allowance.take(step * 1000)).count();
        assert_eq!(told as u64, u64::from(AT_ONCE) + 9_999_000 / EVERY_US);
    }
}
