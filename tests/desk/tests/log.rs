//! The real log with components that speak: rings, frames and losses.

use desk::System;
use runtime::{log, svc};

const CHATTY: u32 = 2000;

fn chatty(_: u32) {
    for number in 0..CHATTY {
        log::info!("line {=u32} of a component that never stops", number);
    }
    log::warn!("it was {=u32:#x} lines", CHATTY);
}

fn modest(_: u32) {
    log::info!("one line");
    svc::yield_now();
    log::info!("and another");
}

const SYSTEM: &str = "
    [system]
    version = 1
    [component.chatty]
    crate = \"chatty\"
    budget = \"100ms\"
    period = \"100ms\"
    [component.modest]
    crate = \"modest\"
";

#[test]
fn who_floods_the_log_loses_lines_is_told_of_and_silences_nobody() {
    let mut system = System::text(SYSTEM).program("chatty", chatty).program("modest", modest).start();
    system.advance_us(1_000_000);
    // Said were all of them; what got out are whole frames, the last ones among them.
    assert_eq!(system.log("chatty").len(), CHATTY as usize + 1);
    let wire = system.wire();
    let from = |who: &str| wire.iter().filter(|line| line.starts_with(who)).cloned().collect::<Vec<_>>();
    assert_eq!(from("[modest]"), ["[modest] INFO one line", "[modest] INFO and another"]);
    let heard = from("[chatty]");
    assert!(heard.len() > 20 && heard.len() < 200, "{}", heard.len());
    assert_eq!(heard.last().unwrap(), "[chatty] WARN it was 0x7d0 lines");
    let numbers: Vec<u32> = heard.iter().filter_map(|line| line.split(' ').nth(3)?.parse().ok()).collect();
    assert_eq!(numbers.len(), heard.len() - 1);
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    let lost: Vec<String> = from("[log]");
    assert!(lost.len() == 1 && lost[0].starts_with("[log] WARN image 4 lost 0 frames and "), "{lost:?}");
}
