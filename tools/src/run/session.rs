//! What a run has seen so far, and whether it is over: pure, so that every ending is tested without a machine.

use crate::decode::{Decoders, LogLine};
use crate::epitaph;
use crate::image::{Image, KERNEL_NAME};
use crate::run::death::Deaths;
use crate::run::feeder::Feeder;
use crate::run::lines::Lines;
use crate::wire::{Demultiplexer, Piece};
use regex::Regex;
use std::collections::BTreeMap;

/// Where output goes.
pub trait Screen {
    /// Bytes of a console, as they came.
    fn raw(&mut self, id: u8, bytes: &[u8]);
    /// A whole line of a source. `console` is the channel's id, if a console wrote it and not a log.
    fn line(&mut self, source: &str, console: Option<u8>, text: &str);
}

/// Who writes lines here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Kernel,
    Console(u8),
}

/// What root says, at level error, before it gives up.
const SYSTEM_CRASHED: &str = "system crashed";
const ROOT: &str = "root";
/// What root says, at level error, of a compartment that its manifest wants restarted and that it gave up.
const GIVEN_UP: &str = " again and again: stopped";
/// What it says of one that crashed and was stopped, as its manifest wants.
const CRASHED: &str = " crashed: stopped";
const KERNEL_DEAD: &str = "the kernel is dead";

/// A run.
pub struct Session {
    wire: Demultiplexer,
    decoders: Decoders,
    names: BTreeMap<u8, String>,
    lines: BTreeMap<Source, Lines>,
    until: Option<Regex>,
    feeder: Option<(u8, Feeder)>,
    matched: bool,
    crash: Option<String>,
    given_up: Option<String>,
    crashed: Vec<String>,
    epitaph: Vec<String>,
    epitaph_ended: bool,
    deaths: Deaths,
    damaged: u64,
}

impl Session {
    /// A run of an image.
    pub fn new(image: &Image, decoders: Decoders, until: Option<Regex>, feeder: Option<(u8, Feeder)>) -> Self {
        Self {
            wire: Demultiplexer::new(image.tags()),
            decoders,
            names: image.channels.iter().map(|channel| (channel.id, channel.name.clone())).collect(),
            lines: BTreeMap::new(),
            until,
            feeder,
            matched: false,
            crash: None,
            given_up: None,
            crashed: Vec::new(),
            epitaph: Vec::new(),
            epitaph_ended: false,
            deaths: Deaths::new(image),
            damaged: 0,
        }
    }

    /// Takes what came from the machine.
    pub fn push(&mut self, bytes: &[u8], screen: &mut impl Screen) {
        // The wire is taken out so that its pieces can be given to the rest of this.
        let mut wire = std::mem::replace(&mut self.wire, Demultiplexer::new([]));
        wire.push(bytes, &mut |piece| self.piece(piece, screen));
        self.wire = wire;
    }

    fn piece(&mut self, piece: Piece<'_>, screen: &mut impl Screen) {
        match piece {
            Piece::Kernel(text) => self.text(Source::Kernel, text, screen),
            Piece::Console { id, text } => {
                screen.raw(id, text);
                self.text(Source::Console(id), text, screen);
            }
            Piece::Log { id, frame } => self.log(id, frame, screen),
            Piece::Damaged => self.damaged += 1,
        }
    }

    fn text(&mut self, source: Source, text: &[u8], screen: &mut impl Screen) {
        let mut lines = self.lines.remove(&source).unwrap_or_default();
        let mut ended = false;
        lines.push(text, |line| {
            ended = true;
            self.line(source, line, screen);
        });
        let partial = lines.partial();
        self.lines.insert(source, lines);
        if !partial.is_empty() {
            let name = self.name(source).to_owned();
            self.look(&name, &partial);
        }
        if let (Source::Console(id), Some((fed, feeder))) = (source, &mut self.feeder)
            && id == *fed
        {
            feeder.saw(ended, &partial);
        }
    }

