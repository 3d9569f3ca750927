//! The derivation tree: every capability knows what it was derived from.
//!
//! Each step here is of constant length. Deleting a capability hoists its children to its parent, one
//! by one, so that no capability is ever counted as derived from one that it was not.

use crate::arena::{Arena, Handle};
use crate::cap::{Cap, Slot};

/// Puts a capability into an empty slot, as the first child of `parent`.
pub fn insert(arena: &mut Arena, slot: Handle<Slot>, cap: Cap, parent: Option<Handle<Slot>>) {
    debug_assert!(arena.get(slot).cap.is_null());
    *arena.get_mut(slot) = Slot { cap, parent: None, child: None, next: None, prev: None };
    if let Some(parent) = parent {
        adopt(arena, slot, parent);
    }
}

/// Makes a slot without parent the first child of `parent`.
fn adopt(arena: &mut Arena, slot: Handle<Slot>, parent: Handle<Slot>) {
    let first = arena.get(parent).child;
    let node = arena.get_mut(slot);
    node.parent = Some(parent);
    node.prev = None;
    node.next = first;
    if let Some(first) = first {
        arena.get_mut(first).prev = Some(slot);
    }
    arena.get_mut(parent).child = Some(slot);
}

/// Takes a slot out of its parent's children. Its own children stay its own.
fn detach(arena: &mut Arena, slot: Handle<Slot>) {
    let node = arena.get_mut(slot);
    let (parent, next, prev) = (node.parent.take(), node.next.take(), node.prev.take());
    match (prev, parent) {
        (Some(prev), _) => arena.get_mut(prev).next = next,
        (None, Some(parent)) => arena.get_mut(parent).child = next,
        (None, None) => {}
    }
    if let Some(next) = next {
        arena.get_mut(next).prev = prev;
    }
}

/// Gives one child of `slot` to its parent (to nobody if there is none). `false` when no child is left.
pub fn hoist_child(arena: &mut Arena, slot: Handle<Slot>) -> bool {
    let Some(child) = arena.get(slot).child else { return false };
    let parent = arena.get(slot).parent;
    detach(arena, child);
    if let Some(parent) = parent {
        adopt(arena, child, parent);
    }
    true
}

/// Empties a slot that has no children.
pub fn remove(arena: &mut Arena, slot: Handle<Slot>) {
    debug_assert!(arena.get(slot).child.is_none());
    detach(arena, slot);
    arena.get_mut(slot).cap = Cap::Null;
}

/// Moves a capability, with its place in the tree, to an empty slot. The children are told one by one:
/// what has many can't be moved cheaply, which `cnode::movable` refuses.
pub fn relocate(arena: &mut Arena, from: Handle<Slot>, to: Handle<Slot>) {
    let (old, new) = arena.pair_mut(from, to);
    let node = core::mem::replace(old, Slot { cap: Cap::Null, parent: None, child: None, next: None, prev: None });
    *new = node;
    match (node.prev, node.parent) {
        (Some(prev), _) => arena.get_mut(prev).next = Some(to),
        (None, Some(parent)) => arena.get_mut(parent).child = Some(to),
        (None, None) => {}
    }
    if let Some(next) = node.next {
        arena.get_mut(next).prev = Some(to);
    }
    let mut child = node.child;
    while let Some(slot) = child {
        arena.get_mut(slot).parent = Some(to);
        child = arena.get(slot).next;
    }
}

/// Whether `slot` has more than `most` children.
pub fn has_more_children(arena: &Arena, slot: Handle<Slot>, most: u32) -> bool {
    let mut child = arena.get(slot).child;
    for _ in 0..=most {
        match child {
            Some(slot) => child = arena.get(slot).next,
            None => return false,
        }
    }
    true
}
