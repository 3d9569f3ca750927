//! What becomes of a component that crashes: root's policies, on the real kernel.

mod common;

use common::{pair_with, pair_with_policy, ping_without};
use desk::{Setup, System};
use runtime::{Answer, Endpoint, Handler, Incoming, Reply, clock, serve, space, svc};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A pong that dies of the messages of these numbers, counted over all of its lives.
struct Mortal<'a> {
    server: pong::Server,
    count: &'a AtomicU32,
    deadly: fn(u32) -> bool,
}

impl Handler for Mortal<'_> {
    fn handle(&mut self, incoming: &Incoming<'_>, answer: &mut Answer) {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        assert!(!(self.deadly)(number), "message {number} is deadly");
        self.server.handle(incoming, answer);
    }
}

fn mortal(setup: Setup, deadly: fn(u32) -> bool) -> Setup {
    let count = Arc::new(AtomicU32::new(0));
    setup.program("pong", move |_| {
        let config = space::config().expect("it has a configuration");
        let capability = |name| config.capability(name).expect("it has its channel");
        let mut handler = Mortal { server: pong::Server::default(), count: &count, deadly };
        serve(Endpoint(capability("pong")), Reply(capability("pong.reply")), &mut handler);
    })
}

fn after(policy: &str, deadly: fn(u32) -> bool) -> System {
    let mut system = mortal(pair_with_policy(policy), deadly).start();
    system.advance_us(500_000);
    system
}

/// What root tells of a thread in the first instructions of its program, with its stack at its top: the first line of it, and
/// what the second begins with.
const DIED: [&str; 2] = [
    "ERROR pong died: undefined instruction (or panic), address 0x00000000, hsr 0x00000000",
    "ERROR   pc 0x1000000c lr ",
];

#[test]
fn a_server_that_dies_at_work_is_built_again_and_its_caller_gets_an_error() {
    // Each of ping's rounds is two messages: the first of its fourth round kills.
    let system = after("restart", |number| number == 6);
    assert_eq!(system.log("ping"), ping_without(&[3]));
    assert_eq!(system.log("pong"), ["ERROR panic: message 6 is deadly"]);
    let root = system.log("root");
    assert_eq!(root[..2], ["INFO system is up", DIED[0]]);
    assert!(root[2].starts_with(DIED[1]) && root[2].contains(" sp 0x18010000 "), "{root:?}");
    assert_eq!(root[6..], ["INFO pong crashed: restarted, 1 times by now"]);
    assert!(system.is_alive("pong"));
    // What the panicking thread has said is on the wire as well, since its log ring outlives it.
    assert!(system.wire().contains(&"[pong] ERROR panic: message 6 is deadly".to_owned()));
}

#[test]
fn a_passive_server_that_dies_gives_its_callers_time_back() {
    for policy in ["restart", "stop"] {
        let setup = pair_with(&format!("on-crash = \"{policy}\"\npassive = true"));
        let mut system = mortal(setup, |number| number == 6).start();
        system.advance_us(500_000);
        let unanswered: &[u32] = if policy == "stop" { &[3, 4, 5, 6, 7, 8, 9] } else { &[3] };
        assert_eq!(system.log("ping"), ping_without(unanswered), "{policy}");
    }
}

#[test]
fn one_that_is_to_be_stopped_is_gone_and_its_caller_gets_errors() {
    let system = after("stop", |number| number == 6);
    assert_eq!(system.log("ping"), ping_without(&[3, 4, 5, 6, 7, 8, 9]));
    assert_eq!(system.log("root").last().unwrap(), "INFO pong crashed: stopped");
    assert!(!system.is_alive("pong") && system.is_alive("ping") && !system.is_off());
}

/// Dies so long after it began, again and again.
fn dies_after(us: u64) {
    let end = clock::now_us() + us;
    while clock::now_us() < end {
        svc::yield_now();
    }
    panic!("its time is over");
}

#[test]
fn one_that_crashes_every_few_seconds_comes_back_ever_later_and_who_crashes_meanwhile_is_heard() {
    let manifest = "[system]\nversion = 1\n[component.slow]\ncrate = \"pong\"\non-crash = \"restart\"\nconsole = false\n\
                    [component.other]\ncrate = \"ping\"\nconsole = false\n";
    // The seventh life of the one ends after 7 * 2.5 s and 1 s of waiting; 2 s later is its eighth.
    let setup = System::text(manifest).program("pong", |_| dies_after(2_500_000));
    let mut system = setup.program("ping", |_| dies_after(19_000_000)).start();
    let told = |system: &System, what: &str| {
        system.log("root").into_iter().filter(|line| line.starts_with(what)).collect::<Vec<String>>()
    };
    system.advance_us(15_900_000);
    assert_eq!(told(&system, "INFO slow crashed: restarted").len(), 5);
    assert_eq!(told(&system, "WARN slow"), ["WARN slow crashed: built again in 1 s, 6 times by now"]);
    assert!(!system.is_alive("slow"));
    system.advance_us(200_000);
    assert_eq!(told(&system, "INFO slow is built again").len(), 1);
    assert!(system.is_alive("slow"));
    system.advance_us(2_800_000);
    assert_eq!(told(&system, "WARN slow")[1..], ["WARN slow crashed: built again in 2 s, 7 times by now"]);
    assert_eq!(told(&system, "INFO other"), [""; 0]);
    // It dies while root waits for the other one, for which root looks 20 times in a second.
    system.advance_us(200_000);
    assert_eq!(told(&system, "INFO other"), ["INFO other crashed: stopped"]);
    assert!(!system.is_alive("slow"));
    let before = system.kernel_entries();
    system.advance_us(1_000_000);
    let entries = system.kernel_entries() - before;
    assert!(entries < 300, "{entries} entries in a second in which nothing happens");
    system.advance_us(1_000_000);
    assert!(system.is_alive("slow") && !system.is_alive("other"));
}

#[test]
fn one_that_crashes_again_and_again_is_stopped() {
    let system = after("restart", |_| true);
    assert_eq!(system.log("ping"), ping_without(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
    let told = system.log("root");
    assert_eq!(told.iter().filter(|line| line.ends_with("times by now")).count(), 5);
    assert_eq!(told.last().unwrap(), "ERROR pong crashed again and again: stopped");
}

#[test]
fn one_without_which_nothing_goes_takes_the_machine_down_and_its_words_get_out() {
    let system = after("panic", |number| number == 6);
    assert!(system.is_off());
    for line in ["[root] ERROR system crashed", "[pong] ERROR panic: message 6 is deadly"] {
        assert!(system.wire().contains(&line.to_owned()), "{line}");
    }
}

#[test]
fn the_console_is_one_of_those() {
    let mut system = common::pair().start();
    system.run();
    system.fault("console", desk::FaultKind::Data);
    system.interrupt("uart");
    system.advance_us(500_000);
    assert!(system.is_off());
    assert_eq!(system.log("root").last().unwrap(), "ERROR system crashed");
}

#[test]
fn the_log_comes_back_and_tells_what_was_said_meanwhile() {
    let mut system = common::pair().start();
    system.fault("log", desk::FaultKind::Data);
    system.run();
    assert!(system.log("root").contains(&"INFO log crashed: restarted, 1 times by now".to_owned()));
    system.advance_us(200_000);
    assert!(system.wire().contains(&"[ping] INFO ping is done".to_owned()), "{:#?}", system.wire());
}
