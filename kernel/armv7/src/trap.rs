//! From a trap to the kernel's logic, and from its decision to whoever runs next.

use crate::classify::{Guest, GuestEvent, Trap, classify};
use crate::component_fault::component_fault;
use crate::entry::{leave_to_component, leave_to_guest};
use crate::hsr::{Hsr, class};
use crate::platform::Armv7;
use crate::sysreg::{self, ats1cpr, hdfar, hifar, hpfar, isr, par};
use crate::timer::{HYP_TIMER, VIRTUAL_TIMER};
use crate::world::{self, Live, World};
use crate::{gic, psr, vcpu_state, virtual_interface};
use abi::vcpu::GuestRegister;
use kernel_core::tcb::Tcb;
use kernel_core::{Handle, Kernel, Next};

/// The guest's state in the hardware.
struct Loaded;

impl Guest for Loaded {
    fn banked(&mut self, register: GuestRegister) -> u32 {
        vcpu_state::read(register) as u32
    }

    fn translate(&mut self, address: u32) -> Option<u64> {
        /// PAR.F (ARM DDI 0406C B4.1.112).
        const FAULT: u64 = 1;
        // The guest may have just translated something itself: PAR is its own.
        let kept = par::read();
        ats1cpr::write(address);
        sysreg::isb();
        let found = par::read();
        par::write(kept);
        // The short format has bits 31:12, the long one 39:12; the former reads as zero above.
        (found & FAULT == 0).then_some(found & 0xff_ffff_f000)
    }
}

/// A trap. Of a system call, the caller and the number come back.
#[inline(always)]
pub(crate) fn trap(kernel: &mut Kernel<Armv7>, hsr: u32) -> Option<(Handle<Tcb>, u32)> {
    if kernel.platform.live.world == World::Guest {
        guest_trap(kernel, hsr);
    } else if Hsr(hsr).class() == class::SVC {
        // In Thumb state, or of a number that no call has.
        return Some((kernel.current(), hsr & 0xffff));
    } else {
        let fault = component_fault(Hsr(hsr), hdfar::read(), hifar::read());
        kernel.on_component_fault(fault.kind, fault.address, hsr);
    }
    None
}

#[inline(always)]
fn guest_trap(kernel: &mut Kernel<Armv7>, hsr: u32) {
    let Some(tcb) = kernel.platform.live.tcb else { return };
    let trap = Trap { hsr: Hsr(hsr), hdfar: hdfar::read(), hifar: hifar::read(), hpfar: hpfar::read() };
    match classify(&trap, &kernel.arena.get(tcb).context, &mut Loaded) {
        GuestEvent::Exit(exit) => kernel.on_guest_exit(exit),
        GuestEvent::Wait { long } => kernel.on_guest_wait(long),
        GuestEvent::Float => kernel.on_guest_float(),
        GuestEvent::Skip { long } => psr::step(&mut kernel.arena.get_mut(tcb).context, long),
        GuestEvent::Inject(exception) => {
            if let Some(vcpu) = kernel.platform.live.eager {
                let (tcb, vcpu) = kernel.arena.pair_mut(tcb, vcpu);
                kernel.platform.take(&mut tcb.context, vcpu, exception);
            }
        }
        GuestEvent::Retry => {}
    }
}

/// A physical interrupt.
#[inline(always)]
pub(crate) fn interrupt(kernel: &mut Kernel<Armv7>) {
    let Some(interrupt) = gic::acknowledge() else { return };
    match interrupt.intid() {
        VIRTUAL_TIMER => kernel.on_virtual_timer(),
        HYP_TIMER => {
            // The line falls before the interrupt is deactivated, or it would come again at once.
            kernel.platform.quiet_timer();
            gic::deactivate(interrupt);
            kernel.on_timer();
        }
        gic::MAINTENANCE => {
            kernel.on_maintenance();
            gic::deactivate(interrupt);
        }
        // Nobody sends software interrupts on a machine with one core.
        0..16 => gic::deactivate(interrupt),
        intid => kernel.on_irq(intid),
    }
}

/// Sleeps until an interrupt comes, and handles it.
#[cold]
fn idle(kernel: &mut Kernel<Armv7>) {
    virtual_interface::switch(false);
    while isr::read() == 0 {
        sysreg::wfi();
    }
    virtual_interface::switch(true);
    interrupt(kernel);
}

/// A component's system call.
#[inline(always)]
pub(crate) fn syscall(kernel: &mut Kernel<Armv7>, tcb: Handle<Tcb>, number: u32) -> ! {
    match kernel.on_syscall(tcb, number) {
        Some(to) => {
            if let Some(vttbr) = kernel.direct(to) {
                run(&mut kernel.platform.live, to, vttbr);
                leave_to_component(to.address())
            }
        }
        None => {
            if kernel.undisturbed(tcb) {
                leave_to_component(tcb.address())
            }
        }
    }
    leave::<true>(kernel)
}

/// Another thread, and its space.
#[inline(always)]
fn run(live: &mut Live, tcb: Handle<Tcb>, vttbr: u64) {
    live.vttbr = vttbr;
    sysreg::vttbr::write(vttbr);
    live.tcb = Some(tcb);
    sysreg::clrex();
}

/// Leaves the kernel for whoever is to run. `CHANGED`: mostly somebody else than before, so that to compare costs more
/// than to write the same again.
#[inline(always)]
pub(crate) fn leave<const CHANGED: bool>(kernel: &mut Kernel<Armv7>) -> ! {
    let next = loop {
        match kernel.schedule() {
            Next::Run(running) => break running,
            Next::Idle => idle(kernel),
        }
    };
    let live = &mut kernel.platform.live;
    if CHANGED || live.tcb != Some(next.tcb) || live.vttbr != next.vttbr {
        run(live, next.tcb, next.vttbr);
    }
    match next.vcpu {
        None => {
            if live.world != World::Component {
                world::to_component(live, &mut kernel.arena);
            }
            leave_to_component(next.tcb.address())
        }
        Some(vcpu) => {
            if live.world != World::Guest || live.eager != Some(vcpu) {
                world::to_guest(live, &mut kernel.arena, vcpu);
            }
            leave_to_guest(next.tcb.address())
        }
    }
}
