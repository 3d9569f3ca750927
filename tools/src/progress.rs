//! What is being done, told on standard error: on a terminal by a line that moves, elsewhere by plain lines.

use crate::failure::{Failure, Result};
use crate::process::{self, Lines, Stream};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::process::Command;
use std::time::Duration;

/// Says something on standard error. That nobody listens any more, such as after a hang-up, stops nothing half-way.
fn tell(what: &str) {
    let _ = writeln!(std::io::stderr(), "bulkhead: {what}");
}

/// A step that takes its time. It vanishes from a terminal when it is dropped.
pub struct Progress(Option<ProgressBar>);

impl Progress {
    /// Says what begins.
    pub fn start(what: &str) -> Self {
        if !std::io::stderr().is_terminal() {
            tell(what);
            return Self(None);
        }
        let spinner = spinner();
        spinner.set_prefix(what.to_owned());
        Self(Some(spinner))
    }

    /// Says how far it is.
    pub fn say(&self, line: &str) {
        match (&self.0, line.trim()) {
            (_, "") => {}
            (Some(spinner), line) => spinner.set_message(line.to_owned()),
            (None, line) => tell(&format!("  {line}")),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(spinner) = &self.0 {
            spinner.finish_and_clear();
        }
    }
}

/// A line that moves on a terminal, and elsewhere is not there.
pub fn spinner() -> ProgressBar {
    let spinner = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}: {wide_msg}") {
        spinner.set_style(style);
    }
    spinner.enable_steady_tick(Duration::from_millis(100));
    spinner
}

/// Runs a command that takes its time, in that way, and shows what it writes to standard output; its standard error tells why it failed.
pub fn run(what: &str, command: &mut Command, limit: Duration, run: Lines) -> Result<()> {
    let progress = Progress::start(what);
    let mut errors = String::new();
    let status = run(command, limit, &mut |stream, line| match stream {
        Stream::Out => progress.say(&line),
        Stream::Err => {
            errors.push_str(&line);
            errors.push('\n');
        }
    })?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(format!("`{}` failed ({status})\n{}", process::shown(command), errors.trim_end())))
}
