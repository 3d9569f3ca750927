//! Spin's program: the component `meter` measures, any other spins.
#![cfg_attr(target_os = "none", no_std, no_main)]

runtime::entry!(run);

/// When the measurement begins, and how long it lasts.
#[cfg(target_os = "none")]
const BEGIN_US: u64 = 200_000;
#[cfg(target_os = "none")]
const LENGTH_US: u64 = 400_000;

#[cfg(target_os = "none")]
fn run(_thread: u32) {
    use runtime::{clock, log, space};

    if space::config().is_none_or(|config| config.name != "meter") {
        loop {
            core::hint::spin_loop();
        }
    }
    let begin = clock::now_us() + BEGIN_US;
    while clock::now_us() < begin {}
    let mut meter = spin::Meter::default();
    let mut now = begin;
    while now < begin + LENGTH_US {
        now = clock::now_us();
        meter.look(now);
    }
    log::info!("taken {=u64} us, longest {=u64} us", meter.taken_us, meter.longest_us);
}
