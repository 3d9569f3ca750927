//! Interrupts: a handler's capability can't be copied. It is bound to its notification while root has it, and then
//! moved to the component that acknowledges it. When that component is built again, its handler is made again.

use crate::build::{CNODE, Root};
use crate::failure::Cause;
use crate::scope::Scope;
use crate::table::Handler;
use abi::boot::root_slot;
use abi::rights::Rights;
use runtime::{CNode, IrqControl, IrqHandler, Notification};
use system::{ObjectId, ObjectKind};

impl Root<'_> {
    /// Gives a handler away, as soon as it is bound.
    pub(crate) fn grant_irq(&mut self, irq: ObjectId, cnode: CNode, index: u32, scope: Scope) -> Result<(), Cause> {
        let slot = self.renew(irq, scope)?;
        let handler = self.table.handler_mut(irq)?;
        match *handler {
            Handler::Here => *handler = Handler::Wanted(cnode.0, index),
            Handler::Bound => {
                cnode.take(index, slot)?;
                *handler = Handler::Gone;
            }
            Handler::Wanted(..) | Handler::Gone => return Err(Cause::BadReference),
        }
        Ok(())
    }

    /// Binds a handler, and gives it away if it is wanted.
    pub(crate) fn bind_irq(
        &mut self,
        irq: ObjectId,
        notification: ObjectId,
        badge: u32,
        scope: Scope,
    ) -> Result<(), Cause> {
        let slot = self.renew(irq, scope)?;
        let notification = self.table.slot(notification)?;
        let handler = IrqHandler(slot);
        let stage = *self.table.handler_mut(irq)?;
        if stage == Handler::Bound {
            handler.clear()?;
        }
        self.with_badge(notification, Rights::WRITE, badge, |copy| handler.set_notification(Notification(copy)))?;
        let stage = match stage {
            Handler::Wanted(cnode, index) => {
                CNode(cnode).take(index, slot)?;
                Handler::Gone
            }
            _ => Handler::Bound,
        };
        *self.table.handler_mut(irq)? = stage;
        Ok(())
    }

    /// Root's slot of a handler, which is made again if it went down with the component that had it.
    fn renew(&mut self, irq: ObjectId, scope: Scope) -> Result<u32, Cause> {
        let object = self.table.object(irq)?;
        let ObjectKind::Irq { intid, edge } = object.kind else { return Err(Cause::BadReference) };
        if scope != Scope::System && *self.table.handler_mut(irq)? == Handler::Gone {
            IrqControl(root_slot::IRQ_CONTROL).get(intid.into(), CNODE, object.slot, edge)?;
            *self.table.handler_mut(irq)? = Handler::Here;
        }
        Ok(object.slot)
    }
}
