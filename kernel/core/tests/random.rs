//! Random traces: tens of thousands of steps of each kind, every invariant checked after each.

use kernel_core::sim::machine::Sabotage;
use kernel_core::sim::random::{Coverage, run};
use kernel_core::sim::replay;
use kernel_core::sim::scene::Scene;
use kernel_core::sim::shrink::shrink;
use kernel_core::sim::trace::{Trace, left_out};

/// Steps of a trace: after more than that its threads have mostly taken away what they live by.
const STEPS: u32 = 200;

/// How many traces, where `few` are enough if one has no time.
fn traces(few: u64) -> u64 {
    if std::env::var_os("BULKHEAD_LONG").is_some() { 40 * few } else { few }
}

/// Runs so many traces of a scene.
fn all(scene: Scene, count: u64) -> Coverage {
    let mut stage = scene.stage();
    let first = stage.save();
    let mut coverage = Coverage::default();
    for seed in 0..count {
        stage.save();
        stage.restore(&first);
        match run(&mut stage, scene, seed, STEPS) {
            Ok(reached) => coverage += reached,
            Err((trace, _)) => {
                let (trace, failure) = shrink(&trace, 2000).expect("what failed fails again");
                panic!("seed {seed}: {failure}\n{trace}\n{}", trace.as_test("found"));
            }
        }
    }
    println!("{}: {coverage:?}", scene.name());
    coverage
}

#[test]
fn any_calls_faults_interrupts_and_accesses_at_random_keep_every_invariant() {
    let reached = all(Scene::Mixed, traces(800));
    let least = Coverage { steps: 40_000, calls: 8_000, guest: 1_000, interrupts: 2_000 };
    assert!(reached.is_at_least(&least), "too little: {reached:?}");
}

#[test]
fn any_steps_on_two_cores_keep_every_invariant() {
    let reached = all(Scene::Cores, traces(800));
    let least = Coverage { steps: 40_000, calls: 8_000, guest: 1_000, interrupts: 2_000 };
    assert!(reached.is_at_least(&least), "too little: {reached:?}");
}

#[test]
fn any_steps_of_two_compartments_keep_every_invariant() {
    let reached = all(Scene::Partitions, traces(200));
    let least = Coverage { steps: 10_000, calls: 1_000, guest: 300, interrupts: 500 };
    assert!(reached.is_at_least(&least), "too little: {reached:?}");
}

#[test]
fn long_ways_through_small_worlds_keep_every_invariant() {
    let mut reached = Coverage::default();
    for scene in Scene::EXHAUSTIVE {
        let coverage = all(scene, traces(150));
        assert!(coverage.steps > 1_000, "{}: {coverage:?}", scene.name());
        reached += coverage;
    }
    let least = Coverage { steps: 50_000, calls: 20_000, guest: 5_000, interrupts: 2_000 };
    assert!(reached.is_at_least(&least), "too little: {reached:?}");
}

#[test]
fn a_seed_is_the_same_trace_every_time() {
    let once = || {
        let mut stage = Scene::Mixed.stage();
        let coverage = run(&mut stage, Scene::Mixed, 7, STEPS).expect("it fails nowhere");
        (coverage, stage.identity())
    };
    assert_eq!(once(), once());
}

/// Where something is left out, some trace fails; what is left of it is short, and replays with the same words.
#[test]
fn a_trace_that_fails_is_made_short_and_replays() {
    for operation in ["tlbiallis", "dsb-ish"] {
        let trace = failing(operation);
        let (short, failure) = shrink(&trace, 4000).expect("what failed fails again");
        assert!(short.steps.len() < 12 && short.steps.len() < trace.steps.len() / 2, "{operation}: {short}");
        let text = short.to_string();
        assert_eq!(replay(&text), Err(failure.to_string()), "{text}");
        assert_eq!(text.parse::<Trace>().as_ref(), Ok(&short));
        // Each step that is left is needed.
        for n in 0..short.steps.len() {
            let mut steps = short.steps.clone();
            steps.remove(n);
            let less = Trace { steps, ..short.clone() };
            let same = less.run().is_err_and(|other| other.violation.0 == failure.violation.0);
            assert!(!same, "{operation}: step {} is not needed\n{text}", n + 1);
        }
        let whole = Trace { without: Sabotage::None, ..short };
        assert_eq!(whole.run(), Ok(()), "it fails for another reason");
    }
}

/// A trace that fails without that operation, of so many steps that most are of no use.
fn failing(operation: &str) -> Trace {
    let mut stage = Scene::Mixed.stage_without(left_out(operation).expect("there is one"));
    let first = stage.save();
    for seed in 0..1000 {
        stage.save();
        stage.restore(&first);
        match run(&mut stage, Scene::Mixed, seed, STEPS) {
            Err((trace, _)) if trace.steps.len() > 24 => return trace,
            _ => {}
        }
    }
    panic!("nobody misses {operation}")
}
