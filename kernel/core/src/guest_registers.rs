//! The registers of a guest, by name: in the thread's context, in the vCPU, or still in the hardware.

use crate::arena::Handle;
use crate::tcb::Tcb;
use crate::vcpu::Vcpu;
use crate::{Kernel, Platform};
use abi::vcpu::{CP32_FIRST, GuestRegister};

impl<P: Platform> Kernel<P> {
    /// Writes the register that the guest's instruction means by `number` in the mode that the guest is in.
    #[inline]
    pub(crate) fn write_operand(&mut self, tcb: Handle<Tcb>, vcpu: Handle<Vcpu>, number: u32, value: u32) {
        let context = &mut self.arena.get_mut(tcb).context;
        if number < 8 {
            context.r[number as usize] = value;
        } else if number == 15 {
            // MRC to APSR_nzcv (ARM DDI 0406C A8.8.107): the flags, never the pc.
            context.cpsr = context.cpsr & 0x0fff_ffff | value & 0xf000_0000;
        } else if let Some(banked) = P::banked_register(context.cpsr, number) {
            self.write_guest_register(vcpu, banked, u64::from(value));
        } else if let Some(register) = core_register(context, number) {
            *register = value;
        }
    }

    /// Reads a register of a guest, from the hardware if it is there.
    pub(crate) fn read_guest_register(&mut self, vcpu: Handle<Vcpu>, register: GuestRegister) -> u64 {
        let number = register as u32;
        if number < CP32_FIRST {
            let Some(tcb) = self.arena.get(vcpu).tcb else { return 0 };
            return u64::from(core_register(&mut self.arena.get_mut(tcb).context, number).map_or(0, |r| *r));
        }
        self.fetch(vcpu);
        if matches!(register, GuestRegister::Fpscr | GuestRegister::Fpexc) {
            self.fetch_float(vcpu);
        }
        if matches!(register, GuestRegister::Fpscr | GuestRegister::Fpexc)
            && self.cores[self.here()].float_owner == Some(vcpu)
        {
            self.save_float();
            self.platform.fpu_open(false);
        }
        if self.cores[self.here()].loaded == Some(vcpu) {
            self.platform.vcpu_fetch(self.arena.get_mut(vcpu), register);
        }
        self.arena.get_mut(vcpu).register(register)
    }

    /// Changes a register of a guest.
    pub(crate) fn write_guest_register(&mut self, vcpu: Handle<Vcpu>, register: GuestRegister, value: u64) {
        let number = register as u32;
        if number < CP32_FIRST {
            if let Some(tcb) = self.arena.get(vcpu).tcb
                && let Some(place) = core_register(&mut self.arena.get_mut(tcb).context, number)
            {
                *place = if register == GuestRegister::Cpsr { P::guest_psr(value as u32) } else { value as u32 };
            }
            return;
        }
        self.fetch(vcpu);
        if matches!(register, GuestRegister::Fpscr | GuestRegister::Fpexc) {
            self.fetch_float(vcpu);
        }
        if matches!(register, GuestRegister::Fpscr | GuestRegister::Fpexc)
            && self.cores[self.here()].float_owner == Some(vcpu)
        {
            self.save_float();
            self.platform.fpu_open(false);
        }
        self.arena.get_mut(vcpu).set_register(register, value);
        if self.cores[self.here()].loaded == Some(vcpu) {
            self.platform.vcpu_store(self.arena.get(vcpu), register);
        }
    }
}

/// r0-r12, 13 SP and 14 LR of User mode, 15 pc, 16 cpsr.
pub(crate) fn core_register(context: &mut crate::Context, number: u32) -> Option<&mut u32> {
    Some(match number {
        0..=12 => &mut context.r[number as usize],
        13 => &mut context.sp,
        14 => &mut context.lr,
        15 => &mut context.pc,
        16 => &mut context.cpsr,
        _ => return None,
    })
}
