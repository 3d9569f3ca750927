//! Methods of untyped memory.

use super::{Answer, DONE, Words};
use crate::arena::Handle;
use crate::cap::{Cap, Slot, UntypedFlags};
use crate::tcb::Tcb;
use crate::untyped::{granules, plan_retype};
use crate::{Kernel, Platform, lookup};
use abi::Error;
use abi::method::UntypedMethod;
use abi::object::{GRANULE_BYTES, ObjectType, RETYPE_COUNT_MAX};

impl<P: Platform> Kernel<P> {
    pub(super) fn invoke_untyped(&mut self, tcb: Handle<Tcb>, slot: Handle<Slot>, label: u16, words: Words) -> Answer {
        let Cap::Untyped { bits, flags, page, used } = self.arena.get(slot).cap else {
            return Err(Error::WrongType.into());
        };
        let method = UntypedMethod::from_label(label).ok_or(Error::NoSuchMethod)?;
        if flags.contains(UntypedFlags::CONDEMNED) && method != UntypedMethod::Describe {
            return Err(Error::WrongState.into());
        }
        match method {
            UntypedMethod::Retype => {
                let (what, cnode, index) = (words.get(0)?, words.get(1)?, words.get(2)?);
                let object = ObjectType::from_number(what & 0xff).ok_or(Error::OutOfRange)?;
                let (size_bits, count) = (what >> 8 & 0xff, what >> 16);
                if count == 0 || count > RETYPE_COUNT_MAX {
                    return Err(Error::OutOfRange.into());
                }
                match object {
                    ObjectType::Untyped => {}
                    _ if flags.contains(UntypedFlags::DIRTY) => return Err(Error::WrongState.into()),
                    ObjectType::Frame => {}
                    _ if flags.contains(UntypedFlags::DEVICE) => return Err(Error::DeviceMemory.into()),
                    _ => {}
                }
                let plan = plan_retype(bits, used, object, size_bits, count)?;
                let (cnode, cnode_bits) = self.cnode_argument(tcb, cnode)?;
                for n in 0..count {
                    // The first that is outside ends it: there is no wrapping around.
                    let to = lookup::slot_of(&self.arena, cnode, cnode_bits, index + n)?;
                    if !self.arena.get(to).cap.is_null() {
                        return Err(Error::SlotOccupied.into());
                    }
                }
                self.retype(slot, plan, cnode, index);
                DONE
            }
            UntypedMethod::Reset => {
                if self.arena.get(slot).child.is_some() {
                    return Err(Error::HasChildren.into());
                }
                self.reset_untyped(slot)?;
                DONE
            }
            UntypedMethod::Describe => {
                let free = u64::from(granules(bits).wrapping_sub(used)) * u64::from(GRANULE_BYTES);
                let device = u32::from(flags.contains(UntypedFlags::DEVICE));
                Ok([page, u32::from(bits) | device << 8, free as u32, (free >> 32) as u32])
            }
        }
    }
}
