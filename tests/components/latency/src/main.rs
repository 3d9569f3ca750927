//! Latency's program: rings, measures, prints lines `bench: NAME VALUE irq MARK`, and is silent.
#![cfg_attr(target_os = "none", no_std, no_main)]

runtime::entry!(run);

#[cfg(target_os = "none")]
fn run(_thread: u32) {
    use latency::{Lateness, PERIOD_US, ROUNDS, WOKEN, ns, sp804};
    use protocol::layout::slot;
    use runtime::{IrqHandler, Notification, clock, log, space};

    let Some(config) = space::config() else { return };
    let timer = config.memories.iter().find(|memory| memory.name == "timer").and_then(space::memory);
    let (Some(timer), Some(irq)) = (timer, config.capability("timer.irq")) else {
        return log::error!("latency: there is no device `timer`");
    };
    let (irq, hz) = (IrqHandler(irq), clock::ticks_per_second());
    timer.write_u32(sp804::LOAD, PERIOD_US);
    let start = clock::now_ticks();
    timer.write_u32(sp804::CONTROL, sp804::RING);
    let mut late = Lateness::new(start, u64::from(hz) * u64::from(PERIOD_US) / 1_000_000);
    for _ in 0..ROUNDS {
        let woken = Notification(slot::EVENTS).wait();
        echo::mark::<{ echo::end(WOKEN) }>();
        let now = clock::now_ticks();
        timer.write_u32(sp804::INT_CLR, 0);
        if woken.is_err() || irq.ack().is_err() {
            return log::error!("latency: no interrupt comes");
        }
        late.woken(now);
    }
    timer.write_u32(sp804::CONTROL, 0);
    log::info!("bench: irq-component-best - irq {=u32}", WOKEN);
    log::info!("bench: irq-component-worst {=u64}", ns(late.most, hz));
}
