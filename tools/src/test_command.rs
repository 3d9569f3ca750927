//! `cargo bulkhead test`: everything, counted.
//!
//! First the host tests of every crate, then the images, then the systems in QEMU, and then what operations cost, against the
//! committed figures. It ends with one plain line.

use crate::bench_table::{self, Row};
use crate::failure::{EXIT_CRASHED, Result};
use crate::process::{self, Stream};
use crate::toolchain;
use crate::{bench_command, cross, progress};
use std::process::Command;
use std::time::{Duration, Instant};

/// The package whose tests run systems in QEMU.
const SYSTEMS: &str = "bulkhead-tests";
/// Tells long tests that they may take their time.
pub const LONG_VARIABLE: &str = "BULKHEAD_LONG";
const SHORT_LIMIT: Duration = Duration::from_secs(20 * 60);
const LONG_LIMIT: Duration = Duration::from_secs(12 * 60 * 60);

/// How many tests passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    passed: u64,
    failed: u64,
}

impl Count {
    /// Adds what a line of a test program's says, if it is its last.
    fn add(&mut self, line: &str) {
        let Some(result) = line.trim_start().strip_prefix("test result: ") else { return };
        let mut numbers = result.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).peekable();
        while let Some(word) = numbers.next() {
            match (word.parse::<u64>(), numbers.peek()) {
                (Ok(count), Some(&"passed")) => self.passed += count,
                (Ok(count), Some(&"failed")) => self.failed += count,
                _ => {}
            }
        }
    }
}

/// Whether a line is of no use to someone who reads the log of a test that passed.
fn is_noise(line: &str) -> bool {
    line.trim().is_empty() || line.starts_with("running ") || (line.starts_with("test ") && line.ends_with("... ok"))
}

/// Runs one step. A step that fails without a failed test (it did not even compile) counts as one.
fn step(what: &str, command: &mut Command, limit: Duration, total: &mut Count) {
    let started = Instant::now();
    let spinner = progress::spinner();
    spinner.set_prefix(what.to_owned());
    println!("{what}: `{}`", process::shown(command));
    let mut count = Count::default();
    let ended = process::each_line(command.env("CARGO_TERM_COLOR", "never"), limit, &mut |stream, line| {
        count.add(&line);
        match stream {
            Stream::Err if line.trim_start().starts_with("Compiling ") => spinner.set_message(line.trim().to_owned()),
            _ if is_noise(&line) => spinner.set_message(line),
            _ => spinner.suspend(|| println!("  {line}")),
        }
    });
    spinner.finish_and_clear();
    let failure = match ended {
        Ok(status) if status.success() => None,
        Ok(status) => Some(format!("{what}: ended with {status}")),
        Err(failure) => Some(failure.to_string()),
    };
    if let Some(failure) = failure {
        println!("{failure}");
        count.failed = count.failed.max(1);
    }
    println!("{what}: {} passed, {} failed in {:.0} s", count.passed, count.failed, started.elapsed().as_secs_f32());
    total.passed += count.passed;
    total.failed += count.failed;
}

/// Builds what every system needs, for each board that QEMU has. What fails counts.
fn build_images(total: &mut Count) {
    for board in boards::all() {
        let in_qemu = boards::find(&board).is_ok_and(|board| board.qemu.is_some());
        if !in_qemu {
            continue;
        }
        match cross::build(&board, &cross::SYSTEM_PACKAGES) {
            Ok(_) => println!("programs for {board}: built"),
            Err(failure) => {
                println!("{failure}");
                total.failed += 1;
            }
        }
    }
}

/// Adds one test for each figure: it fails if the figure is worse than what was committed, or can't be measured any more.
fn add_figures(measured: Result<Vec<Row>>, total: &mut Count) -> Count {
    let mut count = Count::default();
    match measured {
        Ok(rows) => {
            let (worse, rest): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(Row::is_worse);
            count = Count { passed: rest.len() as u64, failed: worse.len() as u64 };
            if !worse.is_empty() {
                print!("{}", bench_table::shown(&worse));
                println!("a cost that is meant is accepted by `cargo bulkhead bench --accept`");
            }
        }
        Err(failure) => {
            println!("{failure}");
            count.failed = 1;
        }
    }
    total.passed += count.passed;
    total.failed += count.failed;
    count
}

/// Measures what takes no Linux.
fn figures(total: &mut Count) {
    let started = Instant::now();
    println!("figures: those of `cargo bulkhead bench` without its Linux guests");
    let Count { passed, failed } = add_figures(bench_command::without_boots(), total);
    println!("figures: {passed} passed, {failed} failed in {:.0} s", started.elapsed().as_secs_f32());
}

/// Runs everything and returns the exit code.
pub fn run(long: bool) -> Result<u8> {
    let limit = if long { LONG_LIMIT } else { SHORT_LIMIT };
    let mut total = Count::default();
    let with = |mut command: Command| {
        if long {
            command.env(LONG_VARIABLE, "1");
        }
        command
    };
    let mut host = with(toolchain::cargo("test"));
    host.args(["--workspace", "--exclude", SYSTEMS, "--no-fail-fast"]);
    step("host tests", &mut host, limit, &mut total);
    build_images(&mut total);
    let mut systems = with(toolchain::cargo("test"));
    systems.args(["--package", SYSTEMS, "--no-fail-fast"]);
    step("systems in QEMU", &mut systems, limit, &mut total);
    figures(&mut total);
    println!("{} passed, {} failed", total.passed, total.failed);
    Ok(if total.failed == 0 { 0 } else { EXIT_CRASHED })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_summed() {
        let mut count = Count::default();
        count.add("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.01s");
        count.add("test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out");
        count.add("test something ... ok");
        assert_eq!(count, Count { passed: 13, failed: 2 });
    }

    #[test]
    fn a_figure_that_is_worse_fails_and_so_does_one_that_is_gone_or_a_run_without_any() {
        let figures = "[[figure]]\nname = \"call\"\ncommitted = 100\n[[figure]]\nname = \"gone\"\ncommitted = 5\n\
                       [[figure]]\nname = \"late\"\nseen = true\n";
        let figures: bench_table::Figures = toml::from_str(figures).unwrap();
        let rows = |call, gone: Option<f64>| {
            let measured = [("call", Some(call)), ("gone", gone), ("late", Some(9.0))];
            let measured = measured.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
            Ok(figures.compare(&measured.collect(), &std::collections::BTreeMap::new()))
        };
        let mut total = Count::default();
        assert_eq!(add_figures(rows(102.0, Some(5.0)), &mut total), Count { passed: 3, failed: 0 });
        assert_eq!(add_figures(rows(102.1, Some(5.0)), &mut total), Count { passed: 2, failed: 1 });
        assert_eq!(add_figures(rows(1.0, None), &mut total), Count { passed: 2, failed: 1 });
        let lost = Err(crate::failure::Failure::new("no compiler"));
        assert_eq!(add_figures(lost, &mut total), Count { passed: 0, failed: 1 });
        assert_eq!(total, Count { passed: 7, failed: 3 });
    }

    #[test]
    fn a_step_that_does_not_even_compile_counts_as_failed() {
        let mut total = Count::default();
        let seconds = Duration::from_secs(10);
        step("x", Command::new("sh").args(["-c", "echo error: no; exit 101"]), seconds, &mut total);
        step("y", Command::new("sh").args(["-c", "echo 'test result: ok. 2 passed; 0 failed'"]), seconds, &mut total);
        step("z", &mut Command::new("no-such-program-here"), seconds, &mut total);
        assert_eq!(total, Count { passed: 2, failed: 2 });
    }
}
