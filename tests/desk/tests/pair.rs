//! Ping and pong on the desk, as on a board: the real composer, root, console, log and kernel core.

mod common;

use common::{pair, ping_without, transcript};
use desk::{FaultKind, System};
use std::time::Instant;

#[test]
fn the_transcript_is_that_of_qemu() {
    let began = Instant::now();
    let mut system = pair().start();
    system.run();
    system.advance_us(200_000);
    assert_eq!(transcript(&system, &["ping", "root"]), include_str!("../../golden/pair.txt"));
    println!(
        "two components that talk: {:.1} ms, with {} entries to the kernel, each checked",
        began.elapsed().as_secs_f64() * 1e3,
        system.kernel_entries()
    );
}

#[test]
fn words_are_there_when_they_are_said_and_on_the_wire_when_the_log_has_come() {
    let mut system = pair().start();
    assert_eq!(system.log("root"), ["INFO system is up"]);
    assert!(system.log("ping").is_empty() && system.wire().is_empty() && !system.is_alive("ping"));
    system.run_until("ping is done", |system| system.log("ping").len() == 11);
    assert_eq!(system.log("ping"), ping_without(&[]));
    system.run_until("the log has brought it out", |system| system.wire().len() == 13);
    assert!(system.is_alive("ping") && system.is_alive("pong") && !system.is_off());
}

#[test]
fn a_passive_server_answers_on_its_callers_time() {
    let manifest =
        include_str!("../../systems/pair.toml").replace("crate = \"pong\"", "crate = \"pong\"\npassive = true");
    let mut system = System::text(&manifest).program("ping", ping::run).program("pong", pong::run).start();
    // Root has waited for it to receive, so it has spoken before the system was up.
    assert_eq!(system.log("pong"), ["INFO pong serves"]);
    system.run();
    assert_eq!(system.log("ping"), ping_without(&[]));
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_one_another() {
    let run = |seed| {
        let mut system = pair().seed(seed).start();
        system.advance_us(100_000);
        (system.wire(), system.kernel_entries(), system.now_us())
    };
    assert_eq!(run(5), run(5));
    assert!((6..12).any(|seed| (run(seed).1, run(seed).2) != (run(5).1, run(5).2)), "a seed changes nothing");
}

#[test]
fn who_has_a_channel_taken_away_says_so() {
    let manifest = include_str!("../../systems/pair.toml");
    let manifest = manifest.split("[channel.pong]").next().unwrap();
    let mut system = System::text(manifest).program("ping", ping::run).program("pong", pong::run).start();
    system.run();
    assert_eq!(system.log("ping"), ["ERROR ping: there is no channel `pong` to call"]);
    assert_eq!(system.log("pong"), ["ERROR pong: there is no channel `pong` to serve"]);
}

#[test]
fn a_fault_that_the_test_orders_ends_its_component_as_root_decides() {
    let mut system = pair().start();
    system.run();
    // It waits: it dies when it would run again, which nobody asks of it. So the test does it at the start.
    let mut early = pair().start();
    early.fault("pong", FaultKind::Undefined);
    early.run();
    assert_eq!(early.log("root").last().unwrap(), "INFO pong crashed: stopped");
    assert_eq!(early.log("ping"), ping_without(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
    assert!(!early.is_alive("pong") && system.is_alive("pong"));
}
