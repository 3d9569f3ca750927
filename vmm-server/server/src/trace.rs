//! The last exits of each vCPU, for the epitaph.

/// How many are kept: a power of two.
pub const EXITS_KEPT: usize = 16;

/// One exit as it came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exit {
    /// Its label.
    pub label: u16,
    /// Its words.
    pub words: [u32; 4],
}

/// The last exits of a vCPU.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    exits: [Exit; EXITS_KEPT],
    count: usize,
}

impl Trace {
    /// Keeps one.
    #[inline(always)]
    pub fn keep(&mut self, label: u16, words: [u32; 4]) {
        self.exits[self.count % EXITS_KEPT] = Exit { label, words };
        self.count = self.count.wrapping_add(1);
    }

    /// Those that are kept, oldest first.
    pub fn exits(&self) -> impl Iterator<Item = Exit> {
        let kept = self.count.min(EXITS_KEPT);
        (self.count - kept..self.count).map(|number| self.exits[number % EXITS_KEPT])
    }

    /// How many exits there were.
    pub fn count(&self) -> usize {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_sixteen_are_kept_in_order() {
        let mut trace = Trace::default();
        assert_eq!(trace.exits().count(), 0);
        (0..20).for_each(|number| trace.keep(number, [0; 4]));
        let labels: std::vec::Vec<u16> = trace.exits().map(|exit| exit.label).collect();
        assert_eq!(labels, (4..20).collect::<std::vec::Vec<_>>());
    }
}
