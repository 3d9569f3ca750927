//! The guest's real-time clock: a PL031 (ARM DDI 0224).
//!
//! It counts seconds, and takes the time as a parameter: whoever calls knows what time it is. The alarm is looked at when
//! something calls; a host that wants it on time calls [`Pl031::tick`] at [`Pl031::alarm_in`].

use crate::line::Line;

/// RTCCR after reset: the clock runs, and cannot be stopped (section 3.3.4).
const RUNNING: u32 = 1;
/// Part number 0x031, designer 0x41, revision 0; then the cell id that all PrimeCells share.
const IDENTIFICATION: [u8; 8] = [0x31, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1];

/// The clock.
#[derive(Clone, Debug, Default)]
pub struct Pl031 {
    /// What the guest's clock is ahead of the host's, in seconds.
    offset: u32,
    loaded: u32,
    matched: u32,
    /// The guest has set an alarm that has not gone off.
    armed: bool,
    mask: bool,
    raw: bool,
    level: bool,
}

impl Pl031 {
    /// A clock that shows the host's time, in seconds since 1970.
    pub const fn new() -> Self {
        Self { offset: 0, loaded: 0, matched: 0, armed: false, mask: false, raw: false, level: false }
    }

    /// The guest loads from `offset`; `now` is the host's time in seconds.
    pub fn read(&mut self, offset: u32, now: u32, line: &mut impl Line) -> u32 {
        self.tick(now, line);
        match offset & !3 {
            0x00 => now.wrapping_add(self.offset),
            0x04 => self.matched,
            0x08 => self.loaded,
            0x0c => RUNNING,
            0x10 => u32::from(self.mask),
            0x14 => u32::from(self.raw),
            0x18 => u32::from(self.raw && self.mask),
            word @ 0xfe0..=0xfff => IDENTIFICATION.get((word as usize - 0xfe0) / 4).copied().map_or(0, u32::from),
            _ => 0,
        }
    }

    /// The guest stores `value` at `offset`.
    pub fn write(&mut self, offset: u32, value: u32, now: u32, line: &mut impl Line) {
        match offset & !3 {
            0x04 => {
                self.matched = value;
                self.armed = true;
            }
            0x08 => {
                self.loaded = value;
                self.offset = value.wrapping_sub(now);
            }
            0x10 => self.mask = value & 1 != 0,
            0x1c if value & 1 != 0 => self.raw = false,
            _ => {}
        }
        self.tick(now, line);
    }

    /// Time has passed.
    pub fn tick(&mut self, now: u32, line: &mut impl Line) {
        if self.alarm_in(now) == Some(0) {
            self.armed = false;
            self.raw = true;
        }
        let level = self.raw && self.mask;
        if level != self.level {
            self.level = level;
            line.set(level);
        }
    }

    /// Seconds until the alarm goes off, if one is set. One that lies up to 2^31 seconds back is due at once, since
    /// nobody may have looked in the second that it names.
    pub fn alarm_in(&self, now: u32) -> Option<u32> {
        let left = self.matched.wrapping_sub(now.wrapping_add(self.offset));
        self.armed.then_some(if left as i32 <= 0 { 0 } else { left })
    }

    /// Everything as after reset, and the line falls; the clock goes on from the host's time.
    pub fn reset(&mut self, now: u32, line: &mut impl Line) {
        *self = Self { level: self.level, ..Self::new() };
        self.tick(now, line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shows_the_time_and_can_be_set() {
        let mut clock = Pl031::new();
        let line = &mut |_| {};
        assert_eq!(clock.read(0, 1000, line), 1000);
        clock.write(8, 5, 1000, line);
        assert_eq!([clock.read(0, 1010, line), clock.read(8, 1010, line), clock.read(0xc, 0, line)], [15, 5, 1]);
        assert_eq!(clock.read(0xfe0, 0, line), 0x31);
    }

    #[test]
    fn the_alarm_goes_off_once() {
        let (mut clock, mut level) = (Pl031::new(), false);
        clock.write(0x10, 1, 100, &mut |to| level = to);
        clock.write(4, 105, 100, &mut |to| level = to);
        assert_eq!((clock.alarm_in(101), level), (Some(4), false));
        clock.tick(106, &mut |to| level = to);
        assert_eq!((clock.alarm_in(106), level), (None, true));
        clock.write(0x1c, 1, 107, &mut |to| level = to);
        assert!(!level);
        clock.tick(200, &mut |to| level = to);
        assert!(!level);
    }

    #[test]
    fn every_offset_is_survived() {
        let mut clock = Pl031::new();
        for offset in (0..0x1100).chain([u32::MAX]) {
            for (value, now) in [(u32::MAX, 0), (0, u32::MAX), (1 << 31, 1 << 31)] {
                clock.write(offset, value, now, &mut |_| {});
                clock.read(offset, now, &mut |_| {});
            }
        }
        clock.reset(0, &mut |_| {});
        assert_eq!(clock.read(0x14, 0, &mut |_| {}), 0);
    }
}
