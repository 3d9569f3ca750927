//! `cargo bulkhead bench`: what things cost, in instructions, against the committed figures.

use crate::bench_table::{Figures, Row, parse, shown};
use crate::composer;
use crate::decode::Decoders;
use crate::failure::{EXIT_CRASHED, EXIT_TIMEOUT, Failure, Result};
use crate::image::Image;
use crate::qemu::{self, Qemu};
use crate::run::session::{Screen, Session};
use crate::workspace;
use std::io::Read;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(900);

/// What to do with the figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Print JSON.
    pub json: bool,
    /// Take what was measured as the new measure.
    pub accept: bool,
}

/// Keeps all lines.
#[derive(Default)]
struct Kept(String);

impl Screen for Kept {
    fn raw(&mut self, _id: u8, _bytes: &[u8]) {}

    fn line(&mut self, source: &str, _console: Option<u8>, text: &str) {
        self.0 += &format!("[{source}] {text}\n");
    }
}

/// Runs an image to its power-off and returns all that it said. Two runs say the same.
fn transcript(image: &Image) -> Result<String> {
    let board = boards::find(&image.board).map_err(|error| Failure::new(error.to_string()))?;
    let options = qemu::Options { deterministic: true, ..qemu::Options::default() };
    let (machine, input, mut output) = Qemu::start(&board, &image.elf, &options)?;
    let (sender, pieces) = sync_channel(64);
    std::thread::spawn(move || {
        let mut bytes = vec![0; 16 << 10];
        while let Ok(count @ 1..) = output.read(&mut bytes) {
            if sender.send(bytes[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    let mut session = Session::new(image, Decoders::load(&image.logs)?, None, None);
    let (mut kept, started) = (Kept::default(), Instant::now());
    loop {
        match pieces.recv_timeout(Duration::from_millis(100)) {
            Ok(bytes) => session.push(&bytes, &mut kept),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        let crash = session.crash().map(str::to_owned);
        if let Some(crash) = crash.filter(|_| session.epitaph().1 || session.epitaph().0.is_empty()) {
            session.finish(&mut kept);
            return Err(Failure::new(format!("the bench system crashed: {crash}\n{}", kept.0)).exit(EXIT_CRASHED));
        }
        if started.elapsed() >= LIMIT {
            let what = format!("the bench system did not end within {} s\n{}", LIMIT.as_secs(), kept.0);
            return Err(Failure::new(what).exit(EXIT_TIMEOUT));
        }
    }
    drop(input);
    session.finish(&mut kept);
    machine.end()?;
    Ok(kept.0)
}

/// Measures, compares, and returns the exit code.
pub fn run(options: Options) -> Result<u8> {
    let committed = workspace::root().join("tools/bench.toml");
    let figures = Figures::read(&committed)?;
    let image = composer::build(&workspace::root().join("tests/systems/bench.toml"), None, None)?;
    let said = transcript(&image)?;
    let measured = parse(&said);
    if measured.is_empty() {
        return Err(Failure::new(format!("the bench system printed no figure\n{said}")).exit(EXIT_CRASHED));
    }
    let rows = figures.compare(&measured);
    if options.json {
        let text = serde_json::to_string_pretty(&rows).map_err(|error| Failure::new(error.to_string()))?;
        println!("{text}");
    } else {
        print!("{}", shown(&rows));
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
    eprintln!("bulkhead: worse than committed: {}; if that is meant, `cargo bulkhead bench --accept`", worse.join(", "));
    Ok(EXIT_CRASHED)
}
