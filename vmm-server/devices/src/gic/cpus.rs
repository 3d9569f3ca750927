//! What the distributor asks of the kernel, which holds the interrupts that were handed over.

use abi::vcpu::InterruptState;

/// An interrupt as it is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Interrupt number, 0 to 287.
    pub intid: u16,
    /// Priority as GICD_IPRIORITYR holds it: bits 7:3, smaller is more urgent.
    pub priority: u8,
    /// Group 1 (GICD_IGROUPR): list register bit 30. A kernel that knows only Group 0 may ignore it.
    pub group1: bool,
}

/// The vCPUs' interrupt state in the kernel, with one method for each of `abi::method::VcpuMethod`'s. `vcpu` counts
/// from 0 and is below the number that the distributor was made with. Calls cannot fail: a kernel that refuses one
/// has a VMM to blame, which must know.
pub trait Cpus {
    /// `Inject`: make pending once. An interrupt that is pending already stays pending once; one that is
    /// active becomes active and pending. `source` is the sending vCPU of an SGI; each source is pending by itself.
    fn inject(&mut self, vcpu: usize, signal: Signal, source: Option<u8>);

    /// `SetLevel`: pending while `level`, again after each end of interrupt; when it falls, what was pending only
    /// for it is no longer.
    fn set_level(&mut self, vcpu: usize, signal: Signal, level: bool);

    /// `Retract`: take back what is only pending, and tell the state of just before, in one step:
    /// [`InterruptState::PENDING`] if something was taken, for an SGI its sources in bits 23:16.
    fn retract(&mut self, vcpu: usize, intid: u16) -> InterruptState;

    /// `ReadInterrupt`.
    fn state(&mut self, vcpu: usize, intid: u16) -> InterruptState;

    /// `SetTimer`: whether the virtual timer's interrupt is delivered, and how urgent it is.
    fn set_timer(&mut self, vcpu: usize, signal: Signal, enabled: bool);

    /// Make active or inactive, for GICD_ISACTIVER and GICD_ICACTIVER. The kernel has no such method yet:
    /// the default does nothing, and those writes are then ignored.
    fn set_active(&mut self, vcpu: usize, intid: u16, active: bool) {
        let _ = (vcpu, intid, active);
    }
}
