//! Bench's program: measures, prints lines `bench: NAME VALUE mark NUMBER less NUMBER rounds NUMBER`, and ends.
#![cfg_attr(target_os = "none", no_std, no_main)]

runtime::entry!(run);

/// Ticks that the rounds of an operation take, between the marks of that number.
#[cfg(target_os = "none")]
fn time<const BEGIN: u32, const END: u32>(mut operation: impl FnMut()) -> u64 {
    use runtime::clock::now_ticks;
    // Once before, so that nothing happens for the first time.
    operation();
    echo::mark::<BEGIN>();
    let start = now_ticks();
    for _ in 0..bench::ROUNDS {
        operation();
    }
    let ticks = now_ticks() - start;
    echo::mark::<END>();
    ticks
}

#[cfg(target_os = "none")]
fn run(_thread: u32) {
    use abi::{MessageInfo, Syscall};
    use bench::{ROUNDS, per_round_milli};
    use echo::{ASK, ASKED, NOTHING, Told, begin, end};
    use protocol::layout::slot;
    use runtime::svc::{Registers, svc};
    use runtime::{Endpoint, call, clock, log, space};

    let Some(config) = space::config() else { return };
    let capability = |name| config.capability(name).unwrap_or(0);
    let (calls, sends, wake) = (capability("calls"), capability("sends"), capability("wake"));
    let hz = clock::ticks_per_second();
    let empty = time::<{ begin(1) }, { end(1) }>(|| {
        core::hint::black_box(0_u32);
    });
    let report = |name: &str, mark: u32, ticks: u64| {
        let milli = per_round_milli(ticks, empty, hz);
        let (whole, rest) = (milli / 1000, milli % 1000);
        log::info!("bench: {=str} {=u64}.{=u64:03} mark {=u32} less 1 rounds {=u32}", name, whole, rest, mark, ROUNDS);
    };
    let short = MessageInfo::new(1, 0);
    let long = MessageInfo::new(1, 40);
    report(
        "null-call",
        2,
        time::<{ begin(2) }, { end(2) }>(|| {
            svc::<{ Syscall::Call as u32 }>(Registers::new(slot::CNODE, MessageInfo::new(0, 0), [0; 4], 0));
        }),
    );
    report(
        "call-reply",
        3,
        time::<{ begin(3) }, { end(3) }>(|| {
            svc::<{ Syscall::Call as u32 }>(Registers::new(calls, short, [0; 4], 0));
        }),
    );
    report(
        "call-reply-10-words",
        4,
        time::<{ begin(4) }, { end(4) }>(|| {
            svc::<{ Syscall::Call as u32 }>(Registers::new(calls, long, [0; 4], 0));
        }),
    );
    report(
        "send-round",
        5,
        time::<{ begin(5) }, { end(5) }>(|| {
            svc::<{ Syscall::Send as u32 }>(Registers::new(sends, short, [0; 4], 0));
        }),
    );
    report(
        "signal-round",
        6,
        time::<{ begin(6) }, { end(6) }>(|| {
            svc::<{ Syscall::Signal as u32 }>(Registers::new(wake, short, [0; 4], 0));
        }),
    );
    let asks = Endpoint(capability("asks"));
    let mut told = 0;
    for round in 0..=ROUNDS {
        // The first is not counted: it does things for the first time.
        if round > 0 {
            echo::mark::<{ begin(ASK) }>();
        }
        let answer = call(asks, &core::hint::black_box(ASKED));
        echo::mark::<{ end(ASK) }>();
        told += u32::from(answer == Ok(Told(ASKED.3, ASKED.2, ASKED.1, ASKED.0)));
        echo::mark::<{ begin(NOTHING) }>();
        echo::mark::<{ end(NOTHING) }>();
    }
    if told == ROUNDS + 1 {
        log::info!("bench: postcard-16 - mark {=u32} less {=u32} rounds 1 legs 3", ASK, NOTHING);
    } else {
        log::error!("{=u32} of {=u32} answers", told, ROUNDS + 1);
    }
    // The receiver and the waiter make the marks at the end.
    for _ in 0..ROUNDS {
        echo::mark::<{ begin(echo::RECEIVED) }>();
        svc::<{ Syscall::Send as u32 }>(Registers::new(sends, short, [0; 4], 0));
    }
    log::info!("bench: send - mark {=u32} rounds 1", echo::RECEIVED);
    for _ in 0..ROUNDS {
        echo::mark::<{ begin(echo::WOKEN) }>();
        svc::<{ Syscall::Signal as u32 }>(Registers::new(wake, short, [0; 4], 0));
    }
    log::info!("bench: signal - mark {=u32} rounds 1", echo::WOKEN);
}
