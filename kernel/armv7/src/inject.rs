//! Making a guest take an exception, as the processor would (ARM DDI 0406C B1.8.3, B1.9).

use crate::psr::{IT, MODE, Psr, mode};
use abi::vcpu::GuestRegister;
use kernel_core::Context;

/// An exception for a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exception {
    /// Undefined instruction (B1.9.5).
    Undefined,
    /// Synchronous external abort on a data access (B1.9.9).
    DataAbort {
        /// Virtual address.
        address: u32,
        /// A store.
        write: bool,
    },
    /// Synchronous external abort on a fetch (B1.9.8).
    PrefetchAbort {
        /// Virtual address.
        address: u32,
    },
    /// A debug event that HDCR.TDE brought to Hyp mode: BKPT or a watchpoint.
    Breakpoint {
        /// Virtual address.
        address: u32,
        /// A prefetch abort; else a data abort.
        fetch: bool,
    },
}

/// The guest's registers that decide how it takes an exception.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// SCTLR.
    pub sctlr: u32,
    /// VBAR.
    pub vbar: u32,
    /// TTBCR.
    pub ttbcr: u32,
}

/// Registers to write for an exception beside pc and cpsr. All are 32 bits.
pub type Writes = arrayvec::ArrayVec<(GuestRegister, u32), 4>;

const SCTLR_V: u32 = 1 << 13;
const SCTLR_EE: u32 = 1 << 25;
const SCTLR_TE: u32 = 1 << 30;
const TTBCR_EAE: u32 = 1 << 31;
const FSR_WNR: u32 = 1 << 11;
const FSR_LPAE: u32 = 1 << 9;

/// Fault status register value: synchronous external abort or debug event, in the format that the guest's
/// TTBCR.EAE selects (B3.13.2, B3.13.3).
fn fault_status(debug: bool, ttbcr: u32, write: bool) -> u32 {
    let status = match (ttbcr & TTBCR_EAE != 0, debug) {
        (false, false) => 0b01000,
        (false, true) => 0b00010,
        (true, false) => FSR_LPAE | 0b010000,
        (true, true) => FSR_LPAE | 0b100010,
    };
    status | if write { FSR_WNR } else { 0 }
}

/// Moves the guest to its exception vector, and tells which other registers must be written.
pub fn take(context: &mut Context, control: Control, exception: Exception) -> Writes {
    let cpsr = context.cpsr;
    let thumb = cpsr & Psr::T.bits() != 0;
    let mut writes = Writes::new();
    let (new_mode, offset, lr_offset) = match exception {
        Exception::Undefined => (mode::UND, 0x04, if thumb { 2 } else { 4 }),
        Exception::PrefetchAbort { .. } | Exception::Breakpoint { fetch: true, .. } => (mode::ABT, 0x0c, 4),
        Exception::DataAbort { .. } | Exception::Breakpoint { fetch: false, .. } => (mode::ABT, 0x10, 8),
    };
    let (lr, spsr) = if new_mode == mode::UND {
        (GuestRegister::LrUnd, GuestRegister::SpsrUnd)
    } else {
        (GuestRegister::LrAbt, GuestRegister::SpsrAbt)
    };
    writes.push((lr, context.pc.wrapping_add(lr_offset)));
    writes.push((spsr, cpsr));
    match exception {
        Exception::Undefined => {}
        Exception::DataAbort { address, write } => {
            writes.push((GuestRegister::Dfsr, fault_status(false, control.ttbcr, write)));
            writes.push((GuestRegister::Dfar, address));
        }
        Exception::PrefetchAbort { address } => {
            writes.push((GuestRegister::Ifsr, fault_status(false, control.ttbcr, false)));
            writes.push((GuestRegister::Ifar, address));
        }
        Exception::Breakpoint { address, fetch: true } => {
            writes.push((GuestRegister::Ifsr, fault_status(true, control.ttbcr, false)));
            writes.push((GuestRegister::Ifar, address));
        }
        Exception::Breakpoint { address, fetch: false } => {
            writes.push((GuestRegister::Dfsr, fault_status(true, control.ttbcr, false)));
            writes.push((GuestRegister::Dfar, address));
        }
    }
    let mut next = cpsr & !(MODE | IT | Psr::J.bits() | Psr::T.bits() | Psr::E.bits()) | new_mode | Psr::I.bits();
    if new_mode == mode::ABT {
        next |= Psr::A.bits();
    }
    if control.sctlr & SCTLR_TE != 0 {
        next |= Psr::T.bits();
    }
    if control.sctlr & SCTLR_EE != 0 {
        next |= Psr::E.bits();
    }
    let base = if control.sctlr & SCTLR_V != 0 { 0xffff_0000 } else { control.vbar };
    context.cpsr = next;
    context.pc = base.wrapping_add(offset);
    writes
}

