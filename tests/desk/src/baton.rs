//! Whose turn it is, between threads of the host: one runs at any time, and hands over to the one that the engine names.
//!
//! A strand whose thread is no more is unwound by [`Gone`] and joined, so that a test leaves no thread behind. A parked and detached
//! one would hold its stack and all that it owns until the process ends, and a test of a hundred seeds has hundreds of them.

use crate::engine::{Engine, Turn};
use crate::port::Port;
use runtime::host::{Gone, thread};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Wall time after which a strand that has not come back is taken for lost: it turns in a circle without entering the kernel. A
/// debugger may need more.
const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 20 });

/// What all threads of the host share.
pub struct Shared {
    engine: Mutex<Engine>,
    /// Rings when the test's turn comes.
    bell: Condvar,
}

/// The text of a panic.
pub fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().cloned();
    text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

impl Shared {
    /// Around an engine.
    pub fn new(engine: Engine) -> Arc<Self> {
        Arc::new(Self { engine: Mutex::new(engine), bell: Condvar::new() })
    }

    /// The engine, for who has the turn or only looks.
    pub fn lock(&self) -> MutexGuard<'_, Engine> {
        // Who panics with the lock has said so in `failure`.
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets something happen in the engine, and gives the turn to whom it names.
    pub fn decide(self: &Arc<Self>, engine: &mut MutexGuard<'_, Engine>, event: impl FnOnce(&mut Engine)) {
        let decided = catch_unwind(AssertUnwindSafe(|| {
            event(engine);
            engine.dispatch()
        }));
        engine.turn = decided.unwrap_or_else(|payload| {
            engine.fail(format!("the kernel panicked: {}", message(&*payload)));
            Turn::Test
        });
        match engine.turn {
            Turn::Test => self.bell.notify_one(),
            Turn::Strand(id) => {
                engine.strands[id].bell.notify_one();
                if engine.strands[id].host.is_none() {
                    self.spawn(engine, id);
                }
            }
        }
    }

    fn spawn(self: &Arc<Self>, engine: &mut MutexGuard<'_, Engine>, id: usize) {
        let strand = &engine.strands[id];
        let (program, argument) = (engine.programs[strand.program].clone(), strand.argument);
        let port = Port::new(self.clone(), id, strand.stack);
        let host = std::thread::Builder::new().name(format!("{} {argument}", strand.name)).spawn(move || {
            if port.begin() {
                thread(port, || program(argument));
            }
        });
        match host {
            Ok(host) => engine.strands[id].host = Some(host),
            Err(error) => {
                engine.fail(format!("the host has no more threads: {error}"));
                engine.turn = Turn::Test;
                self.bell.notify_one();
            }
        }
    }

    /// Waits for the turn of a strand. `None`: it never comes, the strand has to end.
    pub fn wait<'a>(&'a self, mut engine: MutexGuard<'a, Engine>, id: usize) -> Option<MutexGuard<'a, Engine>> {
        let bell = engine.strands[id].bell.clone();
        loop {
            if engine.strands[id].cancelled {
                return None;
            }
            if engine.turn == Turn::Strand(id) {
                return Some(engine);
            }
            engine = bell.wait(engine).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets the system run until the test has the turn again.
    pub fn drive(self: &Arc<Self>) {
        let mut engine = self.lock();
        self.decide(&mut engine, |_| ());
        let mut seen = (engine.entries, engine.now());
        while engine.turn != Turn::Test {
            let waited = self.bell.wait_timeout(engine, PATIENCE).unwrap_or_else(PoisonError::into_inner);
            engine = waited.0;
            let now = (engine.entries, engine.now());
            if waited.1.timed_out() && now == seen {
                self.lose(&mut engine);
            }
            seen = now;
        }
    }

    /// Gives up a strand that does not come back.
    fn lose(&self, engine: &mut MutexGuard<'_, Engine>) {
        let Turn::Strand(id) = engine.turn else { return };
        let strand = &mut engine.strands[id];
        strand.cancelled = true;
        // It is not joined: it would never end.
        strand.host = None;
        let (name, seconds) = (strand.name.clone(), PATIENCE.as_secs());
        engine.fail(format!("`{name}` has run for {seconds} s without a system call: it turns in a circle"));
        engine.turn = Turn::Test;
    }

    /// Ends every strand, or only those whose threads are no more, one after the other.
    pub fn end(&self, all: bool) {
        let mut id = 0;
        loop {
            let mut engine = self.lock();
            if id == engine.strands.len() {
                return;
            }
            if all || !engine.is_alive(id) {
                engine.strands[id].cancelled = true;
                engine.strands[id].bell.notify_one();
                let host = engine.strands[id].host.take();
                drop(engine);
                // What a strand's destructors panic with is of no interest any more.
                let _ = host.map(|host| host.join());
            }
            id += 1;
        }
    }
}

/// Ends this thread of the host, unless it is being unwound already: then its destructors run, and get no answers.
pub fn leave() {
    if !std::thread::panicking() {
        resume_unwind(Box::new(Gone));
    }
}
