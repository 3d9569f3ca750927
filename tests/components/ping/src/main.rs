//! Ping's program: asks the channel `pong` a few times, and tells.
#![cfg_attr(target_os = "none", no_std, no_main)]

runtime::entry!(run);
runtime::interfaces!(calls "pong": pong::Ping, pong::Sum);

#[cfg(target_os = "none")]
fn run(_thread: u32) {
    use runtime::{Endpoint, log, space};

    let Some(pong) = space::config().and_then(|config| config.capability("pong")) else {
        return log::error!("ping: there is no channel `pong` to call");
    };
    for number in 0..ping::ROUNDS {
        match ping::round(Endpoint(pong), number) {
            Ok(true) => log::info!("ping {=u32}: answered", number),
            Ok(false) => log::error!("ping {=u32}: wrong answer", number),
            Err(_) => log::error!("ping {=u32}: no answer", number),
        }
    }
    log::info!("ping is done");
}
