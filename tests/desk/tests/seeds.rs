//! One system under a hundred seeds: calls, a crash with its restart, interrupts and signals, shared memory, consoles and the log, in
//! any order that a kernel may choose, come to the same results.

mod common;

use common::ping_without;
use desk::System;
use runtime::{Answer, Endpoint, Handler, Incoming, Reply, serve, space};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

const SEEDS: u64 = 100;

const SYSTEM: &str = "
    [system]
    version = 1
    [component.ping]
    crate = \"ping\"
    [component.pong]
    crate = \"pong\"
    on-crash = \"restart\"
    [channel.pong]
    from = \"ping\"
    to = \"pong\"
    [component.alarm]
    crate = \"alarm\"
    priority = 150
    devices = \"rtc\"
    [component.meter]
    crate = \"meter\"
    priority = 140
    budget = \"1ms\"
    period = \"5ms\"
    [channel.rang]
    kind = \"signal\"
    from = \"alarm\"
    to = \"meter\"
    [channel.rings]
    kind = \"memory\"
    from = \"alarm\"
    to = \"meter\"
    bytes = \"4KiB\"
";

/// A pong that dies once, of ping's eighth message.
struct Once<'a>(pong::Server, &'a AtomicBool);

impl Handler for Once<'_> {
    fn handle(&mut self, incoming: &Incoming<'_>, answer: &mut Answer) {
        assert!(self.0.answered != 7 || self.1.swap(true, Ordering::Relaxed), "the eighth message is deadly");
        self.0.handle(incoming, answer);
    }
}

fn system(seed: u64) -> System {
    let died = Arc::new(AtomicBool::new(false));
    let pong = move |_| {
        let config = space::config().expect("it has a configuration");
        let capability = |name| config.capability(name).expect("it has its channel");
        let (endpoint, reply) = (Endpoint(capability("pong")), Reply(capability("pong.reply")));
        serve(endpoint, reply, &mut Once(pong::Server::default(), &died));
    };
    let setup = System::text(SYSTEM).program("ping", ping::run).program("pong", pong);
    setup.program("alarm", alarm::run).program("meter", meter::run).seed(seed).start()
}

#[test]
fn a_hundred_seeds_come_to_the_same_results() {
    let began = Instant::now();
    let (mut runs, mut entries) = (BTreeSet::new(), 0);
    for seed in 0..SEEDS {
        let mut system = system(seed);
        for _ in 0..2 {
            system.advance_us(30_000);
            system.interrupt("rtc");
        }
        system.advance_us(100_000);
        assert_eq!(system.log("ping"), ping_without(&[3]), "seed {seed}");
        assert_eq!(system.log("pong"), ["ERROR panic: the eighth message is deadly"], "seed {seed}");
        assert_eq!(system.log("alarm"), ["INFO ring 1", "INFO ring 2"], "seed {seed}");
        assert_eq!(system.log("meter"), ["INFO saw ring 1", "INFO saw ring 2"], "seed {seed}");
        let root = system.log("root");
        assert_eq!(root[6..], ["INFO pong crashed: restarted, 1 times by now"], "seed {seed}");
        // All of it is on the wire, too; in which order depends on chance.
        let said: usize = ["root", "ping", "pong", "alarm", "meter"].map(|who| system.log(who).len()).iter().sum();
        assert_eq!((system.wire().len(), said), (23, 23), "seed {seed}: {:#?}", system.wire());
        runs.insert((system.kernel_entries(), system.now_us()));
        entries += system.kernel_entries();
    }
    assert!(runs.len() > 50, "seeds make little difference: {} different runs", runs.len());
    let each_ms = began.elapsed().as_secs_f64() * 1e3 / SEEDS as f64;
    println!(
        "{SEEDS} seeds of six components, 160 ms of their time: {each_ms:.1} ms each, {} entries",
        entries / SEEDS
    );
}
