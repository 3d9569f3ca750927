//! Writing to frames that nobody has mapped yet, and reading those of the dead: each is mapped in root's own space for a
//! moment.

use crate::failure::Cause;
use crate::table::Object;
use abi::boot::{ROOT_SCRATCH_ADDRESS, ROOT_SCRATCH_BLOCK_ADDRESS, root_slot};
use abi::method::CACHE_BYTES_MAX;
use abi::object::{BLOCK_BITS, PAGE_BITS};
use abi::rights::MapFlags;
use runtime::{Frame, Mapped, VSpace};
use system::ObjectKind;

/// Where root sees a frame while it fills it.
#[derive(Clone, Copy, Debug)]
pub struct Scratch {
    /// A page.
    pub page: Mapped,
    /// A 2 MiB block.
    pub block: Mapped,
}

impl Scratch {
    /// Writes `bytes` from `at` on into the frames of `object`. `execute`: they will be executed.
    pub fn fill(&self, object: &Object, at: u32, bytes: &[u8], execute: bool) -> Result<(), Cause> {
        let ObjectKind::Frames { bits, .. } = object.kind else { return Err(Cause::BadReference) };
        let (window, address) = match u32::from(bits) {
            PAGE_BITS => (&self.page, ROOT_SCRATCH_ADDRESS),
            BLOCK_BITS => (&self.block, ROOT_SCRATCH_BLOCK_ADDRESS),
            _ => return Err(Cause::BadReference),
        };
        let size = 1_u32 << bits;
        let (mut at, mut rest) = (at, bytes);
        while !rest.is_empty() {
            let offset = at & (size - 1);
            let (now, later) = rest.split_at(rest.len().min((size - offset) as usize));
            let frame = Frame(object.part(at >> bits).ok_or(Cause::OutOfBounds)?);
            frame.map(VSpace(root_slot::VSPACE), address, MapFlags::READ | MapFlags::WRITE)?;
            if !window.try_write(offset as usize, now) {
                return Err(Cause::OutOfBounds);
            }
            if execute {
                unify(frame, offset, now.len() as u32)?;
            }
            frame.unmap()?;
            at = at.checked_add(now.len() as u32).ok_or(Cause::OutOfBounds)?;
            rest = later;
        }
        Ok(())
    }

    /// Shows a page of an object's, as it is, to `see`.
    pub fn look(&self, object: &Object, part: u32, see: impl FnOnce(&Mapped)) -> Result<(), Cause> {
        match object.kind {
            ObjectKind::Frames { bits, .. } if u32::from(bits) == PAGE_BITS => {}
            _ => return Err(Cause::BadReference),
        }
        let frame = Frame(object.part(part).ok_or(Cause::OutOfBounds)?);
        frame.map(VSpace(root_slot::VSPACE), ROOT_SCRATCH_ADDRESS, MapFlags::READ)?;
        see(&self.page);
        Ok(frame.unmap()?)
    }
}

/// Makes a piece of a frame visible to instruction fetch: whole cache lines, in calls that are not too long.
fn unify(frame: Frame, offset: u32, bytes: u32) -> Result<(), Cause> {
    const LINE: u32 = 64;
    let end = (offset + bytes).next_multiple_of(LINE);
    let mut at = offset & !(LINE - 1);
    while at < end {
        let now = (end - at).min(CACHE_BYTES_MAX);
        frame.unify(at, now)?;
        at += now;
    }
    Ok(())
}
