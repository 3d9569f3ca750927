//! Where a guest says that it has panicked: QEMU's pvpanic, its MMIO form ("qemu,pvpanic-mmio"; QEMU, docs/specs/pvpanic).
//!
//! One register of a byte. A load gives the events that the device understands; a store is an event. Bits that it does not understand mean
//! nothing, as in QEMU. It holds no state and has no interrupt.

/// The guest has panicked, and stays where it is.
pub const PANICKED: u32 = 1 << 0;
/// The guest has panicked, and a kernel that was kept for this takes over to save what there is.
pub const CRASH_LOADED: u32 = 1 << 1;

/// What a guest says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It has panicked.
    Panicked,
    /// It has panicked and goes on with its crash kernel.
    CrashLoaded,
}

/// What a load of `width` bytes at `offset` gives: the register's bytes are the first; what follows is zero.
pub const fn read(offset: u32) -> u32 {
    if offset == 0 { PANICKED | CRASH_LOADED } else { 0 }
}

/// What a store says. Of both, that it has panicked counts: nobody is left who goes on.
pub const fn write(offset: u32, value: u32) -> Option<Event> {
    match (offset, value & PANICKED, value & CRASH_LOADED) {
        (0, PANICKED, _) => Some(Event::Panicked),
        (0, _, CRASH_LOADED) => Some(Event::CrashLoaded),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_understands_two_events() {
        assert_eq!((read(0), read(1)), (3, 0));
        for (value, event) in [
            (0, None),
            (1, Some(Event::Panicked)),
            (2, Some(Event::CrashLoaded)),
            (3, Some(Event::Panicked)),
            (4, None),
            (0xff, Some(Event::Panicked)),
            (0xfffe, Some(Event::CrashLoaded)),
        ] {
            assert_eq!((write(0, value), write(1, value)), (event, None), "{value:#x}");
        }
    }
}
