//! The guest's physical timer (ARM DDI 0406C B8.1.5, B4.1.28-30): what becomes of accesses to CNTP_CTL, CNTP_TVAL and CNTP_CVAL,
//! which the kernel traps (CNTHCTL.PL1PCEN = 0). The counter itself, CNTPCT, a guest reads without being trapped.
//!
//! One for each vCPU. It takes the counter as a parameter; its line is a level-sensitive PPI of its vCPU. A host that wants the
//! interrupt on time calls [`PhysicalTimer::tick`] at [`PhysicalTimer::deadline`].

use crate::line::Line;
use abi::exit::CoprocessorAccess;

/// Interrupt of the non-secure physical timer: PPI 14.
pub const PHYSICAL_TIMER_INTID: u32 = 30;

/// CNTP_CTL.ENABLE.
pub const ENABLE: u32 = 1 << 0;
/// CNTP_CTL.IMASK.
pub const IMASK: u32 = 1 << 1;
/// CNTP_CTL.ISTATUS, read-only: the condition is met. Zero while the timer is disabled, when it is UNKNOWN.
pub const ISTATUS: u32 = 1 << 2;

/// A register of the timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// CNTP_CTL: p15, 0, c14, c2, 1.
    Control,
    /// CNTP_TVAL: p15, 0, c14, c2, 0.
    Value,
    /// CNTP_CVAL: p15, 2, c14, of 64 bits.
    Compare,
}

impl Register {
    /// The register that a trapped access means, if it is one of these. From user mode, too: such an access only traps to us if
    /// the guest's own CNTKCTL.PL0PTEN allows it. Not with the PC as a register, which is UNPREDICTABLE.
    pub fn of(access: CoprocessorAccess) -> Option<Self> {
        if access.is_cp14() || access.rt() == 15 || access.is_wide() && access.rt2() == 15 {
            return None;
        }
        match (access.is_wide(), access.opc1(), access.crn(), access.crm(), access.opc2()) {
            (false, 0, 14, 2, 0) => Some(Self::Value),
            (false, 0, 14, 2, 1) => Some(Self::Control),
            (true, 2, 0, 14, 0) => Some(Self::Compare),
            _ => None,
        }
    }
}

/// The timer of one vCPU.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhysicalTimer {
    /// ENABLE and IMASK.
    control: u32,
    compare: u64,
    level: bool,
}

impl PhysicalTimer {
    /// A timer that is disabled.
    pub const fn new() -> Self {
        Self { control: 0, compare: 0, level: false }
    }

    /// What the guest reads, while its counter is `now`.
    pub fn read(&self, register: Register, now: u64) -> u64 {
        match register {
            Register::Control if self.is_met(now) => u64::from(self.control | ISTATUS),
            Register::Control => self.control.into(),
            // The distance, as a signed number of 32 bits.
            Register::Value => self.compare.wrapping_sub(now) & 0xffff_ffff,
            Register::Compare => self.compare,
        }
    }

    /// The guest writes; of the registers of 32 bits, the upper half of `value` is ignored.
    pub fn write(&mut self, register: Register, value: u64, now: u64, line: &mut impl Line) {
        match register {
            Register::Control => self.control = value as u32 & (ENABLE | IMASK),
            Register::Value => self.compare = now.wrapping_add_signed(i64::from(value as u32 as i32)),
            Register::Compare => self.compare = value,
        }
        self.tick(now, line);
    }

    /// Sets the line as it is at `now`.
    pub fn tick(&mut self, now: u64, line: &mut impl Line) {
        let level = self.is_met(now) && self.control & IMASK == 0;
        if level != self.level {
            self.level = level;
            line.set(level);
        }
    }

    /// When the line will rise by itself, on the guest's counter: `None` if it will not, or has.
    pub fn deadline(&self, now: u64) -> Option<u64> {
        let will_rise = self.control & (ENABLE | IMASK) == ENABLE && !self.is_met(now);
        will_rise.then_some(self.compare)
    }

    /// The timer as after reset.
    pub fn reset(&mut self, line: &mut impl Line) {
        self.control = 0;
        self.compare = 0;
        self.tick(0, line);
    }

    /// The counter is there or past it: both are unsigned.
    fn is_met(&self, now: u64) -> bool {
        self.control & ENABLE != 0 && now >= self.compare
    }
}

#[cfg(test)]
mod tests {
    use super::Register::{Compare, Control, Value};
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    /// A timer, its counter, and how its line has changed.
    #[derive(Default)]
    struct Machine {
        timer: PhysicalTimer,
        now: u64,
        line: Vec<bool>,
    }

    impl Machine {
        fn write(&mut self, register: Register, value: u64) {
            self.timer.write(register, value, self.now, &mut |level| self.line.push(level));
        }
        fn pass(&mut self, now: u64) {
            self.now = now;
            self.timer.tick(now, &mut |level| self.line.push(level));
        }
        fn read(&self, register: Register) -> u64 {
            self.timer.read(register, self.now)
        }
    }

