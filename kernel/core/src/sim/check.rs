//! Invariants of the kernel, checked from outside the code that keeps them.
//!
//! [`check_all`] finds every slot that exists (in CNodes, threads, page tables and interrupts), then checks
//! what the functions here are named after.

use super::check_memory::{
    mappings_and_entries_agree, no_component_memory_is_writable_and_executable, no_stale_translation_is_reachable,
    vmids_are_unique,
};
use super::machine::Machine;
use crate::Kernel;
use crate::arena::Handle;
use crate::cap::{Cap, Slot, UntypedFlags};
use crate::irq::IRQS;
use crate::objects::{CNode, VSpace, Waiters};
use crate::queue::Queue;
use crate::tcb::{State, TCB_SLOTS, Tcb};
use crate::timeout::Owner;
use crate::untyped::granules;
use crate::vcpu::Vcpu;
use abi::vcpu::InterruptState;
use std::collections::{BTreeMap, BTreeSet};
use std::string::String;
use std::vec::Vec;

/// An invariant that does not hold: its name, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation(pub &'static str, pub String);

pub(super) type Result = core::result::Result<(), Violation>;

macro_rules! hold {
    ($name:expr, $condition:expr, $($where:tt)*) => {
        if !$condition {
            return Err(Violation($name, format!($($where)*)));
        }
    };
}
pub(super) use hold;

/// Everything that can be reached.
pub(super) struct Found {
    pub(super) slots: BTreeMap<u32, Handle<Slot>>,
    threads: BTreeMap<u32, Handle<Tcb>>,
    pub(super) spaces: BTreeMap<u32, Handle<VSpace>>,
    vcpus: BTreeMap<u32, Handle<Vcpu>>,
}

/// Checks all invariants of a kernel whose first CNode is `root`.
///
/// # Errors
/// The first that does not hold.
pub fn check_all(kernel: &Kernel<Machine>, root: Handle<CNode>) -> Result {
    let found = find(kernel, root);
    derivation_tree_is_well_formed(kernel, &found)?;
    references_are_counted(kernel, &found)?;
    untyped_children_do_not_overlap(kernel, &found)?;
    free_memory_is_zero(kernel, &found)?;
    threads_are_where_their_state_says(kernel, &found)?;
    contexts_and_threads_agree(kernel, &found)?;
    mappings_and_entries_agree(kernel, &found)?;
    no_component_memory_is_writable_and_executable(kernel, &found)?;
    no_stale_translation_is_reachable(kernel, &found)?;
    vmids_are_unique(kernel, &found)?;
    interrupts_are_in_one_place(kernel, &found)
}

fn find(kernel: &Kernel<Machine>, root: Handle<CNode>) -> Found {
    let arena = &kernel.arena;
    let mut found =
        Found { slots: BTreeMap::new(), threads: BTreeMap::new(), spaces: BTreeMap::new(), vcpus: BTreeMap::new() };
    let mut cnodes = BTreeSet::new();
    let mut work: Vec<Handle<Slot>> = Vec::new();
    let row = |cnode: Handle<CNode>, work: &mut Vec<Handle<Slot>>| {
        let first = arena.part::<CNode, Slot>(cnode, 0);
        work.extend((1..1 << arena.get(cnode).bits).map(|n| arena.nth(first, n)));
    };
    cnodes.insert(root.address());
    row(root, &mut work);
    if let Some(first) = kernel.irqs.slots() {
        work.extend((0..IRQS as u32).map(|n| arena.nth(first, n)));
    }
    while let Some(slot) = work.pop() {
        let node = arena.get(slot);
        if node.cap.is_null() || found.slots.insert(slot.address(), slot).is_some() {
            continue;
        }
        work.extend([node.parent, node.child, node.next, node.prev].into_iter().flatten());
        match node.cap {
            Cap::CNode { cnode, .. } if cnodes.insert(cnode.address()) => row(cnode, &mut work),
            Cap::Tcb { tcb } if found.threads.insert(tcb.address(), tcb).is_none() => {
                work.extend(TCB_SLOTS.map(|offset| Tcb::slot(arena, tcb, offset)));
            }
            Cap::VSpace { vspace } => {
                found.spaces.insert(vspace.address(), vspace);
                work.extend(arena.get(vspace).owners.iter().flatten());
            }
            Cap::Vcpu { vcpu } => {
                found.vcpus.insert(vcpu.address(), vcpu);
            }
            Cap::Table { table, vspace: Some(_), .. } => work.extend(arena.get(table).owners.iter().flatten()),
            _ => {}
        }
    }
    found
}

