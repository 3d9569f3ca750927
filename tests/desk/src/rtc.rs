//! A real-time clock: the PL031 that guests get, on the machine's time. It shows the seconds since the start.

use crate::device::Device;
use vmm_devices::pl031::Pl031;

const US_PER_SECOND: u64 = 1_000_000;

/// The clock.
#[derive(Clone, Debug, Default)]
pub struct Rtc {
    clock: Pl031,
    level: bool,
    seconds: u32,
}

impl Device for Rtc {
    fn load(&mut self, offset: u32, _: u32) -> u32 {
        self.clock.read(offset, self.seconds, &mut |level| self.level = level)
    }
    fn store(&mut self, offset: u32, _: u32, value: u32) {
        self.clock.write(offset, value, self.seconds, &mut |level| self.level = level);
    }
    fn line(&self) -> bool {
        self.level
    }
    fn time(&mut self, now_us: u64) -> Option<u64> {
        self.seconds = (now_us / US_PER_SECOND) as u32;
        self.clock.tick(self.seconds, &mut |level| self.level = level);
        let left = self.clock.alarm_in(self.seconds)?;
        Some((u64::from(self.seconds) + u64::from(left)) * US_PER_SECOND)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_pulls_the_line_at_its_second() {
        let mut rtc = Rtc::default();
        assert_eq!(rtc.time(5_500_000), None);
        rtc.store(0x10, 4, 1);
        rtc.store(0x04, 4, 7);
        assert_eq!((rtc.load(0, 4), rtc.time(5_900_000), rtc.line()), (5, Some(7_000_000), false));
        rtc.time(7_000_000);
        assert!(rtc.line());
        rtc.store(0x1c, 4, 1);
        assert!(!rtc.line());
    }
}
