//! Meter: works at fixed times, and looks then whether something was signalled meanwhile. It reads the number of rings that
//! `alarm` keeps, and counts its own rounds.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

use runtime::{Notification, clock, log, space, svc};

/// From one round to the next, in microseconds. Its period in the manifest is shorter: that is how often it looks at the clock.
pub const ROUND_US: u64 = 20_000;
/// After so many rounds it says so.
pub const ROUNDS: u32 = 100;

/// Meter's thread.
pub fn run(_thread: u32) {
    let Some(config) = space::config() else { return };
    let rings = config.memory("rings").and_then(|memory| space::memory(&memory));
    let rang = config.event("rang");
    let mut due = clock::now_us();
    for round in 1.. {
        let events = Notification(protocol::layout::slot::EVENTS).poll().unwrap_or(0);
        if let (true, Some(rings)) = (events & rang != 0, rings) {
            log::info!("saw ring {=u32}", rings.acquire(0));
        }
        if round % ROUNDS == 0 {
            log::info!("{=u32} rounds", round);
        }
        due += ROUND_US;
        while clock::now_us() < due {
            // Its budget is less than its period: this waits until more of it comes.
            svc::yield_now();
        }
    }
}
