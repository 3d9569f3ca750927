//! Untyped memory: where every object comes from, and where it goes back.

use crate::arena::Handle;
use crate::cap::{Cap, FrameFlags, Slot, UntypedFlags};
use crate::kernel::Preempted;
use crate::objects::CNode;
use crate::platform::CacheOp;
use crate::{Kernel, Platform, tree};
use abi::Error;
use abi::object::{BLOCK_BITS, GRANULE_BYTES, ObjectType, PAGE_BITS};

const GRANULE_BITS: u32 = GRANULE_BYTES.trailing_zeros();
/// Bytes that one step of a reset zeroes.
const RESET_STEP_GRANULES: u32 = 16384 / GRANULE_BYTES;

/// What a retype will make, decided before anything is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetypePlan {
    /// Type of the objects.
    pub object: ObjectType,
    /// Their size.
    pub size_bits: u32,
    /// How many.
    pub count: u32,
    /// Granule of the untyped where the first one begins.
    pub first: u32,
    /// Granules from one to the next.
    pub stride: u32,
    /// Granules that will be taken afterwards.
    pub used: u32,
}

/// Where `count` objects go in an untyped of `1 << bits` bytes of which `used` granules are taken: at the
/// next places that are aligned for them. The composer uses this function, too.
///
/// # Errors
/// `OutOfRange` for a size that the type does not have; `OutOfMemory` if they do not fit.
pub fn plan_retype(bits: u8, used: u32, object: ObjectType, size_bits: u32, count: u32) -> Result<RetypePlan, Error> {
    let bytes = object.bytes(size_bits).ok_or(Error::OutOfRange)?;
    let align = (object.align(size_bits) >> GRANULE_BITS).max(1);
    let each = bytes >> GRANULE_BITS;
    // Alignments are powers of two.
    let up = |granules: u64| (granules + (align - 1)) & !(align - 1);
    let stride = up(each);
    let first = up(u64::from(used));
    let end = first + stride * u64::from(count.max(1) - 1) + each;
    if end > 1u64 << (u32::from(bits) - GRANULE_BITS) {
        return Err(Error::OutOfMemory);
    }
    Ok(RetypePlan { object, size_bits, count, first: first as u32, stride: stride as u32, used: end as u32 })
}

/// Granules in an untyped of `1 << bits` bytes, as its watermark counts them.
pub const fn granules(bits: u8) -> u32 {
    (1u64 << (bits as u32 - GRANULE_BITS)) as u32
}

impl<P: Platform> Kernel<P> {
    /// Makes the planned objects of the untyped in `source`, in the slots from `index` of `cnode` on, which the caller
    /// has found to be empty.
    pub(crate) fn retype(&mut self, source: Handle<Slot>, plan: RetypePlan, cnode: Handle<CNode>, index: u32) {
        let Cap::Untyped { bits, flags, page, .. } = self.arena.get(source).cap else { return };
        self.arena.get_mut(source).cap = Cap::Untyped { bits, flags, page, used: plan.used };
        let row = self.arena.part::<CNode, Slot>(cnode, 0);
        for n in 0..plan.count {
            let slot = self.arena.nth(row, index + n);
            let granule = u64::from(plan.first) + u64::from(plan.stride) * u64::from(n);
            let address = (u64::from(page) << PAGE_BITS) + (granule << GRANULE_BITS);
            let cap = self.make(plan.object, plan.size_bits, address, flags);
            self.reference(&cap);
            tree::insert(&mut self.arena, slot, cap, Some(source));
        }
    }

