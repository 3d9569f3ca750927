//! Claims about who can reach whom, held against a compiled system as root will read it.
//!
//! This shares no code with the composer that emitted it, and believes nothing that is not in the records: [`model`] reads them, [`graph`]
//! says along which ways something can flow, [`control`] who could change what another does, [`search`] looks for a way, [`exclusive`]
//! for other holders. What authority could become is closed over by treating it as if it had already: who holds a CNode holds all that is
//! in it, who holds a thread is that thread, who could map a frame has it mapped. Giving a capability away needs a way by which
//! something can flow to whom it is given, and lets nothing flow that did not flow through the giver before: so it adds no
//! ways, and needs no more than that the ways are followed to their end.
//!
//! Trusted by every claim, since nothing holds without them: the kernel and root.

mod authority;
mod check;
mod control;
mod exclusive;
mod graph;
mod machine;
mod model;
mod node;
mod search;
#[cfg(test)]
mod tests;

pub use authority::{Amount, Authority, Right, authority};
pub use check::{Claim, Door, End, Kind, Thing, Verdict, check};
pub use machine::{Device, Machine};
pub use model::{Cap, Map, Model, Space, Thread, Unreadable, What};
pub use node::{Access, Names, Node, Path, Step, Use, Why};
