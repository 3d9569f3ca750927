//! Late's program.
#![cfg_attr(target_os = "none", no_std, no_main)]

runtime::entry!(run);
runtime::interfaces!(serves "work": late::Work; calls "work": late::Work);

#[cfg(target_os = "none")]
fn run(_thread: u32) {
    use late::{Server, Work, Worked};
    use runtime::{Endpoint, Reply, call, clock, log, space};

    let Some(config) = space::config() else { return };
    let Some(work) = config.capability("work") else { return log::error!("late: there is no channel `work`") };
    if let Some(reply) = config.capability("work.reply") {
        let error = runtime::serve(Endpoint(work), Reply(reply), &mut Server(clock::now_us));
        return log::error!("late: receiving failed ({=u32})", error as u32);
    }
    for us in [200, 35_000] {
        match call(Endpoint(work), &Work(us)) {
            Ok(Worked(passed)) => log::info!("{=u32} us of work: done, {=bool}", us, passed >= us),
            Err(_) => log::error!("{=u32} us of work: no answer", us),
        }
    }
    // What root has to say comes out in the meantime.
    let start = clock::now_us();
    while clock::now_us() < start + 500_000 {
        runtime::svc::yield_now();
    }
    log::info!("late is done");
}