    fn name(&self, source: Source) -> &str {
        match source {
            Source::Kernel => KERNEL_NAME,
            Source::Console(id) => self.names.get(&id).map_or("?", String::as_str),
        }
    }

    fn line(&mut self, source: Source, text: &str, screen: &mut impl Screen) {
        let name = self.name(source).to_owned();
        let console = match source {
            Source::Kernel => None,
            Source::Console(id) => Some(id),
        };
        screen.line(&name, console, text);
        self.look(&name, text);
        if source == Source::Kernel {
            self.last_words(text);
        }
    }

    fn last_words(&mut self, text: &str) {
        if self.epitaph.is_empty() && !epitaph::starts(text) || self.epitaph_ended {
            return;
        }
        let dead = self.crash.get_or_insert_with(|| KERNEL_DEAD.to_owned());
        let said = text.trim_start_matches(epitaph::START).trim_start_matches(':').trim();
        if dead == KERNEL_DEAD && !said.is_empty() {
            *dead = format!("{KERNEL_DEAD}: {said}");
        }
        self.epitaph.push(text.to_owned());
        self.epitaph_ended = epitaph::ends(text) || self.epitaph.len() >= epitaph::LINES_MAX;
    }

    fn log(&mut self, id: u8, frame: &[u8], screen: &mut impl Screen) {
        let Some(line) = self.decoders.decode(id, frame) else { return };
        let name = self.decoders.name(id).unwrap_or("?").to_owned();
        self.logged(&name, line, screen);
    }

    fn logged(&mut self, name: &str, line: LogLine, screen: &mut impl Screen) {
        // What root says of a component that died is told with names before root says something else.
        let story = if name == ROOT { self.deaths.push(&line) } else { None };
        self.tell(story, screen);
        let text = line.to_string();
        screen.line(name, None, &text);
        self.look(name, &text);
        if name == ROOT {
            self.note(&line);
        }
    }

    /// Notes what root says of the system's end, and of compartments'.
    fn note(&mut self, line: &LogLine) {
        let error = line.level == "error";
        if error && line.message.contains(SYSTEM_CRASHED) {
            self.crash.get_or_insert(line.message.clone());
        }
        if error && line.message.ends_with(GIVEN_UP) {
            self.given_up.get_or_insert(line.message.clone());
        }
        self.crashed.extend(line.message.strip_suffix(CRASHED).map(str::to_owned));
    }

    fn tell(&mut self, story: Option<(String, Vec<String>)>, screen: &mut impl Screen) {
        let Some((name, lines)) = story else { return };
        for line in lines {
            let line = format!("  {line}");
            screen.line(&name, None, &line);
            self.look(&name, &line);
        }
    }

    /// Whether the run was to end at this line: with its source before it, or by itself.
    fn look(&mut self, name: &str, text: &str) {
        let Some(until) = &self.until else { return };
        self.matched |= until.is_match(text) || until.is_match(&format!("[{name}] {text}"));
    }

    /// Whether the line to wait for has come.
    pub fn matched(&self) -> bool {
        self.matched
    }

    /// What crashed that no policy covers.
    pub fn crash(&self) -> Option<&str> {
        self.crash.as_deref()
    }

    /// What root says of the first compartment that it should have restarted and gave up.
    pub fn given_up(&self) -> Option<&str> {
        self.given_up.as_deref()
    }

    /// Names of those that crashed and were stopped, as their policy is.
    pub fn crashed(&self) -> &[String] {
        &self.crashed
    }

    /// The kernel's last words so far, and whether they are complete.
    pub fn epitaph(&self) -> (&[String], bool) {
        (&self.epitaph, self.epitaph_ended)
    }

    /// Whether a line of standard input would be taken now.
    pub fn waits_for_input(&self) -> bool {
        self.feeder.as_ref().is_some_and(|(_, feeder)| feeder.waits())
    }

