//! A component that dies, deep in calls of its own, for its epitaph. Each instance dies as its name says.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

use core::hint::black_box;

/// How to die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A panic whose words have numbers in them.
    Panic,
    /// Calls without end.
    Overflow,
}

/// The way for an instance of that name.
pub fn way(name: &str) -> Way {
    if name.starts_with("overflow") { Way::Overflow } else { Way::Panic }
}

/// When an instance of that name dies, in microseconds after the start: the one that dies again and again when the others' last
/// words are out, the one that dies beside others when those are at work.
pub fn when_us(name: &str) -> u64 {
    match name {
        "again" => 4_000_000,
        "beside" => 3_000_000,
        _ => 0,
    }
}

/// Dies. The functions below are kept apart, for each to be seen in the backtrace.
#[inline(never)]
pub fn outer(way: Way) -> u32 {
    let depth = black_box(1);
    inner(way, depth).wrapping_add(depth) // outer calls
}

#[inline(never)]
fn inner(way: Way, depth: u32) -> u32 {
    let numbers = black_box([1, 2, 3]);
    match way {
        Way::Panic => at(&numbers, 6 + depth as usize).wrapping_add(depth), // inner panics
        Way::Overflow => dig(depth).wrapping_add(depth),                    // inner digs
    }
}

#[inline(never)]
fn at(numbers: &[u32], index: usize) -> u32 {
    numbers[index] // the index is too large
}

#[inline(never)]
fn dig(depth: u32) -> u32 {
    let hole = black_box([depth; 60]);
    if depth == 0 {
        return hole[1];
    }
    dig(depth + 1).wrapping_add(hole[0]) // dig calls itself
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_how_and_when() {
        assert_eq!((when_us("again"), when_us("beside"), when_us("panics")), (4_000_000, 3_000_000, 0));
        assert_eq!((way("overflows"), way("panics"), way("again")), (Way::Overflow, Way::Panic, Way::Panic));
    }

    #[test]
    #[should_panic(expected = "the len is 3 but the index is 7")]
    fn it_panics() {
        outer(Way::Panic);
    }

    #[test]
    fn digging_may_end() {
        assert_eq!(dig(0), 0);
    }
}
