//! Invocations: methods of kernel objects, one file for each type.
//!
//! Arguments are words; a word that names a capability is an address in the caller's space. `Words` reads
//! them, and knows how many were sent.

mod cnode;
mod frame;
mod interrupt;
mod tcb;
mod untyped;
mod vcpu;

use crate::arena::Handle;
use crate::cap::{Cap, Slot};
use crate::kernel::CORES_MAX;
use crate::objects::{CNode, VSpace};
use crate::syscall::Stop;
use crate::tcb::Tcb;
use crate::transfer::{R_INFO, R_WORDS};
use crate::{Kernel, Platform, lookup};
use abi::message::{MessageInfo, REGISTER_WORDS};
use abi::method::{NOTHING, PowerMethod, SchedContextMethod};
use abi::{Error, Syscall};

/// The words of an invocation. All methods fit in registers.
#[derive(Clone, Copy)]
pub(crate) struct Words {
    words: [u32; REGISTER_WORDS],
    count: usize,
}

impl Words {
    /// Word `index`.
    ///
    /// # Errors
    /// `Truncated` if fewer were sent.
    pub(crate) fn get(&self, index: usize) -> Result<u32, Error> {
        if index < self.count { self.words.get(index).copied().ok_or(Error::Truncated) } else { Err(Error::Truncated) }
    }
}

/// What an invocation answers.
pub(crate) type Answer = Result<[u32; REGISTER_WORDS], Stop>;
/// The answer of methods that have nothing to say.
pub(crate) const DONE: Answer = Ok([0; REGISTER_WORDS]);

const _: () = assert!(Syscall::Call as u32 == 0);

impl<P: Platform> Kernel<P> {
    /// A method of the object that `cap`, in `slot`, names.
    #[inline(always)]
    pub(crate) fn invoke(
        &mut self,
        tcb: Handle<Tcb>,
        slot: Handle<Slot>,
        cap: Cap,
        info: MessageInfo,
    ) -> Result<(), Stop> {
        if cap.is_null() {
            return Err(Error::EmptySlot.into());
        }
        if info.label() == NOTHING {
            self.arena.get_mut(tcb).context.r[0] = 0;
            return Ok(());
        }
        self.invoke_method(tcb, slot, cap, info)
    }

    #[inline(never)]
    fn invoke_method(&mut self, tcb: Handle<Tcb>, slot: Handle<Slot>, cap: Cap, info: MessageInfo) -> Result<(), Stop> {
        let mut words = Words { words: [0; REGISTER_WORDS], count: info.length() / 4 };
        words.words.copy_from_slice(&self.arena.get(tcb).context.r[R_WORDS..R_WORDS + REGISTER_WORDS]);
        let label = info.label();
        let answer = match cap {
            Cap::Untyped { .. } => self.invoke_untyped(tcb, slot, label, words),
            Cap::CNode { bits, cnode, .. } => self.invoke_cnode(tcb, cnode, bits, label, words),
            Cap::Frame { .. } => self.invoke_frame(tcb, slot, label, words),
            Cap::Table { .. } => self.invoke_table(tcb, slot, label, words),
            Cap::Tcb { tcb: target } => self.invoke_tcb(tcb, target, label, words),
            Cap::Vcpu { vcpu } => self.invoke_vcpu(vcpu, label, words),
            Cap::SchedContext { context } => self.invoke_context(tcb, context, label, words),
            Cap::IrqControl => self.invoke_irq_control(tcb, slot, label, words),
            Cap::IrqHandler { intid } => self.invoke_irq_handler(tcb, intid, label, words),
            Cap::Power => self.invoke_power(label),
            Cap::VSpace { .. } | Cap::SchedControl => Err(Error::NoSuchMethod.into()),
            Cap::Null | Cap::Endpoint { .. } | Cap::Notification { .. } | Cap::Reply { .. } => {
                Err(Error::WrongType.into())
            }
        }?;
        let registers = &mut self.arena.get_mut(tcb).context.r;
        registers[0] = 0;
        registers[R_INFO] = MessageInfo::new(0, REGISTER_WORDS * 4).0;
        registers[R_WORDS..R_WORDS + REGISTER_WORDS].copy_from_slice(&answer);
        Ok(())
    }

