//! What components have said, and what came out of the wire.

use bulkhead_tools::wire::{Demultiplexer, LOG, Piece};
use runtime::host::Level;
use std::collections::BTreeMap;

/// A line that a component has logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Who.
    pub who: String,
    /// When, in microseconds after the start.
    pub at_us: u64,
    /// `INFO ping is done`.
    pub text: String,
}

/// All lines, in the order in which they were said.
#[derive(Clone, Debug, Default)]
pub struct Story {
    /// The lines.
    pub lines: Vec<Line>,
}

impl Story {
    /// Somebody says something.
    pub fn say(&mut self, who: &str, at_us: u64, level: Level, text: &str) {
        self.lines.push(Line { who: who.to_owned(), at_us, text: format!("{} {text}", level.name()) });
    }

    /// For a test that fails: the last lines, with their times.
    pub fn end(&self) -> String {
        const LINES: usize = 40;
        let last = &self.lines[self.lines.len().saturating_sub(LINES)..];
        last.iter().map(|Line { who, at_us, text }| format!("{at_us:>9} us [{who}] {text}\n")).collect()
    }
}

/// What the wire carried, line by line, each with its source: `[ping] INFO ping is done`. `speakers` are ids and names, and whether
/// there is a console of that id.
pub fn heard(sent: &[u8], speakers: &[(u8, String, bool)]) -> Vec<String> {
    let tags = speakers.iter().flat_map(|&(id, _, console)| [Some(LOG | id), console.then_some(id)]);
    let mut demultiplexer = Demultiplexer::new(tags.flatten());
    let name = |id: u8| speakers.iter().find(|speaker| speaker.0 == id).map_or("?", |speaker| speaker.1.as_str());
    let mut lines = Vec::new();
    let mut open: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    demultiplexer.push(sent, &mut |piece| match piece {
        Piece::Kernel(text) => take("kernel", text, &mut open, &mut lines),
        Piece::Console { id, text } => take(name(id), text, &mut open, &mut lines),
        Piece::Log { id, frame } => lines.push(format!("[{}] {}", name(id), String::from_utf8_lossy(frame))),
        Piece::Damaged => lines.push("[wire] a damaged frame".to_owned()),
    });
    lines.extend(open.into_iter().filter(|(_, rest)| !rest.is_empty()).map(|(who, rest)| line(who, &rest)));
    lines
}

fn take<'a>(who: &'a str, text: &[u8], open: &mut BTreeMap<&'a str, Vec<u8>>, lines: &mut Vec<String>) {
    let rest = open.entry(who).or_default();
    for &byte in text {
        match byte {
            b'\n' => lines.push(line(who, &std::mem::take(rest))),
            byte => rest.push(byte),
        }
    }
}

fn line(who: &str, bytes: &[u8]) -> String {
    format!("[{who}] {}", String::from_utf8_lossy(bytes).trim_end_matches('\r'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_is_read_as_lines_with_their_sources() {
        let speakers = [(1, "root".to_owned(), false), (4, "ping".to_owned(), true)];
        let sent = b"\0\x04hel\0\0\x81INFO up\0\0\x04lo\r\nyou\0\0\x84WARN x\0";
        assert_eq!(heard(sent, &speakers), ["[root] INFO up", "[ping] hello", "[ping] WARN x", "[ping] you"]);
    }
}
