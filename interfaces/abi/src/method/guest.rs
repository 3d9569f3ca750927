//! Methods of virtual processors.

use super::methods;
use crate::object::VIRTUAL_INTERRUPTS;
use crate::vcpu::{GuestRegister, VIRTUAL_TIMER_INTID};

const LAST_REGISTER: u32 = GuestRegister::ALL.len() as u32 - 1;
const LAST_INTERRUPT: u32 = VIRTUAL_INTERRUPTS as u32 - 1;

methods! {
    /// Methods of a virtual processor. Registers are named by [`GuestRegister`].
    VcpuMethod of Vcpu {
        /// Tells a register of the guest.
        ReadRegister = 0x701 (register: Number(&[(0, LAST_REGISTER)])) -> ("low", "high") {
            WrongState: "a core register (0-16), which is its thread's, and it is bound to none",
        }
        /// Changes a register of the guest. The mode of a `Cpsr` is never Hyp or Monitor, whatever is written.
        WriteRegister = 0x702 (register: Number(&[(0, LAST_REGISTER)]), low: Free, high: Free) -> () {
            WrongState: "as `ReadRegister`",
        }
        /// Makes an interrupt pending once. The source is the sending vCPU of a software interrupt.
        Inject = 0x703 (
            interrupt: Number(&[(0, LAST_INTERRUPT)]), priority: Number(&[(0, 255)]), source: Number(&[(0, 7)])
        ) -> () {}
        /// Sets the level of a line: pending while 1, and again after each end of interrupt. Software interrupts and the
        /// virtual timer's are no lines.
        SetLevel = 0x704 (
            interrupt: Number(&[(16, VIRTUAL_TIMER_INTID - 1), (VIRTUAL_TIMER_INTID + 1, LAST_INTERRUPT)]),
            priority: Number(&[(0, 255)]), level: Number(&[(0, 1)])
        ) -> () {}
        /// Takes back what is only pending, and tells the state just before, as `ReadInterrupt`. What is active stays.
        Retract = 0x705 (interrupt: Number(&[(0, LAST_INTERRUPT)])) -> ("state") {}
        /// Tells pending 1, active 2, line high 4, in a list register 8; priority in bits 15-8; sources in bits 23-16.
        ReadInterrupt = 0x706 (interrupt: Number(&[(0, LAST_INTERRUPT)])) -> ("state") {}
        /// Says whether the virtual timer's interrupt (27) is delivered, and how urgent it is.
        SetTimer = 0x707 (enabled: Number(&[(0, 1)]), priority: Number(&[(0, 255)])) -> () {}
        /// Tells the outstanding exit again; kind 0: there is none.
        ReadExit = 0x708 () -> ("kind", "word 0", "word 1", "word 2") {}
        /// Puts every register back to its reset value and drops all interrupts; the guest's time begins at 0.
        Reset = 0x709 () -> () {
            WrongState: "unless its thread is inactive, or awaits the answer to an exit",
        }
        /// Tells more of the outstanding exit, and where the guest is.
        ReadSyndrome = 0x70a () -> ("HSR", "HDFAR or HIFAR", "pc", "cpsr") {}
        /// Says whether the guest's writes to its stage-1 control registers (SCTLR, TTBR0/1, TTBCR, DACR, the fault status and
        /// address registers, MAIR and their kin, CONTEXTIDR) become `Coprocessor` exits (HCR.TVM), from its next entry on: how
        /// a VMM learns that the guest's caches are on.
        WatchStage1 = 0x70b (on: Number(&[(0, 1)])) -> () {}
    }
}
