//! `cargo bulkhead bench`: what things cost, in instructions, against the committed figures.

use crate::bench_boot::{self, Boots, GuestKernel};
use crate::bench_measure::{Longest, Measured};
use crate::bench_table::{Figures, Row, shown};
use crate::bench_text::{self, Share};
use crate::failure::{EXIT_CRASHED, Failure, Result};
use crate::{bench_count, workspace};
use serde::Serialize;
use std::collections::BTreeMap;

/// The committed figures,
const COMMITTED: &str = "tools/bench.toml";
/// and the book that shows them.
const BOOK: &str = "tools/docs/bench.md";

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
    measured.figures.extend(boots.figures.clone());
    let rows = figures.compare(&measured.figures, &measured.splits);
    if options.json {
        let Measured { shares: kernel_functions, legs, longest: masked, .. } = &measured;
        let (guest_kernel, seconds) = (boots.kernel.clone(), boots.seconds.clone());
        let answer = Answer { guest_kernel, seconds, figures: &rows, kernel_functions, legs, masked };
        let text = serde_json::to_string_pretty(&answer).map_err(|error| Failure::new(error.to_string()))?;
        println!("{text}");
    } else {
        print!("{}", story(&rows, &measured, &boots));
    }
    if options.accept {
        let accepted = Figures::accepted(&rows);
        let book = workspace::root().join(BOOK);
        let text = std::fs::read_to_string(&book).map_err(|error| Failure::path(&book, error))?;
        let rows = accepted.compare(&measured.figures, &measured.splits);
        let text = with_table(&text, &story(&rows, &measured, &boots)).ok_or_else(|| {
            Failure::new(format!("{}: there is no table to write anew", book.display()))
                .mend("it stands between ```text and ``` below `## The table`")
        })?;
        accepted.write(&committed)?;
        workspace::write(&book, text.as_bytes())?;
        eprintln!("bulkhead: {} and {} have the new figures", committed.display(), book.display());
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

/// The table, and what is to be said below it.
fn story(rows: &[Row], measured: &Measured, boots: &Boots) -> String {
    let mut text = shown(rows) + &bench_text::shown(rows, &measured.shares);
    text += &bench_text::legs(rows, &measured.legs);
    text += &bench_text::masked(rows, &measured.longest);
    if let Some(GuestKernel { package, version, sha256 }) = &boots.kernel {
        text += &format!("\nguest kernel: {package} {version}, SHA-256 {sha256}\n");
    }
    let seconds: Vec<String> = boots.seconds.iter().map(|(name, seconds)| format!("{name} {seconds}")).collect();
    text + &format!("seconds of wall time: {}\n", seconds.join(", "))
}

/// The book with another table. `None`: it has none.
fn with_table(book: &str, table: &str) -> Option<String> {
    let (before, rest) = book.split_once("## The table")?;
    let (between, rest) = rest.split_once("```text\n")?;
    let (_, after) = rest.split_once("```\n")?;
    Some(format!("{before}## The table{between}```text\n{table}```\n{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_book_is_replaced_and_nothing_else() {
        let book =
            "a\n```text\nnot this\n```\n## The table\n\nb\n\n```text\nold\nold\n```\n\nc\n```text\nnor this\n```\n";
        let wanted = book.replace("old\nold\n", "new\n");
        assert_eq!(with_table(book, "new\n"), Some(wanted));
        assert_eq!(with_table("no table", "new\n"), None);
    }
}
