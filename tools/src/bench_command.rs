//! `cargo bulkhead bench`: what things cost, in instructions, against the committed figures.

use crate::bench_boot::{self, GuestKernel};
use crate::bench_measure::{Longest, Measured};
use crate::bench_table::{Figures, Row, shown};
use crate::bench_text::{self, Share};
use crate::failure::{EXIT_CRASHED, Failure, Result};
use crate::{bench_count, workspace};
use serde::Serialize;
use std::collections::BTreeMap;

/// The committed figures.
const COMMITTED: &str = "tools/bench.toml";

/// What to do with the figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Print JSON.
    pub json: bool,
    /// Take what was measured as the new measure.
    pub accept: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Answer<'a> {
    guest_kernel: Option<GuestKernel>,
    seconds: BTreeMap<String, f64>,
    figures: &'a [Row],
    kernel_functions: &'a BTreeMap<String, Vec<Share>>,
    legs: &'a BTreeMap<String, Vec<f64>>,
    masked: &'a [Longest],
}

/// Measures what takes no Linux, and compares: one row for each committed figure of that kind, and for each new one.
pub fn without_boots() -> Result<Vec<Row>> {
    let figures = Figures::read(&workspace::root().join(COMMITTED))?;
    let plugin = bench_count::plugin()?;
    let folder = workspace::own().join("measure");
    let _lock = workspace::lock(&folder)?;
    let measured = Measured::of_all(&plugin, &folder)?;
    let rows = figures.compare(&measured.figures, &measured.splits);
    Ok(rows.into_iter().filter(|row| !bench_boot::is_of_a_boot(&row.figure.name)).collect())
}

/// Measures, compares, and returns the exit code.
pub fn run(options: Options) -> Result<u8> {
    let committed = workspace::root().join(COMMITTED);
    let figures = Figures::read(&committed)?;
    let plugin = bench_count::plugin()?;
    let folder = workspace::own().join("measure");
    let _lock = workspace::lock(&folder)?;
    let mut measured = Measured::of_all(&plugin, &folder)?;
    let boots = bench_boot::measure(&plugin, &folder)?;
    measured.figures.extend(boots.figures);
    let rows = figures.compare(&measured.figures, &measured.splits);
    if options.json {
        let Measured { shares: kernel_functions, legs, longest: masked, .. } = &measured;
        let (guest_kernel, seconds) = (boots.kernel, boots.seconds);
        let answer = Answer { guest_kernel, seconds, figures: &rows, kernel_functions, legs, masked };
        let text = serde_json::to_string_pretty(&answer).map_err(|error| Failure::new(error.to_string()))?;
        println!("{text}");
    } else {
        print!("{}{}", shown(&rows), bench_text::shown(&rows, &measured.shares));
        print!("{}{}", bench_text::legs(&rows, &measured.legs), bench_text::masked(&rows, &measured.longest));
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
