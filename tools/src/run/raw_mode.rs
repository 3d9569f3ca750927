//! The terminal's raw mode, taken back whatever happens.

use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcsetattr};

/// Raw mode of the terminal on standard input, until this is dropped.
pub struct RawMode {
    before: Termios,
}

/// Whether a person sits at both ends.
pub fn on_terminal() -> bool {
    isatty(rustix::stdio::stdin()) && isatty(rustix::stdio::stdout())
}

impl RawMode {
    /// Enters raw mode. `None` if the terminal can't.
    pub fn enter() -> Option<Self> {
        let before = tcgetattr(rustix::stdio::stdin()).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &raw).ok()?;
        Some(Self { before })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing back.
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.before);
    }
}
