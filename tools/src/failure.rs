//! What the tool says when it can't go on: what is wrong, and what would mend it.

use std::fmt;
use std::path::Path;

/// Exit code: something crashed, or a test failed.
pub const EXIT_CRASHED: u8 = 1;
/// Exit code: the input or the machine is not as it must be.
pub const EXIT_BAD_INPUT: u8 = 2;
/// Exit code: QEMU died of a signal, or was told to end from outside. Nothing follows for the system that it ran.
pub const EXIT_QEMU_KILLED: u8 = 125;
/// Exit code: time ran out.
pub const EXIT_TIMEOUT: u8 = 124;
/// Exit code: who read standard output has gone. The same as a shell tells of a program that SIGPIPE ended.
pub const EXIT_NOBODY_READS: u8 = 141;
/// Exit code: the user interrupted.
pub const EXIT_INTERRUPTED: u8 = 130;

/// Why a command can't go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What is wrong; complete for a reader who sees nothing else.
    pub what: String,
    /// What would mend it.
    pub mend: Option<String>,
    /// Exit code of the command.
    pub exit: u8,
}

/// The result of what can fail.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// Something that is not as it must be; ends the command with [`EXIT_BAD_INPUT`].
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), mend: None, exit: EXIT_BAD_INPUT }
    }

    /// The same, with what would mend it.
    pub fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = Some(mend.into());
        self
    }

    /// The same, with another exit code.
    pub fn exit(mut self, exit: u8) -> Self {
        self.exit = exit;
        self
    }

    /// Standard output that takes no more.
    pub fn output(error: &std::io::Error) -> Self {
        let exit = if error.kind() == std::io::ErrorKind::BrokenPipe { EXIT_NOBODY_READS } else { EXIT_BAD_INPUT };
        Self::new(format!("standard output can't be written: {error}"))
            .mend("send it to a file or a pipe that takes it, with space left")
            .exit(exit)
    }

    /// A file or folder that can't be used.
    pub fn path(path: &Path, error: impl fmt::Display) -> Self {
        Self::new(format!("{}: {error}", path.display()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match &self.mend {
            Some(mend) => write!(f, "\n  to mend it: {mend}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_and_how_to_mend() {
        let failure = Failure::new("no such door").mend("build one");
        assert_eq!(failure.to_string(), "no such door\n  to mend it: build one");
        assert_eq!(failure.exit, EXIT_BAD_INPUT);
        assert_eq!(Failure::new("x").exit(EXIT_TIMEOUT).exit, 124);
    }
}
