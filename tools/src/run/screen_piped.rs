//! Output that is not a terminal's: whole lines, each with its source before it.

use crate::run::session::Screen;
use std::io::{Error, Write};

/// Lines to a writer.
pub struct Piped<W: Write> {
    out: W,
    broken: Option<Error>,
}

impl<W: Write> Piped<W> {
    /// A screen on that writer.
    pub fn new(out: W) -> Self {
        Self { out, broken: None }
    }

    /// Lets everything out.
    pub fn flush(&mut self) {
        let flushed = self.out.flush();
        self.note(flushed);
    }

    /// Why not everything could be written. The first reason stays: what follows has a gap.
    pub fn broken(&self) -> Option<&Error> {
        self.broken.as_ref()
    }

    fn note(&mut self, written: std::io::Result<()>) {
        if let Err(error) = written {
            self.broken.get_or_insert(error);
        }
    }
}

impl<W: Write> Screen for Piped<W> {
    fn raw(&mut self, _id: u8, _bytes: &[u8]) {}

    fn line(&mut self, source: &str, _console: Option<u8>, text: &str) {
        let written = writeln!(self.out, "[{source}] {text}");
        self.note(written);
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
        screen.flush();
        assert!(screen.broken().is_none());
        assert_eq!(out, b"[linux] hello\n");
    }

    #[test]
    fn the_first_reason_for_which_nothing_can_be_written_stays() {
        struct Full(u8);
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                self.0 += 1;
                Err(if self.0 == 1 { std::io::ErrorKind::StorageFull } else { std::io::ErrorKind::BrokenPipe }.into())
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let mut screen = Piped::new(Full(0));
        screen.flush();
        assert!(screen.broken().is_none());
        screen.line("linux", Some(1), "hello");
        screen.line("linux", Some(1), "hello");
        assert_eq!(screen.broken().unwrap().kind(), std::io::ErrorKind::StorageFull);
    }
}
