//! What happens when a group ends: it is built again, stays down, or takes the machine along.

use crate::build::{CNODE, Root};
use crate::failure::{Cause, Failure};
use crate::table::{Group, RESTARTS_MAX, State};
use protocol::vm::Ending;
use runtime::Untyped;
use system::{Action, GroupId};

/// A group that was restarted more often than [`RESTARTS_MAX`] times in this time is stopped instead.
pub const RESTART_WINDOW_US: u64 = 10_000_000;

/// What the machine does after root has acted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It goes on.
    GoOn,
    /// It is switched off: the last VM has ended as it may.
    Off,
    /// It is switched off: something crashed, and no policy covers it.
    Crashed,
}

/// What was done with a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// Built again, so many times by now.
    Restarted(u32),
    /// Torn down, to be built again in so many microseconds; and how often it was by now.
    Waits(u64, u32),
    /// Torn down for good.
    Stopped,
    /// Torn down for good, since it was restarted too often.
    Looped,
    /// Left as it lies: the machine goes down with it.
    Left,
}

impl Root<'_> {
    /// Acts by the group's policy. `now_us` is the time. An ending of a group that has ended already does nothing.
    pub fn end(&mut self, id: GroupId, ending: Ending, now_us: u64) -> Result<(Done, Outcome), Failure> {
        let failed = |cause| Failure { record: 0, kind: "restart", cause };
        let group = self.table.group_mut(id).map_err(failed)?;
        if group.state != State::Running {
            return Ok((Done::Stopped, Outcome::GoOn));
        }
        let action = match ending {
            Ending::Crashed => group.policy.on_crash,
            Ending::Reset => group.policy.on_reboot,
            Ending::Off => group.policy.on_off,
        };
        match action {
            Action::Panic => return Ok((Done::Left, Outcome::Crashed)),
            Action::Stop => {
                self.stop(id).map_err(failed)?;
                self.as_urgent_as(id, |root| root.tear_down(id)).map_err(failed)?.map_err(failed)?;
                return Ok((Done::Stopped, self.after_stop(id)));
            }
            Action::Restart => {}
        }
        let oldest = &mut group.restarts_us[group.restart_count as usize % RESTARTS_MAX];
        let loops = oldest.is_some_and(|then| now_us.saturating_sub(then) < RESTART_WINDOW_US);
        *oldest = Some(now_us);
        group.restart_count += 1;
        let (count, wait_us) = (group.restart_count, group.backoff.ended(now_us));
        self.stop(id).map_err(failed)?;
        let again = |root: &mut Self| {
            root.tear_down(id).map_err(failed)?;
            if loops || wait_us > 0 { Ok(()) } else { root.rebuild(id) }
        };
        self.as_urgent_as(id, again).map_err(failed)??;
        if loops {
            return Ok((Done::Looped, self.after_stop(id)));
        }
        let group = self.table.group_mut(id).map_err(failed)?;
        if wait_us > 0 {
            group.state = State::Waiting(now_us.saturating_add(wait_us));
            return Ok((Done::Waits(wait_us, count), Outcome::GoOn));
        }
        group.backoff.built(now_us);
        group.state = State::Running;
        Ok((Done::Restarted(count), Outcome::GoOn))
    }

    /// Builds a group again whose time has come: which one.
    pub fn build_due(&mut self, now_us: u64) -> Result<Option<GroupId>, Failure> {
        let failed = |cause| Failure { record: 0, kind: "restart", cause };
        let is_due = |group: &Group<'_>| matches!(group.state, State::Waiting(due_us) if due_us <= now_us);
        let Some(place) = self.table.groups().position(is_due) else { return Ok(None) };
        let id = place as GroupId;
        self.as_urgent_as(id, |root| root.rebuild(id)).map_err(failed)??;
        let group = self.table.group_mut(id).map_err(failed)?;
        group.backoff.built(now_us);
        group.state = State::Running;
        Ok(Some(id))
    }

    /// Whether a group waits for its time.
    pub fn has_waiting(&self) -> bool {
        self.table.groups().any(|group| matches!(group.state, State::Waiting(_)))
    }

    /// Takes back everything that was made of the group's memory, and makes the memory fit for use.
    fn tear_down(&mut self, id: GroupId) -> Result<(), Cause> {
        let group = self.table.group_mut(id)?;
        group.state = State::Ended;
        let untypeds = group.untypeds();
        // What lies in one may be mapped by what lies in another: all is taken back before any is used again.
        untypeds.clone().try_for_each(|slot| CNODE.revoke(slot))?;
        Ok(untypeds.into_iter().try_for_each(|slot| Untyped(slot).reset())?)
    }

    fn after_stop(&self, id: GroupId) -> Outcome {
        let was_vm = self.table.group(id).is_ok_and(|group| group.policy.is_vm);
        let vm_left = self.table.groups().any(|group| group.policy.is_vm && group.state != State::Ended);
        if was_vm && !vm_left { Outcome::Off } else { Outcome::GoOn }
    }
}
