//! What the ends of channels declare, for the report.

use crate::compose::interfaces::Joint;
use serde::Serialize;

/// A caller and its server.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct InterfaceLine {
    /// The channel.
    pub channel: String,
    /// Who calls.
    pub client: String,
    /// Who serves.
    pub server: String,
    /// The requests of the caller, all of which the server declares with the same hash.
    pub requests: Vec<String>,
    /// Why nothing could be compared, if so.
    pub unchecked: Option<&'static str>,
}

/// The lines.
pub fn interfaces(joints: &[Joint]) -> Vec<InterfaceLine> {
    let line = |joint: &Joint| InterfaceLine {
        channel: joint.channel.clone(),
        client: joint.client.clone(),
        server: joint.server.clone(),
        requests: joint.state.clone().unwrap_or_default(),
        unchecked: joint.state.as_ref().err().copied(),
    };
    joints.iter().map(line).collect()
}
