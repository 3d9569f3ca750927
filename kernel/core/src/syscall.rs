//! System calls: from the number in the `SVC` to what it does.
//!
//! Every call decodes first, which can fail and changes nothing, and then does what cannot fail. A long one
//! may stop at a preemption point: then the thread executes its `SVC` again.

use crate::arena::Handle;
use crate::cap::{Cap, Slot};
use crate::fastpath::Fast;
use crate::kernel::Preempted;
use crate::objects::{Endpoint, Reply};
use crate::tcb::{Sent, Tcb};
use crate::transfer::{R_BADGE, R_INFO};
use crate::{Kernel, Platform, lookup};
use abi::fault::FaultKind;
use abi::message::MessageInfo;
use abi::{Error, Rights, Syscall};

/// Why a call did not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It failed; nothing was changed.
    Failed(Error),
    /// It will be made again.
    Preempted,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Preempted> for Stop {
    fn from(_: Preempted) -> Self {
        Self::Preempted
    }
}

impl<P: Platform> Kernel<P> {
    /// The running component `tcb` executed `SVC #number`. A thread comes back if it runs from now on and nothing is left
    /// to decide: neither its time nor its turn.
    #[inline(always)]
    pub fn on_syscall(&mut self, tcb: Handle<Tcb>, number: u32) -> Option<Handle<Tcb>> {
        const SEND: u32 = Syscall::Send as u32;
        const SIGNAL: u32 = Syscall::Signal as u32;
        let done = match number {
            SEND => self.fast_send(tcb),
            SIGNAL => self.fast_signal(tcb),
            _ => None,
        };
        self.or_slowly(done, tcb, number)
    }

    /// [`on_syscall`](Self::on_syscall) for `Call`, which entry code tells apart.
    #[inline(always)]
    pub fn on_call(&mut self, tcb: Handle<Tcb>) -> Option<Handle<Tcb>> {
        let done = self.fast_call(tcb);
        self.or_slowly(done, tcb, Syscall::Call as u32)
    }

    /// [`on_syscall`](Self::on_syscall) for `ReplyRecv`, which entry code tells apart.
    #[inline(always)]
    pub fn on_reply_receive(&mut self, tcb: Handle<Tcb>) -> Option<Handle<Tcb>> {
        let done = self.fast_reply_receive(tcb);
        self.or_slowly(done, tcb, Syscall::ReplyRecv as u32)
    }

    #[inline(always)]
    fn or_slowly(&mut self, done: Option<Fast>, tcb: Handle<Tcb>, number: u32) -> Option<Handle<Tcb>> {
        match done {
            Some(Fast::Runs(tcb)) => Some(tcb),
            Some(Fast::Done) => None,
            None => {
                self.slow_syscall(tcb, number);
                None
            }
        }
    }

    #[inline(never)]
    fn slow_syscall(&mut self, tcb: Handle<Tcb>, number: u32) {
        match self.syscall(tcb, number) {
            Ok(()) => {}
            Err(Stop::Failed(error)) => self.arena.get_mut(tcb).context.r[0] = error as u32,
            Err(Stop::Preempted) => P::restart_syscall(&mut self.arena.get_mut(tcb).context),
        }
    }

    #[inline]
    fn syscall(&mut self, tcb: Handle<Tcb>, number: u32) -> Result<(), Stop> {
        match Syscall::from_number(number) {
            Some(Syscall::Call) => self.call(tcb),
            Some(Syscall::ReplyRecv) => {
                let reply = self.reply_operand(tcb)?;
                let endpoint = self.endpoint_to_receive(tcb)?;
                if let Some(reply) = reply
                    && self.arena.get(reply).caller.is_some()
                {
                    self.answer(tcb, reply)?;
                }
                Ok(self.receive(tcb, endpoint, reply, true)?)
            }
            Some(Syscall::Send) => self.send_call(tcb, true),
            Some(Syscall::NbSend) => self.send_call(tcb, false),
            Some(Syscall::Recv) => self.receive_call(tcb, true),
            Some(Syscall::NbRecv) => self.receive_call(tcb, false),
            Some(call @ (Syscall::Signal | Syscall::Wait | Syscall::Poll)) => self.notification_call(tcb, call),
            Some(Syscall::Reply) => match self.operand(tcb)? {
                Cap::Reply { reply } => {
                    self.answer(tcb, reply)?;
                    self.arena.get_mut(tcb).context.r[0] = 0;
                    Ok(())
                }
                _ => Err(Error::WrongType.into()),
            },
            Some(Syscall::Yield) => {
                self.arena.get_mut(tcb).context.r[0] = 0;
                self.yield_now();
                Ok(())
            }
            None => {
                self.on_component_fault(FaultKind::UnknownCall, number, 0);
                Ok(())
            }
        }
    }

