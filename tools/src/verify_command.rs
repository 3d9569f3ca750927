//! `cargo bulkhead verify`: the kernel's logic on the simulated machine, everything in small worlds and anything in large ones.
//!
//! First each small scene is explored, breadth first, each state once. Then one compartment is watched beside another that
//! does anything, and then come random traces, until the time is over. What goes wrong is made short, shown, and kept in a
//! file that `--replay` runs again.

use crate::failure::{EXIT_CRASHED, Failure, Result};
use crate::workspace;
use kernel_core::sim::Violation;
use kernel_core::sim::explore::{Explored, Limits, explore};
use kernel_core::sim::isolation::Beside;
use kernel_core::sim::machine::Sabotage;
use kernel_core::sim::random::{self, Coverage};
use kernel_core::sim::scene::Scene;
use kernel_core::sim::shrink::shrink;
use kernel_core::sim::trace::{Trace, left_out};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Steps of a random trace: after more than that its threads have mostly taken away what they live by.
const TRACE_STEPS: u32 = 200;
/// Steps of two compartments beside each other.
const ISOLATION_STEPS: u32 = 300;
/// Runs in which a trace is made shorter.
const SHRINK_RUNS: u32 = 4000;
/// Bytes of states that wait to be gone on from.
const WAITING_BYTES: usize = 3 << 30;

/// What to verify, and for how long.
#[derive(Clone, Debug)]
pub struct Options {
    /// For how long.
    pub time: Duration,
    /// Where random numbers begin.
    pub seed: u64,
    /// Explore each scene to this depth, however long that takes.
    pub depth: Option<u32>,
    /// Leave this operation out, to see that it is missed.
    pub without: Option<String>,
}

/// Something that went wrong, made short: what, how to run it again, and a test of it.
struct Found {
    what: String,
    trace: String,
    test: String,
}

impl Found {
    fn of_trace(trace: &Trace) -> Self {
        let (trace, what) = match quietly(|| shrink(trace, SHRINK_RUNS)) {
            Ok((short, failure)) => (short, failure.to_string()),
            Err(same) => (same, "this did not go wrong again: the kernel depends on something else".to_owned()),
        };
        Self { what, test: trace.as_test("a_trace_that_failed"), trace: trace.to_string() }
    }

    fn of_isolation(run: Beside, violation: Violation) -> Self {
        let (run, violation) = quietly(|| run.shrink(violation, SHRINK_RUNS / 10));
        Self { what: violation.to_string(), test: run.as_test("what_was_found_out"), trace: run.to_string() }
    }

    /// Shows it and keeps it. The exit code.
    fn tell(&self, file: &Path) -> Result<u8> {
        workspace::write(file, self.trace.as_bytes())?;
        println!("wrong: {}\n\n{}\nas a test:\n\n{}", self.what, self.trace, self.test);
        println!("to run it again: cargo bulkhead verify --replay {}", file.display());
        Ok(EXIT_CRASHED)
    }
}

/// Does something that may make the kernel panic again and again, of which once is enough to read.
fn quietly<T>(work: impl FnOnce() -> T) -> T {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let done = work();
    std::panic::set_hook(hook);
    done
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |threads| threads.get())
}

/// Verifies, and returns the exit code: 0, or 1 if something was wrong.
pub fn run(options: &Options) -> Result<u8> {
    run_into(options, &workspace::own().join("verify"))
}

fn run_into(options: &Options, folder: &Path) -> Result<u8> {
    let without = match &options.without {
        None => Sabotage::None,
        Some(operation) => left_out(operation).map_err(|what| Failure::new(format!("--without: {what}")))?,
    };
    let began = Instant::now();
    let place = |part: u32| began + options.time * part / 6;
    let found = match exhaustive(options.depth, without, began, place(3)) {
        Some(found) => Some(found),
        None => isolation(options.seed, without, place(4)).or_else(|| traces(options.seed, without, place(6))),
    };
    match found {
        Some(found) => found.tell(&folder.join("found.trace")),
        None => {
            println!("nothing is wrong, after {:.0} s", began.elapsed().as_secs_f32());
            Ok(0)
        }
    }
}

