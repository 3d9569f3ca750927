//! Components that died, in what root says of them: from the line that names one to the last of its registers and stack.

use crate::decode::LogLine;
use crate::epitaph;
use crate::image::Image;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What stands between a component's name and what it did.
const DIED: &str = " died: ";
/// What each further line begins with.
const FURTHER: &str = "  ";

/// A component that died: its name, and what root has said of it so far.
type Death = (String, Vec<String>);

/// Collects what root says, and tells it with names.
#[derive(Default)]
pub struct Deaths {
    programs: BTreeMap<String, PathBuf>,
    current: Option<Death>,
}

impl Deaths {
    /// Those of an image's programs.
    pub fn new(image: &Image) -> Self {
        let programs = image.logs.iter().map(|log| (log.name.clone(), log.elf.clone()));
        Self { programs: programs.collect(), current: None }
    }

    /// Takes a line of root's. If it ends what was said of a component: its name, and what can be told of it.
    pub fn push(&mut self, line: &LogLine) -> Option<(String, Vec<String>)> {
        let error = line.level == "error";
        if let Some((_, lines)) = self.current.as_mut().filter(|_| error && line.message.starts_with(FURTHER)) {
            if lines.len() < epitaph::LINES_MAX {
                lines.push(line.message.clone());
            }
            return None;
        }
        let before = self.finish();
        if let Some((name, _)) = line.message.split_once(DIED).filter(|_| error) {
            self.current = Some((name.to_owned(), vec![line.message.clone()]));
        }
        before
    }

    /// There are no more lines.
    pub fn finish(&mut self) -> Option<(String, Vec<String>)> {
        let (name, lines) = self.current.take()?;
        let story = epitaph::story(&lines, self.programs.get(&name)?);
        Some((name, story))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::LogSource;

    fn line(level: &'static str, message: &str) -> LogLine {
        LogLine { level, message: message.to_owned(), location: None }
    }

    fn deaths() -> Deaths {
        let logs =
            ["pong", "ping"].map(|name| LogSource { id: 5, name: name.into(), elf: format!("/no/{name}").into() });
        Deaths::new(&Image { elf: "x".into(), board: "b".into(), cores: 1, channels: Vec::new(), logs: logs.into() })
    }

    #[test]
    fn what_is_said_of_one_ends_where_something_else_begins() {
        let mut deaths = deaths();
        assert_eq!(deaths.push(&line("error", "  pc 0x10000000")), None, "whose?");
        assert_eq!(deaths.push(&line("error", "pong died: breakpoint, address 0x00000000")), None);
        assert_eq!(deaths.push(&line("error", "  pc 0x10000000")), None);
        let (name, story) = deaths.push(&line("error", "ping died: breakpoint")).unwrap();
        assert_eq!(name, "pong");
        assert!(story[0].contains("/no/pong"), "{story:?}");
        let (name, _) = deaths.push(&line("info", "ping crashed: stopped")).unwrap();
        assert_eq!(name, "ping");
        assert_eq!(deaths.finish(), None);
    }

    #[test]
    fn only_an_error_of_a_known_program_is_a_death_and_it_is_bounded() {
        let mut deaths = deaths();
        deaths.push(&line("info", "pong died: not really"));
        assert!(deaths.current.is_none());
        deaths.push(&line("error", "ghost died: breakpoint"));
        assert_eq!(deaths.finish(), None);
        deaths.push(&line("error", "pong died: breakpoint"));
        (0..10_000).for_each(|_| assert_eq!(deaths.push(&line("error", "  stack")), None));
        assert_eq!(deaths.current.as_ref().map(|(_, lines)| lines.len()), Some(epitaph::LINES_MAX));
        assert!(deaths.finish().is_some());
    }
}
