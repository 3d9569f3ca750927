//! Everything that can happen in a small world: breadth first, each state once.
//!
//! A state costs what it takes to put a world back, to take a step, and to look at all of it: some twenty microseconds.
//! That is why this is a search of our own: a general model checker wants each successor as a value of its own before it
//! knows whether it is new, which costs a snapshot and a second look for each of the many that are not.

use super::check::{Authority, Violation};
use super::identity::identity;
use super::machine::Sabotage;
use super::scene::Scene;
use super::stage::{Saved, Stage};
use super::step::Step;
use super::trace::{Trace, look, refused, take};
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;
use std::vec::Vec;

/// How far to go.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Until when.
    pub until: Instant,
    /// States.
    pub states: usize,
    /// Steps from the beginning.
    pub depth: u32,
    /// Bytes of snapshots that wait.
    pub bytes: usize,
    /// Threads of the host.
    pub threads: usize,
    /// What of the kernel's maintenance is left out: to see that it is missed.
    pub without: Sabotage,
}

/// How far it was.
#[derive(Clone, Debug)]
pub struct Explored {
    /// States, each once. All were checked.
    pub states: usize,
    /// Steps that were taken.
    pub steps: u64,
    /// Every state that can be reached in so many steps was.
    pub depth: u32,
    /// There are no others.
    pub complete: bool,
    /// A way to something wrong, as short as there is one.
    pub wrong: Option<(Trace, Violation)>,
}

/// From where a state was first reached, and how.
type Origin = (u64, Step);

const SHARDS: usize = 64;

/// States that are known, each with its origin. The first has none.
struct Known {
    shards: Vec<Mutex<HashMap<u64, Option<Origin>>>>,
}

impl Known {
    fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    fn shard(&self, state: u64) -> std::sync::MutexGuard<'_, HashMap<u64, Option<Origin>>> {
        self.shards[(state >> 58) as usize % SHARDS].lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Whether it was not known.
    fn add(&self, state: u64, origin: Option<Origin>) -> bool {
        match self.shard(state).entry(state) {
            std::collections::hash_map::Entry::Occupied(_) => false,
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(origin);
                true
            }
        }
    }

    /// The way to a state.
    fn way(&self, mut state: u64) -> Vec<Step> {
        let mut way = Vec::new();
        loop {
            let origin = self.shard(state).get(&state).copied().flatten();
            let Some((from, step)) = origin else { break };
            way.push(step);
            state = from;
        }
        way.reverse();
        way
    }
}

/// A state that waits to be gone on from.
type Waiting = (Saved, u64);

/// What the threads share.
struct Shared {
    scene: Scene,
    limits: Limits,
    known: Known,
    states: AtomicUsize,
    steps: AtomicU64,
    bytes: AtomicUsize,
    stop: AtomicBool,
    wrong: Mutex<Option<(Trace, Violation)>>,
}

impl Shared {
    fn stage(&self) -> Stage {
        self.scene.stage_without(self.limits.without)
    }

    fn over(&self) -> bool {
        let over = self.states.load(Ordering::Relaxed) >= self.limits.states
            || self.bytes.load(Ordering::Relaxed) >= self.limits.bytes
            || Instant::now() >= self.limits.until;
        if over {
            self.stop.store(true, Ordering::Relaxed);
        }
        self.stop.load(Ordering::Relaxed)
    }

    /// Takes every step from a state; new states go to `next`.
    fn expand(&self, stage: &mut Stage, (snapshot, state): &Waiting, next: &mut Vec<Waiting>) {
        stage.restore(snapshot);
        let before = Authority::of(&stage.world.census());
        for (n, step) in self.scene.steps(&stage.world).into_iter().enumerate() {
            if n > 0 {
                stage.restore(snapshot);
            }
            let found = match take(&mut stage.world, &step) {
                Ok(false) => continue,
                Ok(true) => self.arrive(stage, &before, (*state, step)),
                Err(violation) => Err(violation),
            };
            self.steps.fetch_add(1, Ordering::Relaxed);
            // This finds out what the step has changed, so it must be done, whether the state is new or not.
            let saved = stage.save();
            match found {
                Ok(None) => {}
                Ok(Some(new)) => {
                    self.states.fetch_add(1, Ordering::Relaxed);
                    self.bytes.fetch_add(saved.bytes(), Ordering::Relaxed);
                    next.push((saved, new));
                }
                Err(violation) => {
                    let mut steps = self.known.way(*state);
                    steps.push(step);
                    let mut wrong = self.wrong.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                    wrong.get_or_insert((Trace { steps, ..Trace::new(self.scene, stage) }, violation));
                    self.stop.store(true, Ordering::Relaxed);
                    return;
                }
            }
        }
    }

    /// Takes every step from every state of a level. `stage` is this thread's; others make their own.
    fn level(&self, stage: &mut Stage, level: &[Waiting]) -> Vec<Waiting> {
        let place = AtomicUsize::new(0);
        let work = |stage: &mut Stage| {
            let mut next = Vec::new();
            while let Some(waiting) = level.get(place.fetch_add(1, Ordering::Relaxed)) {
                if self.over() {
                    break;
                }
                self.expand(stage, waiting, &mut next);
                self.bytes.fetch_sub(waiting.0.bytes(), Ordering::Relaxed);
            }
            next
        };
        // A thread is not worth its stage for a few states.
        let others = (self.limits.threads - 1).min(level.len() / 1000);
        std::thread::scope(|scope| {
            let others: Vec<_> = (0..others).map(|_| scope.spawn(|| work(&mut self.stage()))).collect();
            let mut next = work(stage);
            for other in others {
                next.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            next
        })
    }

    /// Looks at the state that a step led to. The state, if it is new.
    fn arrive(&self, stage: &Stage, before: &Authority, origin: Origin) -> Result<Option<u64>, Violation> {
        let census = stage.world.census();
        let state = identity(&census, &stage.world);
        if state == origin.0 {
            return Ok(None);
        }
        if stage.world.refused {
            return Err(refused(&origin.1));
        }
        if !self.known.add(state, Some(origin)) {
            return Ok(None);
        }
        look(&census, Some(before))?;
        Ok(Some(state))
    }
}

/// Tries everything in a scene.
pub fn explore(scene: Scene, limits: Limits) -> Explored {
    let mut stage = scene.stage_without(limits.without);
    let first = (stage.save(), stage.identity());
    let shared = Shared {
        scene,
        limits,
        known: Known::new(),
        states: AtomicUsize::new(1),
        steps: AtomicU64::new(0),
        bytes: AtomicUsize::new(first.0.bytes()),
        stop: AtomicBool::new(false),
        wrong: Mutex::new(None),
    };
    shared.known.add(first.1, None);
    let (mut level, mut depth) = (std::vec![first], 0);
    while !level.is_empty() && depth < limits.depth {
        let next = shared.level(&mut stage, &level);
        if shared.stop.load(Ordering::Relaxed) {
            break;
        }
        level = next;
        depth += 1;
    }
    let wrong = shared.wrong.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    Explored {
        states: shared.states.into_inner(),
        steps: shared.steps.into_inner(),
        depth,
        complete: level.is_empty() && wrong.is_none(),
        wrong,
    }
}
