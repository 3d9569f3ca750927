//! RAM that has been zero since it was made: zeroing it is no work, and touches no page of the host's.
//!
//! The kernel writes to memory only after it has zeroed it, so what is zeroed for the first time is zero still. It
//! is used where a whole board's RAM is simulated; small worlds zero all that they are told to.

use std::collections::BTreeMap;
use std::vec::Vec;

/// Ranges of physical addresses: first address, and the one behind the last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fresh(BTreeMap<u64, u64>);

impl Fresh {
    /// All of these ranges, which do not overlap.
    pub fn new(ranges: impl IntoIterator<Item = (u64, u64)>) -> Self {
        Self(ranges.into_iter().filter(|(from, to)| from < to).collect())
    }

    /// Takes a range out, which is about to be zeroed. The parts of it that were not in are returned: these have
    /// to be written.
    pub fn take(&mut self, from: u64, to: u64) -> Vec<(u64, u64)> {
        let overlapping: Vec<(u64, u64)> =
            self.0.range(..to).rev().take_while(|&(_, &end)| end > from).map(|(&start, &end)| (start, end)).collect();
        let (mut stale, mut at) = (Vec::new(), from);
        for (start, end) in overlapping.into_iter().rev() {
            self.0.remove(&start);
            if start < from {
                self.0.insert(start, from);
            }
            if end > to {
                self.0.insert(to, end);
            }
            if at < start {
                stale.push((at, start));
            }
            at = end;
        }
        if at < to {
            stale.push((at, to));
        }
        stale
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_is_fresh_once() {
        let mut fresh = Fresh::new([(10, 20), (30, 40), (50, 50)]);
        assert_eq!(fresh.take(15, 18), []);
        assert_eq!(fresh, Fresh::new([(10, 15), (18, 20), (30, 40)]));
        assert_eq!(fresh.take(12, 35), [(15, 18), (20, 30)]);
        assert_eq!(fresh, Fresh::new([(10, 12), (35, 40)]));
        assert_eq!(fresh.take(0, 50), [(0, 10), (12, 35), (40, 50)]);
        assert_eq!(fresh, Fresh::default());
        assert_eq!(fresh.take(0, 50), [(0, 50)]);
    }
}
