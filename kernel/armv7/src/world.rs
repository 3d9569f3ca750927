//! What the hardware is set up for: whose space, a component or a guest, and what changes between them.
//!
//! Only VTTBR differs between two components. HCR, SCTLR, HSTR, HCPTR, CNTKCTL and CNTHCTL are written when a component
//! follows a guest or the other way round; all else of a guest stays in the hardware until another vCPU is loaded.

use crate::controls::{
    CNTHCTL_COMPONENT, CNTHCTL_GUEST, CNTKCTL_COMPONENT, HSTR_COMPONENT, HSTR_GUEST, Hcptr, Hcr, SCTLR_COMPONENT,
};
use crate::sysreg::{cnthctl, cntkctl, hcptr, hcr, hstr, sctlr};
use crate::vcpu_state::index;
use abi::vcpu::GuestRegister;
use kernel_core::tcb::Tcb;
use kernel_core::vcpu::Vcpu;
use kernel_core::{Arena, Handle};

/// What the control registers are set for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum World {
    /// Neither yet: all must be written.
    Unsettled = 0,
    /// A component.
    Component = 1,
    /// A guest.
    Guest = 2,
}

/// What this core's hardware holds.
pub struct Live {
    /// VTTBR.
    pub vttbr: u64,
    /// The thread that runs, or ran before the kernel was entered. Its context is where entry code stores.
    pub tcb: Option<Handle<Tcb>>,
    /// What the control registers are set for.
    pub world: World,
    /// The vCPU whose own SCTLR and CNTKCTL are in the hardware; of all others, and of this one while a component
    /// runs, they are in memory.
    pub eager: Option<Handle<Vcpu>>,
    /// Whether the next guest finds floating point open.
    pub float_open: bool,
}

impl Live {
    /// What HCPTR holds in this world.
    #[inline(always)]
    pub fn hcptr(&self) -> Hcptr {
        match self.world {
            World::Guest if self.float_open => Hcptr::GUEST_OPEN,
            World::Guest => Hcptr::GUEST_CLOSED,
            World::Unsettled | World::Component => Hcptr::COMPONENT,
        }
    }
}

const SCTLR: usize = index(GuestRegister::Sctlr);
const CNTKCTL: usize = index(GuestRegister::Cntkctl);

/// Keeps the SCTLR and CNTKCTL that a guest left.
#[inline(always)]
pub fn save_eager(vcpu: &mut Vcpu) {
    vcpu.cp32[SCTLR] = sctlr::read();
    vcpu.cp32[CNTKCTL] = cntkctl::read();
}

/// A component follows.
#[inline]
pub fn to_component(live: &mut Live, arena: &mut Arena) {
    if let Some(guest) = live.eager.take() {
        save_eager(arena.get_mut(guest));
    }
    hcr::write(Hcr::COMPONENT.bits());
    sctlr::write(SCTLR_COMPONENT);
    hstr::write(HSTR_COMPONENT);
    hcptr::write(Hcptr::COMPONENT.bits());
    cntkctl::write(CNTKCTL_COMPONENT);
    cnthctl::write(CNTHCTL_COMPONENT);
    live.world = World::Component;
}

/// A guest follows, whose vCPU is loaded.
#[inline]
pub fn to_guest(live: &mut Live, arena: &mut Arena, vcpu: Handle<Vcpu>) {
    if live.eager != Some(vcpu) {
        if let Some(other) = live.eager.take() {
            save_eager(arena.get_mut(other));
        }
        let guest = arena.get(vcpu);
        sctlr::write(guest.cp32[SCTLR]);
        cntkctl::write(guest.cp32[CNTKCTL]);
        live.eager = Some(vcpu);
    }
    let watch = if arena.get(vcpu).watch_stage1 != 0 { Hcr::TVM } else { Hcr::empty() };
    hcr::write((Hcr::GUEST | watch).bits());
    if live.world != World::Guest {
        hstr::write(HSTR_GUEST);
        cnthctl::write(CNTHCTL_GUEST);
        live.world = World::Guest;
        hcptr::write(live.hcptr().bits());
    }
}
