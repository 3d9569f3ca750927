//! Output that is not a terminal's: whole lines, each with its source before it.

use crate::run::session::Screen;
use std::io::Write;

/// Lines to a writer.
pub struct Piped<W: Write> {
    out: W,
    broken: bool,
}

impl<W: Write> Piped<W> {
    /// A screen on that writer.
    pub fn new(out: W) -> Self {
        Self { out, broken: false }
    }

    /// Lets everything out. False when nobody reads any more.
    pub fn flush(&mut self) -> bool {
        self.broken |= self.out.flush().is_err();
        !self.broken
    }
}

impl<W: Write> Screen for Piped<W> {
    fn raw(&mut self, _id: u8, _bytes: &[u8]) {}

    fn line(&mut self, source: &str, _console: Option<u8>, text: &str) {
        self.broken |= writeln!(self.out, "[{source}] {text}").is_err();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_its_source() {
        let mut out = Vec::new();
        let mut screen = Piped::new(&mut out);
        screen.raw(1, b"not this");
        screen.line("linux", Some(1), "hello");
        assert!(screen.flush());
        assert_eq!(out, b"[linux] hello\n");
    }
}
