//! The program of a component that means harm.
#![cfg_attr(target_os = "none", no_std, no_main)]

runtime::entry!(run);

/// Time between two attempts.
#[cfg(target_os = "none")]
const APART_US: u64 = 20_000;

#[cfg(target_os = "none")]
fn run(_thread: u32) {
    use hostile::calls::{self, Own};
    use hostile::instructions;
    use runtime::{clock, log, space};

    let Some(config) = space::config() else { return };
    if let Some(number) = hostile::attempt(config.name) {
        // One after the other: root's log ring is small, and there is much to tell.
        while clock::now_us() < u64::from(number + 5) * APART_US {
            runtime::svc::yield_now();
        }
        if instructions::attempt(number) {
            log::error!("{=u32} was not stopped", number);
        } else {
            log::error!("there is no instruction {=u32}", number);
        }
        return;
    }
    let (Some(client), Some(server), Some(reply)) =
        (config.capability("pong"), config.capability("mine"), config.capability("mine.reply"))
    else {
        return log::error!("hostile: a channel is missing");
    };
    let used = config.capabilities.iter().map(|named| named.slot).max().unwrap_or(8);
    let own = Own { cnode: 1, notification: 2, client, server, reply, empty: used + 1, beyond: 1 << 16 };
    let mut wrong = 0_u32;
    let count = calls::check_all(&own, |found| {
        wrong += 1;
        log::error!("check {=u32}: status {=u32} instead of {=u32}", found.check, found.status, found.wanted);
    });
    log::info!("{=u32} checks of calls, {=u32} wrong", count, wrong);
}
