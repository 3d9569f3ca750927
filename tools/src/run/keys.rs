//! What the keys of a raw terminal mean: Ctrl-A begins a command, all else is the guest's.

use std::time::Duration;

/// What was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// For the console that is shown.
    Bytes(Vec<u8>),
    /// Show the n-th console, from 1.
    Select(usize),
    /// Show the next one.
    Next,
    /// Say what there is.
    Help,
    /// End.
    Quit,
}

/// The three keys that mean something to this tool after Ctrl-A, told to the user.
pub const HELP: &str = "Ctrl-A 1..9: that console; Ctrl-A n: the next one; Ctrl-A x: end (so does Ctrl-C three times); Ctrl-A a: Ctrl-A itself";

const CTRL_A: u8 = 1;
const CTRL_C: u8 = 3;
const IN_A_ROW: usize = 3;
const ROW_LIMIT: Duration = Duration::from_secs(1);

/// The state between bytes.
#[derive(Debug, Default)]
pub struct Keys {
    after_ctrl_a: bool,
    interrupts: Vec<Duration>,
}

impl Keys {
    /// Takes what was typed at a time (from any start).
    pub fn push(&mut self, bytes: &[u8], now: Duration) -> Vec<Key> {
        let mut keys = Vec::new();
        for &byte in bytes {
            if std::mem::take(&mut self.after_ctrl_a) {
                match byte {
                    b'1'..=b'9' => keys.push(Key::Select(usize::from(byte - b'0'))),
                    b'n' => keys.push(Key::Next),
                    b'x' => keys.push(Key::Quit),
                    b'a' | CTRL_A => pass(&mut keys, CTRL_A),
                    _ => keys.push(Key::Help),
                }
            } else if byte == CTRL_A {
                self.after_ctrl_a = true;
            } else {
                pass(&mut keys, byte);
                if self.is_impatient(byte, now) {
                    keys.push(Key::Quit);
                }
            }
        }
        keys
    }

    fn is_impatient(&mut self, byte: u8, now: Duration) -> bool {
        if byte != CTRL_C {
            self.interrupts.clear();
            return false;
        }
        self.interrupts.retain(|at| now.saturating_sub(*at) <= ROW_LIMIT);
        self.interrupts.push(now);
        self.interrupts.len() >= IN_A_ROW
    }
}

fn pass(keys: &mut Vec<Key>, byte: u8) {
    // A zero would mean something on the wire.
    if byte == 0 {
        return;
    }
    match keys.last_mut() {
        Some(Key::Bytes(bytes)) => bytes.push(byte),
        _ => keys.push(Key::Bytes(vec![byte])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_follow_ctrl_a_and_all_else_passes() {
        let mut keys = Keys::default();
        let typed = keys.push(b"ls\r\x01\x012\x012\x01n\x01hq\x01", Duration::ZERO);
        let expected =
            [Key::Bytes(b"ls\r\x012".to_vec()), Key::Select(2), Key::Next, Key::Help, Key::Bytes(b"q".to_vec())];
        assert_eq!(typed, expected);
        assert_eq!(keys.push(b"x", Duration::ZERO), [Key::Quit]);
    }

    #[test]
    fn ctrl_c_is_the_guests_unless_it_is_hammered() {
        let mut keys = Keys::default();
        for seconds in [0, 2, 4, 6] {
            assert_eq!(keys.push(b"\x03", Duration::from_secs(seconds)), [Key::Bytes(vec![3])]);
        }
        assert!(keys.push(b"\x03\x03", Duration::from_secs(6)).contains(&Key::Quit));
    }
}
