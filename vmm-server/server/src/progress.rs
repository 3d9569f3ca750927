//! Whether a guest gets anywhere: one whose exception handlers fault does nothing but fault.
//!
//! An exit counts if its answer is an abort or an undefined instruction for a privileged mode: what a guest's user mode does wrong, its kernel
//! deals with. Of a loop that gets nowhere, the same exits come round again and again; a guest that tries out what it may not do makes each
//! exit a different one. So after [`FAULTS_MAX`] in a row the next exit that is known already tells.

/// Aborts and undefined instructions in a row, with no other exit between, after which a guest that repeats itself has crashed.
pub const FAULTS_MAX: u32 = 10_000;

/// What an exit was: its label and its words.
type Exit = (u16, [u32; 4]);

/// The faults in a row, and one of them to know the others by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    faults: u32,
    /// The fault whose number is the last power of two. A loop that is shorter than that number comes by it again.
    known: Exit,
}

impl Progress {
    /// There was some.
    #[inline(always)]
    pub fn lives(&mut self) {
        self.faults = 0;
    }

    /// A privileged mode of the guest gets an abort or an undefined instruction for this exit: whether it has crashed.
    pub fn faults(&mut self, label: u16, words: [u32; 4]) -> bool {
        let repeated = self.faults > 0 && self.known == (label, words);
        self.faults = self.faults.saturating_add(1);
        if self.faults.is_power_of_two() {
            self.known = (label, words);
        }
        repeated && self.faults >= FAULTS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_crash(exits: impl Iterator<Item = [u32; 4]>) -> Option<u32> {
        let mut progress = Progress::default();
        exits.take(1_000_000).position(|words| progress.faults(3, words)).map(|at| at as u32 + 1)
    }

    #[test]
    fn a_loop_of_any_length_is_found_soon_after_the_limit() {
        assert_eq!(first_crash(std::iter::repeat([0, 0xc, 0xc, 0xc])), Some(FAULTS_MAX));
        for length in 2..50 {
            let found = first_crash((0..length).cycle().map(|n| [0, n, 0, 4 * n])).unwrap();
            assert!((FAULTS_MAX..FAULTS_MAX + length).contains(&found), "{length}: {found}");
        }
    }

    #[test]
    fn a_guest_that_tries_everything_has_not_crashed() {
        assert_eq!(first_crash((0..).map(|n| [n, 0, 0, 0x4000_8000])), None);
    }

    #[test]
    fn anything_else_between_is_progress() {
        let mut progress = Progress::default();
        for n in 0..10 * FAULTS_MAX {
            assert!(!progress.faults(7, [1; 4]));
            if n % (FAULTS_MAX - 1) == 0 {
                progress.lives();
            }
        }
    }
}
