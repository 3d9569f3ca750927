//! Mortal's program.
#![cfg_attr(target_os = "none", no_std, no_main)]

runtime::entry!(run);

/// When the one dies that dies again and again: the others' last words are out by then.
#[cfg(target_os = "none")]
const LAST_US: u64 = 4_000_000;

#[cfg(target_os = "none")]
fn run(_thread: u32) {
    use runtime::{clock, log, space, svc};

    let Some(config) = space::config() else { return };
    while config.name == "again" && clock::now_us() < LAST_US {
        svc::yield_now();
    }
    log::error!("{=u32} has come of it", mortal::outer(mortal::way(config.name)));
}
