//! Meter: works once in each period of its time, and looks then whether something was signalled meanwhile. It reads the number of
//! rings that `alarm` keeps, and counts its own rounds.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

use runtime::{Notification, log, space, svc};

/// After so many rounds it says so.
pub const ROUNDS: u32 = 100;

/// Meter's thread.
pub fn run(_thread: u32) {
    let Some(config) = space::config() else { return };
    let rings = config.memory("rings").and_then(|memory| space::memory(&memory));
    let rang = config.event("rang");
    let mut round: u32 = 0;
    loop {
        round += 1;
        let events = Notification(protocol::layout::slot::EVENTS).poll().unwrap_or(0);
        if let (true, Some(rings)) = (events & rang != 0, rings) {
            log::info!("saw ring {=u32}", rings.acquire(0));
        }
        if round % ROUNDS == 0 {
            log::info!("{=u32} rounds", round);
        }
        // Its budget is less than its period: this waits for the next one.
        svc::yield_now();
    }
}
