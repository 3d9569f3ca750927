//! Formatted text in a small place: what does not fit is cut off.

use core::fmt::{Result, Write};

/// The most bytes that are kept.
pub const WORDS_MAX: usize = 120;

/// Text of at most [`WORDS_MAX`] bytes.
#[derive(Clone, Debug)]
pub struct Words {
    bytes: [u8; WORDS_MAX],
    length: usize,
}

impl Words {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self { bytes: [0; WORDS_MAX], length: 0 }
    }

    /// What was kept.
    pub fn text(&self) -> &str {
        // Only whole characters were kept.
        core::str::from_utf8(&self.bytes[..self.length]).unwrap_or("")
    }
}

impl Default for Words {
    fn default() -> Self {
        Self::new()
    }
}

impl Write for Words {
    fn write_str(&mut self, text: &str) -> Result {
        let room = WORDS_MAX - self.length;
        let fits = (0..=room.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        self.bytes[self.length..self.length + fits].copy_from_slice(&text.as_bytes()[..fits]);
        self.length += fits;
        // Nothing may follow what was cut.
        if fits == text.len() { Ok(()) } else { Err(core::fmt::Error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_cut_between_characters() {
        let mut words = Words::new();
        assert!(write!(words, "index {} of {}", 7, 3).is_ok());
        assert_eq!(words.text(), "index 7 of 3");
        let mut words = Words::new();
        assert!(write!(words, "{}\u{e9}{}", "x".repeat(WORDS_MAX - 1), "more").is_err());
        assert_eq!(words.text(), "x".repeat(WORDS_MAX - 1));
    }
}
