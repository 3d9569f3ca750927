//! Log frames into words: each program's own strings and source locations, found by its id.

use crate::failure::{Failure, Result};
use crate::image::LogSource;
use crate::workspace;
use defmt_decoder::{Locations, Table};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A log frame in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// `error`, `warn`, `info`, `debug`, `trace`, or nothing.
    pub level: &'static str,
    /// What was said.
    pub message: String,
    /// File and line.
    pub location: Option<String>,
}

impl std::fmt::Display for LogLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.level.is_empty() {
            write!(f, "{} ", self.level.to_uppercase())?;
        }
        f.write_str(&self.message)?;
        match &self.location {
            Some(location) => write!(f, " ({location})"),
            None => Ok(()),
        }
    }
}

struct Source {
    name: String,
    table: Option<Table>,
    locations: Locations,
    malformed: u64,
}

/// Decoders of all programs of a system.
#[derive(Default)]
pub struct Decoders {
    sources: BTreeMap<u8, Source>,
}

impl Decoders {
    /// Reads the tables of all programs.
    pub fn load(logs: &[LogSource]) -> Result<Self> {
        let mut decoders = Self::default();
        for log in logs {
            let elf = std::fs::read(&log.elf).map_err(|error| Failure::path(&log.elf, error))?;
            decoders.add(log, &elf)?;
        }
        Ok(decoders)
    }

    fn add(&mut self, log: &LogSource, elf: &[u8]) -> Result<()> {
        let table = Table::parse(elf).map_err(|error| {
            Failure::new(format!("{}: its log strings can't be read: {error}", log.elf.display()))
                .mend("build the program with the same version of defmt as the tool's decoder")
        })?;
        // Without debug information there are no locations, and the words are still worth having.
        let locations = table.as_ref().and_then(|table| table.get_locations(elf).ok()).unwrap_or_default();
        self.sources.insert(log.id, Source { name: log.name.clone(), table, locations, malformed: 0 });
        Ok(())
    }

    /// The name of a program.
    pub fn name(&self, id: u8) -> Option<&str> {
        self.sources.get(&id).map(|source| source.name.as_str())
    }

    /// A frame (without its zeros) in words. The first malformed one of a program is told, the others are counted.
    pub fn decode(&mut self, id: u8, frame: &[u8]) -> Option<LogLine> {
        let source = self.sources.get_mut(&id)?;
        let line = source.table.as_ref().and_then(|table| decode(table, &source.locations, frame));
        if line.is_none() {
            source.malformed += 1;
            if source.malformed == 1 {
                let message = "a log frame was malformed; further ones are counted at the end".to_owned();
                return Some(LogLine { level: "warn", message, location: None });
            }
        }
        line
    }

    /// Programs with more malformed frames than the one that was told, and how many.
    pub fn malformed(&self) -> Vec<(String, u64)> {
        let bad = self.sources.values().filter(|source| source.malformed > 1);
        bad.map(|source| (source.name.clone(), source.malformed)).collect()
    }
}

fn decode(table: &Table, locations: &Locations, frame: &[u8]) -> Option<LogLine> {
    // The decoder trusts its input in places; a guest's bytes must never end the tool.
    let attempt = catch_unwind(AssertUnwindSafe(|| {
        let mut decoder = table.new_stream_decoder();
        decoder.received(frame);
        decoder.received(&[0]);
        let frame = decoder.decode().ok()?;
        let location = locations.get(&frame.index()).map(|location| {
            let file = location.file.strip_prefix(workspace::root()).unwrap_or(&location.file);
            format!("{}:{}", file.display(), location.line)
        });
        let level = frame.level().map_or("", |level| level.as_str());
        Some(LogLine { level, message: frame.display_message().to_string(), location })
    }));
    attempt.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_shows_level_message_and_location() {
        let mut line = LogLine { level: "info", message: "up".into(), location: Some("a.rs:3".into()) };
        assert_eq!(line.to_string(), "INFO up (a.rs:3)");
        (line.level, line.location) = ("", None);
        assert_eq!(line.to_string(), "up");
    }

    fn source_without_strings() -> Decoders {
        let source = Source { name: "kernel".into(), table: None, locations: Locations::new(), malformed: 0 };
        Decoders { sources: BTreeMap::from([(0, source)]) }
    }

    #[test]
    fn malformed_frames_are_told_once_and_counted() {
        let mut decoders = source_without_strings();
        assert!(decoders.decode(0, b"xx").unwrap().message.contains("malformed"));
        assert_eq!(decoders.decode(0, b"yy"), None);
        assert_eq!(decoders.malformed(), [("kernel".to_owned(), 2)]);
        assert_eq!(decoders.decode(7, b"nobody's"), None);
    }

    proptest! {
        #[test]
        fn no_frame_ends_the_tool(frame in prop::collection::vec(1..=255u8, 0..200)) {
            source_without_strings().decode(0, &frame);
        }
    }
}
