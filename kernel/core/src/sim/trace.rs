//! Traces: what happened in a scene, as text that can be run again.

use super::check::{Authority, Census, Violation, authority_shrinks, check_census};
use super::machine::{OPERATIONS, Sabotage};
pub use super::random::Random;
use super::scene::Scene;
pub use super::scene::populate;
use super::stage::Stage;
use super::step::Step;
use super::world::World;
use std::fmt;
use std::format;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::string::{String, ToString};
use std::vec::Vec;

/// Steps in a scene.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Where.
    pub scene: Scene,
    /// What of the kernel's maintenance is left out: for tests that see it missed.
    pub without: Sabotage,
    /// What happened.
    pub steps: Vec<Step>,
}

/// What went wrong in a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// After how many steps.
    pub step: usize,
    /// What.
    pub violation: Violation,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {}: {}", self.step, self.violation)
    }
}

/// Takes a step; a panic of the kernel's is a violation like any other.
pub(super) fn take(world: &mut World, step: &Step) -> Result<bool, Violation> {
    match catch_unwind(AssertUnwindSafe(|| world.step(step))) {
        Ok(taken) => taken,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| String::from(*text)));
            Err(Violation("the kernel does not panic", text.unwrap_or_default()))
        }
    }
}

/// Checks the invariants, and that authority has only shrunk since `before`.
pub(super) fn look(census: &Census, before: Option<&Authority>) -> Result<(), Violation> {
    check_census(census)?;
    let Some(before) = before else { return Ok(()) };
    authority_shrinks(before, &Authority::of(census))
        .map_err(|what| Violation("authority only shrinks without a grant", what))
}

impl Trace {
    /// Nothing yet, in a scene of which `stage` is one.
    pub(super) fn new(scene: Scene, stage: &Stage) -> Self {
        Self { scene, without: stage.world.kernel.platform.sabotage, steps: Vec::new() }
    }

    /// Where it begins.
    pub fn stage(&self) -> Stage {
        self.scene.stage_without(self.without)
    }

    /// Runs it, and checks everything after each step.
    ///
    /// # Errors
    /// The first thing that goes wrong.
    pub fn run(&self) -> Result<(), Failure> {
        self.run_on(&mut self.stage())
    }

    /// The same, in a stage of the scene that is at its beginning. It is left wherever the trace ends.
    ///
    /// # Errors
    /// The first thing that goes wrong.
    pub fn run_on(&self, stage: &mut Stage) -> Result<(), Failure> {
        for (n, step) in self.steps.iter().enumerate() {
            checked(stage, step).map_err(|violation| Failure { step: n + 1, violation })?;
        }
        Ok(())
    }

    /// A test that runs it, as source.
    pub fn as_test(&self, name: &str) -> String {
        as_test(name, &self.to_string(), "replay")
    }
}

/// A test that runs a text with a function of this module's parent.
pub(super) fn as_test(name: &str, trace: &str, replay: &str) -> String {
    let mut text = format!("#[test]\nfn {name}() {{\n    let trace = \"\n");
    trace.lines().for_each(|line| text.push_str(&format!("        {line}\n")));
    let run = format!("kernel_core::sim::{replay}(trace)");
    text.push_str(&format!("    \";\n    {run}.unwrap_or_else(|wrong| panic!(\"{{wrong}}\"));\n}}\n"));
    text
}

/// Takes one step, and checks everything.
pub(super) fn checked(stage: &mut Stage, step: &Step) -> Result<bool, Violation> {
    let before = Authority::of(&stage.world.census());
    let state = stage.identity();
    if !take(&mut stage.world, step)? {
        return Ok(false);
    }
    look(&stage.world.census(), Some(&before))?;
    if stage.world.refused && stage.identity() != state {
        return Err(refused(step));
    }
    Ok(true)
}

/// A call that failed, and changed something.
pub(super) fn refused(step: &Step) -> Violation {
    Violation("a call that fails changes nothing", format!("{step} ({})", step.meaning()))
}

const HEAD: &str = "bulkhead trace 1, scene";
const WITHOUT: &str = " without ";

/// The operation of that name, left out.
///
/// # Errors
/// There is none; there are these.
pub fn left_out(operation: &str) -> Result<Sabotage, String> {
    let known = || format!("there is no operation `{operation}`; there are {}", OPERATIONS.join(", "));
    Sabotage::named(operation).ok_or_else(known)
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{HEAD} {}", self.scene.name())?;
        match self.without {
            Sabotage::Operation(operation) => writeln!(f, "{WITHOUT}{operation}")?,
            _ => writeln!(f)?,
        }
        for step in &self.steps {
            match step.meaning() {
                meaning if meaning.is_empty() => writeln!(f, "{step}")?,
                meaning => writeln!(f, "{:<56} # {meaning}", step.to_string())?,
            }
        }
        Ok(())
    }
}

impl std::str::FromStr for Trace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lines = text.lines().enumerate();
        let lines = lines.map(|(n, line)| (n + 1, line.split('#').next().unwrap_or("").trim()));
        let mut lines = lines.filter(|(_, line)| !line.is_empty());
        let head = lines.next().map_or("", |(_, line)| line);
        let scene = head.strip_prefix(HEAD).map(str::trim);
        let scene = scene.ok_or_else(|| format!("the first line is not `{HEAD} NAME`, but `{head}`"))?;
        let (scene, without) = match scene.split_once(WITHOUT) {
            Some((scene, operation)) => (scene, left_out(operation)?),
            None => (scene, Sabotage::None),
        };
        let scene = Scene::named(scene).ok_or_else(|| {
            let names: Vec<&str> = Scene::ALL.iter().map(|scene| scene.name()).collect();
            format!("there is no scene `{scene}`; there are {}", names.join(", "))
        })?;
        let steps = lines.map(|(n, line)| line.parse().map_err(|error| format!("line {n}: {error}")));
        Ok(Self { scene, without, steps: steps.collect::<Result<_, String>>()? })
    }
}

/// Runs a trace that stands in a text.
///
/// # Errors
/// What is wrong with the text, or what went wrong in the trace.
pub fn replay(text: &str) -> Result<(), String> {
    let trace: Trace = text.parse()?;
    trace.run().map_err(|failure| failure.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::step::Svc;

    #[test]
    fn a_trace_is_read_as_it_was_written_and_runs() {
        let steps = std::vec![Svc::call(abi::Syscall::Yield, 0, 0), Step::Fault];
        let trace = Trace { scene: Scene::Ipc, without: Sabotage::None, steps };
        assert_eq!(trace.to_string().parse(), Ok(trace.clone()));
        assert_eq!(trace.run(), Ok(()));
        assert!(trace.as_test("found").contains("scene ipc"));
        assert_eq!(replay("fault"), Err("the first line is not `bulkhead trace 1, scene NAME`, but `fault`".into()));
        assert!(replay("bulkhead trace 1, scene mars").unwrap_err().contains("there are ipc, caps"));
        assert_eq!(replay("# why\nbulkhead trace 1, scene ipc\n\njump"), Err("line 4: `jump` is no step".into()));
    }
}
