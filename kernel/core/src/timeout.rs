//! Timeouts of a core, ordered by time: contexts that wait for a refill, vCPUs that wait for their timer.

use crate::arena::{Arena, Handle};
use crate::objects::SchedContext;
use crate::vcpu::Vcpu;

/// Whose timeout it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Owner {
    /// Nobody's: it is in no queue.
    None = 0,
    /// A context that waits for its next refill.
    Context(Handle<SchedContext>),
    /// A vCPU whose guest waits for an interrupt, of which the virtual timer's may be the next.
    Vcpu(Handle<Vcpu>),
}

/// A node of the queue, embedded in its owner.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Timeout {
    /// When, in ticks of the physical counter.
    pub time: u64,
    /// Whose.
    pub owner: Owner,
    /// The next later one.
    pub next: Option<Handle<Timeout>>,
    /// The one before.
    pub prev: Option<Handle<Timeout>>,
}

plain!(Timeout);

/// The timeouts of a core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    head: Option<Handle<Timeout>>,
}

impl Timeouts {
    /// None.
    pub const EMPTY: Self = Self { head: None };

    /// When the next one is due; `u64::MAX` if there is none.
    #[inline]
    pub fn next(&self, arena: &Arena) -> u64 {
        self.head.map_or(u64::MAX, |head| arena.get(head).time)
    }

    /// The timeout that is due first.
    pub fn head(&self) -> Option<Handle<Timeout>> {
        self.head
    }

    /// Adds one that is in no queue.
    pub fn insert(&mut self, arena: &mut Arena, node: Handle<Timeout>, time: u64, owner: Owner) {
        debug_assert_eq!(arena.get(node).owner, Owner::None);
        let (mut prev, mut next) = (None, self.head);
        while let Some(later) = next {
            if arena.get(later).time > time {
                break;
            }
            prev = next;
            next = arena.get(later).next;
        }
        *arena.get_mut(node) = Timeout { time, owner, next, prev };
        match prev {
            Some(prev) => arena.get_mut(prev).next = Some(node),
            None => self.head = Some(node),
        }
        if let Some(next) = next {
            arena.get_mut(next).prev = Some(node);
        }
    }

    /// Takes one out; nothing happens if it is in no queue.
    pub fn remove(&mut self, arena: &mut Arena, node: Handle<Timeout>) {
        let timeout = arena.get_mut(node);
        if timeout.owner == Owner::None {
            return;
        }
        let (next, prev) = (timeout.next.take(), timeout.prev.take());
        timeout.owner = Owner::None;
        match prev {
            Some(prev) => arena.get_mut(prev).next = next,
            None => self.head = next,
        }
        if let Some(next) = next {
            arena.get_mut(next).prev = prev;
        }
    }
}
