//! Bench's program: measures, prints lines `bench: NAME VALUE`, and ends the system by reporting that it is done.
#![cfg_attr(target_os = "none", no_std, no_main)]

runtime::entry!(run);

#[cfg(target_os = "none")]
fn run(_thread: u32) {
    use abi::{MessageInfo, Syscall};
    use bench::{ROUNDS, per_round_milli};
    use runtime::svc::{Registers, svc};
    use runtime::{clock, log, space};

    let Some(config) = space::config() else { return };
    let capability = |name| config.capability(name).unwrap_or(0);
    let (calls, sends, wake) = (capability("calls"), capability("sends"), capability("wake"));
    let hz = clock::ticks_per_second();
    let time = |operation: &mut dyn FnMut()| {
        // Once before, so that nothing happens for the first time.
        operation();
        let start = clock::now_ticks();
        for _ in 0..ROUNDS {
            operation();
        }
        clock::now_ticks() - start
    };
    let empty = time(&mut || {
        core::hint::black_box(0_u32);
    });
    let report = |name: &str, ticks: u64| {
        let milli = per_round_milli(ticks, empty, hz);
        log::info!("bench: {=str} {=u64}.{=u64:03}", name, milli / 1000, milli % 1000);
    };
    let short = MessageInfo::new(1, 0);
    let long = MessageInfo::new(1, 40);
    report("null-call", time(&mut || {
        svc::<{ Syscall::Call as u32 }>(Registers::new(protocol::layout::slot::CNODE, MessageInfo::new(0, 0), [0; 4], 0));
    }));
    report("call-reply", time(&mut || {
        svc::<{ Syscall::Call as u32 }>(Registers::new(calls, short, [0; 4], 0));
    }));
    report("call-reply-10-words", time(&mut || {
        svc::<{ Syscall::Call as u32 }>(Registers::new(calls, long, [0; 4], 0));
    }));
    report("send", time(&mut || {
        svc::<{ Syscall::Send as u32 }>(Registers::new(sends, short, [0; 4], 0));
    }));
    report("signal", time(&mut || {
        svc::<{ Syscall::Signal as u32 }>(Registers::new(wake, short, [0; 4], 0));
    }));
    log::info!("bench: done 0");
}