    #[test]
    fn three_encodings_are_the_timer_s() {
        let wide = CoprocessorAccess::WIDE;
        let mut found = Vec::new();
        for bits in 0..1u32 << 18 {
            // Every bit of the format but the two registers.
            let word = (bits & 0x1f) | (bits >> 5 & 0x3ff) << 10 | (bits >> 15 & 7) << 24;
            if let Some(register) = Register::of(CoprocessorAccess(word)) {
                assert_eq!(word & CoprocessorAccess::CP14, 0);
                found.push((register, word & !(CoprocessorAccess::READ | CoprocessorAccess::USER)));
                for pc in [15 << 5, wide | 15 << 20] {
                    let is_none = Register::of(CoprocessorAccess(word | pc)).is_none();
                    assert!(is_none || word & wide == 0 && pc & wide != 0, "{word:#x}");
                }
            }
        }
        found.sort_by_key(|(_, word)| *word);
        found.dedup();
        let value = 2 << 1 | 14 << 10;
        assert_eq!(found, [(Value, value), (Control, value | 1 << 17), (Compare, wide | 14 << 1 | 2 << 14)]);
    }

    #[test]
    fn it_rings_when_its_time_has_come() {
        let mut m = Machine { now: 1000, ..Machine::default() };
        m.write(Value, 500);
        assert_eq!((m.read(Compare), m.read(Value), m.timer.deadline(m.now)), (1500, 500, None));
        m.write(Control, 1);
        assert_eq!((m.read(Control), m.timer.deadline(m.now)), (1, Some(1500)));
        m.pass(1499);
        assert_eq!((m.read(Control), m.read(Value), m.line.len()), (1, 1, 0));
        m.pass(1500);
        assert_eq!((m.read(Control), m.read(Value), m.timer.deadline(m.now)), (5, 0, None));
        m.pass(1510);
        assert_eq!((m.read(Value), m.line.as_slice()), (0xffff_fff6, &[true][..]), "ten too late");
        m.write(Value, 100);
        assert_eq!((m.read(Control), m.line.as_slice()), (1, &[true, false][..]));
        m.write(Control, 0);
        m.pass(5000);
        assert_eq!((m.read(Control), m.line.len()), (0, 2), "disabled");
    }

    #[test]
    fn a_mask_hides_the_condition_from_the_line_alone() {
        let mut m = Machine { now: 10, ..Machine::default() };
        m.write(Control, 0xffff_fff8 | 3);
        assert_eq!((m.read(Control), m.line.len(), m.timer.deadline(10)), (7, 0, None));
        m.write(Control, 1);
        m.write(Control, 3);
        assert_eq!((m.read(Control), m.line.as_slice()), (7, &[true, false][..]));
        m.timer.reset(&mut |_| panic!("it is low already"));
        assert_eq!([m.read(Control), m.read(Compare)], [0, 0]);
    }

    #[test]
    fn distances_are_signed_and_the_end_of_time_is_far() {
        let mut m = Machine { now: 5, ..Machine::default() };
        m.write(Control, 1);
        assert_eq!(m.line, [true], "compare is 0");
        m.write(Value, 0x8000_0000);
        assert_eq!(m.read(Compare), 5u64.wrapping_sub(0x8000_0000), "before the beginning: far in the future");
        assert_eq!(m.line, [true, false]);
        m.write(Value, u64::from(u32::MAX));
        assert_eq!((m.read(Compare), m.line.last()), (4, Some(&true)));
        m.write(Compare, u64::MAX);
        assert_eq!((m.timer.deadline(5), m.read(Value)), (Some(u64::MAX), 0xffff_fffa));
        m.pass(u64::MAX);
        assert_eq!(m.line.last(), Some(&true));
    }

    proptest! {
        /// The line is what the manual says at every moment, and changes at the deadline, not before.
        #[test]
        fn the_line_is_the_manual_s(steps in prop::collection::vec((0..4u8, any::<u32>(), 0..1000u64), 1..100)) {
            let mut m = Machine::default();
            let (mut control, mut compare, mut level) = (0, 0u64, false);
            for (what, value, passed) in steps {
                match what {
                    0 => {
                        m.write(Control, value.into());
                        control = value & 3;
                    }
                    1 => {
                        m.write(Value, (value % 2000).into());
                        compare = m.now + u64::from(value % 2000);
                    }
                    2 => {
                        m.write(Compare, u64::from(value % 5000));
                        compare = u64::from(value % 5000);
                    }
                    _ => {
                        let end = m.now + passed;
                        if let Some(deadline) = m.timer.deadline(m.now).filter(|&deadline| deadline <= end) {
                            m.pass(deadline - 1);
                            prop_assert!(!m.line.last().copied().unwrap_or(false));
                            m.pass(deadline);
                            prop_assert_eq!(m.line.last(), Some(&true));
                        }
                        m.pass(end);
                    }
                }
                let is_met = control & 1 != 0 && m.now >= compare;
                prop_assert_eq!(m.read(Control), u64::from(control | u32::from(is_met) << 2));
                let new = is_met && control & 2 == 0;
                prop_assert_eq!(m.line.last().copied().unwrap_or(false), new);
                level |= new;
            }
            prop_assert!(m.line.windows(2).all(|pair| pair[0] != pair[1]), "told of changes alone");
            prop_assert!(level || m.line.is_empty());
        }
    }
}
