//! Running a system in QEMU: on a terminal its consoles, elsewhere prefixed lines, and an exit code that means something.

pub mod death;
pub mod feeder;
pub mod keys;
pub mod lines;
mod raw_mode;
pub mod screen_piped;
pub mod screen_terminal;
pub mod session;

use crate::decode::Decoders;
use crate::failure::{
    EXIT_BAD_INPUT, EXIT_CRASHED, EXIT_INTERRUPTED, EXIT_NOBODY_READS, EXIT_TIMEOUT, Failure, Result,
};
use crate::image::{Image, KERNEL_NAME};
use crate::qemu::{self, End, Qemu};
use crate::{epitaph, interrupt, wire};
use feeder::Feeder;
use keys::Keys;
use raw_mode::RawMode;
use regex::Regex;
use screen_piped::Piped;
use screen_terminal::{Terminal, Wish};
use session::{Screen, Session};
use std::io::{BufReader, Read, Write};
use std::process::ChildStdin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

/// How often the clock is looked at while nothing happens.
const TICK: Duration = Duration::from_millis(20);
/// How long a system that has crashed may go on talking.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What to run for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// End with 0 when a line matches.
    pub until: Option<Regex>,
    /// End with 124 after so long, counted from the start of the machine.
    pub timeout: Option<Duration>,
    /// When the console takes a line of standard input.
    pub prompt: Option<Regex>,
    /// The machine.
    pub qemu: qemu::Options,
}

/// What happens around a run.
enum Event {
    Wire(Vec<u8>),
    WireEnd,
    Keys(Vec<u8>),
    KeysEnd,
}

/// How a run ended.
enum Outcome {
    Matched,
    Crashed,
    TimedOut,
    Quit,
    Interrupted,
    /// Nothing more can be written.
    Unwritten,
    /// The wire is closed: QEMU has ended or is about to.
    Closed,
}

/// A screen of either kind.
enum Display {
    Piped(Piped<std::io::Stdout>),
    Terminal(Terminal<std::io::Stdout>),
}

impl Screen for Display {
    fn raw(&mut self, id: u8, bytes: &[u8]) {
        match self {
            Self::Piped(screen) => screen.raw(id, bytes),
            Self::Terminal(screen) => screen.raw(id, bytes),
        }
    }

    fn line(&mut self, source: &str, console: Option<u8>, text: &str) {
        match self {
            Self::Piped(screen) => screen.line(source, console, text),
            Self::Terminal(screen) => screen.line(source, console, text),
        }
    }
}

fn read_all(mut from: impl Read + Send + 'static, to: SyncSender<Event>, some: fn(Vec<u8>) -> Event, end: Event) {
    std::thread::spawn(move || {
        let mut bytes = vec![0; 16 << 10];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            if to.send(some(bytes[..count].to_vec())).is_err() {
                return;
            }
        }
        // Nobody listens any more when the run is over.
        let _ = to.send(end);
    });
}

/// Writes to the machine at its own pace: a guest that does not read must not stop the one who reads it.
fn sending(mut input: ChildStdin) -> Sender<Vec<u8>> {
    let (sender, receiver) = channel::<Vec<u8>>();
    std::thread::spawn(move || {
        for bytes in receiver {
            if input.write_all(&bytes).and_then(|()| input.flush()).is_err() {
                return;
            }
        }
    });
    sender
}

