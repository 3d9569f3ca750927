//! Methods of frames and stage-2 tables.

use super::{Answer, DONE, Words};
use crate::arena::Handle;
use crate::cap::{Cap, FrameFlags, Slot};
use crate::platform::CacheOp;
use crate::tcb::Tcb;
use crate::{Kernel, Platform};
use abi::Error;
use abi::method::{CACHE_BYTES_MAX, FrameMethod, TableMethod};
use abi::object::PAGE_BITS;
use abi::rights::MapFlags;

const CACHE_LINE: u32 = 64;

impl<P: Platform> Kernel<P> {
    pub(super) fn invoke_frame(&mut self, tcb: Handle<Tcb>, slot: Handle<Slot>, label: u16, words: Words) -> Answer {
        let Cap::Frame { flags, page, table, .. } = self.arena.get(slot).cap else {
            return Err(Error::WrongType.into());
        };
        let cache = |op| (op, words.get(0), words.get(1));
        let (op, offset, bytes) = match FrameMethod::from_label(label).ok_or(Error::NoSuchMethod)? {
            FrameMethod::Map => {
                let vspace = self.vspace_argument(tcb, words.get(0)?)?;
                let address = words.get(1)?;
                let wanted = MapFlags::from_bits(words.get(2)?).ok_or(Error::OutOfRange)?;
                self.map_frame(slot, vspace, address, wanted)?;
                return DONE;
            }
            FrameMethod::Unmap => {
                if table.is_none() {
                    return Err(Error::NotMapped.into());
                }
                self.unmap_frame(slot);
                return DONE;
            }
            FrameMethod::Address => return Ok([page, flags.bits_of_size(), 0, 0]),
            FrameMethod::Clean => cache(CacheOp::Clean),
            FrameMethod::CleanInvalidate => cache(CacheOp::CleanInvalidate),
            FrameMethod::Invalidate => {
                if !flags.contains(FrameFlags::WRITE) {
                    return Err(Error::NoRights.into());
                }
                cache(CacheOp::Invalidate)
            }
            FrameMethod::Unify => cache(CacheOp::Unify),
        };
        let (offset, bytes) = (offset?, bytes?);
        if flags.contains(FrameFlags::DEVICE) {
            return Err(Error::DeviceMemory.into());
        }
        if (offset | bytes) % CACHE_LINE != 0 {
            return Err(Error::Misaligned.into());
        }
        let fits = offset.checked_add(bytes).is_some_and(|end| end <= 1 << flags.bits_of_size());
        if bytes == 0 || bytes > CACHE_BYTES_MAX || !fits {
            return Err(Error::OutOfRange.into());
        }
        self.order().cache(op, (page << PAGE_BITS) + offset, bytes);
        DONE
    }

    pub(super) fn invoke_table(&mut self, tcb: Handle<Tcb>, slot: Handle<Slot>, label: u16, words: Words) -> Answer {
        match TableMethod::from_label(label).ok_or(Error::NoSuchMethod)? {
            TableMethod::Map => {
                let vspace = self.vspace_argument(tcb, words.get(0)?)?;
                self.map_table(slot, vspace, words.get(1)?)?;
            }
            TableMethod::Unmap => {
                if !matches!(self.arena.get(slot).cap, Cap::Table { vspace: Some(_), .. }) {
                    return Err(Error::NotMapped.into());
                }
                while !self.unmap_table_step(slot) {
                    self.preemption_point()?;
                }
            }
        }
        DONE
    }
}
