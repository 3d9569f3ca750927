//! Which records are executed: all of them when the system is built, and when a group is built again, those
//! that its end undid.

use crate::failure::Cause;
use crate::table::Table;
use system::{GroupId, ObjectId, ROOT_VSPACE, Record};

/// What is being built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The system, for the first time.
    System,
    /// A group, again.
    Group(GroupId),
}

impl Scope {
    /// Whether the record is to be executed. The objects that it names are in the table.
    pub fn holds(self, record: &Record<'_>, table: &Table<'_>) -> Result<bool, Cause> {
        let Scope::Group(group) = self else { return Ok(true) };
        let mine = |id: ObjectId| -> Result<bool, Cause> { Ok(id != ROOT_VSPACE && table.object(id)?.group == group) };
        Ok(match *record {
            Record::Header { .. } | Record::Group { .. } | Record::Untyped { .. } | Record::RootEndpoint { .. } => {
                false
            }
            Record::Object { group: owner, .. } => owner == group,
            Record::Fill { object, .. } | Record::FillBytes { object, .. } => mine(object)?,
            Record::MapTable { table, vspace, .. } => mine(table)? || mine(vspace)?,
            Record::MapFrames { frames, vspace, .. } => mine(frames)? || mine(vspace)?,
            Record::Grant { cnode, object, .. } => mine(cnode)? || mine(object)?,
            Record::GrantRoot { cnode, .. } => mine(cnode)?,
            // A thread of another group that lost something of this one would have to be stopped first.
            Record::Thread { tcb, .. } | Record::StartPassive { tcb, .. } | Record::Start { tcb } => mine(tcb)?,
            Record::BindNotification { tcb, notification } => mine(tcb)? || mine(notification)?,
            Record::Interrupt { irq, notification, .. } => mine(irq)? || mine(notification)?,
        })
    }
}
