//! What the control registers of Hyp mode hold while a component runs, and while a guest does: the table
//! of the design, in bits.

use bitflags::bitflags;

bitflags! {
    /// Hyp Configuration Register (ARM DDI 0406C B4.1.64).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Hcr: u32 {
        /// Stage-2 translation.
        const VM = 1 << 0;
        /// Set/way invalidation also cleans.
        const SWIO = 1 << 1;
        /// A stage-1 walk through device memory faults.
        const PTW = 1 << 2;
        /// FIQ comes to Hyp.
        const FMO = 1 << 3;
        /// IRQ comes to Hyp.
        const IMO = 1 << 4;
        /// Asynchronous aborts come to Hyp.
        const AMO = 1 << 5;
        /// Maintenance is broadcast.
        const FB = 1 << 9;
        /// Barriers reach at least the inner-shareable domain.
        const BSU_INNER = 1 << 10;
        /// With stage 1 off, memory is normal, write-back.
        const DC = 1 << 12;
        /// WFI traps.
        const TWI = 1 << 13;
        /// SMC traps.
        const TSC = 1 << 19;
        /// Implementation-defined CP15 registers trap.
        const TIDCP = 1 << 20;
        /// ACTLR traps.
        const TAC = 1 << 21;
        /// Set/way maintenance traps.
        const TSW = 1 << 22;
        /// Writes to stage-1 control registers trap.
        const TVM = 1 << 26;
        /// Exceptions of user mode come to Hyp.
        const TGE = 1 << 27;
    }
}

impl Hcr {
    /// Physical interrupts and aborts come to Hyp, whoever runs.
    const ROUTED: Hcr = Hcr::IMO.union(Hcr::FMO).union(Hcr::AMO);
    /// While a component runs. TWI: an untrapped WFI would stop the core.
    pub const COMPONENT: Hcr = Hcr::VM.union(Hcr::TGE).union(Hcr::DC).union(Hcr::TWI).union(Hcr::ROUTED);
    /// While a guest runs. TSC keeps its SMC from the firmware; DC would switch its stage 1 off.
    pub const GUEST: Hcr = Hcr::VM
        .union(Hcr::SWIO)
        .union(Hcr::PTW)
        .union(Hcr::FB)
        .union(Hcr::BSU_INNER)
        .union(Hcr::TWI)
        .union(Hcr::TSC)
        .union(Hcr::TIDCP)
        .union(Hcr::TAC)
        .union(Hcr::TSW)
        .union(Hcr::ROUTED);
}

bitflags! {
    /// Hyp Coprocessor Trap Register (B4.1.62).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Hcptr: u32 {
        /// CP0-9, 12 and 13.
        const OTHERS = 0x33ff;
        /// CP10 and 11: floating point.
        const FLOAT = 0xc00;
        /// Advanced SIMD.
        const TASE = 1 << 15;
        /// Trace registers.
        const TTA = 1 << 20;
    }
}

impl Hcptr {
    /// While a guest runs whose floating-point registers are loaded.
    pub const GUEST_OPEN: Hcptr = Hcptr::OTHERS.union(Hcptr::TTA);
    /// While another guest runs.
    pub const GUEST_CLOSED: Hcptr = Hcptr::GUEST_OPEN.union(Hcptr::FLOAT);
    /// While a component runs.
    pub const COMPONENT: Hcptr = Hcptr::GUEST_CLOSED.union(Hcptr::TASE);
}

/// HSTR while a component runs (B4.1.69): c0-c3, c5-c13 and c15 of CP15, ThumbEE and Jazelle. c4 and c14 have no bit.
pub const HSTR_COMPONENT: u32 = 0x0003_bfef;
/// HSTR while a guest runs: nothing. Linux switches ThumbEE's registers with its threads.
pub const HSTR_GUEST: u32 = 0;

/// SCTLR while a component runs (B4.1.130): stage 1 off, caches and branch prediction on, little-endian; M=1
/// under HCR.TGE would be UNPREDICTABLE.
pub const SCTLR_COMPONENT: u32 = 0x00c5_187c;
/// CNTKCTL while a component runs (B8.1.5): PL0PCTEN, the physical counter, and nothing else.
pub const CNTKCTL_COMPONENT: u32 = 1;

/// CNTHCTL while a guest runs (B4.1.26): PL1PCTEN, it may read the physical counter, not use the physical timer.
pub const CNTHCTL_GUEST: u32 = 1;
/// CNTHCTL while a component runs: PL1PCEN too, which lets it reach nothing, since its CNTKCTL keeps the timers from
/// PL0. QEMU 7.2 asks for that bit when PL0 reads the physical counter.
pub const CNTHCTL_COMPONENT: u32 = 3;

/// HDCR (B11.11.40) but for HPMN, which is kept: debug and performance monitors are closed, debug events come
/// to Hyp (TDE, TDA, TDOSA, TDRA, TPM, TPMCR).
pub const HDCR: u32 = 1 << 8 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 6 | 1 << 5;
/// HDCR.HPMN.
pub const HDCR_HPMN: u32 = 0x1f;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guests_never_run_with_dc_and_components_always() {
        assert!(!Hcr::GUEST.intersects(Hcr::DC | Hcr::TGE));
        assert!(Hcr::COMPONENT.contains(Hcr::DC | Hcr::TGE | Hcr::VM));
        assert_eq!(Hcr::COMPONENT.bits(), 0x0800_3039);
        assert_eq!(Hcr::GUEST.bits(), 0x0078_263f);
    }

    #[test]
    fn components_reach_no_coprocessor_and_run_untranslated() {
        assert_eq!(Hcptr::COMPONENT.bits(), 0x0010_bfff);
        assert_eq!(Hcptr::GUEST_OPEN.bits(), 0x0010_33ff);
        assert_eq!(SCTLR_COMPONENT & 0b11, 0, "M and A");
    }
}