    /// The slot that r0 names.
    #[inline(always)]
    fn operand_slot(&self, tcb: Handle<Tcb>) -> Result<Handle<Slot>, Error> {
        lookup::lookup(&self.arena, tcb, self.arena.get(tcb).context.r[0])
    }

    #[inline(always)]
    fn operand(&self, tcb: Handle<Tcb>) -> Result<Cap, Error> {
        let cap = self.arena.get(self.operand_slot(tcb)?).cap;
        if cap.is_null() { Err(Error::EmptySlot) } else { Ok(cap) }
    }

    /// The reply object that r12 names; 0: none.
    #[inline(always)]
    fn reply_operand(&self, tcb: Handle<Tcb>) -> Result<Option<Handle<Reply>>, Error> {
        let address = self.arena.get(tcb).context.r[R_BADGE];
        if address == 0 {
            return Ok(None);
        }
        match self.arena.get(lookup::lookup(&self.arena, tcb, address)?).cap {
            Cap::Reply { reply } => Ok(Some(reply)),
            Cap::Null => Err(Error::EmptySlot),
            _ => Err(Error::WrongType),
        }
    }

    #[inline(always)]
    fn endpoint_to_receive(&self, tcb: Handle<Tcb>) -> Result<Handle<Endpoint>, Error> {
        match self.operand(tcb)? {
            Cap::Endpoint { rights, endpoint, .. } if rights.contains(Rights::READ) => Ok(endpoint),
            Cap::Endpoint { .. } => Err(Error::NoRights),
            _ => Err(Error::WrongType),
        }
    }

    /// `Call`: to a server, or to the kernel.
    fn call(&mut self, tcb: Handle<Tcb>) -> Result<(), Stop> {
        let slot = self.operand_slot(tcb)?;
        match self.arena.get(slot).cap {
            Cap::Endpoint { rights, endpoint, badge } => {
                if !rights.contains(Rights::WRITE) {
                    return Err(Error::NoRights.into());
                }
                let thread = self.arena.get_mut(tcb);
                thread.sent = Sent::Call;
                thread.badge = badge;
                thread.grants = rights.contains(Rights::GRANT);
                self.send(tcb, endpoint);
                Ok(())
            }
            cap => {
                let info = MessageInfo(self.arena.get(tcb).context.r[R_INFO]);
                self.invoke(tcb, slot, cap, info)
            }
        }
    }

    fn send_call(&mut self, tcb: Handle<Tcb>, wait: bool) -> Result<(), Stop> {
        match self.operand(tcb)? {
            Cap::Endpoint { rights, endpoint, badge } if rights.contains(Rights::WRITE) => {
                if self.waits_without_time(endpoint) {
                    // It runs on its callers' time, and this sender will not wait for it.
                    return Err(Error::WrongState.into());
                }
                let thread = self.arena.get_mut(tcb);
                thread.sent = Sent::Send;
                thread.badge = badge;
                thread.grants = rights.contains(Rights::GRANT);
                thread.context.r[0] = 0;
                if wait || self.arena.get(endpoint).waiters == crate::objects::Waiters::Receivers {
                    self.send(tcb, endpoint);
                }
                Ok(())
            }
            Cap::Endpoint { .. } => Err(Error::NoRights.into()),
            _ => Err(Error::WrongType.into()),
        }
    }

    fn receive_call(&mut self, tcb: Handle<Tcb>, wait: bool) -> Result<(), Stop> {
        let reply = self.reply_operand(tcb)?;
        let endpoint = self.endpoint_to_receive(tcb)?;
        Ok(self.receive(tcb, endpoint, reply, wait)?)
    }

    /// `Wait` and `Poll`; and what is wrong with a `Signal` that `fast_signal` did not make.
    fn notification_call(&mut self, tcb: Handle<Tcb>, call: Syscall) -> Result<(), Stop> {
        match self.operand(tcb)? {
            Cap::Notification { rights, notification, .. }
                if rights.contains(Rights::READ) && call != Syscall::Signal =>
            {
                Ok(self.wait(tcb, notification, call == Syscall::Wait)?)
            }
            Cap::Notification { .. } => Err(Error::NoRights.into()),
            _ => Err(Error::WrongType.into()),
        }
    }
}
