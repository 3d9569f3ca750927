//! Methods of the interrupt authority and of handlers.

use super::{Answer, DONE, Words};
use crate::arena::Handle;
use crate::cap::{Cap, Slot};
use crate::tcb::Tcb;
use crate::{Kernel, Platform};
use abi::method::{IrqControlMethod, IrqHandlerMethod};
use abi::object::VIRTUAL_INTERRUPTS;
use abi::{Error, Rights};

impl<P: Platform> Kernel<P> {
    pub(super) fn invoke_irq_control(
        &mut self,
        tcb: Handle<Tcb>,
        slot: Handle<Slot>,
        label: u16,
        words: Words,
    ) -> Answer {
        match IrqControlMethod::from_label(label).ok_or(Error::NoSuchMethod)? {
            IrqControlMethod::Get => {
                let (intid, trigger) = (words.get(0)?, words.get(3)?);
                if trigger > 1 {
                    return Err(Error::OutOfRange.into());
                }
                let to = self.destination(tcb, words.get(1)?, words.get(2)?)?;
                self.irq_get(slot, intid, trigger == 1, to)?;
                DONE
            }
        }
    }

    pub(super) fn invoke_irq_handler(&mut self, tcb: Handle<Tcb>, intid: u16, label: u16, words: Words) -> Answer {
        match IrqHandlerMethod::from_label(label).ok_or(Error::NoSuchMethod)? {
            IrqHandlerMethod::SetNotification => match self.argument(tcb, words.get(0)?)? {
                (source, Cap::Notification { rights, .. }) if rights.contains(Rights::WRITE) => {
                    self.irq_bind(intid, source, 0, 0)?;
                }
                (_, Cap::Notification { .. }) => return Err(Error::NoRights.into()),
                _ => return Err(Error::WrongType.into()),
            },
            IrqHandlerMethod::Ack => self.irq_ack(intid),
            IrqHandlerMethod::BindVcpu => {
                let (virtual_intid, priority) = (words.get(1)?, words.get(2)?);
                if virtual_intid < 32 || virtual_intid as usize >= VIRTUAL_INTERRUPTS || priority > 255 {
                    return Err(Error::OutOfRange.into());
                }
                match self.argument(tcb, words.get(0)?)? {
                    (source, Cap::Vcpu { .. }) => {
                        self.irq_bind(intid, source, virtual_intid as u16, priority as u8)?;
                    }
                    _ => return Err(Error::WrongType.into()),
                }
            }
            IrqHandlerMethod::Clear => {
                while !self.irq_unbind_step(intid) {
                    self.preemption_point()?;
                }
            }
        }
        DONE
    }
}
