//! Copying, minting and moving capabilities.

use crate::arena::Handle;
use crate::cap::{Cap, Slot};
use crate::{Kernel, Platform, tree};
use abi::{Error, Rights};

/// The most children that a capability may have to be moved: each must be told.
const MOVE_CHILDREN_MAX: u32 = 64;

impl<P: Platform> Kernel<P> {
    /// Puts a derived copy of the capability in `source` into the empty slot `to`.
    ///
    /// # Errors
    /// `SlotOccupied`, or why it can't be derived: see [`Cap::derive`].
    pub(crate) fn copy_cap(
        &mut self,
        source: Handle<Slot>,
        to: Handle<Slot>,
        rights: Rights,
        badge: u32,
    ) -> Result<(), Error> {
        if !self.arena.get(to).cap.is_null() {
            return Err(Error::SlotOccupied);
        }
        let cap = self.arena.get(source).cap.derive(rights, badge)?;
        self.reference(&cap);
        tree::insert(&mut self.arena, to, cap, Some(source));
        Ok(())
    }

    /// Moves the capability in `from` to the empty slot `to`.
    ///
    /// # Errors
    /// `EmptySlot`, `SlotOccupied`; `HasChildren` if more than 64 were derived from it.
    pub(crate) fn move_cap(&mut self, from: Handle<Slot>, to: Handle<Slot>) -> Result<(), Error> {
        if self.arena.get(from).cap.is_null() {
            return Err(Error::EmptySlot);
        }
        if !self.arena.get(to).cap.is_null() {
            return Err(Error::SlotOccupied);
        }
        if tree::has_more_children(&self.arena, from, MOVE_CHILDREN_MAX) {
            return Err(Error::HasChildren);
        }
        tree::relocate(&mut self.arena, from, to);
        self.mapping_moved(to);
        Ok(())
    }

    /// Counts a capability that now exists.
    pub(crate) fn reference(&mut self, cap: &Cap) {
        if let Some(refs) = self.references(cap) {
            *refs += 1;
        }
    }

    /// The count of capabilities in an object that counts them.
    pub(crate) fn references(&mut self, cap: &Cap) -> Option<&mut u32> {
        let arena = &mut self.arena;
        Some(match *cap {
            Cap::CNode { cnode, .. } => &mut arena.get_mut(cnode).refs,
            Cap::VSpace { vspace } => &mut arena.get_mut(vspace).refs,
            Cap::Tcb { tcb } => &mut arena.get_mut(tcb).refs,
            Cap::Vcpu { vcpu } => &mut arena.get_mut(vcpu).refs,
            Cap::Endpoint { endpoint, .. } => &mut arena.get_mut(endpoint).refs,
            Cap::Notification { notification, .. } => &mut arena.get_mut(notification).refs,
            Cap::SchedContext { context } => &mut arena.get_mut(context).refs,
            _ => return None,
        })
    }
}
