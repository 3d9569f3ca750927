//! What a kernel leaves open, drawn from a seed: how long things take, when interrupts arrive, where a thread is preempted.

use kernel_core::sim::trace::Random;

/// Ticks of the machine's counter in a microsecond, as the simulated machine has them.
pub const TICKS_PER_US: u64 = 62;

/// The source of all chance. Without a seed there is none.
#[derive(Clone, Debug)]
pub struct Jitter(Option<Random>);

impl Jitter {
    /// From a seed; `None`: no chance at all.
    pub fn new(seed: Option<u64>) -> Self {
        Self(seed.map(Random::new))
    }

    /// Ticks that an entry to the kernel takes, with what was done before it: a microsecond, more or less.
    pub fn entry(&mut self) -> u64 {
        self.0.as_mut().map_or(TICKS_PER_US, |random| 10 + u64::from(random.below(2 * TICKS_PER_US as u32)))
    }

    /// Ticks that pass before an access to shared memory: mostly none, now and then enough for something to come between.
    pub fn access(&mut self) -> u64 {
        self.0.as_mut().map_or(0, |random| match random.below(48) {
            0 => u64::from(random.below(40 * TICKS_PER_US as u32)),
            _ => 0,
        })
    }

    /// Ticks from an interrupt's cause to its arrival.
    pub fn interrupt(&mut self) -> u64 {
        self.0.as_mut().map_or(0, |random| u64::from(random.below(100 * TICKS_PER_US as u32)))
    }

    /// Every how many preemption points a long operation of the kernel is stopped; 0: never.
    pub fn preempt_every(&mut self) -> u32 {
        self.0.as_mut().map_or(0, |random| random.below(4) * 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_the_same_always_and_none_means_no_chance() {
        let draw = |seed| {
            let mut jitter = Jitter::new(seed);
            std::array::from_fn::<u64, 64, _>(|_| jitter.entry() + jitter.access() + jitter.interrupt())
        };
        assert_eq!(draw(Some(3)), draw(Some(3)));
        assert_ne!(draw(Some(3)), draw(Some(4)));
        assert_eq!(draw(None), [TICKS_PER_US; 64]);
    }
}
