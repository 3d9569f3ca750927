//! What is measured without a Linux: systems that measure themselves, adversaries that keep the kernel busy, sizes. It takes some
//! ten seconds, so that every run of the tests can.

use crate::bench_boot::kernel_elf;
use crate::bench_count::{Counts, Kernel, Split};
use crate::bench_table::{Line, parse};
use crate::bench_text::{self, Share};
use crate::failure::{EXIT_CRASHED, Failure, Result};
use crate::image::Image;
use crate::symbols::Symbols;
use crate::{bench_run, bench_size, composer, cross, workspace};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// For each run.
const LIMIT: Duration = Duration::from_secs(300);
/// The figure that is the longest stretch with interrupts masked.
pub const MASKED: &str = "masked-longest";
/// The vector of a trap, and what else there is: an interrupt's.
const TRAP: u64 = 0x14;

/// A system that is run.
struct System {
    name: &'static str,
    /// It is stopped after so many instructions, unless it ends before.
    until: Option<u64>,
    /// Whether it measures something; otherwise it only keeps the kernel busy.
    figures: bool,
}

const fn measures(name: &'static str, until: Option<u64>) -> System {
    System { name, until, figures: true }
}

const fn attacks(name: &'static str, until: u64) -> System {
    System { name, until: Some(until), figures: false }
}

/// In all of them the longest stretch with interrupts masked is looked for.
static SYSTEMS: [System; 6] = [
    measures("bench", None),
    measures("bench-switch", None),
    measures("bench-latency", Some(130_000_000)),
    attacks("bench-big", 100_000_000),
    attacks("victims", 200_000_000),
    attacks("hostile-components", 40_000_000),
];
/// The board of the programs whose sizes are told.
const BOARD: &str = "qemu-virt";

/// A system that was built.
struct Ready {
    system: &'static System,
    image: Image,
    elf: PathBuf,
    words: String,
    out: PathBuf,
}

impl Ready {
    fn new(system: &'static System, plugin: &Path, folder: &Path) -> Result<Self> {
        let manifest = workspace::root().join("tests/systems").join(system.name).with_extension("toml");
        let image = composer::build(&manifest, None, None)?;
        let board = boards::find(&image.board).map_err(|error| Failure::new(error.to_string()))?;
        let (elf, out) = (kernel_elf(&image)?, folder.join(system.name));
        let words = Kernel::read(&elf)?.split(plugin, &out, &board, system.until);
        Ok(Self { system, image, elf, words, out })
    }

    fn run(&self) -> Result<String> {
        bench_run::counted(&self.image, self.words.clone(), &self.out, LIMIT)
    }
}

/// The longest stretch of a system with interrupts masked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Longest {
    /// The system.
    pub system: String,
    /// Instructions.
    pub length: u64,
    /// Whether the kernel was entered by a trap; otherwise by an interrupt.
    pub by_trap: bool,
    /// Which functions they are in.
    pub functions: Vec<Share>,
}

/// What was measured.
#[derive(Default)]
pub struct Measured {
    /// By the names of the table.
    pub figures: BTreeMap<String, f64>,
    /// Who executes it.
    pub splits: BTreeMap<String, Split>,
    /// Functions of the kernel in it.
    pub shares: BTreeMap<String, Vec<Share>>,
    /// Legs of components, with the kernel between them.
    pub legs: BTreeMap<String, Vec<f64>>,
    /// By system.
    pub longest: Vec<Longest>,
}

impl Measured {
    /// Runs all systems, and weighs the programs. `folder` is for what the plugin writes.
    pub fn of_all(plugin: &Path, folder: &Path) -> Result<Self> {
        let mut measured = Self::default();
        let ready: Result<Vec<Ready>> = SYSTEMS.iter().map(|system| Ready::new(system, plugin, folder)).collect();
        // Machines share nothing but the host: two at once.
        for some in ready?.chunks(2) {
            let ran: Vec<Result<String>> = std::thread::scope(|scope| {
                let running: Vec<_> = some.iter().map(|ready| scope.spawn(|| ready.run())).collect();
                let lost = |_| Err(Failure::new("a run is lost"));
                running.into_iter().map(|run| run.join().unwrap_or_else(lost)).collect()
            });
            for (ready, said) in some.iter().zip(ran) {
                measured.system(ready, &said?)?;
            }
        }
        let longest = measured.longest.iter().map(|longest| longest.length).max();
        measured.figures.extend(longest.map(|length| (MASKED.to_owned(), length as f64)));
        measured.sizes()?;
        Ok(measured)
    }

