//! Physical memory in the report: who has it, and what is left, as the replay of the boot found it.

use crate::compose::assemble::Composed;
use crate::compose::replay::Piece;
use crate::compose::resolve::Resolved;
use serde::Serialize;
use system::ObjectKind;

/// A piece of physical memory.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Range {
    /// First byte.
    pub base: u64,
    /// Bytes.
    pub bytes: u64,
    /// What it is.
    pub what: String,
}

/// An untyped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct UntypedLine {
    /// First byte.
    pub base: u64,
    /// Bytes.
    pub bytes: u64,
    /// Bytes of it that nothing is made of.
    pub free_bytes: u64,
    /// The compartment that has it; none: root's own, of which it makes those of the compartments.
    pub compartment: Option<String>,
    /// Which of its compartment's, or of root's, it is.
    pub part: usize,
    /// The capability's slot in root's CNode.
    pub slot: u32,
}

/// Who has which memory, by address.
pub fn memory(system: &Resolved, composed: &Composed) -> Vec<Range> {
    let kernel = u64::from(composed.kernel.base);
    let (kernel_bytes, payload) = (u64::from(composed.kernel.end) - kernel, u64::from(composed.kernel.payload));
    let payload_bytes = u64::from(composed.arrangement.bytes);
    let range = |base, bytes, what: &str| Range { base, bytes, what: what.to_owned() };
    let mut memory = vec![range(kernel, kernel_bytes, "kernel"), range(payload, payload_bytes, "payload")];
    for (group, pieces) in composed.plan.ordered_groups().iter().zip(&composed.replayed.groups) {
        let what = format!("compartment {}", group.name);
        memory.extend(pieces.iter().map(|piece| range(piece.base, 1 << piece.bits, &what)));
    }
    for object in &composed.plan.objects {
        if let ObjectKind::Device { page, count } = object.kind {
            memory.push(range(u64::from(page) << 12, u64::from(count) << 12, &object.name));
        }
    }
    memory.extend(system.board.ram.iter().map(|ram| range(ram.base, ram.bytes, "RAM")));
    memory.sort_by_key(|range| (range.base, std::cmp::Reverse(range.bytes)));
    memory
}

/// Every untyped of RAM: where it is comes from the replay, what compartments use from the layout.
pub fn untypeds(composed: &Composed) -> Vec<UntypedLine> {
    let own = composed.replayed.root.iter().enumerate().map(|(part, piece)| UntypedLine {
        base: piece.base,
        bytes: 1 << piece.bits,
        free_bytes: piece.free_bytes,
        compartment: None,
        part,
        slot: abi::boot::root_slot::UNTYPED + part as u32,
    });
    let mut lines: Vec<UntypedLine> = own.collect();
    for (group, pieces) in composed.plan.ordered_groups().into_iter().zip(&composed.replayed.groups) {
        let parts = pieces.iter().zip(&group.untypeds).enumerate();
        lines.extend(parts.map(|(part, (&Piece { base, .. }, untyped))| UntypedLine {
            base,
            bytes: 1 << untyped.bits,
            free_bytes: (1 << untyped.bits) - untyped.used_bytes,
            compartment: Some(group.name.clone()),
            part,
            slot: group.slot + part as u32,
        }));
    }
    lines.sort_by_key(|line| (line.base, std::cmp::Reverse(line.bytes)));
    lines
}