fn derivation_tree_is_well_formed(kernel: &Kernel<Machine>, found: &Found) -> Result {
    const NAME: &str = "derivation tree is well-formed";
    for &slot in found.slots.values() {
        let node = kernel.arena.get(slot);
        if let Some(next) = node.next {
            let next_node = kernel.arena.get(next);
            hold!(NAME, next_node.prev == Some(slot) && next_node.parent == node.parent, "{slot:?} next {next:?}");
            hold!(NAME, !next_node.cap.is_null(), "{slot:?}: next is empty");
        }
        if let Some(child) = node.child {
            let first = kernel.arena.get(child);
            hold!(NAME, first.parent == Some(slot) && first.prev.is_none(), "{slot:?} child {child:?}");
            hold!(NAME, !first.cap.is_null(), "{slot:?}: child is empty");
        }
        if node.prev.is_none()
            && let Some(parent) = node.parent
        {
            hold!(NAME, kernel.arena.get(parent).child == Some(slot), "{slot:?} is not the child of {parent:?}");
            hold!(NAME, !kernel.arena.get(parent).cap.is_null(), "{slot:?}: parent is empty");
        }
    }
    Ok(())
}

fn references_are_counted(kernel: &Kernel<Machine>, found: &Found) -> Result {
    let mut counts: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
    for &slot in found.slots.values() {
        let arena = &kernel.arena;
        let (address, refs) = match arena.get(slot).cap {
            Cap::CNode { cnode, .. } => (cnode.address(), arena.get(cnode).refs),
            Cap::VSpace { vspace } => (vspace.address(), arena.get(vspace).refs),
            Cap::Tcb { tcb } => (tcb.address(), arena.get(tcb).refs),
            Cap::Vcpu { vcpu } => (vcpu.address(), arena.get(vcpu).refs),
            Cap::Endpoint { endpoint, .. } => (endpoint.address(), arena.get(endpoint).refs),
            Cap::Notification { notification, .. } => (notification.address(), arena.get(notification).refs),
            Cap::SchedContext { context } => (context.address(), arena.get(context).refs),
            _ => continue,
        };
        counts.entry(address).or_insert((0, refs)).0 += 1;
    }
    for (address, (counted, refs)) in counts {
        hold!("references are counted", counted == refs, "@{address:#x}: {counted} capabilities, {refs} counted");
    }
    Ok(())
}

/// Where the object of a capability lies, if it is made of untyped memory.
fn extent(kernel: &Kernel<Machine>, cap: &Cap) -> Option<(u64, u64)> {
    use abi::object::*;
    let (start, bytes) = match *cap {
        Cap::Untyped { bits, page, .. } => (u64::from(page) << 12, 1u64 << bits),
        Cap::Frame { flags, page, .. } => (u64::from(page) << 12, 1 << flags.bits_of_size()),
        Cap::CNode { cnode, .. } => (u64::from(cnode.address()), u64::from(SLOT_BYTES) << kernel.arena.get(cnode).bits),
        Cap::Table { table, .. } => (u64::from(table.address()), u64::from(TABLE_BYTES)),
        Cap::VSpace { vspace } => (u64::from(vspace.address()), u64::from(VSPACE_BYTES)),
        Cap::Tcb { tcb } => (u64::from(tcb.address()), u64::from(TCB_BYTES)),
        Cap::Vcpu { vcpu } => (u64::from(vcpu.address()), u64::from(VCPU_BYTES)),
        Cap::Endpoint { endpoint, .. } => (u64::from(endpoint.address()), u64::from(ENDPOINT_BYTES)),
        Cap::Notification { notification, .. } => (u64::from(notification.address()), u64::from(NOTIFICATION_BYTES)),
        Cap::Reply { reply } => (u64::from(reply.address()), u64::from(REPLY_BYTES)),
        Cap::SchedContext { context } => (u64::from(context.address()), u64::from(SCHED_CONTEXT_BYTES)),
        _ => return None,
    };
    Some((start, start + bytes))
}