    /// Takes a figure that a system has printed, and what the plugin has counted for it.
    fn take(&mut self, line: &Line, counts: &Counts, symbols: &Symbols<'_>) {
        let mut value = line.value.or(line.irq.and_then(|mark| counts.irq(mark)));
        if let Some(mark) = line.mark
            && let Some(split) = counts.operation(mark, line.rounds, line.less)
        {
            value = value.or(Some(split.instructions()));
            self.splits.insert(line.name.clone(), split);
            let shares = bench_text::by_function(symbols, &counts.kernel(mark, line.rounds));
            self.shares.insert(line.name.clone(), shares);
            if let (1.., Some(legs)) = (line.legs, legs(line, counts)) {
                self.legs.insert(line.name.clone(), legs);
            }
        }
        self.figures.extend(value.map(|value| (line.name.clone(), value)));
    }

    /// Takes what a system has said, and what the plugin has counted in it.
    fn system(&mut self, ready: &Ready, said: &str) -> Result<()> {
        let Ready { system: System { name, figures, .. }, elf, out, .. } = ready;
        let counts = Counts::read(out)?;
        let bytes = std::fs::read(elf).map_err(|error| Failure::path(elf, error))?;
        let symbols = Symbols::parse(&bytes).map_err(|error| Failure::path(elf, error))?;
        let lines = parse(said);
        if *figures && lines.is_empty() {
            return Err(Failure::new(format!("the system `{name}` printed no figure\n{said}")).exit(EXIT_CRASHED));
        }
        lines.iter().for_each(|line| self.take(line, &counts, &symbols));
        self.longest.push(Longest {
            system: (*name).to_owned(),
            length: counts.longest.length,
            by_trap: counts.longest.vector == TRAP,
            functions: bench_text::by_function(&symbols, &counts.longest.kernel),
        });
        Ok(())
    }

    /// Takes how large the kernel and the programs of a system with one VM are.
    fn sizes(&mut self) -> Result<()> {
        let built = cross::build(BOARD, &cross::SYSTEM_PACKAGES)?;
        let sizes = cross::SYSTEM_PACKAGES.iter().map(|package| bench_size::loaded(built.elf(package)?));
        let sizes = sizes.collect::<Result<Vec<u64>>>()?;
        self.figures.insert("image-bytes".to_owned(), sizes.iter().sum::<u64>() as f64);
        self.figures.insert("kernel-bytes".to_owned(), bench_size::loaded(built.elf(cross::KERNEL)?)? as f64);
        Ok(())
    }
}

/// A line's legs. What the marks themselves execute stands at both ends, and is taken off there, half and half.
fn legs(line: &Line, counts: &Counts) -> Option<Vec<f64>> {
    let mut legs = counts.legs(line.mark?)?;
    legs.truncate(line.legs);
    let marks: f64 = line.less.and_then(|less| counts.legs(less)).map_or(0.0, |legs| legs.iter().sum());
    *legs.first_mut()? -= marks / 2.0;
    *legs.last_mut()? -= marks / 2.0;
    Some(legs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_taken_off_at_both_ends() {
        let text = "all 9\nmark 9 2 0 0 20 0 0 0 0\nlegs 9 20 30 10 0\nmark 8 2 0 0 4 0 0 0 0\nlegs 8 4 0\nmasked 0 0x0\nend\n";
        let folder = std::env::temp_dir().join(format!("bulkhead-legs-{}", std::process::id()));
        std::fs::write(&folder, text).unwrap();
        let counts = Counts::read(&folder).unwrap();
        std::fs::remove_file(folder).unwrap();
        let line = Line { mark: Some(9), less: Some(8), legs: 3, ..Line::default() };
        assert_eq!(legs(&line, &counts), Some(vec![9.0, 15.0, 4.0]));
        assert_eq!(legs(&Line { mark: Some(7), ..line }, &counts), None);
    }

    #[test]
    fn every_system_is_there() {
        for system in &SYSTEMS {
            let path = workspace::root().join("tests/systems").join(system.name).with_extension("toml");
            assert!(path.is_file(), "{}", path.display());
        }
    }
}
