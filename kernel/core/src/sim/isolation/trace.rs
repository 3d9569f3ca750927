//! A run in which something was found out, as text that can be run again.

use super::Isolation;
use crate::sim::check::Violation;
use crate::sim::machine::Sabotage;
use crate::sim::step::Step;
use crate::sim::trace::{as_test, left_out};
use std::fmt;
use std::format;
use std::str::FromStr;
use std::string::{String, ToString};
use std::vec::Vec;

/// What one compartment does beside another, whose program comes from a seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beside {
    /// Which of the two is watched.
    pub watched: usize,
    /// Its guest has time, and not its component.
    pub guest: bool,
    /// What its program comes from.
    pub seed: u64,
    /// Steps of both.
    pub steps: u32,
    /// What of the kernel's maintenance is left out: for tests that see it missed.
    pub without: Sabotage,
    /// What the other one does.
    pub other: Vec<Step>,
}

impl Beside {
    /// Any run from that seed: two compartments, a guest or a component in turn. Its steps are found by running it.
    pub fn any(seed: u64, steps: u32, without: Sabotage) -> Self {
        let (watched, guest) = (seed as usize % 2, seed / 2 % 2 == 1);
        Self { watched, guest, seed, steps, without, other: Vec::new() }
    }

    fn isolation(&self) -> Isolation {
        Isolation::without(self.watched, self.guest, self.without)
    }

    /// Lets the other one do anything. How often the watched one read.
    ///
    /// # Errors
    /// What it found out, and the run with what the other one did.
    pub fn explore(self) -> Result<u32, (Self, Violation)> {
        let mut isolation = self.isolation();
        isolation.run(self.seed, self.steps).map_err(|(other, violation)| (Self { other, ..self }, violation))
    }

    /// Runs it.
    ///
    /// # Errors
    /// What was found out.
    pub fn run(&self) -> Result<(), Violation> {
        self.isolation().run_beside(self.seed, self.steps, &self.other)
    }

    /// A test that runs it, as source.
    pub fn as_test(&self, name: &str) -> String {
        as_test(name, &self.to_string(), "isolation::replay")
    }

    /// The same with as few of the other's steps as are found that are found out; and how. `runs`: how many are tried.
    pub fn shrink(self, violation: Violation, runs: u32) -> (Self, Violation) {
        let mut isolation = self.isolation();
        let (mut best, mut left) = ((self, violation), runs);
        let mut piece = best.0.other.len();
        while piece > 0 {
            let mut at = 0;
            while at < best.0.other.len() && left > 0 {
                left -= 1;
                let mut other = best.0.other.clone();
                other.drain(at..(at + piece).min(other.len()));
                match isolation.run_beside(best.0.seed, best.0.steps, &other) {
                    Err(violation) if violation.0 == best.1.0 => best = (Self { other, ..best.0 }, violation),
                    _ => at += piece,
                }
            }
            piece = if piece == 1 { 0 } else { piece.div_ceil(2) };
        }
        best
    }
}

/// Runs a run that stands in a text.
///
/// # Errors
/// What is wrong with the text, or what was found out.
pub fn replay(text: &str) -> Result<(), String> {
    text.parse::<Beside>()?.run().map_err(|violation| violation.to_string())
}

const HEAD: &str = "bulkhead isolation 1, ";

impl fmt::Display for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let active = if self.guest { "guest" } else { "component" };
        write!(f, "{HEAD}{active} {}, seed {}, steps {}", self.watched, self.seed, self.steps)?;
        if let Sabotage::Operation(operation) = self.without {
            write!(f, ", without {operation}")?;
        }
        writeln!(f)?;
        self.other.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}

impl FromStr for Beside {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lines = text.lines().enumerate();
        let lines = lines.map(|(n, line)| (n + 1, line.split('#').next().unwrap_or("").trim()));
        let mut lines = lines.filter(|(_, line)| !line.is_empty());
        let head = lines.next().map_or("", |(_, line)| line);
        let wrong = || format!("the first line is not `{HEAD}component|guest 0|1, seed N, steps N`, but `{head}`");
        let words = head.strip_prefix(HEAD).ok_or_else(wrong)?;
        let mut read = Self::any(0, 0, Sabotage::None);
        let mut known = 0;
        for word in words.split(", ") {
            let (key, value) = word.split_once(' ').ok_or_else(wrong)?;
            let number = || value.parse::<u64>().map_err(|_| wrong());
            match key {
                "component" | "guest" => {
                    read.guest = key == "guest";
                    read.watched = usize::try_from(number()?).ok().filter(|&which| which < 2).ok_or_else(wrong)?;
                }
                "seed" => read.seed = number()?,
                "steps" => read.steps = u32::try_from(number()?).map_err(|_| wrong())?,
                "without" => read.without = left_out(value)?,
                _ => return Err(wrong()),
            }
            known += u32::from(key != "without");
        }
        if known != 3 {
            return Err(wrong());
        }
        let steps = lines.map(|(n, line)| line.parse().map_err(|error| format!("line {n}: {error}")));
        read.other = steps.collect::<Result<_, String>>()?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_read_as_it_was_written() {
        let run = Beside { other: std::vec![Step::Timer, Step::Load(4096)], ..Beside::any(7, 300, Sabotage::None) };
        assert_eq!(run.to_string(), "bulkhead isolation 1, guest 1, seed 7, steps 300\ntimer\nload 0x1000\n");
        assert_eq!(run.to_string().parse(), Ok(run.clone()));
        let without = Beside { without: left_out("isb").unwrap(), ..run };
        assert_eq!(without.to_string().parse(), Ok(without));
        for wrong in ["", "timer", "bulkhead isolation 1, guest 2, seed 1, steps 1", "bulkhead isolation 1, seed 1"] {
            assert!(wrong.parse::<Beside>().unwrap_err().contains("the first line is not"), "{wrong}");
        }
        let wrong = "bulkhead isolation 1, guest 0, seed 1, steps 1\njump".parse::<Beside>();
        assert_eq!(wrong, Err("line 2: `jump` is no step".into()));
    }

    /// A run that fails is made short, and fails again with the same words.
    #[test]
    fn what_was_found_out_is_found_out_again_by_fewer_steps() {
        let without = left_out("tlbiallis").unwrap();
        let found = (0..1000).find_map(|seed| Beside::any(seed, 300, without).explore().err());
        let (run, violation) = found.expect("nobody misses it");
        let steps = run.other.len();
        let (run, violation) = run.shrink(violation, 300);
        assert!(run.other.len() < steps / 2 && run.other.len() < 40, "{steps} steps became {}", run.other.len());
        assert_eq!(replay(&run.to_string()), Err(violation.to_string()));
        assert!(run.as_test("leak").contains("sim::isolation::replay(trace)"));
        assert_eq!(Beside { without: Sabotage::None, ..run }.run(), Ok(()));
    }
}
