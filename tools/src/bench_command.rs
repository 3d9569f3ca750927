//! `cargo bulkhead bench`: what things cost, in instructions, against the committed figures.

use crate::bench_boot::{self, GuestKernel, kernel_elf};
use crate::bench_count::{self, Counts, Kernel, Split};
use crate::bench_table::{Figures, Line, Row, parse, shown};
use crate::bench_text::{self, Share};
use crate::failure::{EXIT_CRASHED, Failure, Result};
use crate::image::Image;
use crate::symbols::Symbols;
use crate::{bench_run, bench_size, composer, cross, workspace};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// For each run.
const LIMIT: Duration = Duration::from_secs(300);
/// What measures itself.
const SYSTEMS: [&str; 2] = ["bench", "bench-switch"];

/// What to do with the figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Print JSON.
    pub json: bool,
    /// Take what was measured as the new measure.
    pub accept: bool,
}

/// What was measured.
#[derive(Default)]
struct Measured {
    figures: BTreeMap<String, f64>,
    splits: BTreeMap<String, Split>,
    shares: BTreeMap<String, Vec<Share>>,
}

impl Measured {
    /// Takes a figure that a system has printed, and what the plugin has counted for it.
    fn take(&mut self, line: &Line, counts: &Counts, symbols: &Symbols<'_>) {
        let mut value = line.value;
        if let Some(mark) = line.mark
            && let Some(split) = counts.operation(mark, line.rounds, line.less)
        {
            value = value.or(Some(split.instructions()));
            self.splits.insert(line.name.clone(), split);
            let shares = bench_text::by_function(symbols, &counts.kernel(mark, line.rounds));
            self.shares.insert(line.name.clone(), shares);
        }
        self.figures.extend(value.map(|value| (line.name.clone(), value)));
    }

    /// Runs a system that measures itself.
    fn system(&mut self, name: &str, plugin: &Path, folder: &Path) -> Result<Image> {
        let manifest = workspace::root().join("tests/systems").join(name).with_extension("toml");
        let image = composer::build(&manifest, None, None)?;
        let board = boards::find(&image.board).map_err(|error| Failure::new(error.to_string()))?;
        let (elf, out) = (kernel_elf(&image)?, folder.join(name));
        let said = bench_run::system(&image, Some(Kernel::read(&elf)?.split(plugin, &out, &board, None)), None, LIMIT)?;
        let counts = Counts::read(&out)?;
        let bytes = std::fs::read(&elf).map_err(|error| Failure::path(&elf, error))?;
        let symbols = Symbols::parse(&bytes).map_err(|error| Failure::path(&elf, error))?;
        let lines = parse(&said);
        if lines.is_empty() {
            return Err(Failure::new(format!("the system `{name}` printed no figure\n{said}")).exit(EXIT_CRASHED));
        }
        lines.iter().for_each(|line| self.take(line, &counts, &symbols));
        Ok(image)
    }

    /// Takes how large the kernel and the programs of a system with one VM are.
    fn sizes(&mut self, board: &str) -> Result<()> {
        let built = cross::build(board, &cross::SYSTEM_PACKAGES)?;
        let sizes = cross::SYSTEM_PACKAGES.iter().map(|package| bench_size::loaded(built.elf(package)?));
        let sizes = sizes.collect::<Result<Vec<u64>>>()?;
        self.figures.insert("image-bytes".to_owned(), sizes.iter().sum::<u64>() as f64);
        self.figures.insert("kernel-bytes".to_owned(), bench_size::loaded(built.elf(cross::KERNEL)?)? as f64);
        Ok(())
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Answer<'a> {
    guest_kernel: Option<GuestKernel>,
    seconds: BTreeMap<String, f64>,
    figures: &'a [Row],
    kernel_functions: &'a BTreeMap<String, Vec<Share>>,
}

/// Measures, compares, and returns the exit code.
pub fn run(options: Options) -> Result<u8> {
    let committed = workspace::root().join("tools/bench.toml");
    let figures = Figures::read(&committed)?;
    let plugin = bench_count::plugin()?;
    let folder = workspace::own().join("measure");
    let _lock = workspace::lock(&folder)?;
    let mut measured = Measured::default();
    let mut board = String::new();
    for name in SYSTEMS {
        board = measured.system(name, &plugin, &folder)?.board;
    }
    measured.sizes(&board)?;
    let boots = bench_boot::measure(&plugin, &folder)?;
    measured.figures.extend(boots.figures);
    let rows = figures.compare(&measured.figures, &measured.splits);
    if options.json {
        let (kernel_functions, seconds) = (&measured.shares, boots.seconds);
        let answer = Answer { guest_kernel: boots.kernel, seconds, figures: &rows, kernel_functions };
        let text = serde_json::to_string_pretty(&answer).map_err(|error| Failure::new(error.to_string()))?;
        println!("{text}");
    } else {
        print!("{}{}", shown(&rows), bench_text::shown(&rows, &measured.shares));
        if let Some(GuestKernel { package, version, sha256 }) = boots.kernel {
            println!("\nguest kernel: {package} {version}, SHA-256 {sha256}");
        }
        let seconds: Vec<String> = boots.seconds.iter().map(|(name, seconds)| format!("{name} {seconds}")).collect();
        println!("seconds of wall time: {}", seconds.join(", "));
    }
    if options.accept {
        Figures::accepted(&rows).write(&committed)?;
        eprintln!("bulkhead: {} has the new figures", committed.display());
        return Ok(0);
    }
    let worse = rows.iter().filter(|row| row.is_worse()).map(|row: &Row| row.figure.name.as_str());
    let worse: Vec<&str> = worse.collect();
    if worse.is_empty() {
        return Ok(0);
    }
    eprintln!(
        "bulkhead: worse than committed: {}; if that is meant, `cargo bulkhead bench --accept`",
        worse.join(", ")
    );
    Ok(EXIT_CRASHED)
}
