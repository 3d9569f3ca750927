//! Alarm: drives the board's real-time clock (a PL031, ARM DDI 0224), which interrupts once in each second. It counts the rings where
//! `meter` can read them, and signals it.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

use runtime::{IrqHandler, Mapped, Notification, log, space};

// Offsets, section 3.3.
const DATA: usize = 0x00;
const MATCH: usize = 0x04;
const MASK: usize = 0x10;
const CLEAR: usize = 0x1c;

/// The clock's registers.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Mapped);

impl Clock {
    /// Takes the clock over: from now on its alarm interrupts.
    pub fn new(registers: Mapped) -> Self {
        registers.write_u32(CLEAR, 1);
        registers.write_u32(MASK, 1);
        Self(registers)
    }

    /// Sets the alarm so many seconds ahead.
    pub fn ring_in(&self, seconds: u32) {
        self.0.write_u32(MATCH, self.0.read_u32(DATA).wrapping_add(seconds));
    }

    /// Silences it.
    pub fn silence(&self) {
        self.0.write_u32(CLEAR, 1);
    }
}

/// Alarm's thread.
pub fn run(_thread: u32) {
    let Some(config) = space::config() else { return };
    let memory = |name| config.memory(name).and_then(|memory| space::memory(&memory));
    let (Some(registers), Some(interrupt)) = (memory("rtc"), config.capability("rtc.irq")) else {
        return log::error!("alarm: it has no device `rtc`");
    };
    let (Some(rings), Some(rang)) = (memory("rings"), config.capability("rang")) else {
        return log::error!("alarm: there is nobody to tell");
    };
    let (interrupt, event) = (IrqHandler(interrupt), config.event("rtc.irq"));
    let clock = Clock::new(registers);
    clock.ring_in(1);
    let mut count = 0;
    while let Ok(events) = Notification(protocol::layout::slot::EVENTS).wait() {
        if events & event == 0 {
            continue;
        }
        count += 1;
        log::info!("ring {=u32}", count);
        rings.release(0, count);
        clock.silence();
        clock.ring_in(1);
        if interrupt.ack().is_err() || Notification(rang).signal().is_err() {
            return log::error!("alarm: the kernel refuses");
        }
    }
}
