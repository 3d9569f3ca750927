//! What a VMM asks of root, for its VM. The badge of the capability says which VM it is.

use crate::request::Request;
use postcard_schema::Schema;
use serde::{Deserialize, Serialize};

/// What became of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub enum Ending {
    /// It switched itself off (PSCI SYSTEM_OFF).
    Off,
    /// It asks to be reset (PSCI SYSTEM_RESET).
    Reset,
    /// It crashed: a panic, or something that its VMM could not go on with.
    Crashed,
}

/// Tells root that the guest has ended; root acts as the manifest says, which ends the VMM, too. So
/// there is an answer only if nothing is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Ended(pub Ending);

impl Request for Ended {
    type Reply = ();
    const LABEL: u16 = 0x100;
}