/// Explores each scene to a depth, or for its part of the time.
fn exhaustive(depth: Option<u32>, without: Sabotage, began: Instant, until: Instant) -> Option<Found> {
    let (mut states, scenes) = (0, Scene::EXHAUSTIVE.len() as u32);
    for (n, scene) in Scene::EXHAUSTIVE.into_iter().enumerate() {
        let until = match depth {
            Some(_) => began + Duration::from_secs(1 << 32),
            None => began + (until - began) * (n as u32 + 1) / scenes,
        };
        let bytes = if depth.is_some() { usize::MAX } else { WAITING_BYTES };
        let depth = depth.unwrap_or(u32::MAX);
        let started = Instant::now();
        let limits = Limits { until, states: usize::MAX, depth, bytes, threads: threads(), without };
        let explored = explore(scene, limits);
        println!("{}", shown(scene, &explored, started.elapsed()));
        states += explored.states;
        if let Some((trace, _)) = explored.wrong {
            return Some(Found::of_trace(&trace));
        }
    }
    println!("exhaustive: {scenes} scenes, {states} states");
    None
}

fn shown(scene: Scene, explored: &Explored, took: Duration) -> String {
    let Explored { states, steps, depth, complete, .. } = explored;
    let whole = if *complete { ", and there are no more" } else { "" };
    let seconds = took.as_secs_f32();
    format!("{:<12} depth {depth:>2}, {states:>8} states, {steps:>9} steps, {seconds:>5.1} s{whole}", scene.name())
}

/// Watches one compartment beside another until then.
fn isolation(seed: u64, without: Sabotage, until: Instant) -> Option<Found> {
    let read = Mutex::new(0);
    let (runs, wrong) = in_parallel(seed, until, |seed| match Beside::any(seed, ISOLATION_STEPS, without).explore() {
        Ok(readings) => {
            *read.lock().unwrap() += u64::from(readings);
            None
        }
        Err(wrong) => Some(wrong),
    });
    let read = read.into_inner().unwrap();
    println!("isolation:  {runs} runs of two compartments, compared {read} times, seeds from {seed}");
    wrong.map(|(run, violation)| Found::of_isolation(run, violation))
}

/// Runs random traces until then.
fn traces(seed: u64, without: Sabotage, until: Instant) -> Option<Found> {
    let reached = Mutex::new(Coverage::default());
    let (runs, wrong) = in_parallel(seed, until, |number| {
        let scene = Scene::ALL[(number % Scene::ALL.len() as u64) as usize];
        let mut stage = scene.stage_without(without);
        match random::run(&mut stage, scene, number, TRACE_STEPS) {
            Ok(coverage) => {
                *reached.lock().unwrap() += coverage;
                None
            }
            Err((trace, _)) => Some(trace),
        }
    });
    let Coverage { steps, calls, guest, interrupts } = reached.into_inner().unwrap();
    println!(
        "random:     {runs} traces, {steps} steps ({calls} calls that succeeded, {guest} of guests, {interrupts} \
         interrupts), seeds from {seed}"
    );
    wrong.map(|trace| Found::of_trace(&trace))
}

/// Does something with one seed after another, on all cores, until then or until it finds something: once at least. How
/// many there were, and what was found with the smallest seed of those that were under way.
fn in_parallel<T: Send>(first: u64, until: Instant, work: impl Fn(u64) -> Option<T> + Sync) -> (u64, Option<T>) {
    let (next, found) = (AtomicU64::new(0), Mutex::new(None::<(u64, T)>));
    let one = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if let Some(wrong) = work(first.wrapping_add(number)) {
                let mut found = found.lock().unwrap();
                if found.as_ref().is_none_or(|(other, _)| number < *other) {
                    *found = Some((number, wrong));
                }
            }
            if Instant::now() >= until || found.lock().unwrap().is_some() {
                break;
            }
        }
    };
    std::thread::scope(|scope| (0..threads()).for_each(|_| drop(scope.spawn(one))));
    (next.into_inner(), found.into_inner().unwrap().map(|(_, wrong)| wrong))
}