/// Runs an image and returns the exit code.
pub fn run(image: &Image, options: &Options) -> Result<u8> {
    let board = boards::find(&image.board).map_err(|error| Failure::new(error.to_string()))?;
    let decoders = Decoders::load(&image.logs)?;
    let terminal = raw_mode::on_terminal();
    let (qemu, input, output) = Qemu::start(&board, &image.elf, &options.qemu)?;
    let (sender, events) = sync_channel(64);
    let interrupted = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&interrupted);
    interrupt::hand_over(move || told.store(true, Ordering::Relaxed));
    read_all(output, sender.clone(), Event::Wire, Event::WireEnd);
    let raw_mode = if terminal { RawMode::enter() } else { None };
    let (display, feeder) = if raw_mode.is_some() {
        read_all(std::io::stdin(), sender, Event::Keys, Event::KeysEnd);
        let mut screen = Terminal::new(std::io::stdout(), image);
        screen.help();
        (Display::Terminal(screen), None)
    } else {
        let prompt = options.prompt.clone().map_or_else(|| Regex::new(feeder::PROMPT), Ok);
        let prompt = prompt.map_err(|error| Failure::new(error.to_string()))?;
        let feeder = Feeder::reading(prompt, BufReader::new(std::io::stdin()));
        (Display::Piped(Piped::new(std::io::stdout())), image.first_vm().map(|vm| (vm.id, feeder)))
    };
    let session = Session::new(image, decoders, options.until.clone(), feeder);
    let mut run = Run {
        session,
        display,
        input: sending(input),
        selected: None,
        keys: Keys::default(),
        started: Instant::now(),
        interrupted,
        heard: false,
    };
    let outcome = run.until_it_is_over(&events, options.timeout);
    run.tell_story(image);
    run.session.finish(&mut run.display);
    run.flush();
    drop(raw_mode);
    let code = conclude(outcome, &run, qemu, options)?;
    unwritten(&run, code)
}

fn conclude(outcome: Outcome, run: &Run, qemu: Qemu, options: &Options) -> Result<u8> {
    if run.session.matched() {
        return Ok(0);
    }
    if let Some(crash) = run.session.crash() {
        eprintln!("bulkhead: {crash}");
        return Ok(EXIT_CRASHED);
    }
    match outcome {
        Outcome::Matched => Ok(0),
        Outcome::Quit => Ok(if options.until.is_some() { EXIT_INTERRUPTED } else { 0 }),
        Outcome::Crashed => Ok(EXIT_CRASHED),
        Outcome::TimedOut => {
            let seconds = options.timeout.unwrap_or_default().as_secs_f32();
            let waited =
                options.until.as_ref().map(|until| format!(" without a match of `{until}`")).unwrap_or_default();
            eprintln!("bulkhead: {seconds} s have passed{waited}");
            Ok(EXIT_TIMEOUT)
        }
        Outcome::Interrupted => Ok(EXIT_INTERRUPTED),
        Outcome::Unwritten => Ok(EXIT_NOBODY_READS),
        Outcome::Closed => closed(run, qemu.end()?, options),
    }
}

/// Who reads no more has what they wanted: that is told by the code alone, as by any program in a pipe. Anything else that swallows
/// output is a failure, also of a run that ended well.
fn unwritten(run: &Run, code: u8) -> Result<u8> {
    let Some(failure) = run.broken().map(Failure::output) else { return Ok(code) };
    if failure.exit == EXIT_NOBODY_READS {
        return Ok(code);
    }
    Err(if [0, EXIT_NOBODY_READS].contains(&code) { failure } else { failure.exit(code) })
}

/// The machine has ended by itself: well, if it switched itself off, nobody waits for a line that never came, and root did not give up
/// what it should have restarted.
fn closed(run: &Run, end: End, options: &Options) -> Result<u8> {
    if end == End::Reset && !run.heard {
        return Err(Failure::new("QEMU ended before the system said anything")
            .mend(qemu::mend_silence())
            .exit(EXIT_CRASHED));
    }
    let mut told = match end {
        End::PoweredOff => "the system has powered off".to_owned(),
        End::Reset => "the system has reset itself, which ends the run".to_owned(),
    };
    if let Some(until) = &options.until {
        told += &format!("; `{until}` never matched");
    }
    eprintln!("bulkhead: {told}");
    if !run.heard {
        eprintln!("bulkhead: it never said a word: it may have given up before its console was there");
    }
    if !run.session.crashed().is_empty() {
        eprintln!("bulkhead: crashed, and stopped as the manifest says: {}", run.session.crashed().join(", "));
    }
    if let Some(given_up) = run.session.given_up() {
        eprintln!("bulkhead: {given_up}");
    }
    let well = end == End::PoweredOff && options.until.is_none() && run.session.given_up().is_none();
    Ok(if well { 0 } else { EXIT_CRASHED })
}

