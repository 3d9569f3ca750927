//! Who has had how much time.

use super::Seen;
use crate::arena::Handle;
use crate::objects::SchedContext;
use crate::sim::check::Violation;
use crate::sim::world::World;
use std::collections::VecDeque;
use std::format;
use std::hash::{Hash, Hasher};

/// Ticks that a context may have beyond its budget: the end of a budget that is too small to be worth a refill.
const GRAIN: u64 = 64;

/// What contexts used in the last of their periods, in pieces: context, from when, to when.
#[derive(Clone, Debug, Default)]
pub struct Spent {
    pieces: VecDeque<(Handle<SchedContext>, u64, u64)>,
}

impl Spent {
    /// What matters later: what is not older than any period.
    pub fn hash(&self, now: u64, hasher: &mut impl Hasher) {
        for &(context, from, to) in &self.pieces {
            (context, now - from, now - to).hash(hasher);
        }
    }

    /// # Errors
    /// A context that had more than its budget (and, while it was lent to a server, an overdraft) in a period.
    pub fn see(&mut self, world: &World, seen: Seen) -> Result<(), Violation> {
        let Seen::Time { from } = seen else { return Ok(()) };
        let kernel = &world.kernel;
        let now = kernel.platform.now;
        if now == from {
            return Ok(());
        }
        for active in kernel.cores.iter().filter_map(|core| core.active) {
            match self.pieces.back_mut() {
                Some((context, _, to)) if *context == active && *to == from => *to = now,
                _ => self.pieces.push_back((active, from, now)),
            }
            let data = kernel.arena.get(active);
            if data.budget < data.period {
                let begin = now.saturating_sub(data.period);
                let pieces = self.pieces.iter().filter(|(context, _, to)| *context == active && *to > begin);
                let used: u64 = pieces.map(|(_, from, to)| to - from.max(&begin)).sum();
                let most = data.budget + GRAIN + kernel.overdraft_ticks();
                if used > most {
                    let where_ = format!("{active:?} has used {used} of {} in the period before {now}", data.budget);
                    return Err(Violation("nobody has more than its budget in a period", where_));
                }
            }
        }
        let longest = self.pieces.iter().map(|&(context, ..)| kernel.arena.get(context).period).max().unwrap_or(0);
        while self.pieces.front().is_some_and(|&(_, _, to)| to + longest <= now) {
            self.pieces.pop_front();
        }
        Ok(())
    }
}
