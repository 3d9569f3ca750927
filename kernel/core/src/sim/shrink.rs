//! Makes a trace that fails as short and as plain as it can be, and still fail in the same way.

use super::scene::Scene;
use super::stage::{Saved, Stage};
use super::step::{Step, Svc};
use super::trace::{Failure, Trace};
use std::vec::Vec;

/// A stage, and how it begins.
struct Bench {
    stage: Stage,
    first: Saved,
    scene: Scene,
    /// The invariant that is to go on failing.
    name: &'static str,
    /// Runs that are left.
    left: u32,
}

impl Bench {
    /// How these steps fail, if they fail in the same way; cut off behind what fails.
    fn fails(&mut self, steps: &[Step]) -> Option<(Vec<Step>, Failure)> {
        self.left = self.left.checked_sub(1)?;
        self.stage.restore(&self.first);
        let trace = Trace { steps: steps.to_vec(), ..Trace::new(self.scene, &self.stage) };
        let result = trace.run_on(&mut self.stage);
        // What it has changed is known from now on.
        self.stage.save();
        let failure = result.err().filter(|failure| failure.violation.0 == self.name)?;
        Some((steps[..failure.step].to_vec(), failure))
    }
}

/// The shortest trace found, and how it fails. `runs`: how many traces may be tried.
///
/// # Errors
/// The trace does not fail.
pub fn shrink(trace: &Trace, runs: u32) -> Result<(Trace, Failure), Trace> {
    let mut stage = trace.stage();
    let first = stage.save();
    let Err(failure) = trace.run_on(&mut stage) else { return Err(trace.clone()) };
    stage.save();
    let name = failure.violation.0;
    let mut bench = Bench { stage, first, scene: trace.scene, name, left: runs };
    let mut best = (trace.steps[..failure.step].to_vec(), failure);
    loop {
        let before = best.0.len();
        without(&mut bench, &mut best);
        plainer(&mut bench, &mut best);
        if best.0.len() == before || bench.left == 0 {
            break;
        }
    }
    Ok((Trace { steps: best.0, ..trace.clone() }, best.1))
}

type Best = (Vec<Step>, Failure);

/// Leaves out pieces, large ones first.
fn without(bench: &mut Bench, best: &mut Best) {
    let mut piece = best.0.len().div_ceil(2);
    while piece > 0 {
        let mut at = 0;
        while at < best.0.len() && bench.left > 0 {
            let mut steps = best.0.clone();
            steps.drain(at..(at + piece).min(steps.len()));
            match bench.fails(&steps) {
                Some(better) => *best = better,
                None => at += piece,
            }
        }
        piece = if piece == 1 { 0 } else { piece.div_ceil(2) };
    }
}

/// Makes numbers zero where they do not matter.
fn plainer(bench: &mut Bench, best: &mut Best) {
    for at in 0..best.0.len() {
        for step in plainer_steps(&best.0[at.min(best.0.len() - 1)]) {
            if at >= best.0.len() || step == best.0[at] {
                continue;
            }
            let mut steps = best.0.clone();
            steps[at] = step;
            if let Some(better) = bench.fails(&steps) {
                *best = better;
            }
        }
    }
}

fn plainer_steps(step: &Step) -> Vec<Step> {
    let Step::Svc(svc) = *step else {
        return match *step {
            Step::Pass(ticks) => std::vec![Step::Timer, Step::Pass(ticks / 2)],
            Step::Evict(_) => std::vec![Step::Evict(0)],
            _ => Vec::new(),
        };
    };
    let mut plainer = std::vec![Svc { preempted: false, ..svc }, Svc { r12: 0, ..svc }];
    plainer.extend((0..4).map(|word| {
        let mut words = svc.words;
        words[word] = 0;
        Svc { words, ..svc }
    }));
    plainer.into_iter().map(Step::Svc).collect()
}