fn untyped_children_do_not_overlap(kernel: &Kernel<Machine>, found: &Found) -> Result {
    const NAME: &str = "no two untyped children overlap";
    for &slot in found.slots.values() {
        let Cap::Untyped { page, used, .. } = kernel.arena.get(slot).cap else { continue };
        let limit = (u64::from(page) << 12) + (u64::from(used) << 6);
        let mut extents = BTreeSet::new();
        let mut child = kernel.arena.get(slot).child;
        while let Some(this) = child {
            if let Some(extent) = extent(kernel, &kernel.arena.get(this).cap) {
                hold!(NAME, extent.0 >= u64::from(page) << 12 && extent.1 <= limit, "{this:?} is outside {slot:?}");
                // Copies of one object, hoisted, may be beside each other.
                extents.insert((extent.0, std::cmp::Reverse(extent.1)));
            }
            child = kernel.arena.get(this).next;
        }
        let mut end = 0;
        for (start, std::cmp::Reverse(last)) in extents {
            // A hoisted child lies wholly inside the child untyped that it came from, or outside.
            hold!(NAME, start >= end || last <= end, "under {slot:?}: {start:#x}");
            end = end.max(last);
        }
    }
    Ok(())
}

fn free_memory_is_zero(kernel: &Kernel<Machine>, found: &Found) -> Result {
    for &slot in found.slots.values() {
        let Cap::Untyped { bits, flags, page, used } = kernel.arena.get(slot).cap else { continue };
        if flags.intersects(UntypedFlags::DEVICE | UntypedFlags::DIRTY) {
            continue;
        }
        // A sample: the first and last words of what is free, and some between.
        let (start, end) = ((page << 12) + (used << 6), (page << 12) + (granules(bits) << 6));
        let stride = ((end - start) / 64).next_multiple_of(4).max(4);
        for address in (start..end).step_by(stride as usize) {
            hold!("memory that can be retyped is zero", kernel.arena.read_word(address) == 0, "@{address:#x}");
        }
    }
    Ok(())
}

fn members(kernel: &Kernel<Machine>, queue: &Queue) -> core::result::Result<Vec<Handle<Tcb>>, Violation> {
    let mut all = Vec::new();
    let (mut at, mut prev) = (queue.head, None);
    while let Some(tcb) = at {
        let thread = kernel.arena.get(tcb);
        hold!("queues are linked both ways", thread.prev == prev && all.len() < 10_000, "{tcb:?}");
        all.push(tcb);
        prev = at;
        at = thread.next;
    }
    hold!("queues are linked both ways", queue.tail == prev, "tail");
    Ok(all)
}

fn threads_are_where_their_state_says(kernel: &Kernel<Machine>, found: &Found) -> Result {
    const NAME: &str = "each thread is in exactly the queue that its state says";
    let mut ready = BTreeSet::new();
    for priority in 0..=255 {
        for tcb in members(kernel, kernel.cores[0].ready.queue(priority))? {
            hold!(NAME, kernel.arena.get(tcb).priority == priority, "{tcb:?}");
            ready.insert(tcb.address());
        }
    }
    for &tcb in found.threads.values() {
        let thread = kernel.arena.get(tcb);
        hold!(NAME, thread.queued == ready.contains(&tcb.address()), "{tcb:?}: queued {}", thread.queued);
        let could_run = kernel.runnable(tcb);
        let current = kernel.cores[0].current == Some(tcb);
        hold!(NAME, !(thread.queued && current), "{tcb:?} runs and is queued");
        hold!(NAME, could_run == (thread.queued || current), "{tcb:?}: {:?}, {could_run}", thread.state);
        match thread.state {
            State::Sending(endpoint) | State::Receiving(endpoint) => {
                let point = kernel.arena.get(endpoint);
                let wanted =
                    if matches!(thread.state, State::Sending(_)) { Waiters::Senders } else { Waiters::Receivers };
                hold!(NAME, point.waiters == wanted && members(kernel, &point.queue)?.contains(&tcb), "{tcb:?}");
            }
            State::Waiting(notification) => {
                let queue = kernel.arena.get(notification).queue;
                hold!(NAME, members(kernel, &queue)?.contains(&tcb), "{tcb:?}");
            }
            State::AwaitingReply(reply) => {
                hold!(NAME, kernel.arena.get(reply).caller == Some(tcb), "{tcb:?} awaits {reply:?}");
            }
            State::Inactive | State::Running | State::Idle => {}
        }
    }
    for &slot in found.slots.values() {
        match kernel.arena.get(slot).cap {
            Cap::Reply { reply } => {
                let object = kernel.arena.get(reply);
                if let Some(caller) = object.caller {
                    let state = kernel.arena.get(caller).state;
                    hold!(NAME, state == State::AwaitingReply(reply), "{reply:?}: caller {caller:?} is {state:?}");
                }
                if let Some(receiver) = object.receiver {
                    hold!(NAME, kernel.arena.get(receiver).reply == Some(reply), "{reply:?}: receiver {receiver:?}");
                }
            }
            Cap::Endpoint { endpoint, .. } => {
                let point = kernel.arena.get(endpoint);
                let empty = members(kernel, &point.queue)?.is_empty();
                hold!(NAME, empty == (point.waiters == Waiters::None), "{endpoint:?}");
            }
            _ => {}
        }
    }
    Ok(())
}