/// Runs a trace that stands in a file, and returns the exit code: 0, or 1 if something was wrong.
pub fn replay(file: &PathBuf) -> Result<u8> {
    let text = std::fs::read_to_string(file).map_err(|error| Failure::path(file, error))?;
    let wrong = |what: String| {
        Failure::new(format!("{}: {what}", file.display())).mend("give a file that `cargo bulkhead verify` has written")
    };
    let result = if text.contains("bulkhead isolation") {
        text.parse::<Beside>().map_err(wrong)?.run().map_err(|violation| violation.to_string())
    } else {
        text.parse::<Trace>().map_err(wrong)?.run().map_err(|failure| failure.to_string())
    };
    match result {
        Ok(()) => {
            println!("nothing is wrong");
            Ok(0)
        }
        Err(what) => {
            println!("wrong: {what}");
            Ok(EXIT_CRASHED)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::EXIT_BAD_INPUT;

    fn options(seconds: u64, depth: Option<u32>, without: Option<&str>) -> Options {
        Options { time: Duration::from_secs(seconds), seed: 1, depth, without: without.map(str::to_owned) }
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("bulkhead-verify-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_kernel_as_it_is_has_nothing_wrong() {
        let folder = folder("well");
        assert_eq!(run_into(&options(1, Some(2), None), &folder), Ok(0));
        assert!(!folder.join("found.trace").exists());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_is_left_out_is_found_and_the_file_that_is_written_runs_again() {
        let folder = folder("wrong");
        assert_eq!(run_into(&options(1, Some(3), Some("tlbiallis")), &folder), Ok(EXIT_CRASHED));
        let file = folder.join("found.trace");
        assert_eq!(replay(&file), Ok(EXIT_CRASHED));
        // With the operation in its place, the same steps are well.
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("bulkhead trace 1, scene "), "{text}");
        std::fs::write(&file, text.replace(" without tlbiallis", "")).unwrap();
        assert_eq!(replay(&file), Ok(0));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn each_way_of_looking_finds_what_is_left_out() {
        let without = left_out("tlbiallis").unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        let found = isolation(1, without, until).expect("a compartment notices");
        assert!(found.trace.starts_with("bulkhead isolation 1, ") && found.trace.contains("without tlbiallis"));
        assert!(found.test.contains("#[test]") && found.test.contains(found.trace.lines().next().unwrap()));
        let file = folder("isolation").join("found.trace");
        assert_eq!(found.tell(&file), Ok(EXIT_CRASHED));
        assert_eq!(replay(&file), Ok(EXIT_CRASHED));
        std::fs::remove_dir_all(file.parent().unwrap()).unwrap();
        let found = traces(1, without, until).expect("a trace notices");
        assert!(found.trace.lines().count() < 20 && found.test.contains("kernel_core::sim::replay(trace)"));
    }

    #[test]
    fn the_book_tells_each_invariant() {
        let book = include_str!("../docs/verify.md");
        for invariant in kernel_core::sim::check::INVARIANTS {
            assert!(book.contains(&format!("\n| {} |", invariant.name)), "{}", invariant.name);
        }
    }

    #[test]
    fn what_is_no_trace_or_no_operation_is_told() {
        let failure = run(&options(1, None, Some("nop"))).unwrap_err();
        assert!(failure.exit == EXIT_BAD_INPUT && failure.what.contains("there is no operation `nop`; there are dsb-"));
        let folder = folder("bad");
        let file = folder.join("bad.trace");
        for (text, told) in [
            ("", "the first line is not"),
            ("bulkhead trace 1, scene mars\n", "there is no scene `mars`"),
            ("bulkhead trace 1, scene ipc\nsvc one\n", "line 2"),
            ("bulkhead isolation 1, guest 5, seed 1, steps 1\n", "the first line is not"),
        ] {
            std::fs::write(&file, text).unwrap();
            let failure = replay(&file).unwrap_err();
            assert!(failure.exit == EXIT_BAD_INPUT && failure.what.contains(told), "{failure}");
            assert!(failure.what.contains("bad.trace"), "{failure}");
        }
        assert!(replay(&folder.join("none")).unwrap_err().what.contains("none"));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
