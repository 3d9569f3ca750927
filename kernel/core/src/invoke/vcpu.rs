//! Methods of a virtual processor.

use super::{Answer, DONE, Words};
use crate::arena::Handle;
use crate::tcb::State;
use crate::vcpu::Vcpu;
use crate::{Kernel, Platform};
use abi::Error;
use abi::method::VcpuMethod;
use abi::vcpu::{CP32_FIRST, GuestRegister};

impl<P: Platform> Kernel<P> {
    pub(super) fn invoke_vcpu(&mut self, vcpu: Handle<Vcpu>, label: u16, words: Words) -> Answer {
        match VcpuMethod::from_label(label).ok_or(Error::NoSuchMethod)? {
            VcpuMethod::ReadRegister => {
                let register = self.guest_register(vcpu, words.get(0)?)?;
                let value = self.read_guest_register(vcpu, register);
                return Ok([value as u32, (value >> 32) as u32, 0, 0]);
            }
            VcpuMethod::WriteRegister => {
                let (number, value) = (words.get(0)?, u64::from(words.get(1)?) | u64::from(words.get(2)?) << 32);
                let register = self.guest_register(vcpu, number)?;
                self.write_guest_register(vcpu, register, value);
            }
            VcpuMethod::Inject => self.inject(vcpu, words.get(0)?, words.get(1)?, words.get(2)?)?,
            VcpuMethod::SetLevel => {
                let level = words.get(2)?;
                if level > 1 {
                    return Err(Error::OutOfRange.into());
                }
                self.set_level(vcpu, words.get(0)?, words.get(1)?, level == 1)?;
            }
            VcpuMethod::Retract => return Ok([self.retract(vcpu, words.get(0)?)?, 0, 0, 0]),
            VcpuMethod::ReadInterrupt => {
                return Ok([self.read_interrupt(vcpu, words.get(0)?)?, 0, 0, 0]);
            }
            VcpuMethod::SetTimer => {
                let (enabled, priority) = (words.get(0)?, words.get(1)?);
                if enabled > 1 || priority > 255 {
                    return Err(Error::OutOfRange.into());
                }
                self.set_timer_delivery(vcpu, enabled == 1, priority as u8);
            }
            VcpuMethod::WatchStage1 => {
                let on = words.get(0)?;
                if on > 1 {
                    return Err(Error::OutOfRange.into());
                }
                self.arena.get_mut(vcpu).watch_stage1 = on;
            }
            VcpuMethod::ReadExit => {
                let exit = self.arena.get(vcpu).exit;
                return Ok([exit.kind, exit.words[0], exit.words[1], exit.words[2]]);
            }
            VcpuMethod::ReadSyndrome => {
                let (syndrome, address) = (self.arena.get(vcpu).exit.syndrome, self.arena.get(vcpu).exit.address);
                let context = self.arena.get(vcpu).tcb.map(|tcb| self.arena.get(tcb).context).unwrap_or_default();
                return Ok([syndrome, address, context.pc, context.cpsr]);
            }
            VcpuMethod::Reset => {
                let running =
                    self.arena.get(vcpu).tcb.is_some_and(|tcb| {
                        !matches!(self.arena.get(tcb).state, State::Inactive | State::AwaitingReply(_))
                    });
                if running {
                    return Err(Error::WrongState.into());
                }
                self.reset_vcpu(vcpu);
            }
        }
        DONE
    }

    /// The register of that number. Core registers are those of the vCPU's thread.
    fn guest_register(&self, vcpu: Handle<Vcpu>, number: u32) -> Result<GuestRegister, Error> {
        if number < CP32_FIRST && self.arena.get(vcpu).tcb.is_none() {
            return Err(Error::WrongState);
        }
        GuestRegister::from_number(number).ok_or(Error::OutOfRange)
    }
}