fn contexts_and_threads_agree(kernel: &Kernel<Machine>, found: &Found) -> Result {
    const NAME: &str = "a context has one thread, and the thread has it";
    for &slot in found.slots.values() {
        let Cap::SchedContext { context } = kernel.arena.get(slot).cap else { continue };
        let data = kernel.arena.get(context);
        if let Some(tcb) = data.tcb {
            hold!(NAME, kernel.arena.get(tcb).sched == Some(context), "{context:?} at {tcb:?}");
        }
        if let Some(home) = data.home {
            hold!(NAME, kernel.arena.get(home).home == Some(context), "{context:?} of {home:?}");
        }
        let total: u64 = data.refills[..data.refill_count as usize].iter().map(|refill| refill.amount).sum();
        hold!("budgets are conserved", total <= data.budget, "{context:?}: {total} of {}", data.budget);
        if let Owner::Vcpu(_) = data.timeout.owner {
            return Err(Violation(NAME, format!("{context:?}: timeout of another kind")));
        }
    }
    for &tcb in found.threads.values() {
        if let Some(context) = kernel.arena.get(tcb).sched {
            hold!(NAME, kernel.arena.get(context).tcb == Some(tcb), "{tcb:?} on {context:?}");
        }
    }
    Ok(())
}

fn interrupts_are_in_one_place(kernel: &Kernel<Machine>, found: &Found) -> Result {
    const NAME: &str = "every virtual interrupt is in exactly one place";
    const LISTED: u8 = InterruptState::LISTED as u8;
    for &vcpu in found.vcpus.values() {
        let interrupts = &kernel.arena.get(vcpu).interrupts;
        let mut listed = BTreeSet::new();
        for (index, list) in interrupts.listed.iter().enumerate().filter(|(_, list)| list.state != 0) {
            hold!(NAME, listed.insert(list.intid), "{vcpu:?}: {} in two list registers", list.intid);
            let state = interrupts.state[usize::from(list.intid)];
            hold!(NAME, state.flags & LISTED != 0, "{vcpu:?}: {} is not marked", list.intid);
            hold!(NAME, usize::from(state.list_register) == index + 1, "{vcpu:?}: {} elsewhere", list.intid);
        }
        let mask = interrupts.listed.iter().rev().fold(0, |mask, list| mask << 1 | u32::from(list.state != 0));
        hold!(
            NAME,
            interrupts.listed_mask == mask,
            "{vcpu:?}: list registers {:#x}, not {mask:#x}",
            interrupts.listed_mask
        );
        let words = interrupts.waiting.iter().rev().fold(0, |mask, &word| mask << 1 | u32::from(word != 0));
        hold!(
            NAME,
            interrupts.waiting_words == words,
            "{vcpu:?}: words {:#x}, not {words:#x}",
            interrupts.waiting_words
        );
        for (intid, state) in interrupts.state.iter().enumerate() {
            let marked = state.flags & LISTED != 0;
            hold!(NAME, marked == listed.contains(&(intid as u16)), "{vcpu:?}: {intid} marked {marked}");
        }
    }
    Ok(())
}