#[cfg(test)]
mod tests {
    use super::*;
    use GuestRegister::*;

    fn take_at(pc: u32, cpsr: u32, control: Control, exception: Exception) -> (u32, u32, Vec<(GuestRegister, u32)>) {
        let mut context = Context { pc, cpsr, ..Context::default() };
        let writes = take(&mut context, control, exception);
        (context.pc, context.cpsr, writes.to_vec())
    }

    #[test]
    fn undefined_in_arm_and_thumb() {
        let control = Control { vbar: 0x8000_0000, ..Control::default() };
        assert_eq!(
            take_at(0x100, 0x6000_0010, control, Exception::Undefined),
            (0x8000_0004, 0x6000_009b, vec![(LrUnd, 0x104), (SpsrUnd, 0x6000_0010)])
        );
        // Thumb, in an IT block: T and IT are gone, and kept in SPSR.
        let cpsr = 0x0600_fc33;
        assert_eq!(
            take_at(0x100, cpsr, control, Exception::Undefined),
            (0x8000_0004, 0x9b, vec![(LrUnd, 0x102), (SpsrUnd, cpsr)])
        );
    }

    #[test]
    fn aborts_mask_asynchronous_ones_and_tell_where() {
        let data = Exception::DataAbort { address: 0xdead_0000, write: true };
        assert_eq!(
            take_at(0x200, 0x13, Control::default(), data),
            (0x10, 0x197, vec![(LrAbt, 0x208), (SpsrAbt, 0x13), (Dfsr, 0x808), (Dfar, 0xdead_0000)])
        );
        let fetch = Exception::PrefetchAbort { address: 0x200 };
        let long = Control { ttbcr: 1 << 31, ..Control::default() };
        assert_eq!(
            take_at(0x200, 0x33, long, fetch),
            (0x0c, 0x197, vec![(LrAbt, 0x204), (SpsrAbt, 0x33), (Ifsr, 0x210), (Ifar, 0x200)])
        );
        let load = Exception::DataAbort { address: 1, write: false };
        assert_eq!(take_at(0, 0x13, long, load).2[2], (Dfsr, 0x210));
    }

    #[test]
    fn a_breakpoint_is_a_prefetch_abort_with_a_debug_status() {
        let bkpt = Exception::Breakpoint { address: 0x300, fetch: true };
        assert_eq!(take_at(0x300, 0x13, Control::default(), bkpt).2[2], (Ifsr, 2));
        let long = Control { ttbcr: 1 << 31, ..Control::default() };
        assert_eq!(take_at(0x300, 0x13, long, bkpt).2[2], (Ifsr, 0x222));
        let watch = Exception::Breakpoint { address: 0x300, fetch: false };
        assert_eq!(take_at(0x300, 0x13, long, watch).0, 0x10);
    }

    #[test]
    fn the_guests_control_register_decides() {
        let control = Control { sctlr: SCTLR_V | SCTLR_EE | SCTLR_TE, vbar: 0x1234_0000, ttbcr: 0 };
        let (pc, cpsr, _) = take_at(0, 0x13, control, Exception::Undefined);
        assert_eq!((pc, cpsr), (0xffff_0004, 0x2bb));
        // Big-endian code that traps with EE clear runs its handler little-endian; F and GE stay.
        let (_, cpsr, _) = take_at(0, 0x000f_0253, Control::default(), Exception::Undefined);
        assert_eq!(cpsr, 0x000f_00db);
    }
}
