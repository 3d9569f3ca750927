//! How urgent root is. It hears of an end at once, whoever runs; but to tell of it, to take a compartment back and to build it
//! again is long, and is no more urgent than that compartment was: who is more urgent is not held up by it.

use crate::build::Root;
use crate::failure::Cause;
use abi::boot::{ROOT_PRIORITY, root_slot};
use runtime::Tcb;
use system::{GroupId, ObjectKind};

const ROOT: Tcb = Tcb(root_slot::TCB);
const CEILING: u8 = abi::object::PRIORITY_MAX as u8;

impl Root<'_> {
    /// Works at that priority, and then at the one from before.
    pub(crate) fn at_priority<T>(&mut self, priority: u8, work: impl FnOnce(&mut Self) -> T) -> Result<T, Cause> {
        ROOT.set_priority(ROOT, priority, CEILING)?;
        let before = self.priority.replace(priority);
        let done = work(self);
        self.priority = before;
        ROOT.set_priority(ROOT, before.unwrap_or(ROOT_PRIORITY), CEILING)?;
        Ok(done)
    }

    /// Works as urgently as a group does, and no more.
    pub(crate) fn as_urgent_as<T>(&mut self, group: GroupId, work: impl FnOnce(&mut Self) -> T) -> Result<T, Cause> {
        let urgency = self.table.group(group)?.urgency;
        self.at_priority(urgency, work)
    }

    /// Stops every thread of a group: none runs on while what it stands on is taken away.
    pub(crate) fn stop(&self, group: GroupId) -> Result<(), Cause> {
        let threads = self.table.objects(group).filter(|object| object.kind == ObjectKind::Tcb);
        Ok(threads.map(|object| Tcb(object.slot)).try_for_each(Tcb::suspend)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::Done;
    use crate::tests::{records, root, slot_of};
    use protocol::vm::Ending;
    use std::vec::Vec;
    use system::{Action, Record};

    /// The VM of `records` and its thread; the priority that all threads there have.
    const VM: GroupId = 0;
    const TCB: usize = 9;
    const PRIORITY: u32 = 10;

    #[test]
    fn a_group_is_stopped_and_then_built_again_as_urgently_as_it_ran() {
        let mut all = records(Action::Restart);
        for record in &mut all {
            if let Record::Thread { priority, .. } = record {
                *priority = PRIORITY as u8;
            }
        }
        let (mut root, fake) = root(&all);
        root.build(|_| ()).unwrap();
        let first = fake.borrow().slots[&(0, slot_of(TCB))].object;
        let own = fake.borrow().slots[&(0, root_slot::TCB)].object;
        let before = fake.borrow().priorities.len();
        assert_eq!(root.end(VM, Ending::Crashed, 0).unwrap().0, Done::Restarted(1));
        let fake = fake.borrow();
        assert!(fake.objects[first].stopped, "its thread ran on");
        let second = fake.slots[&(0, slot_of(TCB))].object;
        assert!(second != first && !fake.objects[second].stopped && fake.objects[second].started);
        // Root's goes down, the thread of the new VM gets its own, and root's goes up again.
        let expected = [(own, PRIORITY), (second, PRIORITY), (own, u32::from(ROOT_PRIORITY))];
        assert_eq!(fake.priorities[before..].to_vec(), Vec::from(expected));
    }

    #[test]
    fn priorities_are_put_back_in_the_order_in_which_they_came() {
        let (mut root, fake) = root(&records(Action::Stop));
        let seen = root.at_priority(7, |root| root.at_priority(0, |_| 3)).unwrap().unwrap();
        let priorities: Vec<u32> = fake.borrow().priorities.iter().map(|(_, priority)| *priority).collect();
        assert_eq!((seen, priorities), (3, Vec::from([7, 0, 7, u32::from(ROOT_PRIORITY)])));
    }
}
