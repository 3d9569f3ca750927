//! Set/way cache operations of the guest. They mean nothing to a guest that is moved about, so the first of a
//! run of them cleans and invalidates all of its RAM, in pieces; the others of the same run are done with that.
//!
//! A run ends with a pause, or when the operation that began it comes again: then the guest goes over its caches once more, and may have
//! written meanwhile. What a guest pays for that is its own time.

use abi::Error;
use abi::method::CACHE_BYTES_MAX;
use abi::object::BLOCK_BITS;
use runtime::Frame;

/// Two set/way operations belong to one run if no more time lies between them.
pub const RUN_US: u64 = 100;

/// What was flushed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flusher {
    /// Capability of the first 2 MiB frame of guest RAM.
    pub first_frame: u32,
    /// How many frames.
    pub frames: u32,
    last_us: Option<u64>,
    first: Operation,
}

/// A set/way operation: CRm of its encoding, and the set, way and level that it names.
pub type Operation = (u32, u32);

impl Flusher {
    /// For these frames.
    pub const fn new(first_frame: u32, frames: u32) -> Self {
        Self { first_frame, frames, last_us: None, first: (0, 0) }
    }

    /// A set/way operation came at that time: whether it begins a run, and RAM must be flushed.
    pub fn begins_run(&mut self, now_us: u64, operation: Operation) -> bool {
        let last = self.last_us.replace(now_us);
        let begins = operation == self.first || last.is_none_or(|last| now_us.saturating_sub(last) > RUN_US);
        if begins {
            self.first = operation;
        }
        begins
    }

    /// The run goes on after the flush that it began with.
    pub fn flushed(&mut self, now_us: u64) {
        self.last_us = Some(now_us);
    }

    /// Cleans and invalidates all of the guest's RAM.
    pub fn flush(&self) -> Result<(), Error> {
        for frame in 0..self.frames {
            for offset in (0..1 << BLOCK_BITS).step_by(CACHE_BYTES_MAX as usize) {
                Frame(self.first_frame + frame).clean_invalidate(offset, CACHE_BYTES_MAX)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_flushed_once() {
        let mut flusher = Flusher::new(1, 1);
        assert!(flusher.begins_run(1000, (14, 0)));
        flusher.flushed(5000);
        assert!(!flusher.begins_run(5001, (14, 0x40)) && !flusher.begins_run(5100, (10, 0)));
        assert!(flusher.begins_run(5100 + RUN_US + 1, (14, 0x80)));
    }

    #[test]
    fn who_goes_over_the_caches_again_is_flushed_again() {
        let mut flusher = Flusher::new(1, 1);
        let mut flushes = 0;
        for round in 0..3 {
            for way in 0..4 {
                for set in 0..256 {
                    flushes += u32::from(flusher.begins_run(1000 + round, (14, way << 30 | set << 6)));
                }
            }
        }
        assert_eq!(flushes, 3);
    }
}
