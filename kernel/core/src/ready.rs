//! Threads that could run, by priority.

use crate::arena::{Arena, Handle};
use crate::kernel::PriorityQueue;
use crate::tcb::Tcb;
use abi::object::PRIORITY_MAX;

const PRIORITIES: usize = PRIORITY_MAX as usize + 1;

/// Threads that could run, by priority, with bitmaps to find the first: two words looked at, whatever is in them.
#[derive(Clone, PartialEq, Eq)]
pub struct ReadyQueues {
    queues: [PriorityQueue; PRIORITIES],
    words: [u32; PRIORITIES / 32],
    summary: u32,
    /// The highest priority that is ready, -1 if nobody is: kept, since every message asks for it.
    top: i32,
}

impl ReadyQueues {
    /// All zero: nobody, once [`begin`](Self::begin) was called.
    pub(crate) const ZERO: Self =
        Self { queues: [PriorityQueue::EMPTY; PRIORITIES], words: [0; PRIORITIES / 32], summary: 0, top: 0 };

    pub(crate) fn begin(&mut self) {
        self.top = -1;
    }

    pub(crate) fn push(&mut self, arena: &mut Arena, tcb: Handle<Tcb>, front: bool) {
        let thread = arena.get_mut(tcb);
        thread.queued = true;
        let priority = usize::from(thread.priority);
        if front {
            self.queues[priority].push_front(arena, tcb);
        } else {
            self.queues[priority].push(arena, tcb);
        }
        self.words[priority / 32] |= 1 << (priority % 32);
        self.summary |= 1 << (priority / 32);
        self.top = self.top.max(priority as i32);
    }

    pub(crate) fn remove(&mut self, arena: &mut Arena, tcb: Handle<Tcb>) {
        let thread = arena.get_mut(tcb);
        thread.queued = false;
        let priority = usize::from(thread.priority);
        self.queues[priority].remove(arena, tcb);
        if self.queues[priority].is_empty() {
            self.words[priority / 32] &= !(1 << (priority % 32));
            if self.words[priority / 32] == 0 {
                self.summary &= !(1 << (priority / 32));
            }
            self.top = self.highest().map_or(-1, i32::from);
        }
    }

    /// The highest priority at which somebody is ready, -1 if nobody is.
    #[inline(always)]
    pub fn top(&self) -> i32 {
        self.top
    }

    /// The same, found by the bitmaps.
    fn highest(&self) -> Option<u8> {
        let word = self.summary.checked_ilog2()?;
        let bit = self.words[word as usize % self.words.len()].checked_ilog2()?;
        Some((word * 32 + bit) as u8)
    }

    pub(crate) fn first(&self) -> Option<Handle<Tcb>> {
        self.queues[usize::try_from(self.top).ok()?].head
    }

    /// The queues in which somebody is.
    #[cfg(any(test, feature = "sim"))]
    pub(crate) fn known(&self) -> impl Iterator<Item = (u8, PriorityQueue)> {
        let all = self.queues.iter().enumerate().filter(|(_, queue)| !queue.is_empty());
        all.map(|(priority, &queue)| (priority as u8, queue))
    }

    /// Those queues and no more.
    #[cfg(any(test, feature = "sim"))]
    pub(crate) fn with(known: &[(u8, PriorityQueue)]) -> Self {
        let mut all = Self::ZERO;
        for &(priority, queue) in known {
            let priority = usize::from(priority);
            all.queues[priority] = queue;
            all.words[priority / 32] |= 1 << (priority % 32);
            all.summary |= 1 << (priority / 32);
        }
        all.top = all.highest().map_or(-1, i32::from);
        all
    }

    /// Whether bitmaps and queues say the same, for checks.
    #[cfg(any(test, feature = "sim"))]
    pub(crate) fn agrees(&self) -> bool {
        let bit = |priority: usize| self.words[priority / 32] >> (priority % 32) & 1 != 0;
        let word = |word: usize| self.summary >> word & 1 != 0;
        (0..PRIORITIES).all(|priority| bit(priority) != self.queues[priority].is_empty())
            && (0..PRIORITIES / 32).all(|index| word(index) == (self.words[index] != 0))
    }

    /// The queue of a priority, for checks.
    pub fn queue(&self, priority: u8) -> &PriorityQueue {
        &self.queues[usize::from(priority)]
    }
}
