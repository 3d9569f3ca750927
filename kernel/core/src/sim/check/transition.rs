//! What holds between one state and the next: authority only shrinks, but by a grant or by making something.

use super::capabilities::may_come_from;
use super::census::Census;
use crate::cap::Cap;
use std::string::String;
use std::vec::Vec;

/// All capabilities of a moment.
#[derive(Clone, Debug, Default)]
pub struct Authority {
    caps: Vec<(u32, Cap)>,
    /// Memory that untypeds could give out: first byte, and the one behind the last.
    free: Vec<(u64, u64)>,
}

impl Authority {
    /// Those of now.
    pub fn of(census: &Census) -> Self {
        let caps: Vec<(u32, Cap)> = census.caps().map(|(slot, cap)| (slot.address(), cap)).collect();
        let free = caps.iter().filter_map(|&(_, cap)| match cap {
            Cap::Untyped { bits, page, used, .. } => {
                let start = u64::from(page) << 12;
                Some((start + (u64::from(used) << 6), start + (1u64 << bits)))
            }
            _ => None,
        });
        Self { free: free.collect(), caps }
    }

    /// Whether the memory at `address` was free.
    fn was_free(&self, address: u64) -> bool {
        self.free.iter().any(|&(start, end)| (start..end).contains(&address))
    }

    /// Whether there was a capability that `cap` is, or is a narrower copy of.
    fn had(&self, cap: &Cap) -> bool {
        self.caps.iter().any(|(_, old)| same_or_less(cap, old))
    }
}

fn same_or_less(cap: &Cap, old: &Cap) -> bool {
    match (*cap, *old) {
        (Cap::Untyped { page, bits, .. }, Cap::Untyped { page: of, bits: size, .. }) => (page, bits) == (of, size),
        (Cap::Table { table, .. }, Cap::Table { table: of, .. }) => table == of,
        (Cap::Reply { reply }, Cap::Reply { reply: of }) => reply == of,
        (Cap::IrqHandler { intid }, Cap::IrqHandler { intid: of }) => intid == of,
        (Cap::IrqControl, Cap::IrqControl) | (Cap::Power, Cap::Power) | (Cap::SchedControl, Cap::SchedControl) => true,
        (Cap::IrqHandler { .. }, Cap::IrqControl) => true,
        _ => !matches!(old, Cap::Untyped { .. }) && may_come_from(cap, old),
    }
}

/// Where the object of a capability begins.
fn place(cap: &Cap) -> Option<u64> {
    Some(match *cap {
        Cap::Untyped { page, .. } | Cap::Frame { page, .. } => u64::from(page) << 12,
        Cap::CNode { cnode, .. } => cnode.address().into(),
        Cap::Table { table, .. } => table.address().into(),
        Cap::VSpace { vspace } => vspace.address().into(),
        Cap::Tcb { tcb } => tcb.address().into(),
        Cap::Vcpu { vcpu } => vcpu.address().into(),
        Cap::Endpoint { endpoint, .. } => endpoint.address().into(),
        Cap::Notification { notification, .. } => notification.address().into(),
        Cap::Reply { reply } => reply.address().into(),
        Cap::SchedContext { context } => context.address().into(),
        Cap::Null | Cap::IrqControl | Cap::IrqHandler { .. } | Cap::Power | Cap::SchedControl => return None,
    })
}

/// Whether every capability that is there now was there before, with as much authority, or names something that was made
/// of free memory.
///
/// # Errors
/// The capability.
pub fn authority_shrinks(before: &Authority, after: &Authority) -> Result<(), String> {
    for (slot, cap) in &after.caps {
        let made = || place(cap).is_some_and(|place| before.was_free(place));
        if !before.had(cap) && !made() {
            return Err(format!("@{slot:#x} holds {cap:x?}, which nobody had"));
        }
    }
    Ok(())
}
