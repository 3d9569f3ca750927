//! Output to a terminal in raw mode: one console is shown as it is, logs stand between as lines of their own, and the
//! other consoles are kept until they are chosen.

use crate::image::Image;
use crate::run::keys::{HELP, Key};
use crate::run::session::Screen;
use std::collections::VecDeque;
use std::io::Write;

/// What is kept of each console, in bytes.
const BACKLOG_BYTES: usize = 64 << 10;

struct Console {
    id: u8,
    name: String,
    vm: bool,
    backlog: VecDeque<u8>,
}

/// The consoles of a system on a terminal.
pub struct Terminal<W: Write> {
    out: W,
    consoles: Vec<Console>,
    shown: usize,
    /// Whether the cursor stands at the start of a line.
    fresh: bool,
}

/// What the keys asked for that the screen can't do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Send to a console.
    Send(u8, Vec<u8>),
    /// End the run.
    Quit,
}

impl<W: Write> Terminal<W> {
    /// A screen on that writer; the first VM's console is shown.
    pub fn new(out: W, image: &Image) -> Self {
        let console = |channel: &crate::image::Channel| Console {
            id: channel.id,
            name: channel.name.clone(),
            vm: channel.vm,
            backlog: VecDeque::new(),
        };
        let consoles: Vec<Console> = image.channels.iter().map(console).collect();
        let first = image.first_vm().map(|channel| channel.id);
        let shown = consoles.iter().position(|console| Some(console.id) == first).unwrap_or(0);
        Self { out, consoles, shown, fresh: true }
    }

    fn put(&mut self, bytes: &[u8]) {
        // A terminal that is gone tells it by the end of its input.
        let _ = self.out.write_all(bytes);
        if let Some(last) = bytes.last() {
            self.fresh = *last == b'\n';
        }
    }

    /// A line of the tool's own.
    pub fn say(&mut self, text: &str) {
        let start = if self.fresh { "" } else { "\r\n" };
        self.put(format!("{start}\x1b[2m{text}\x1b[0m\r\n").as_bytes());
    }

    /// What there is.
    pub fn help(&mut self) {
        let names = self.consoles.iter().enumerate().map(|(n, console)| {
            let here = if n == self.shown { "*" } else { "" };
            format!("{}:{}{here}", n + 1, console.name)
        });
        let names = names.collect::<Vec<_>>().join(" ");
        self.say(&format!("consoles {names}; {HELP}"));
    }

    fn show(&mut self, n: usize) {
        if n >= self.consoles.len() || n == self.shown {
            return self.help();
        }
        self.shown = n;
        self.say(&format!("console of {}", self.consoles[n].name));
        let backlog: Vec<u8> = self.consoles[n].backlog.iter().copied().collect();
        self.put(&backlog);
    }

    /// Does what a key asks for, or says what to do.
    pub fn key(&mut self, key: Key) -> Option<Wish> {
        match key {
            Key::Bytes(bytes) => return self.consoles.get(self.shown).map(|console| Wish::Send(console.id, bytes)),
            Key::Select(n) => self.show(n - 1),
            Key::Next if !self.consoles.is_empty() => self.show((self.shown + 1) % self.consoles.len()),
            Key::Next | Key::Help => self.help(),
            Key::Quit => return Some(Wish::Quit),
        }
        None
    }

    /// Lets everything out.
    pub fn flush(&mut self) {
        let _ = self.out.flush();
    }
}

impl<W: Write> Screen for Terminal<W> {
    fn raw(&mut self, id: u8, bytes: &[u8]) {
        let shown = self.consoles.get(self.shown).is_some_and(|console| console.id == id);
        if shown {
            self.put(bytes);
        }
        if let Some(console) = self.consoles.iter_mut().find(|console| console.id == id) {
            console.backlog.extend(bytes);
            let surplus = console.backlog.len().saturating_sub(BACKLOG_BYTES);
            console.backlog.drain(..surplus);
        }
    }

    fn line(&mut self, source: &str, console: Option<u8>, text: &str) {
        // A guest's console is shown raw or kept; a component's words stand beside it, like its log.
        let at = console.and_then(|id| self.consoles.iter().position(|console| console.id == id));
        if at.is_some_and(|at| self.consoles[at].vm || at == self.shown) {
            return;
        }
        self.say(&format!("[{source}] {text}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Channel;

    fn run(act: impl FnOnce(&mut Terminal<&mut Vec<u8>>)) -> String {
        let channel = |id, name: &str, vm| Channel { id, name: name.into(), vm };
        let image = Image {
            elf: "x".into(),
            board: "b".into(),
            cores: 1,
            channels: vec![channel(1, "echo", false), channel(2, "linux", true), channel(3, "other", true)],
            logs: Vec::new(),
        };
        let mut out = Vec::new();
        act(&mut Terminal::new(&mut out, &image));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_first_vm_is_shown_and_logs_stand_between() {
        let out = run(|screen| {
            screen.raw(2, b"~ # ");
            screen.line("root", None, "INFO up");
            screen.raw(3, b"hidden");
            screen.line("other", Some(3), "hidden");
            screen.line("echo", Some(1), "component");
        });
        assert_eq!(out, "~ # \r\n\x1b[2m[root] INFO up\x1b[0m\r\n\x1b[2m[echo] component\x1b[0m\r\n");
    }

    #[test]
    fn another_console_shows_what_it_has_said() {
        let out = run(|screen| {
            screen.raw(3, b"kept");
            assert_eq!(screen.key(Key::Next), None);
            assert_eq!(screen.key(Key::Bytes(b"x".to_vec())), Some(Wish::Send(3, b"x".to_vec())));
            assert_eq!(screen.key(Key::Quit), Some(Wish::Quit));
        });
        assert!(out.contains("console of other") && out.ends_with("kept"), "{out}");
    }

    #[test]
    fn a_console_that_is_not_there_gets_help() {
        assert!(run(|screen| drop(screen.key(Key::Select(9)))).contains("1:echo 2:linux* 3:other"));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        run(|screen| {
            screen.raw(3, &vec![b'x'; 3 * BACKLOG_BYTES]);
            assert_eq!(screen.consoles[2].backlog.len(), BACKLOG_BYTES);
        });
    }
}
