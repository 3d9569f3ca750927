//! The claims of a system, for the report. A system with one that does not hold is not built.

use crate::compose::claims::Judged;
use serde::Serialize;

/// A claim that holds. Kernel and root are trusted by each.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ClaimLine {
    /// What is claimed, as it was written.
    pub claim: String,
    /// All of it on one line.
    pub whole: String,
    /// Compartments that may stand between.
    pub trust: Vec<String>,
    /// Channels that may be used.
    pub except: Vec<String>,
    /// Whether time counts.
    pub time: bool,
}

/// The lines.
pub fn claims(judged: &[Judged]) -> Vec<ClaimLine> {
    let line = |it: &Judged| ClaimLine {
        claim: it.claim.clone(),
        whole: it.whole.clone(),
        trust: it.trust.clone(),
        except: it.except.clone(),
        time: it.time,
    };
    judged.iter().map(line).collect()
}
