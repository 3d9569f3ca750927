//! Deleting and revoking: what ends an object's life.
//!
//! Everything here proceeds in steps of bounded length, with a preemption point between any two. A call
//! that is preempted leaves every invariant true, and goes on when it is made again.
//!
//! An object dies with its last capability. Before that capability goes, whoever waits at the object is
//! woken, one by one, while it still exists. A CNode or a space that has lost its last capability may still
//! hold things; it is *condemned*: unreachable, in a list, and emptied before any delete, revoke or reset
//! ends, so that its memory can't be used again before.

use crate::arena::Handle;
use crate::cap::{Cap, Slot, UntypedFlags};
use crate::kernel::Preempted;
use crate::tcb::{TCB_SLOTS, Tcb};
use crate::{Kernel, Platform, lookup, tree};
use abi::Error;

impl<P: Platform> Kernel<P> {
    /// Deletes the capability in `slot`; with the last one, its object. What was derived from it stays,
    /// derived from its parent. An empty slot is no error: a restarted call may find one.
    ///
    /// # Errors
    /// [`Preempted`].
    pub(crate) fn delete(&mut self, slot: Handle<Slot>) -> Result<(), Preempted> {
        self.condemn(slot);
        while tree::hoist_child(&mut self.arena, slot) {
            self.preemption_point()?;
        }
        while !self.clear_step(slot) {
            self.preemption_point()?;
        }
        self.drain_condemned()
    }

    /// Deletes all that was derived from the capability in `slot`.
    ///
    /// # Errors
    /// [`Preempted`].
    pub(crate) fn revoke(&mut self, slot: Handle<Slot>) -> Result<(), Preempted> {
        while let Some(child) = self.arena.get(slot).child {
            self.condemn(child);
            if !tree::hoist_child(&mut self.arena, child) {
                self.clear_step(child);
            }
            self.preemption_point()?;
        }
        self.drain_condemned()
    }

    /// An untyped that begins to lose its children must not seem to have none: they still lie in its memory.
    fn condemn(&mut self, slot: Handle<Slot>) {
        if let Cap::Untyped { flags, .. } = &mut self.arena.get_mut(slot).cap {
            flags.insert(UntypedFlags::CONDEMNED);
        }
    }

    /// Does one step towards an empty slot. The capability has no children. `true`: it is empty now.
    pub(crate) fn clear_step(&mut self, slot: Handle<Slot>) -> bool {
        let cap = self.arena.get(slot).cap;
        let last = self.references(&cap).is_some_and(|refs| *refs == 1);
        match cap {
            Cap::Null => return true,
            Cap::Frame { .. } => self.unmap_frame(slot),
            Cap::Table { .. } => {
                if !self.unmap_table_step(slot) {
                    return false;
                }
            }
            Cap::Endpoint { endpoint, .. } if last => {
                if let Some(tcb) = self.arena.get(endpoint).queue.head {
                    self.cancel_ipc(tcb, Some(Error::PeerGone));
                    return false;
                }
            }
            Cap::Notification { notification, .. } => {
                self.unbind_notification(notification, slot);
                if last && let Some(tcb) = self.arena.get(notification).queue.head {
                    self.cancel_ipc(tcb, Some(Error::PeerGone));
                    return false;
                }
            }
            Cap::Reply { reply } => {
                if let Some(caller) = self.arena.get(reply).caller {
                    self.cancel_ipc(caller, Some(Error::PeerGone));
                }
                if let Some(receiver) = self.arena.get_mut(reply).receiver.take() {
                    self.arena.get_mut(receiver).reply = None;
                }
            }
            Cap::Tcb { tcb } if last => {
                self.end_thread(tcb);
                for offset in TCB_SLOTS {
                    let inner = Tcb::slot(&self.arena, tcb, offset);
                    if tree::hoist_child(&mut self.arena, inner) || !self.clear_step(inner) {
                        return false;
                    }
                }
            }
            Cap::Vcpu { vcpu } if last => self.end_vcpu(vcpu),
            Cap::SchedContext { context } if last => self.end_context(context),
            Cap::IrqHandler { intid } => {
                if !self.irq_unbind_step(intid) {
                    return false;
                }
                self.irq_release(intid);
            }
            Cap::CNode { cnode, .. } if last => {
                let next = self.condemned.cnodes.replace(cnode);
                let node = self.arena.get_mut(cnode);
                node.condemned_next = next;
                node.cursor = 1;
            }
            Cap::VSpace { vspace } => {
                // It may be the running thread's.
                self.core().reschedule = true;
                self.lose_space(slot);
                if last {
                    self.leave_spaces();
                    let next = self.condemned.spaces.replace(vspace);
                    self.arena.get_mut(vspace).condemned_next = next;
                }
            }
            _ => {}
        }
        if let Some(refs) = self.references(&cap) {
            *refs -= 1;
        }
        tree::remove(&mut self.arena, slot);
        true
    }

    /// Empties all condemned objects.
    ///
    /// # Errors
    /// [`Preempted`].
    pub(crate) fn drain_condemned(&mut self) -> Result<(), Preempted> {
        while let Some(cnode) = self.condemned.cnodes {
            let node = self.arena.get(cnode);
            let (cursor, bits) = (node.cursor, node.bits as u8);
            match lookup::slot_of(&self.arena, cnode, bits, cursor) {
                Ok(slot) => {
                    self.condemn(slot);
                    if !tree::hoist_child(&mut self.arena, slot) && self.clear_step(slot) {
                        self.arena.get_mut(cnode).cursor += 1;
                    }
                }
                Err(_) => {
                    // Clearing a slot may have condemned another CNode, which then stands first.
                    self.condemned.cnodes = self.arena.get_mut(cnode).condemned_next.take();
                }
            }
            self.preemption_point()?;
        }
        while let Some(vspace) = self.condemned.spaces {
            if self.empty_space_step(vspace) {
                self.condemned.spaces = self.arena.get_mut(vspace).condemned_next.take();
            }
            self.preemption_point()?;
        }
        Ok(())
    }
}
