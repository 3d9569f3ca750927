//! Methods of a CNode.

use super::{Answer, DONE, Words};
use crate::arena::Handle;
use crate::cap::Slot;
use crate::objects::CNode;
use crate::tcb::Tcb;
use crate::{Kernel, Platform, lookup};
use abi::method::CNodeMethod;
use abi::{Error, Rights};

impl<P: Platform> Kernel<P> {
    pub(super) fn invoke_cnode(
        &mut self,
        tcb: Handle<Tcb>,
        cnode: Handle<CNode>,
        bits: u8,
        label: u16,
        words: Words,
    ) -> Answer {
        let method = CNodeMethod::from_label(label).ok_or(Error::NoSuchMethod)?;
        let slot: Handle<Slot> = lookup::slot_of(&self.arena, cnode, bits, words.get(0)?)?;
        match method {
            CNodeMethod::Copy | CNodeMethod::Mint => {
                let (source, _) = self.argument(tcb, words.get(1)?)?;
                let rights = u8::try_from(words.get(2)?).ok().and_then(Rights::from_bits).ok_or(Error::OutOfRange)?;
                let badge = if method == CNodeMethod::Mint { words.get(3)? } else { 0 };
                self.copy_cap(source, slot, rights, badge)?;
            }
            CNodeMethod::Move => {
                let (source, _) = self.argument(tcb, words.get(1)?)?;
                self.move_cap(source, slot)?;
            }
            CNodeMethod::Delete => self.delete(slot)?,
            CNodeMethod::Revoke => self.revoke(slot)?,
        }
        DONE
    }
}
