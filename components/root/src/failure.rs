//! Why the system could not be built: which record, and what was wrong.

use abi::Error;
use system::{ReadError, Record};

/// What was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The kernel refused a call.
    Kernel(Error),
    /// The compiled system can't be read.
    Read(ReadError),
    /// A record names an object or group that does not exist, or is of another kind.
    BadReference,
    /// No untyped of root's has room for a group, or no device untyped holds the page.
    NoMemory,
    /// A fill reaches outside of the payload or of its object.
    OutOfBounds,
    /// More groups or objects than root keeps.
    TooMany,
    /// A passive component did not wait to receive within a long time.
    NeverReceives,
}

impl From<Error> for Cause {
    fn from(error: Error) -> Self {
        Self::Kernel(error)
    }
}

impl From<ReadError> for Cause {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl Cause {
    /// In words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Kernel(_) => "the kernel refused",
            Self::Read(ReadError::Damaged(_)) => "the compiled system is damaged",
            Self::Read(ReadError::Version(_)) => "the compiled system is of another version",
            Self::BadReference => "it names what does not exist",
            Self::NoMemory => "no memory for it",
            Self::OutOfBounds => "it reaches outside of the payload or of its object",
            Self::TooMany => "too many groups or objects",
            Self::NeverReceives => "a passive component does not begin to receive",
        }
    }

    /// The number that goes with the words: the kernel's error, or where the damage is.
    pub const fn number(self) -> u32 {
        match self {
            Self::Kernel(error) => error as u32,
            Self::Read(ReadError::Damaged(at)) => at as u32,
            Self::Read(ReadError::Version(version)) => version,
            _ => 0,
        }
    }
}

/// A record that could not be executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its number, the header being 0.
    pub record: u32,
    /// Its kind.
    pub kind: &'static str,
    /// What was wrong.
    pub cause: Cause,
}

/// The name of a record's kind.
pub const fn kind(record: &Record<'_>) -> &'static str {
    match record {
        Record::Header { .. } => "header",
        Record::Group { .. } => "group",
        Record::Untyped { .. } => "untyped",
        Record::Object { .. } => "object",
        Record::RootEndpoint { .. } => "root-endpoint",
        Record::Fill { .. } => "fill",
        Record::FillBytes { .. } => "fill-bytes",
        Record::MapTable { .. } => "map-table",
        Record::MapFrames { .. } => "map-frames",
        Record::Grant { .. } => "grant",
        Record::GrantRoot { .. } => "grant-root",
        Record::Thread { .. } => "thread",
        Record::BindNotification { .. } => "bind-notification",
        Record::Interrupt { .. } => "interrupt",
        Record::StartPassive { .. } => "start-passive",
        Record::Start { .. } => "start",
    }
}