    /// The capability to a new object in zeroed memory at `address`.
    fn make(&mut self, object: ObjectType, size_bits: u32, address: u64, flags: UntypedFlags) -> Cap {
        let page = (address >> PAGE_BITS) as u32;
        // Kernel objects are made of RAM inside the window only, so below 2^32.
        let place = address as u32;
        match object {
            ObjectType::Untyped => Cap::Untyped { bits: size_bits as u8, flags, page, used: 0 },
            ObjectType::Frame => {
                let mut frame = FrameFlags::READ | FrameFlags::WRITE | FrameFlags::EXECUTE;
                frame.set(FrameFlags::BLOCK, size_bits == BLOCK_BITS);
                frame.set(FrameFlags::DEVICE, flags.contains(UntypedFlags::DEVICE));
                if frame.contains(FrameFlags::DEVICE) {
                    frame.remove(FrameFlags::EXECUTE);
                }
                Cap::Frame { flags: frame, index: 0, page, table: None, vspace: None }
            }
            ObjectType::CNode => {
                let cnode = self.arena.place::<CNode>(place);
                self.arena.get_mut(cnode).bits = size_bits;
                Cap::cnode(size_bits as u8, 32 - size_bits as u8, cnode, 0)
            }
            ObjectType::Table => Cap::Table {
                level: size_bits as u8,
                index: 0,
                table: self.arena.place(place),
                parent: None,
                vspace: None,
            },
            ObjectType::VSpace => Cap::VSpace { vspace: self.arena.place(place) },
            ObjectType::Tcb => Cap::Tcb { tcb: self.arena.place(place) },
            ObjectType::Vcpu => {
                let vcpu = self.arena.place(place);
                self.reset_vcpu(vcpu);
                Cap::Vcpu { vcpu }
            }
            ObjectType::Endpoint => {
                Cap::Endpoint { rights: abi::Rights::all(), endpoint: self.arena.place(place), badge: 0 }
            }
            ObjectType::Notification => {
                Cap::Notification { rights: abi::Rights::all(), notification: self.arena.place(place), badge: 0 }
            }
            ObjectType::Reply => Cap::Reply { reply: self.arena.place(place) },
            ObjectType::SchedContext => Cap::SchedContext { context: self.arena.place(place) },
        }
    }

    /// Zeroes the memory of the untyped in `slot`, which has no children, for every reader, cached or not; then
    /// all of it is free. Works downwards from the watermark, so that what lies above it is always zero.
    ///
    /// # Errors
    /// [`Preempted`].
    pub(crate) fn reset_untyped(&mut self, slot: Handle<Slot>) -> Result<(), Preempted> {
        self.drain_condemned()?;
        let Cap::Untyped { bits, mut flags, page, mut used } = self.arena.get(slot).cap else { return Ok(()) };
        if flags.contains(UntypedFlags::DEVICE) {
            self.arena.get_mut(slot).cap = Cap::Untyped { bits, flags, page, used: 0 };
            return Ok(());
        }
        if flags.contains(UntypedFlags::DIRTY) {
            flags.remove(UntypedFlags::DIRTY);
            used = granules(bits);
            self.arena.get_mut(slot).cap = Cap::Untyped { bits, flags, page, used };
        }
        while used > 0 {
            let step = used.min(RESET_STEP_GRANULES);
            used -= step;
            let address = (page << PAGE_BITS) + (used << GRANULE_BITS);
            self.platform.zero(&mut self.arena, address, step << GRANULE_BITS);
            self.order().cache(CacheOp::CleanInvalidate, address, step << GRANULE_BITS);
            self.arena.get_mut(slot).cap = Cap::Untyped { bits, flags, page, used };
            self.preemption_point()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_stand_at_the_next_aligned_places() {
        let plan = plan_retype(16, 1, ObjectType::Frame, 12, 3).unwrap();
        assert_eq!((plan.first, plan.stride, plan.used), (64, 64, 256));
        let plan = plan_retype(16, 0, ObjectType::Table, 3, 2).unwrap();
        assert_eq!((plan.first, plan.stride, plan.used), (0, 128, 128 + 96));
        assert_eq!(plan_retype(16, 0, ObjectType::Frame, 12, 17), Err(Error::OutOfMemory));
        assert_eq!(plan_retype(16, 0, ObjectType::Frame, 13, 1), Err(Error::OutOfRange));
        assert!(plan_retype(16, 0, ObjectType::Frame, 12, 16).is_ok());
    }
}
