//! The interrupt controller: which lines are pulled, since when, and which interrupt comes next.

use std::collections::{BTreeMap, BTreeSet};

/// Lines of devices and interrupts of the test's own. What is let through and what is active the simulated machine knows.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    /// Interrupts that come once, and when.
    once: BTreeMap<u32, u64>,
    /// Lines that are pulled, and when that arrives.
    pulled: BTreeMap<u32, u64>,
}

impl Lines {
    /// An interrupt comes once, at that time.
    pub fn raise(&mut self, intid: u32, at: u64) {
        let known = self.once.entry(intid).or_insert(at);
        *known = at.min(*known);
    }

    /// A line is pulled or not; `at` is when a pull arrives that was not known.
    pub fn set(&mut self, intid: u32, level: bool, at: impl FnOnce() -> u64) {
        if level {
            self.pulled.entry(intid).or_insert_with(at);
        } else {
            self.pulled.remove(&intid);
        }
    }

    /// Interrupts that may come, and when: those that are let through and not active.
    fn open<'a>(
        &'a self,
        enabled: &'a BTreeSet<u32>,
        active: &'a BTreeSet<u32>,
    ) -> impl Iterator<Item = (u32, u64)> + 'a {
        let all = self.once.iter().chain(&self.pulled);
        all.map(|(&intid, &at)| (intid, at)).filter(|(intid, _)| enabled.contains(intid) && !active.contains(intid))
    }

    /// The interrupt that comes now: of several, that with the lowest number.
    pub fn due(&self, now: u64, enabled: &BTreeSet<u32>, active: &BTreeSet<u32>) -> Option<u32> {
        self.open(enabled, active).filter(|&(_, at)| at <= now).map(|(intid, _)| intid).min()
    }

    /// When the next one comes.
    pub fn next(&self, enabled: &BTreeSet<u32>, active: &BTreeSet<u32>) -> u64 {
        self.open(enabled, active).map(|(_, at)| at).min().unwrap_or(u64::MAX)
    }

    /// It came.
    pub fn took(&mut self, intid: u32) {
        self.once.remove(&intid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_again_until_it_falls_and_an_interrupt_once() {
        let (enabled, mut active) = (BTreeSet::from([33, 34]), BTreeSet::new());
        let mut lines = Lines::default();
        lines.set(33, true, || 10);
        lines.set(33, true, || 99);
        lines.raise(34, 20);
        lines.raise(40, 1);
        assert_eq!((lines.due(9, &enabled, &active), lines.next(&enabled, &active)), (None, 10));
        assert_eq!(lines.due(20, &enabled, &active), Some(33));
        active.insert(33);
        assert_eq!(lines.due(20, &enabled, &active), Some(34));
        lines.took(34);
        assert_eq!(lines.due(20, &enabled, &active), None);
        active.clear();
        assert_eq!(lines.due(20, &enabled, &active), Some(33));
        lines.set(33, false, || 0);
        assert_eq!(lines.next(&enabled, &active), u64::MAX);
    }
}
