//! From a trap to the kernel's logic, and from its decision to whoever runs next.

use crate::classify::{Guest, GuestEvent, classify};
use crate::component_fault::component_fault;
use crate::entry::{leave_to_component, leave_to_guest};
use crate::hsr::{Hsr, class};
use crate::platform::Armv7;
use crate::sysreg::{self, ats1cpr, hdfar, hifar, hpfar, isr, par};
use crate::timer::{HYP_TIMER, VIRTUAL_TIMER};
use crate::world::{self, Live, World};
use crate::{cell, gic, psr, vcpu_state, virtual_interface};
use abi::vcpu::GuestRegister;
use kernel_core::tcb::Tcb;
use kernel_core::{Handle, Kernel, Next, Running};

/// The guest's state in the hardware.
struct Loaded;

impl Guest for Loaded {
    #[inline(always)]
    fn hdfar(&mut self) -> u32 {
        hdfar::read()
    }

    #[inline(always)]
    fn hifar(&mut self) -> u32 {
        hifar::read()
    }

    #[inline(always)]
    fn hpfar(&mut self) -> u32 {
        hpfar::read()
    }

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
    if kernel.platform.live().world == World::Guest {
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
    let Some(tcb) = kernel.platform.live().tcb else { return };
    match classify(Hsr(hsr), &kernel.arena.get(tcb).context, &mut Loaded) {
        GuestEvent::Exit(exit) => {
            if let Some(vmm) = kernel.on_guest_exit(exit)
                && let Some(running) = kernel.direct(vmm)
            {
                go(kernel, running)
            }
        }
        GuestEvent::Wait { long } => kernel.on_guest_wait(long),
        GuestEvent::Float => kernel.on_guest_float(),
        GuestEvent::Skip { long } => psr::step(&mut kernel.arena.get_mut(tcb).context, long),
        GuestEvent::Inject(exception) => {
            if let Some(vcpu) = kernel.platform.live().eager {
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
        // Another core has something for this one to choose anew.
        0..16 => gic::deactivate(interrupt),
        intid => kernel.on_irq(intid),
    }
}

/// Sleeps until an interrupt comes, and handles it.
#[cold]
fn idle(kernel: &'static mut Kernel<Armv7>) -> &'static mut Kernel<Armv7> {
    virtual_interface::switch(false);
    let kernel = cell::outside(kernel, || {
        while isr::read() == 0 {
            sysreg::wfi();
        }
    });
    virtual_interface::switch(true);
    interrupt(kernel);
    kernel
}

/// Leaves the kernel after a system call of `tcb`; `direct` is what the call came to.
#[inline(always)]
pub(crate) fn leave_call(kernel: &'static mut Kernel<Armv7>, tcb: Handle<Tcb>, direct: Option<Handle<Tcb>>) -> ! {
    match direct {
        Some(to) => {
            if let Some(running) = kernel.direct(to) {
                if running.vcpu.is_some() {
                    go(kernel, running)
                }
                // From a component to a component: nothing changes but the space.
                set(kernel.platform.live_mut(), running);
                leave_to_component(running.tcb.address())
            }
        }
        None => {
            if kernel.undisturbed(tcb) {
                leave_to_component(tcb.address())
            }
        }
    }
    leave(kernel)
}

/// Leaves the kernel for whoever is to run. One copy of it serves all entries: what is hot has shorter ways out.
#[inline(never)]
pub(crate) fn leave(mut kernel: &'static mut Kernel<Armv7>) -> ! {
    let next = loop {
        match kernel.schedule() {
            Next::Run(running) => break running,
            Next::Idle => kernel = idle(kernel),
        }
    };
    let live = kernel.platform.live();
    if live.tcb == Some(next.tcb) && live.vttbr == next.vttbr {
        enter(kernel, next)
    }
    go(kernel, next)
}

/// Another thread, in its space.
#[inline(always)]
fn set(live: &mut Live, running: Running) {
    live.vttbr = running.vttbr;
    sysreg::vttbr::write(running.vttbr);
    live.tcb = Some(running.tcb);
    sysreg::clrex();
}

#[inline(always)]
fn go(kernel: &mut Kernel<Armv7>, running: Running) -> ! {
    set(kernel.platform.live_mut(), running);
    enter(kernel, running)
}

#[inline(always)]
fn enter(kernel: &mut Kernel<Armv7>, running: Running) -> ! {
    let live = kernel.platform.live_mut();
    match running.vcpu {
        None => {
            if live.world != World::Component {
                world::to_component(live, &mut kernel.arena);
            }
            leave_to_component(running.tcb.address())
        }
        Some(vcpu) => {
            if live.world != World::Guest || live.eager != Some(vcpu) {
                world::to_guest(live, &mut kernel.arena, vcpu);
            }
            leave_to_guest(running.tcb.address())
        }
    }
}
