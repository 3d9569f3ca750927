//! Queues of threads: doubly linked through the threads themselves, by handle.
//!
//! A thread is in at most one queue at a time: which one follows from its state.

use crate::arena::{Arena, Handle};
use crate::tcb::Tcb;

/// A first-in first-out queue of threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Queue {
    /// The thread that is served next.
    pub head: Option<Handle<Tcb>>,
    /// The one that came last.
    pub tail: Option<Handle<Tcb>>,
}

impl Queue {
    /// An empty queue.
    pub const EMPTY: Self = Self { head: None, tail: None };

    /// Whether nobody waits.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.head.is_none()
    }

    /// Adds a thread at the end. It must be in no queue.
    pub fn push(&mut self, arena: &mut Arena, tcb: Handle<Tcb>) {
        let thread = arena.get_mut(tcb);
        debug_assert!(thread.next.is_none() && thread.prev.is_none());
        thread.next = None;
        thread.prev = self.tail;
        match self.tail {
            Some(tail) => arena.get_mut(tail).next = Some(tcb),
            None => self.head = Some(tcb),
        }
        self.tail = Some(tcb);
    }

    /// Adds a thread at the front.
    pub fn push_front(&mut self, arena: &mut Arena, tcb: Handle<Tcb>) {
        let thread = arena.get_mut(tcb);
        debug_assert!(thread.next.is_none() && thread.prev.is_none());
        thread.prev = None;
        thread.next = self.head;
        match self.head {
            Some(head) => arena.get_mut(head).prev = Some(tcb),
            None => self.tail = Some(tcb),
        }
        self.head = Some(tcb);
    }

    /// Takes a thread out, wherever it stands. It must be in this queue.
    #[inline]
    pub fn remove(&mut self, arena: &mut Arena, tcb: Handle<Tcb>) {
        let thread = arena.get_mut(tcb);
        let (next, prev) = (thread.next.take(), thread.prev.take());
        match prev {
            Some(prev) => arena.get_mut(prev).next = next,
            None => self.head = next,
        }
        match next {
            Some(next) => arena.get_mut(next).prev = prev,
            None => self.tail = prev,
        }
    }
}
