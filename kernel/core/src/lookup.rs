//! From a capability address to a slot (seL4 calls it resolving).

use crate::arena::{Arena, Handle};
use crate::cap::{Cap, Slot};
use crate::objects::CNode;
use crate::tcb::Tcb;
use abi::Error;
use abi::syscall::CPtr;

/// Slot `index` of a CNode of `1 << bits` slots.
///
/// # Errors
/// `OutOfRange` for an index that it does not have, `EmptySlot` for slot 0, which is never usable.
#[inline(always)]
pub fn slot_of(arena: &Arena, cnode: Handle<CNode>, bits: u8, index: u32) -> Result<Handle<Slot>, Error> {
    if index >> bits != 0 {
        return Err(Error::OutOfRange);
    }
    if index == 0 {
        return Err(Error::EmptySlot);
    }
    Ok(arena.nth(arena.part::<CNode, Slot>(cnode, 0), index))
}

/// The slot at a capability address of a thread.
///
/// Each CNode on the way takes its guard's bits and its index from the address, the most significant first.
/// An address that is used up names the slot. At most 32 steps, since each takes at least one bit.
///
/// # Errors
/// `EmptySlot` if there is no capability on the way; `OutOfRange` if a guard differs or the address is too short.
#[inline(always)]
pub fn lookup(arena: &Arena, tcb: Handle<Tcb>, address: CPtr) -> Result<Handle<Slot>, Error> {
    match direct(arena, tcb, address) {
        Some(slot) => Ok(slot),
        None => steps(arena, tcb, address),
    }
}

/// The slot at an address that is resolved in one step, the usual case: guard and index are the whole address.
#[inline(always)]
pub fn direct(arena: &Arena, tcb: Handle<Tcb>, address: CPtr) -> Option<Handle<Slot>> {
    match arena.get(tcb).cspace.cap {
        Cap::CNode { cnode, direct, .. } if address.wrapping_sub(1) < direct => {
            Some(arena.nth(arena.part::<CNode, Slot>(cnode, 0), address))
        }
        _ => None,
    }
}

#[cold]
#[inline(never)]
fn steps(arena: &Arena, tcb: Handle<Tcb>, address: CPtr) -> Result<Handle<Slot>, Error> {
    let mut cap = arena.get(tcb).cspace.cap;
    let mut left = 32u32;
    loop {
        let Cap::CNode { bits, guard_bits, cnode, guard, .. } = cap else {
            return Err(if cap.is_null() { Error::EmptySlot } else { Error::OutOfRange });
        };
        let (bits, guard_bits) = (u32::from(bits), u32::from(guard_bits));
        if guard_bits + bits > left {
            return Err(Error::OutOfRange);
        }
        let below_guard = left - guard_bits;
        if low_bits(address, left).checked_shr(below_guard).unwrap_or(0) != guard {
            return Err(Error::OutOfRange);
        }
        left = below_guard - bits;
        let index = low_bits(address, below_guard).checked_shr(left).unwrap_or(0);
        let slot = slot_of(arena, cnode, bits as u8, index)?;
        if left == 0 {
            return Ok(slot);
        }
        cap = arena.get(slot).cap;
    }
}

fn low_bits(word: u32, bits: u32) -> u32 {
    if bits >= 32 { word } else { word & ((1 << bits) - 1) }
}
