//! Methods of interrupts and of the machine's power.

use super::methods;
use crate::Rights;
use crate::object::VIRTUAL_INTERRUPTS;

const LAST_INTERRUPT: u32 = VIRTUAL_INTERRUPTS as u32 - 1;

methods! {
    /// Methods of the interrupt authority.
    IrqControlMethod of IrqControl {
        /// Gives out the handler of an interrupt that the machine has. Trigger 0 is level, 1 edge.
        Get = 0xc01 (
            interrupt: Number(&[(32, LAST_INTERRUPT)]), cnode: Capability(CNode, NONE), index: EmptySlots,
            trigger: Number(&[(0, 1)])
        ) -> () {
            IrqTaken: "there is a handler for it",
        }
    }
}

methods! {
    /// Methods of an interrupt handler.
    IrqHandlerMethod of IrqHandler {
        /// Signals the notification, with its badge, when the interrupt comes, which then stays masked until `Ack`.
        SetNotification = 0xd01 (notification: Capability(Notification, Rights::WRITE)) -> () {
            WrongState: "it is bound",
        }
        /// Lets the interrupt come again.
        Ack = 0xd02 () -> () {}
        /// Sends the interrupt straight to a guest, which ends it by itself, under that number and priority.
        BindVcpu = 0xd03 (
            vcpu: Capability(Vcpu, NONE), interrupt: Number(&[(32, LAST_INTERRUPT)]), priority: Number(&[(0, 255)])
        ) -> () {
            WrongState: "it is bound",
        }
        /// Masks it, and binds it to nothing.
        Clear = 0xd04 () -> () {}
    }
}

methods! {
    /// Methods of the machine's power.
    PowerMethod of Power {
        /// Switches the machine off.
        Off = 0xe01 () -> () {
            WrongState: "the board can't",
        }
        /// Resets the machine.
        Reset = 0xe02 () -> () {
            WrongState: "the board can't",
        }
    }
}
