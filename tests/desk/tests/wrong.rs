//! Systems with a fault on purpose: a test of the system fails, and says why.

mod common;

use abi::message::MESSAGE_BYTES_MAX;
use common::{pair, pair_with_policy, ping_without};
use desk::System;
use runtime::{Answer, Endpoint, Handler, Incoming, Mapped, Notification, Reply, log, space};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What the test is told when it lets the system run.
fn failure(work: impl FnOnce()) -> String {
    let error = catch_unwind(AssertUnwindSafe(work)).expect_err("it does not fail");
    error.downcast_ref::<String>().cloned().unwrap_or_default()
}

/// A pong that does not answer its fifth message: it takes the next one instead, or, if it is `stubborn`, none any more.
fn forgetful(stubborn: bool) -> impl Fn(u32) + Send + Sync {
    move |_| {
        let config = space::config().expect("it has a configuration");
        let capability = |name| config.capability(name).expect("it has its channel");
        let (endpoint, reply) = (Endpoint(capability("pong")), Reply(capability("pong.reply")));
        let mut server = pong::Server::default();
        for count in 1.. {
            let Ok(message) = endpoint.receive(reply) else { return };
            if count == 5 {
                if stubborn {
                    return;
                }
                continue;
            }
            let (mut buffer, mut answer) = ([0; MESSAGE_BYTES_MAX], Answer::default());
            let (label, bytes) = (message.info.label(), message.bytes(&mut buffer));
            server.handle(&Incoming { label, badge: message.badge, bytes }, &mut answer);
            let (info, words) = runtime::ipc::pack(answer.label(), answer.bytes());
            reply.answer(info, words).expect("somebody waits");
        }
    }
}

#[test]
fn a_reply_that_is_dropped_is_seen() {
    let mut system = pair_with_policy("stop").program("pong", forgetful(false)).start();
    system.run();
    // The same assertion as of a pong that is right.
    let told = failure(|| assert_eq!(system.log("ping"), ping_without(&[])));
    assert!(told.contains("ERROR ping 2: no answer"), "{told}");
}

#[test]
fn a_caller_that_waits_for_ever_is_seen() {
    let mut system = pair_with_policy("stop").program("pong", forgetful(true)).start();
    let told = failure(|| system.run_until("ping is done", |system| system.log("ping").len() == 11));
    assert!(told.starts_with("10 s have passed, and it is not so: ping is done\nno seed, "), "{told}");
    assert!(told.trim_end().ends_with("[ping] INFO ping 1: answered"), "{told}");
}

#[test]
fn who_only_talks_to_the_kernel_is_found_out() {
    let circle = "[system]\nversion = 1\n[component.a]\ncrate = \"a\"\nbudget = \"10ms\"\nperiod = \"10ms\"\n";
    let spin = |_| loop {
        let _ = Notification(2).poll();
    };
    let mut system = System::text(circle).program("a", spin).seed(3).start();
    let told = failure(|| system.run());
    assert!(told.starts_with("the system does not come to rest: ") && told.contains("and `a` runs."), "{told}");
    assert!(told.contains("\nseed 3, "), "{told}");
    // With less than all of the time it is no danger to anybody: it gets its share, and the others theirs.
    let share = circle.replace("budget = \"10ms\"", "budget = \"1ms\"");
    let mut system = System::text(&share).program("a", spin).start();
    system.advance_us(100_000);
}

/// Touches memory as told: where it has none, where it may not write, past the end.
fn trespasser(how: u32) -> impl Fn(u32) + Send + Sync {
    move |_| {
        let config = space::config().expect("it has a configuration");
        let mut memory = config.memory("board").expect("it can read the board");
        let board = space::memory(&memory).expect("a memory");
        match how {
            0 => board.write_u32(0, 1),
            1 => {
                // A configuration may say anything: what counts is what the kernel has mapped.
                memory.bytes += 4096;
                let beyond: Mapped = space::memory(&memory).expect("a memory");
                log::info!("read {=u32}", beyond.read_u32(4096));
            }
            _ => log::info!("read {=u32}", board.read_u32(4096)),
        }
        log::error!("it was not stopped");
    }
}

#[test]
fn who_touches_what_it_may_not_dies_of_it() {
    let manifest = "[system]\nversion = 1\n[component.writer]\ncrate = \"writer\"\n[component.reader]\ncrate = \"reader\"\n\
                    [channel.board]\nkind = \"memory\"\nfrom = \"writer\"\nto = \"reader\"\nbytes = \"4KiB\"\n";
    // The board is its first memory; its console's rings follow.
    let board = protocol::layout::MEMORIES;
    for (how, told) in [
        (0, format!("ERROR reader died: touched memory that it does not have, address {board:#010x}, hsr 0x9380004f")),
        (2, "ERROR reader died: undefined instruction (or panic), address 0x00000000, hsr 0x00000000".to_owned()),
    ] {
        let mut system = System::text(manifest).program("writer", |_| ()).program("reader", trespasser(how)).start();
        system.run();
        let root = system.log("root");
        assert_eq!((&root[1], &root[2][..24]), (&told, "ERROR   pc 0x1000000c lr"), "{how}");
        assert_eq!(root[6..], ["INFO reader crashed: stopped"], "{how}");
        assert!(system.log("reader").iter().all(|line| line.starts_with("ERROR panic")), "{how}");
    }
    let alone = manifest.replace("crate = \"reader\"", "crate = \"reader\"\nconsole = false");
    let mut system = System::text(&alone).program("writer", |_| ()).program("reader", trespasser(1)).start();
    system.run();
    let beyond = format!("address {:#010x}", protocol::layout::MEMORIES + 4096);
    assert!(system.log("root")[1].contains(&beyond) && system.log("reader").is_empty(), "{:?}", system.log("root"));
}

#[test]
fn a_test_that_forgets_something_is_told_what() {
    let told = |setup: desk::Setup| setup.try_start().err().expect("it does not start");
    let missing = told(System::read("../systems/pair.toml").program("ping", ping::run));
    assert!(missing.contains("the test has none: add .program(\"pong\", ...)"), "{missing}");
    let misspelt = told(System::text("[system]\nversion = 1\n[component.a]\ncrate = \"a\"\npriorty = 3\n"));
    assert!(misspelt.contains("did you mean `priority`?"), "{misspelt}");
    let guest = told(System::read("../systems/linux.toml"));
    assert!(guest.contains("`linux` is a VM, and the desk has none"), "{guest}");
    let nowhere = told(System::read("../systems/nowhere.toml"));
    assert!(nowhere.contains("nowhere.toml"), "{nowhere}");
    let strange = told(pair().device("disk", desk::Registers::default()));
    assert!(strange.contains("no device `disk`"), "{strange}");
    let mut system = pair().start();
    let stranger = failure(|| {
        system.log("peng");
    });
    assert_eq!(stranger, "the system has no component `peng`; there are root, console, log, ping, pong");
    let silence = failure(|| system.interrupt("disk"));
    assert_eq!(silence, "the board has no interrupt `disk`; its devices are uart, rtc");
}
