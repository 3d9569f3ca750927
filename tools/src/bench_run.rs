//! One run of a machine that counts, from its start to its power-off.

use crate::bench_count;
use crate::decode::Decoders;
use crate::failure::{EXIT_CRASHED, EXIT_TIMEOUT, Failure, Result};
use crate::image::Image;
use crate::qemu::{self, End, Qemu};
use crate::run::session::{Screen, Session};
use regex::Regex;
use std::io::Read;
use std::path::Path;
use std::process::ChildStdout;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

/// Keeps all lines.
#[derive(Default)]
struct Kept(String);

impl Screen for Kept {
    fn raw(&mut self, _id: u8, _bytes: &[u8]) {}

    fn line(&mut self, source: &str, _console: Option<u8>, text: &str) {
        self.0 += &format!("[{source}] {text}\n");
    }
}

fn pieces(mut output: ChildStdout) -> Receiver<Vec<u8>> {
    let (sender, pieces) = sync_channel(64);
    std::thread::spawn(move || {
        let mut bytes = vec![0; 16 << 10];
        while let Ok(count @ 1..) = output.read(&mut bytes) {
            if sender.send(bytes[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    pieces
}

/// Whether a machine has ended by itself, or has said enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    All,
    Enough,
}

/// Hands over all that a machine says until it ends, or until `see` says that it is enough; an error if neither happens
/// within `limit`, or if `see` has one.
fn watch(
    what: &str,
    output: ChildStdout,
    limit: Duration,
    mut see: impl FnMut(&[u8]) -> Result<bool>,
) -> Result<Heard> {
    let (pieces, started) = (pieces(output), Instant::now());
    loop {
        let enough = match pieces.recv_timeout(Duration::from_millis(100)) {
            Ok(bytes) => see(&bytes)?,
            Err(RecvTimeoutError::Timeout) => see(&[])?,
            Err(RecvTimeoutError::Disconnected) => return Ok(Heard::All),
        };
        if enough {
            return Ok(Heard::Enough);
        }
        if started.elapsed() >= limit {
            return Err(Failure::new(format!("{what} did not end within {} s", limit.as_secs())).exit(EXIT_TIMEOUT));
        }
    }
}

fn switched_off(what: &str, machine: Qemu) -> Result<()> {
    match machine.end()? {
        End::PoweredOff => Ok(()),
        End::Reset => {
            Err(Failure::new(format!("{what} reset itself instead of switching itself off")).exit(EXIT_CRASHED))
        }
    }
}

/// Runs an image to its power-off, or until it says that, and returns all that it said. Two runs say the same.
pub fn system(image: &Image, plugin: Option<String>, until: Option<Regex>, limit: Duration) -> Result<String> {
    run(image, plugin, until, &mut || false, limit)
}

/// How long what was said before the plugin wrote may take to come through.
const DRAIN: Duration = Duration::from_millis(200);

/// Runs an image to its power-off, or until the plugin has written all of `out`, and returns all that was said by then.
pub fn counted(image: &Image, plugin: String, out: &Path, limit: Duration) -> Result<String> {
    if out.exists() {
        std::fs::remove_file(out).map_err(|error| Failure::path(out, error))?;
    }
    let complete = || std::fs::read(out).is_ok_and(|bytes| bytes.ends_with(bench_count::END.as_bytes()));
    let mut since: Option<Instant> = None;
    let mut enough = || {
        if since.is_none() && complete() {
            since = Some(Instant::now());
        }
        since.is_some_and(|since| since.elapsed() >= DRAIN)
    };
    run(image, Some(plugin), None, &mut enough, limit)
}

fn run(
    image: &Image,
    plugin: Option<String>,
    until: Option<Regex>,
    enough: &mut dyn FnMut() -> bool,
    limit: Duration,
) -> Result<String> {
    let board = boards::find(&image.board).map_err(|error| Failure::new(error.to_string()))?;
    let what = format!("`{}`", image.elf.display());
    let options = qemu::Options { cores: image.cores, deterministic: true, plugin, ..qemu::Options::default() };
    let mut session = Session::new(image, Decoders::load(&image.logs)?, until, None);
    let (machine, input, output) = Qemu::start(&board, &image.elf, &options)?;
    let mut kept = Kept::default();
    let ended = watch(&what, output, limit, |bytes| {
        session.push(bytes, &mut kept);
        let crash = session.crash().map(str::to_owned);
        match crash.filter(|_| session.epitaph().1 || session.epitaph().0.is_empty()) {
            Some(crash) => Err(Failure::new(format!("{what} crashed: {crash}")).exit(EXIT_CRASHED)),
            None => Ok(session.matched() || enough()),
        }
    });
    drop(input);
    session.finish(&mut kept);
    let heard = ended.map_err(|failure| Failure { what: format!("{}\n{}", failure.what, kept.0), ..failure })?;
    if heard == Heard::All {
        switched_off(&what, machine)?;
    }
    Ok(kept.0)
}

/// Runs QEMU with these words to the machine's power-off, and returns all that it said on standard output.
pub fn words(what: &str, words: &[String], limit: Duration) -> Result<String> {
    let (machine, input, output) = Qemu::start_with(words)?;
    let mut said = Vec::new();
    watch(what, output, limit, |bytes| {
        said.extend_from_slice(bytes);
        Ok(false)
    })?;
    drop(input);
    switched_off(what, machine)?;
    Ok(String::from_utf8_lossy(&said).into_owned())
}
