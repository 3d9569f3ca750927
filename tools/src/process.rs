//! Child processes that end: each has a time limit, and what it says is kept for the one who asks why.

use crate::failure::{EXIT_TIMEOUT, Failure, Result};
use crate::interrupt::{Group, Unbroken};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// Where a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// A child that is killed (by its own id) and reaped when it is dropped.
#[derive(Debug)]
pub struct Kept(pub Child);

impl Drop for Kept {
    fn drop(&mut self) {
        // It may have ended by itself: then there is nobody to kill, and that is fine.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn lines_of(pipe: impl Read + Send + 'static, stream: Stream, to: Sender<(Stream, String)>) {
    std::thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while matches!(pipe.read_until(b'\n', &mut line), Ok(1..)) {
            let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
            if to.send((stream, text)).is_err() {
                return;
            }
            line.clear();
        }
    });
}

/// The command as a person would type it.
pub fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}

/// Starts a command, with a message for a program that isn't there.
pub fn spawn(command: &mut Command) -> Result<Child> {
    command.spawn().map_err(|error| {
        Failure::new(format!("can't start `{}`: {error}", command.get_program().to_string_lossy()))
            .mend("install it, or put it on the PATH")
    })
}

/// Takes each line that a command writes.
pub type See<'a> = &'a mut dyn FnMut(Stream, String);
/// A way to run a command: [`each_line`], [`each_line_unbroken`].
pub type Lines = fn(&mut Command, Duration, See<'_>) -> Result<ExitStatus>;

/// Runs a command to its end, handing over each line that it writes. Past `limit` it is killed with all that it
/// started.
pub fn each_line(command: &mut Command, limit: Duration, see: See<'_>) -> Result<ExitStatus> {
    follow(command, limit, see, false)
}

/// The same for one that must not be stopped half-way: an interrupt waits for its end, and past `limit` it goes on alone.
pub fn each_line_unbroken(command: &mut Command, limit: Duration, see: See<'_>) -> Result<ExitStatus> {
    let unbroken = Unbroken::begin(&shown(command));
    let ended = follow(command, limit, see, true);
    unbroken.end()?;
    ended
}

fn follow(command: &mut Command, limit: Duration, see: See<'_>, unbroken: bool) -> Result<ExitStatus> {
    let deadline = Instant::now() + limit;
    let words = shown(command);
    let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Kept(spawn(piped.process_group(0))?);
    let group = Group::of(&child.0);
    let (sender, lines) = channel();
    if let Some(pipe) = child.0.stdout.take() {
        lines_of(pipe, Stream::Out, sender.clone());
    }
    if let Some(pipe) = child.0.stderr.take() {
        lines_of(pipe, Stream::Err, sender);
    }
    // Two halves: while its pipes are open, and until it is gone (a grandchild may hold a pipe open).
    loop {
        let tick = Duration::from_millis(50);
        match lines.recv_timeout(tick) {
            Ok((stream, line)) => see(stream, line),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(Duration::from_millis(2)),
        }
        if Instant::now() >= deadline && unbroken {
            let id = child.0.id();
            group.map(Group::forget).unwrap_or_default();
            std::mem::forget(child);
            return Err(Failure::new(format!(
                "`{words}` did not end within {} s, and goes on as process {id}: stopped half-way it would leave a mess",
                limit.as_secs()
            ))
            .mend("wait for its end, or see what it waits for, and try again")
            .exit(EXIT_TIMEOUT));
        }
        if Instant::now() >= deadline {
            return Err(Failure::new(format!("`{words}` did not end within {} s and was killed", limit.as_secs()))
                .exit(EXIT_TIMEOUT));
        }
        if let Some(status) = child.0.try_wait().map_err(|error| Failure::new(format!("`{words}`: {error}")))? {
            // What it had written before it ended.
            while let Ok((stream, line)) = lines.recv_timeout(Duration::from_millis(200)) {
                see(stream, line);
            }
            group.map(Group::forget).unwrap_or_default();
            return Ok(status);
        }
    }
}

/// Runs a command to its end and returns its standard output; its standard error tells why it failed.
pub fn output(command: &mut Command, limit: Duration) -> Result<String> {
    let (mut out, mut err) = (String::new(), String::new());
    let status = each_line(command, limit, &mut |stream, line| {
        let text = if stream == Stream::Out { &mut out } else { &mut err };
        text.push_str(&line);
        text.push('\n');
    })?;
    if status.success() {
        return Ok(out);
    }
    Err(Failure::new(format!("`{}` failed ({status})\n{}", shown(command), err.trim_end())))
}

/// Whether a program of that name stands on the PATH.
pub fn on_path(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

/// Whether that can be started: a path with a `/`, or a name on the PATH.
pub fn is_program(program: &Path) -> bool {
    if program.components().count() == 1 && !program.has_root() {
        return on_path(&program.to_string_lossy());
    }
    program.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_returned_and_failure_told() {
        let seconds = Duration::from_secs(10);
        assert_eq!(output(Command::new("sh").args(["-c", "echo one; echo two"]), seconds).unwrap(), "one\ntwo\n");
        let failure = output(Command::new("sh").args(["-c", "echo why >&2; exit 3"]), seconds).unwrap_err();
        assert!(failure.what.contains("why") && failure.what.contains('3'), "{failure}");
    }

    #[test]
    fn what_does_not_end_is_killed() {
        let started = Instant::now();
        let failure = output(Command::new("sleep").arg("60"), Duration::from_millis(300)).unwrap_err();
        assert_eq!(failure.exit, EXIT_TIMEOUT);
        assert!(started.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn what_the_child_started_is_killed_with_it() {
        let mut pid = String::new();
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 60 & echo $!; wait"]);
        let ended = each_line(&mut command, Duration::from_millis(500), &mut |_, line| pid = line);
        assert_eq!(ended.unwrap_err().exit, EXIT_TIMEOUT);
        let stat = std::path::Path::new("/proc").join(&pid).join("stat");
        let runs = || std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z"));
        let deadline = Instant::now() + Duration::from_secs(10);
        while runs() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(!pid.is_empty() && !runs(), "{pid}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let failure = output(&mut Command::new("no-such-program-here"), Duration::from_secs(1)).unwrap_err();
        assert!(failure.what.contains("no-such-program-here") && failure.mend.is_some());
        assert!(!on_path("no-such-program-here") && on_path("sh"));
    }
}
