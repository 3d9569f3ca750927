//! Mortal's program.
#![cfg_attr(target_os = "none", no_std, no_main)]

runtime::entry!(run);

#[cfg(target_os = "none")]
fn run(_thread: u32) {
    use runtime::{clock, log, space, svc};

    let Some(config) = space::config() else { return };
    while clock::now_us() < mortal::when_us(config.name) {
        svc::yield_now();
    }
    log::error!("{=u32} has come of it", mortal::outer(mortal::way(config.name)));
}
