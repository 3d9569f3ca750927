//! Moving a message from one thread to another: registers, then the rest of the buffers, then a capability.

use crate::arena::Handle;
use crate::cap::{Cap, FrameFlags};
use crate::lookup;
use crate::tcb::{Sent, Tcb};
use crate::{Kernel, Platform};
use abi::message::{IpcBuffer, MessageInfo, REGISTER_BYTES, REGISTER_WORDS};
use abi::object::PAGE_BITS;
use abi::{Error, Rights};
use core::mem::offset_of;

/// First message register in a context: r1 is the descriptor, r2-r5 the words, r12 the badge.
pub(crate) const R_INFO: usize = 1;
pub(crate) const R_WORDS: usize = 2;
pub(crate) const R_BADGE: usize = 12;

impl<P: Platform> Kernel<P> {
    /// Physical address of a thread's IPC buffer, if it has one that the kernel may use.
    pub(crate) fn ipc_buffer(&self, tcb: Handle<Tcb>) -> Option<u32> {
        let thread = self.arena.get(tcb);
        match thread.ipc_frame.cap {
            Cap::Frame { flags, page, .. } if flags.contains(FrameFlags::WRITE) => {
                Some((page << PAGE_BITS) + thread.ipc_offset)
            }
            _ => None,
        }
    }

    /// Gives what `from` sends (a message, fault or exit) to `to`, whose call returns with it.
    #[inline]
    pub(crate) fn deliver(&mut self, from: Handle<Tcb>, to: Handle<Tcb>) {
        let (sender, receiver) = self.arena.pair_mut(from, to);
        receiver.context.r[0] = 0;
        receiver.context.r[R_BADGE] = sender.badge;
        match sender.sent {
            Sent::Send | Sent::Call => {
                let info = MessageInfo(sender.context.r[R_INFO]);
                receiver.context.r[R_INFO..R_WORDS + REGISTER_WORDS]
                    .copy_from_slice(&sender.context.r[R_INFO..R_WORDS + REGISTER_WORDS]);
                if !info.is_short() {
                    let grants = sender.grants;
                    self.deliver_long(from, to, info, grants);
                }
            }
            Sent::Fault => receiver.context.r[R_INFO..R_WORDS + REGISTER_WORDS].copy_from_slice(&sender.report),
            Sent::Exit => {
                if let Some(vcpu) = sender.vcpu {
                    let exit = self.arena.get(vcpu).exit;
                    let registers = &mut self.arena.get_mut(to).context.r;
                    registers[R_INFO] = MessageInfo::new(exit.kind as u16, REGISTER_BYTES).0;
                    registers[R_WORDS..R_WORDS + REGISTER_WORDS].copy_from_slice(&exit.words);
                }
            }
        }
    }

    /// The part of a message that is not in registers. What can't be delivered is left out, and the
    /// receiver's descriptor says so.
    pub(crate) fn deliver_long(&mut self, from: Handle<Tcb>, to: Handle<Tcb>, info: MessageInfo, grants: bool) {
        let mut delivered = MessageInfo::new(info.label(), info.length());
        let (source, target) = (self.ipc_buffer(from), self.ipc_buffer(to));
        match (source, target) {
            (Some(source), Some(target)) => {
                for word in REGISTER_WORDS..info.length().div_ceil(4) {
                    let at = (word * 4) as u32;
                    let value = self.arena.read_word(source + at);
                    self.arena.write_word(target + at, value);
                }
                if info.has_cap() && grants && self.transfer_cap(from, source, to, target).is_ok() {
                    delivered = delivered.with_cap();
                }
            }
            _ => delivered = MessageInfo::new(info.label(), info.length().min(REGISTER_BYTES)),
        }
        self.arena.get_mut(to).context.r[R_INFO] = delivered.0;
    }

    /// Puts a derived copy of the capability that `from` names in its buffer into the slot that `to` names in its own.
    fn transfer_cap(&mut self, from: Handle<Tcb>, source: u32, to: Handle<Tcb>, target: u32) -> Result<(), Error> {
        let word = |offset: usize| offset as u32;
        let cap = self.arena.read_word(source + word(offset_of!(IpcBuffer, send_cap)));
        let cnode = self.arena.read_word(target + word(offset_of!(IpcBuffer, receive_cnode)));
        let index = self.arena.read_word(target + word(offset_of!(IpcBuffer, receive_index)));
        let source = lookup::lookup(&self.arena, from, cap)?;
        let node = lookup::lookup(&self.arena, to, cnode)?;
        let Cap::CNode { bits, cnode, .. } = self.arena.get(node).cap else { return Err(Error::WrongType) };
        let slot = lookup::slot_of(&self.arena, cnode, bits, index)?;
        self.copy_cap(source, slot, Rights::all(), 0)
    }
}
