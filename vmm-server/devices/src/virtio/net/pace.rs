//! A limit for what a VM sends, so that it leaves something of the switch to others: a token bucket.

/// So many bytes a second, and so many at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    bytes_per_s: u32,
    /// What may be sent now, in millionths of a byte; `burst` at most.
    credit: u64,
    burst: u64,
    /// When `credit` was that much.
    at_us: u64,
}

/// A byte's worth of credit.
const BYTE: u64 = 1_000_000;

impl Pace {
    /// A full bucket. A frame that is longer than `burst_bytes` costs as much as a full one.
    pub const fn new(bytes_per_s: u32, burst_bytes: u32, now_us: u64) -> Self {
        let burst = burst_bytes as u64 * BYTE;
        Self { bytes_per_s, credit: burst, burst, at_us: now_us }
    }

    /// Whether `bytes` more may be sent now; if so, they have been. Time that runs backwards gives nothing.
    pub fn take(&mut self, bytes: usize, now_us: u64) -> bool {
        let passed = now_us.saturating_sub(self.at_us);
        self.at_us = self.at_us.max(now_us);
        self.credit = self.credit.saturating_add(passed.saturating_mul(self.bytes_per_s.into())).min(self.burst);
        match self.credit.checked_sub(self.cost(bytes)) {
            Some(rest) => {
                self.credit = rest;
                true
            }
            None => false,
        }
    }

    /// When `bytes` more may be sent; `None` for never.
    pub fn ready_us(&self, bytes: usize) -> Option<u64> {
        match self.cost(bytes).saturating_sub(self.credit) {
            0 => Some(self.at_us),
            _ if self.bytes_per_s == 0 => None,
            lacking => self.at_us.checked_add(lacking.div_ceil(self.bytes_per_s.into())),
        }
    }

    fn cost(&self, bytes: usize) -> u64 {
        (bytes as u64).saturating_mul(BYTE).min(self.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_burst_then_a_stream() {
        let mut pace = Pace::new(1_000_000, 3000, 5);
        assert!(pace.take(1500, 5) && pace.take(1500, 5));
        assert!(!pace.take(1500, 5));
        assert_eq!(pace.ready_us(1500), Some(1505));
        assert!(!pace.take(1500, 1504));
        assert!(pace.take(1500, 1505));
        assert!(!pace.take(1, 1505));
        assert!(!pace.take(1, 100), "time that runs backwards");
        assert!(pace.take(3000, 1_000_000_000) && !pace.take(1, 1_000_000_000), "no more than the burst is saved up");
        assert!(pace.take(100_000, 1_000_003_000), "what is longer than the burst is not held for ever");
        assert_eq!(Pace::new(0, 10, 0).ready_us(10), Some(0));
        let mut stopped = Pace::new(0, 10, 0);
        assert!(stopped.take(10, 0) && !stopped.take(1, u64::MAX));
        assert_eq!(stopped.ready_us(1), None);
    }

    proptest! {
        /// Never more than the burst and the rate allow, and `ready_us` is the first moment.
        #[test]
        fn no_more_than_its_share(rate in 1..50_000_000u32, burst in 1514..60_000u32, frames in prop::collection::vec((60..1514usize, 0..5000u64), 1..100)) {
            let mut pace = Pace::new(rate, burst, 0);
            let (mut now, mut sent) = (0, 0u64);
            for (bytes, pause) in frames {
                now += pause;
                if pace.take(bytes, now) {
                    sent += bytes as u64;
                } else {
                    let ready = pace.ready_us(bytes).unwrap();
                    prop_assert!(ready > now);
                    prop_assert!(!pace.clone().take(bytes, ready - 1));
                    prop_assert!(pace.clone().take(bytes, ready));
                }
                prop_assert!(sent <= u64::from(burst) + now * u64::from(rate) / 1_000_000 + 1);
            }
        }
    }
}
