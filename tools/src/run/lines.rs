//! Bytes into lines, without the escape sequences that a terminal would have eaten.

use anstream::adapter::StripBytes;

/// The longest line; a longer one is broken. Bounds the memory used here.
pub const LINE_MAX: usize = 4096;

/// The lines of one source.
#[derive(Default)]
pub struct Lines {
    strip: StripBytes,
    partial: Vec<u8>,
}

impl Lines {
    /// Takes bytes and hands over each line that they complete.
    pub fn push(&mut self, bytes: &[u8], mut see: impl FnMut(&str)) {
        for run in self.strip.strip_next(bytes) {
            for &byte in run {
                match byte {
                    b'\n' => {
                        see(&text(&self.partial));
                        self.partial.clear();
                    }
                    b'\x08' => drop(self.partial.pop()),
                    byte => self.partial.push(byte),
                }
                if self.partial.len() >= LINE_MAX {
                    see(&text(&self.partial));
                    self.partial.clear();
                }
            }
        }
    }

    /// The line that is not complete yet.
    pub fn partial(&self) -> String {
        text(&self.partial)
    }

    /// The line that never became complete, if there is any.
    pub fn finish(&mut self) -> Option<String> {
        let rest = text(&std::mem::take(&mut self.partial));
        (!rest.is_empty()).then_some(rest)
    }
}

fn text(line: &[u8]) -> String {
    // A carriage return goes back to the start of the line; at its end it is half of a line ending.
    let line = String::from_utf8_lossy(line);
    let line = line.trim_end_matches('\r');
    let shown = line.rsplit('\r').next().unwrap_or_default();
    shown.chars().filter(|c| !c.is_control() || *c == '\t').collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(chunks: &[&[u8]]) -> (Vec<String>, String) {
        let (mut lines, mut all) = (Lines::default(), Vec::new());
        for chunk in chunks {
            lines.push(chunk, |line| all.push(line.to_owned()));
        }
        (all, lines.partial())
    }

    #[test]
    fn lines_are_assembled_and_stripped() {
        let (all, partial) = lines(&[b"\x1b[1mone\x1b", b"[0m\r\ntw", b"o\n\r~ # \x1b[6n"]);
        assert_eq!(all, ["one", "two"]);
        assert_eq!(partial, "~ # ");
    }

    #[test]
    fn a_line_without_end_is_broken() {
        let (all, partial) = lines(&[&vec![b'x'; LINE_MAX + 3]]);
        assert_eq!((all.len(), partial.as_str()), (1, "xxx"));
    }

    proptest! {
        #[test]
        fn any_bytes_make_lines_without_control_characters(bytes in prop::collection::vec(any::<u8>(), 0..400), n in 1..30usize) {
            let chunks: Vec<&[u8]> = bytes.chunks(n).collect();
            let (all, partial) = lines(&chunks);
            prop_assert!(all.iter().chain([&partial]).all(|line| !line.contains(['\n', '\r', '\x1b', '\0'])));
        }
    }
}
