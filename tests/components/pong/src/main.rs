//! Pong's program: serves the channel `pong`.
#![cfg_attr(target_os = "none", no_std, no_main)]

runtime::entry!(run);
runtime::interfaces!(serves "pong": pong::Ping, pong::Sum);

#[cfg(target_os = "none")]
fn run(_thread: u32) {
    use runtime::{Endpoint, Reply, log, space};

    let Some(config) = space::config() else {
        return;
    };
    let (Some(endpoint), Some(reply)) = (config.capability("pong"), config.capability("pong.reply")) else {
        return log::error!("pong: there is no channel `pong` to serve");
    };
    log::info!("pong serves");
    let error = runtime::serve(Endpoint(endpoint), Reply(reply), &mut pong::Server::default());
    log::error!("pong: receiving failed ({=u32})", error as u32);
}
