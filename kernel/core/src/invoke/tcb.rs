//! Methods of a thread.

use super::{Answer, DONE, Words};
use crate::arena::Handle;
use crate::cap::{Cap, FrameFlags};
use crate::objects::SpaceKind;
use crate::tcb::{Sent, State, Tcb};
use crate::vcpu::Vcpu;
use crate::{Kernel, Platform};
use abi::message::IPC_BUFFER_ALIGN;
use abi::method::{TcbMethod, ThreadState};
use abi::{Error, Rights};
use core::mem::offset_of;

impl<P: Platform> Kernel<P> {
    pub(super) fn invoke_tcb(&mut self, tcb: Handle<Tcb>, target: Handle<Tcb>, label: u16, words: Words) -> Answer {
        match TcbMethod::from_label(label).ok_or(Error::NoSuchMethod)? {
            TcbMethod::SetSpaces => self.set_spaces(tcb, target, words)?,
            TcbMethod::SetIpcBuffer => {
                let (frame, offset) = (words.get(0)?, words.get(1)?);
                let slot = Tcb::slot(&self.arena, target, offset_of!(Tcb, ipc_frame));
                if !self.arena.get(slot).cap.is_null() {
                    return Err(Error::WrongState.into());
                }
                if frame != 0 {
                    let (source, cap) = self.argument(tcb, frame)?;
                    let Cap::Frame { flags, .. } = cap else { return Err(Error::WrongType.into()) };
                    if flags.contains(FrameFlags::DEVICE) {
                        return Err(Error::DeviceMemory.into());
                    }
                    if !flags.contains(FrameFlags::READ | FrameFlags::WRITE) {
                        return Err(Error::NoRights.into());
                    }
                    if offset % IPC_BUFFER_ALIGN != 0 {
                        return Err(Error::Misaligned.into());
                    }
                    if offset >= 1 << flags.bits_of_size() {
                        return Err(Error::OutOfRange.into());
                    }
                    self.copy_cap(source, slot, Rights::all(), 0)?;
                    self.arena.get_mut(target).ipc_offset = offset;
                }
            }
            TcbMethod::SetFaultHandler => {
                let endpoint = words.get(0)?;
                let slot = Tcb::slot(&self.arena, target, offset_of!(Tcb, fault_handler));
                if !self.arena.get(slot).cap.is_null() {
                    return Err(Error::WrongState.into());
                }
                if endpoint != 0 {
                    match self.argument(tcb, endpoint)? {
                        (source, Cap::Endpoint { rights, .. }) if rights.contains(Rights::WRITE) => {
                            self.copy_cap(source, slot, Rights::all(), 0)?;
                        }
                        (_, Cap::Endpoint { .. }) => return Err(Error::NoRights.into()),
                        _ => return Err(Error::WrongType.into()),
                    }
                }
            }
            TcbMethod::SetPriority => self.set_priority(tcb, target, words)?,
            TcbMethod::WriteRegisters => {
                let (pc, sp, r0, thumb) = (words.get(0)?, words.get(1)?, words.get(2)?, words.get(3)?);
                if thumb > 1 {
                    return Err(Error::OutOfRange.into());
                }
                if self.arena.get(target).state != State::Inactive {
                    return Err(Error::WrongState.into());
                }
                let thread = self.arena.get_mut(target);
                thread.context = crate::Context::default();
                thread.context.pc = pc;
                thread.context.sp = sp;
                thread.context.r[0] = r0;
                thread.context.cpsr =
                    if thread.vcpu.is_some() { P::guest_psr(0) } else { P::component_psr(thumb == 1) };
            }
            TcbMethod::ReadRegister => {
                let number = words.get(0)?;
                self.freeze(target);
                let value = crate::guest_registers::core_register(&mut self.arena.get_mut(target).context, number)
                    .map(|register| *register)
                    .ok_or(Error::OutOfRange)?;
                return Ok([value, 0, 0, 0]);
            }
            TcbMethod::Resume => self.resume(target)?,
            // Who has suspended itself finds, should it be resumed, that it has succeeded.
            TcbMethod::Suspend => self.suspend(target),
            TcbMethod::BindVcpu => match self.argument(tcb, words.get(0)?)?.1 {
                Cap::Vcpu { vcpu } => self.bind_vcpu(target, vcpu)?,
                _ => return Err(Error::WrongType.into()),
            },
            TcbMethod::BindNotification => {
                let (source, _) = self.argument(tcb, words.get(0)?)?;
                self.bind_notification(target, source)?;
            }
            TcbMethod::UnbindNotification => {
                let slot = Tcb::slot(&self.arena, target, offset_of!(Tcb, bound));
                self.delete(slot)?;
            }
            TcbMethod::ReadState => {
                let state = match self.arena.get(target).state {
                    State::Inactive => ThreadState::Inactive,
                    State::Running => ThreadState::Running,
                    State::Sending(_) => ThreadState::BlockedOnSend,
                    State::Receiving(_) => ThreadState::BlockedOnReceive,
                    State::AwaitingReply(_) => ThreadState::BlockedOnReply,
                    State::Waiting(_) => ThreadState::BlockedOnNotification,
                    State::Idle => ThreadState::Idle,
                };
                return Ok([state as u32, 0, 0, 0]);
            }
        }
        DONE
    }

