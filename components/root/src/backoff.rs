//! How long a group that ends again and again, too slowly to be stopped for it, waits before it is built again: it shall come
//! back by itself when what ails it is over, and cost little until then.

/// Who ran for so long since it was built has begun anew.
pub const SETTLED_US: u64 = 60_000_000;
/// So many are built again at once, each of which ended sooner than that.
pub const AT_ONCE: u32 = 5;
/// So long the next one waits. Each one after it waits twice as long as the one before,
pub const FIRST_US: u64 = 1_000_000;
/// but never longer than this.
pub const LONGEST_US: u64 = 60_000_000;

/// What is known of a group.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    built_us: u64,
    short_lives: u32,
}

impl Backoff {
    /// Of a group that is built with the system.
    pub const fn new() -> Self {
        Self { built_us: 0, short_lives: 0 }
    }

    /// It has ended. How long it waits before it is built again, in microseconds.
    pub fn ended(&mut self, now_us: u64) -> u64 {
        if now_us.saturating_sub(self.built_us) >= SETTLED_US {
            self.short_lives = 0;
        }
        self.short_lives = self.short_lives.saturating_add(1);
        match self.short_lives.checked_sub(AT_ONCE + 1) {
            None => 0,
            Some(more) => FIRST_US.checked_shl(more.min(16)).map_or(LONGEST_US, |delay_us| delay_us.min(LONGEST_US)),
        }
    }

    /// It was built again.
    pub fn built(&mut self, now_us: u64) {
        self.built_us = now_us;
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// How long it waits each time, if it lives so long.
    fn waits(life_us: u64, times: usize) -> Vec<u64> {
        let (mut backoff, mut now_us) = (Backoff::new(), 0);
        let ends = (0..times).map(|_| {
            now_us += life_us;
            let wait_us = backoff.ended(now_us);
            now_us += wait_us;
            backoff.built(now_us);
            wait_us / 1_000_000
        });
        ends.collect()
    }

    #[test]
    fn who_lives_shortly_waits_ever_longer_up_to_a_minute() {
        assert_eq!(waits(3_000_000, 14), [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(waits(SETTLED_US - 1, 1000)[999], 60);
    }

    #[test]
    fn who_lives_longer_waits_never_and_begins_anew() {
        assert_eq!(waits(SETTLED_US, 100), [0; 100]);
        let mut backoff = Backoff::new();
        assert_eq!((0..8).map(|now_us| backoff.ended(now_us)).max(), Some(4 * FIRST_US));
        // What it waits does not count as life.
        backoff.built(90_000_000);
        assert_eq!(backoff.ended(91_000_000), 8 * FIRST_US);
        assert_eq!(backoff.ended(90_000_000 + SETTLED_US), 0);
    }

    #[test]
    fn a_count_that_is_full_waits_the_longest() {
        let mut backoff = Backoff { built_us: 0, short_lives: u32::MAX };
        assert_eq!(backoff.ended(1), LONGEST_US);
    }
}