struct Run {
    session: Session,
    display: Display,
    input: Sender<Vec<u8>>,
    selected: Option<u8>,
    keys: Keys,
    started: Instant,
    interrupted: Arc<AtomicBool>,
    /// Whether anything came over the wire.
    heard: bool,
}

impl Run {
    fn until_it_is_over(&mut self, events: &Receiver<Event>, timeout: Option<Duration>) -> Outcome {
        let mut crashed_at = None;
        loop {
            match events.recv_timeout(TICK) {
                Ok(Event::Wire(bytes)) => {
                    self.heard = true;
                    self.session.push(&bytes, &mut self.display);
                }
                Ok(Event::WireEnd) | Err(RecvTimeoutError::Disconnected) => return Outcome::Closed,
                Ok(Event::Keys(bytes)) => {
                    if self.typed(&bytes) {
                        return Outcome::Quit;
                    }
                }
                Ok(Event::KeysEnd) => return Outcome::Quit,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if let Some((id, bytes)) = self.session.feed() {
                self.send(id, &bytes);
            }
            if self.session.matched() {
                return Outcome::Matched;
            }
            if self.session.crash().is_some() {
                let since: Instant = *crashed_at.get_or_insert_with(Instant::now);
                if self.session.epitaph().1 || since.elapsed() >= LAST_WORDS {
                    return Outcome::Crashed;
                }
            }
            if timeout.is_some_and(|timeout| self.started.elapsed() >= timeout) {
                return Outcome::TimedOut;
            }
            if self.interrupted.load(Ordering::Relaxed) {
                return Outcome::Interrupted;
            }
            self.flush();
            if self.broken().is_some() {
                return Outcome::Unwritten;
            }
        }
    }

    /// Handles keys; true if they ask for the end.
    fn typed(&mut self, bytes: &[u8]) -> bool {
        for key in self.keys.push(bytes, self.started.elapsed()) {
            let Display::Terminal(screen) = &mut self.display else { return false };
            match screen.key(key) {
                Some(Wish::Send(id, bytes)) => self.send(id, &bytes),
                Some(Wish::Quit) => return true,
                None => {}
            }
        }
        false
    }

    fn send(&mut self, id: u8, bytes: &[u8]) {
        // A QEMU that is gone tells it by the end of the wire.
        if self.selected.replace(id) != Some(id) {
            let _ = self.input.send(wire::select(id).to_vec());
        }
        let _ = self.input.send(bytes.to_vec());
    }

    fn flush(&mut self) {
        match &mut self.display {
            Display::Piped(screen) => screen.flush(),
            Display::Terminal(screen) => screen.flush(),
        }
    }

    /// Why nothing more can be written. A terminal that is gone tells it by the end of its input.
    fn broken(&self) -> Option<&std::io::Error> {
        match &self.display {
            Display::Piped(screen) => screen.broken(),
            Display::Terminal(_) => None,
        }
    }

    /// Tells the kernel's last words with names.
    fn tell_story(&mut self, image: &Image) {
        let (lines, _) = self.session.epitaph();
        let Some(elf) = image.kernel_elf().filter(|_| !lines.is_empty()) else { return };
        let story = epitaph::story(lines, elf);
        for line in story {
            self.display.line(KERNEL_NAME, None, &format!("  {line}"));
        }
    }
}

/// A regular expression of the command line's.
pub fn expression(option: &str, text: &str) -> Result<Regex> {
    Regex::new(text).map_err(|error| {
        Failure::new(format!("{option}: {error}"))
            .mend("write it as the regex crate's documentation says")
            .exit(EXIT_BAD_INPUT)
    })
}