    /// What to send now to which channel.
    pub fn feed(&mut self) -> Option<(u8, Vec<u8>)> {
        let (id, feeder) = self.feeder.as_mut()?;
        feeder.take().map(|bytes| (*id, bytes))
    }

    /// Hands over the lines that never became complete, and tells what was lost.
    pub fn finish(&mut self, screen: &mut impl Screen) {
        let mut rest = Vec::new();
        for (source, lines) in &mut self.lines {
            rest.extend(lines.finish().map(|text| (*source, text)));
        }
        for (source, text) in rest {
            self.line(source, &text, screen);
        }
        let story = self.deaths.finish();
        self.tell(story, screen);
        for (name, count) in self.decoders.malformed() {
            screen.line(&name, None, &format!("WARN {count} log frames were malformed"));
        }
        if self.damaged > 0 {
            screen.line(KERNEL_NAME, None, &format!("WARN {} damaged frames on the wire", self.damaged));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Channel;
    use proptest::prelude::*;
    use std::sync::mpsc::sync_channel;

    #[derive(Default)]
    struct Seen(Vec<String>);

    impl Screen for Seen {
        fn raw(&mut self, _: u8, _: &[u8]) {}

        fn line(&mut self, source: &str, _: Option<u8>, text: &str) {
            self.0.push(format!("[{source}] {text}"));
        }
    }

    fn session(until: Option<&str>, input: &[&str]) -> Session {
        let image = Image {
            elf: "x".into(),
            board: "b".into(),
            cores: 1,
            channels: vec![
                Channel { id: 1, name: "echo".into(), vm: false },
                Channel { id: 2, name: "linux".into(), vm: true },
            ],
            logs: Vec::new(),
        };
        let (sender, receiver) = sync_channel(10);
        input.iter().for_each(|line| sender.send((*line).to_owned()).unwrap());
        let feeder = Feeder::new(Regex::new(crate::run::feeder::PROMPT).unwrap(), receiver);
        let until = until.map(|regex| Regex::new(regex).unwrap());
        Session::new(&image, Decoders::default(), until, Some((image.first_vm().unwrap().id, feeder)))
    }

    #[test]
    fn lines_are_told_with_their_source() {
        let (mut session, mut seen) = (session(None, &[]), Seen::default());
        session.push(b"boot\n\0\x02Lin\0\0\x01hi\r\n\0\0\x02ux\r\n~ # \0", &mut seen);
        assert_eq!(seen.0, ["[kernel] boot", "[echo] hi", "[linux] Linux"]);
        session.finish(&mut seen);
        assert_eq!(seen.0.last().unwrap(), "[linux] ~ # ");
        assert!(session.crash().is_none() && !session.matched());
    }

    #[test]
    fn the_line_waited_for_may_be_incomplete_or_named_by_its_source() {
        for until in ["^login: $", r"^\[linux\] login", "log.n"] {
            let mut session = session(Some(until), &[]);
            session.push(b"\0\x02x\r\nlogin:\0", &mut Seen::default());
            session.push(b"\0\x02 \0", &mut Seen::default());
            assert!(session.matched(), "{until}");
        }
        let mut session = session(Some(r"^\[echo\] login"), &[]);
        session.push(b"\0\x02login: \n\0", &mut Seen::default());
        assert!(!session.matched());
    }

    #[test]
    fn input_is_fed_to_the_first_vm_when_its_prompt_comes() {
        let mut session = session(None, &["ls", "exit"]);
        session.push(b"\0\x01# \0", &mut Seen::default());
        assert_eq!(session.feed(), None);
        session.push(b"\0\x02~ # \x1b[6n\0", &mut Seen::default());
        assert_eq!(session.feed(), Some((2, b"ls\r".to_vec())));
        session.push(b"\0\x02ls\r\nfile\r\n~ # \0", &mut Seen::default());
        assert_eq!(session.feed(), Some((2, b"exit\r".to_vec())));
    }

    #[test]
    fn an_epitaph_is_a_crash_and_only_the_kernel_can_write_one() {
        let mut session = session(None, &[]);
        session.push(b"\0\x02!bulkhead epitaph: a joke\n\0", &mut Seen::default());
        assert!(session.crash().is_none());
        session.push(b"\0\0!bulkhead epitaph: abort\npc 40200000\n", &mut Seen::default());
        assert_eq!(session.crash(), Some("the kernel is dead: abort"));
        assert_eq!((session.epitaph().0.len(), session.epitaph().1), (2, false));
        session.push(b"!bulkhead epitaph: end\nmore\n", &mut Seen::default());
        assert_eq!((session.epitaph().0.len(), session.epitaph().1), (3, true));
    }

    #[test]
    fn a_component_that_died_is_told_with_names_on_either_screen() {
        use crate::image::LogSource;
        use crate::run::{screen_piped::Piped, screen_terminal::Terminal};
        let image = Image {
            elf: "x".into(),
            board: "b".into(),
            cores: 1,
            channels: vec![Channel { id: 2, name: "linux".into(), vm: true }],
            logs: vec![LogSource { id: 5, name: "pong".into(), elf: "/no/pong.elf".into() }],
        };
        fn say(image: &Image, screen: &mut impl Screen) {
            let mut session = Session::new(image, Decoders::default(), None, None);
            let log = |level, message: &str| LogLine { level, message: message.to_owned(), location: None };
            session.logged(ROOT, log("error", "pong died: breakpoint, address 0x00000000"), screen);
            session.logged("pong", log("error", "  pc 0x10000000"), screen);
            session.logged(ROOT, log("error", "  pc 0x10000000"), screen);
            session.logged(ROOT, log("info", "pong crashed: stopped"), screen);
            assert!(session.crash().is_none());
        }
        let (mut piped, mut terminal) = (Vec::new(), Vec::new());
        say(&image, &mut Piped::new(&mut piped));
        say(&image, &mut Terminal::new(&mut terminal, &image));
        let (piped, terminal) = (String::from_utf8(piped).unwrap(), String::from_utf8(terminal).unwrap());
        for shown in [piped, terminal] {
            let lines: Vec<&str> = shown.lines().collect();
            assert_eq!(lines.len(), 5, "{lines:?}");
            assert!(lines[3].contains("[pong]   /no/pong.elf: its symbols can't be read"), "{lines:?}");
            assert!(lines[4].contains("[root] INFO pong crashed: stopped"), "{lines:?}");
        }
    }

    #[test]
    fn what_root_gave_up_and_what_was_stopped_is_kept_apart() {
        let mut session = session(None, &[]);
        let log = |level, message: &str| LogLine { level, message: message.to_owned(), location: None };
        session.logged("echo", log("error", "linux crashed again and again: stopped"), &mut Seen::default());
        session.logged("echo", log("info", "linux crashed: stopped"), &mut Seen::default());
        assert_eq!((session.given_up(), session.crashed()), (None, &[][..]), "only root can say so");
        session.logged(ROOT, log("info", "a crashed: stopped"), &mut Seen::default());
        session.logged(ROOT, log("info", "b switched itself off: stopped"), &mut Seen::default());
        session.logged(ROOT, log("error", "c asks to be reset again and again: stopped"), &mut Seen::default());
        assert_eq!(session.crashed(), ["a"]);
        assert_eq!(session.given_up(), Some("c asks to be reset again and again: stopped"));
        assert!(session.crash().is_none(), "the others go on");
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(prop_oneof![Just(0u8), 1..3u8, any::<u8>()], 0..400)) {
            let mut session = session(Some("x"), &["a"]);
            session.push(&bytes, &mut Seen::default());
            session.feed();
            session.finish(&mut Seen::default());
        }
    }
}