    fn set_spaces(&mut self, tcb: Handle<Tcb>, target: Handle<Tcb>, words: Words) -> Result<(), Error> {
        let (cnode, node) = self.argument(tcb, words.get(0)?)?;
        let (vspace, space) = self.argument(tcb, words.get(1)?)?;
        if !matches!(node, Cap::CNode { .. }) || !matches!(space, Cap::VSpace { .. }) {
            return Err(Error::WrongType);
        }
        let thread = self.arena.get(target);
        if !thread.cspace.cap.is_null() || !thread.vspace.cap.is_null() || thread.state != State::Inactive {
            return Err(Error::WrongState);
        }
        let to = Tcb::slot(&self.arena, target, offset_of!(Tcb, cspace));
        self.copy_cap(cnode, to, Rights::all(), 0)?;
        let to = Tcb::slot(&self.arena, target, offset_of!(Tcb, vspace));
        self.copy_cap(vspace, to, Rights::all(), 0)
    }

    fn set_priority(&mut self, tcb: Handle<Tcb>, target: Handle<Tcb>, words: Words) -> Result<(), Error> {
        let (priority, ceiling) = (words.get(1)?, words.get(2)?);
        let Cap::Tcb { tcb: authority } = self.argument(tcb, words.get(0)?)?.1 else { return Err(Error::WrongType) };
        let most = u32::from(self.arena.get(authority).ceiling);
        if priority > most || ceiling > most {
            return Err(Error::PriorityCeiling);
        }
        let waits = self.arena.get(target).queued || self.halt(target);
        self.make_unready(target);
        let thread = self.arena.get_mut(target);
        thread.priority = priority as u8;
        thread.ceiling = ceiling as u8;
        if waits {
            self.make_ready(target);
        }
        Ok(())
    }

    /// Lets a thread run. What it waited for, if anything, is cancelled.
    fn resume(&mut self, target: Handle<Tcb>) -> Result<(), Error> {
        let thread = self.arena.get(target);
        let Cap::VSpace { vspace } = thread.vspace.cap else { return Err(Error::WrongState) };
        let wanted = if thread.vcpu.is_some() { SpaceKind::Guest } else { SpaceKind::Component };
        let space = self.arena.get_mut(vspace);
        if space.kind != wanted {
            if space.kind != SpaceKind::Any {
                return Err(Error::WrongState);
            }
            space.kind = wanted;
        }
        if self.arena.get(target).state == State::Inactive {
            let thread = self.arena.get_mut(target);
            thread.state = State::Running;
            thread.sent = Sent::Send;
            self.make_ready(target);
        }
        Ok(())
    }

    fn bind_vcpu(&mut self, target: Handle<Tcb>, vcpu: Handle<Vcpu>) -> Result<(), Error> {
        let thread = self.arena.get(target);
        if thread.state != State::Inactive || thread.vcpu.is_some() || self.arena.get(vcpu).tcb.is_some() {
            return Err(Error::WrongState);
        }
        let thread = self.arena.get_mut(target);
        thread.vcpu = Some(vcpu);
        thread.context.cpsr = P::guest_psr(0);
        self.arena.get_mut(vcpu).tcb = Some(target);
        Ok(())
    }
}