    /// The capability at an address of the caller's.
    pub(crate) fn argument(&self, tcb: Handle<Tcb>, address: u32) -> Result<(Handle<Slot>, Cap), Error> {
        let slot = lookup::lookup(&self.arena, tcb, address)?;
        match self.arena.get(slot).cap {
            Cap::Null => Err(Error::EmptySlot),
            cap => Ok((slot, cap)),
        }
    }

    /// A CNode at an address of the caller's.
    pub(crate) fn cnode_argument(&self, tcb: Handle<Tcb>, address: u32) -> Result<(Handle<CNode>, u8), Error> {
        match self.argument(tcb, address)?.1 {
            Cap::CNode { cnode, bits, .. } => Ok((cnode, bits)),
            _ => Err(Error::WrongType),
        }
    }

    /// A space at an address of the caller's.
    pub(crate) fn vspace_argument(&self, tcb: Handle<Tcb>, address: u32) -> Result<Handle<VSpace>, Error> {
        match self.argument(tcb, address)?.1 {
            Cap::VSpace { vspace } => Ok(vspace),
            _ => Err(Error::WrongType),
        }
    }

    /// An empty slot, named by a CNode of the caller's and an index.
    pub(crate) fn destination(&self, tcb: Handle<Tcb>, cnode: u32, index: u32) -> Result<Handle<Slot>, Error> {
        let (cnode, bits) = self.cnode_argument(tcb, cnode)?;
        let slot = lookup::slot_of(&self.arena, cnode, bits, index)?;
        if self.arena.get(slot).cap.is_null() { Ok(slot) } else { Err(Error::SlotOccupied) }
    }

    fn invoke_context(
        &mut self,
        tcb: Handle<Tcb>,
        context: Handle<crate::objects::SchedContext>,
        label: u16,
        words: Words,
    ) -> Answer {
        match SchedContextMethod::from_label(label).ok_or(Error::NoSuchMethod)? {
            SchedContextMethod::Configure => {
                let (core, budget_us, period_us) = (words.get(0)?, words.get(1)?, words.get(2)?);
                if self.argument(tcb, words.get(3)?)?.1 != Cap::SchedControl {
                    return Err(Error::WrongType.into());
                }
                if core as usize >= self.platform.cores() {
                    return Err(Error::NoSuchCore.into());
                }
                if budget_us == 0 || budget_us > period_us {
                    return Err(Error::OutOfRange.into());
                }
                self.configure_context(context, core, budget_us, period_us);
                DONE
            }
            SchedContextMethod::Bind => match self.argument(tcb, words.get(0)?)?.1 {
                Cap::Tcb { tcb } => {
                    self.bind_context(context, tcb)?;
                    DONE
                }
                _ => Err(Error::WrongType.into()),
            },
            SchedContextMethod::Unbind => {
                self.unbind_context(context);
                DONE
            }
            SchedContextMethod::Consumed => {
                let now = self.platform.now();
                (0..CORES_MAX).for_each(|core| self.charge(core, now));
                let ticks = self.arena.get(context).consumed;
                let us = (ticks << 16) / u64::from(self.platform.ticks_per_us_q16().max(1));
                Ok([us as u32, (us >> 32) as u32, 0, 0])
            }
        }
    }

    fn invoke_power(&mut self, label: u16) -> Answer {
        match PowerMethod::from_label(label).ok_or(Error::NoSuchMethod)? {
            PowerMethod::Off => self.platform.power_off(),
            PowerMethod::Reset => self.platform.power_reset(),
        }
        // The board can't.
        Err(Error::WrongState.into())
    }
}
