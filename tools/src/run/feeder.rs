//! Standard input to a console, a line at a time: the next one goes when the prompt has come back.

use regex::Regex;
use std::io::BufRead;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};

/// The default prompt: that of a shell, or of something like it.
pub const PROMPT: &str = r"[#$>] $";

/// Feeds one console.
pub struct Feeder {
    prompt: Regex,
    lines: Receiver<String>,
    /// Whether the prompt is there and has not been answered.
    asked: bool,
    /// Whether the line in which it was answered goes on.
    answered: bool,
}

impl Feeder {
    /// One for the lines of a channel.
    pub fn new(prompt: Regex, lines: Receiver<String>) -> Self {
        Self { prompt, lines, asked: false, answered: false }
    }

    /// One for the lines of a reader, which is read no faster than they are fed.
    pub fn reading(prompt: Regex, mut reader: impl BufRead + Send + 'static) -> Self {
        let (sender, lines) = sync_channel(1);
        std::thread::spawn(move || {
            let mut line = Vec::new();
            while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
                let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
                if sender.send(text).is_err() {
                    return;
                }
                line.clear();
            }
        });
        Self::new(prompt, lines)
    }

    /// The console has written: whole lines ended, and this stands in the one that has not.
    pub fn saw(&mut self, line_ended: bool, partial: &str) {
        if line_ended {
            (self.asked, self.answered) = (false, false);
        }
        self.asked = !self.answered && self.prompt.is_match(partial);
    }

    /// Whether a line would be taken now.
    pub fn waits(&self) -> bool {
        self.asked
    }

    /// The bytes to send now, if the prompt is there and there is a line.
    pub fn take(&mut self) -> Option<Vec<u8>> {
        if !self.asked {
            return None;
        }
        match self.lines.try_recv() {
            Ok(line) => {
                (self.asked, self.answered) = (false, true);
                // As a terminal sends it: no zeros, which mean something on the wire, and Return at the end.
                let mut bytes: Vec<u8> = line.bytes().filter(|byte| *byte != 0).collect();
                bytes.push(b'\r');
                Some(bytes)
            }
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                self.asked = false;
                self.answered = true;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feeder(lines: &[&str]) -> Feeder {
        let (sender, receiver) = sync_channel(10);
        lines.iter().for_each(|line| sender.send((*line).to_owned()).unwrap());
        Feeder::new(Regex::new(PROMPT).unwrap(), receiver)
    }

    #[test]
    fn a_line_goes_for_each_prompt() {
        let mut feeder = feeder(&["ls\0", "exit"]);
        feeder.saw(true, "booting");
        assert_eq!(feeder.take(), None);
        feeder.saw(true, "~ # ");
        assert_eq!(feeder.take().as_deref(), Some(&b"ls\r"[..]));
        assert_eq!(feeder.take(), None, "the prompt was answered");
        feeder.saw(false, "~ # ls $ ");
        assert_eq!(feeder.take(), None, "that is the echo");
        feeder.saw(true, "~ # ");
        assert_eq!(feeder.take().as_deref(), Some(&b"exit\r"[..]));
        feeder.saw(true, "~ # ");
        assert_eq!(feeder.take(), None);
        assert!(!feeder.waits(), "there is nothing more to wait for");
    }
}
