//! Everything that can happen in each small world, to a depth: no invariant is broken, and nothing that is left out goes
//! unnoticed. `cargo bulkhead verify` goes on from here for as long as one likes.

use kernel_core::sim::explore::{Explored, Limits, explore};
use kernel_core::sim::machine::Sabotage;
use kernel_core::sim::scene::Scene;
use kernel_core::sim::stage::{Saved, Stage};
use kernel_core::sim::step::Step;
use kernel_core::sim::trace::{Trace, left_out};
use kernel_core::sim::{check_all, replay, shrink::shrink};
use stateright::{Checker, Model};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Each scene: how deep, and how many states there are at least.
const DEPTHS: [(Scene, u32, usize); 6] = [
    (Scene::Ipc, 5, 20_000),
    (Scene::Caps, 4, 50_000),
    (Scene::Memory, 5, 12_000),
    (Scene::Time, 7, 30_000),
    (Scene::Interrupts, 8, 16_000),
    (Scene::Teardown, 4, 40_000),
];

/// Whether one has time.
fn long() -> bool {
    std::env::var_os("BULKHEAD_LONG").is_some()
}

fn to_depth(scene: Scene, depth: u32, without: Sabotage) -> Explored {
    let until = Instant::now() + Duration::from_secs(3600);
    explore(scene, Limits { until, states: usize::MAX, depth, bytes: 4 << 30, threads: 2, without })
}

#[test]
fn whatever_happens_in_a_small_world_every_invariant_holds() {
    assert_eq!(DEPTHS.map(|(scene, ..)| scene), Scene::EXHAUSTIVE);
    for (scene, depth, least) in DEPTHS {
        let depth = depth + u32::from(long());
        let found = to_depth(scene, depth, Sabotage::None);
        if let Some((trace, violation)) = found.wrong {
            panic!("{violation}\n{trace}\n{}", trace.as_test("found"));
        }
        println!("{}: depth {depth}, {} states, {} steps", scene.name(), found.states, found.steps);
        assert!(found.depth == depth || found.complete, "{}: no deeper than {}", scene.name(), found.depth);
        assert!(found.states >= least, "{}: {} states", scene.name(), found.states);
        assert!(found.steps > found.states as u64, "{}: no state is reached twice", scene.name());
    }
}

/// A state as a general model checker wants it.
#[derive(Clone, Debug)]
struct Reached {
    saved: Arc<Saved>,
    identity: u64,
}

impl PartialEq for Reached {
    fn eq(&self, other: &Self) -> bool {
        self.identity == other.identity
    }
}

impl Hash for Reached {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.identity.hash(hasher);
    }
}

/// A scene as a general model checker wants it.
struct Checked {
    scene: Scene,
    stage: Mutex<Stage>,
}

impl Checked {
    fn reached(stage: &mut Stage) -> Reached {
        let saved = Arc::new(stage.save());
        Reached { saved, identity: stage.identity() }
    }
}

impl Model for Checked {
    type State = Reached;
    type Action = Step;

    fn init_states(&self) -> Vec<Reached> {
        vec![Self::reached(&mut self.stage.lock().unwrap())]
    }

    fn actions(&self, state: &Reached, actions: &mut Vec<Step>) {
        let mut stage = self.stage.lock().unwrap();
        stage.restore(&state.saved);
        actions.extend(self.scene.steps(&stage.world));
    }

    fn next_state(&self, state: &Reached, step: Step) -> Option<Reached> {
        let mut stage = self.stage.lock().unwrap();
        stage.restore(&state.saved);
        let taken = stage.world.step(&step).expect("hardware sees nothing wrong");
        let reached = Self::reached(&mut stage);
        taken.then_some(reached)
    }

    fn properties(&self) -> Vec<stateright::Property<Self>> {
        vec![stateright::Property::always("all invariants hold", |model: &Self, state: &Reached| {
            let mut stage = model.stage.lock().unwrap();
            stage.restore(&state.saved);
            check_all(&stage.world.kernel, stage.world.cnode).is_ok()
        })]
    }
}

/// The search is one of our own, for its speed: a model checker that others keep finds the same states.
#[test]
fn a_general_model_checker_finds_the_same_states() {
    for (scene, depth) in [(Scene::Ipc, 3), (Scene::Memory, 3), (Scene::Time, 5), (Scene::Interrupts, 5)] {
        let own = to_depth(scene, depth, Sabotage::None);
        let model = Checked { scene, stage: Mutex::new(scene.stage()) };
        // Its depths begin at 1.
        let checker = model.checker().target_max_depth(depth as usize + 1).spawn_bfs().join();
        checker.assert_properties();
        assert_eq!(checker.unique_state_count(), own.states, "{}", scene.name());
    }
}

/// What is wrong is found, made short, and printed so that it runs again: as a trace, and as a test.
#[test]
fn what_is_left_out_is_found_and_its_trace_is_short_and_replays() {
    for (operation, scene, depth) in
        [("tlbiallis", Scene::Memory, 3), ("dccimvac", Scene::Memory, 5), ("dsb-ishst", Scene::Teardown, 3)]
    {
        let found = to_depth(scene, depth, left_out(operation).unwrap());
        let (trace, violation) = found.wrong.unwrap_or_else(|| panic!("nobody misses {operation}"));
        assert!(trace.steps.len() <= depth as usize, "{operation}: breadth comes first");
        let text = trace.to_string();
        assert!(text.lines().next().unwrap().ends_with(&format!("{} without {operation}", scene.name())), "{text}");
        assert_eq!(text.parse(), Ok(trace.clone()));
        let told = replay(&text).unwrap_err();
        assert_eq!(told, format!("step {}: {violation}", trace.steps.len()));
        let (short, failure) = shrink(&trace, 1000).expect("it fails again");
        assert!(short.steps.len() <= trace.steps.len());
        assert_eq!(replay(&short.to_string()), Err(failure.to_string()));
        // With nothing left out the same steps are as good as any.
        assert_eq!(Trace { without: Sabotage::None, ..short }.run(), Ok(()));
    }
}
