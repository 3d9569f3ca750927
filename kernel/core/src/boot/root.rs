//! Root in the making: its memory, its space, its thread, and what it is told.

use super::{BootError, BootPlan, PAGE_BYTES, ROOT_SLICE_US};
use crate::arena::Handle;
use crate::cap::{Cap, FrameFlags, Slot};
use crate::objects::{CNode, SpaceKind, VSpace};
use crate::platform::CacheOp;
use crate::tcb::{State, Tcb};
use crate::{Kernel, Platform, tree};
use abi::Rights;
use abi::boot::*;
use abi::object::*;
use abi::rights::MapFlags;
use core::mem::offset_of;

/// Hands out zeroed memory of the range that root is made of.
pub(super) struct Bump {
    pub(super) next: u64,
    pub(super) end: u64,
}

impl Bump {
    /// So many bytes.
    pub(super) fn take(&mut self, bytes: u32, align: u32) -> Result<u32, BootError> {
        let start = self.next.next_multiple_of(u64::from(align));
        self.next = start + u64::from(bytes);
        if self.next > self.end { Err(BootError::NoMemory) } else { Ok(start as u32) }
    }

    /// Room for an object.
    pub(super) fn object(&mut self, object: ObjectType, size_bits: u32) -> Result<u32, BootError> {
        let bytes = object.bytes(size_bits).ok_or(BootError::BadPayload)?;
        self.take(bytes as u32, object.align(size_bits) as u32)
    }
}

pub(super) fn frame(flags: FrameFlags, page: u32) -> Cap {
    Cap::Frame { flags, index: 0, page, table: None, vspace: None }
}

/// Root in the making.
pub(super) struct Root<'k, P: Platform> {
    pub(super) kernel: &'k mut Kernel<P>,
    pub(super) cnode: Handle<CNode>,
    pub(super) bump: Bump,
    /// Slots that no CNode has.
    pub(super) hidden: Bump,
}

impl<P: Platform> Root<'_, P> {
    /// Puts a capability into a slot of root's CNode.
    pub(super) fn put(&mut self, index: u32, cap: Cap) -> Handle<Slot> {
        let row = self.kernel.arena.part::<CNode, Slot>(self.cnode, 0);
        let slot = self.kernel.arena.nth(row, index);
        self.kernel.reference(&cap);
        tree::insert(&mut self.kernel.arena, slot, cap, None);
        slot
    }

    /// Puts a capability where nobody can name it: the frames of root's own image.
    fn hide(&mut self, cap: Cap) -> Result<Handle<Slot>, BootError> {
        let slot = self.hidden.take(SLOT_BYTES, SLOT_BYTES)?;
        let slot = self.kernel.arena.place::<Slot>(slot);
        tree::insert(&mut self.kernel.arena, slot, cap, None);
        Ok(slot)
    }

    /// Root's space, with the tables that it needs.
    pub(super) fn space(&mut self) -> Result<Handle<VSpace>, BootError> {
        let vspace = self.bump.object(ObjectType::VSpace, 0)?;
        let vspace = self.kernel.arena.place::<VSpace>(vspace);
        self.kernel.arena.get_mut(vspace).kind = SpaceKind::Component;
        self.put(root_slot::VSPACE, Cap::VSpace { vspace });
        for (level, address) in [(2, ROOT_LINK_ADDRESS), (3, ROOT_LINK_ADDRESS), (3, ROOT_SCRATCH_ADDRESS)] {
            let table = self.bump.object(ObjectType::Table, level)?;
            let table = self.kernel.arena.place(table);
            let cap = Cap::Table { level: level as u8, index: 0, table, parent: None, vspace: None };
            let slot =
                if address == ROOT_SCRATCH_ADDRESS { self.put(root_slot::SCRATCH_TABLE, cap) } else { self.hide(cap)? };
            self.kernel.map_table(slot, vspace, address)?;
        }
        Ok(vspace)
    }

    /// A new page, mapped for root; its physical address.
    pub(super) fn page(
        &mut self,
        vspace: Handle<VSpace>,
        address: u32,
        flags: MapFlags,
        slot: Option<u32>,
    ) -> Result<u32, BootError> {
        let page = self.bump.take(PAGE_BYTES, PAGE_BYTES)?;
        let cap = frame(FrameFlags::READ | FrameFlags::WRITE | FrameFlags::EXECUTE, page >> PAGE_BITS);
        let slot = match slot {
            Some(index) => self.put(index, cap),
            None => self.hide(cap)?,
        };
        self.kernel.map_frame(slot, vspace, address, flags)?;
        Ok(page)
    }

    /// Copies root's segments to pages of their own, and gives it a stack.
    pub(super) fn load(&mut self, vspace: Handle<VSpace>, payload: u32, segments: &[Segment]) -> Result<(), BootError> {
        for segment in segments {
            let flags = MapFlags::from_bits(segment.flags).ok_or(BootError::BadPayload)?;
            let mut done = 0;
            while done < segment.memory_bytes {
                let page = self.page(vspace, segment.address + done, flags, None)?;
                let bytes = segment.file_bytes.saturating_sub(done).min(PAGE_BYTES);
                self.kernel.arena.copy(payload + segment.offset + done, page, bytes);
                self.kernel.order().cache(CacheOp::Unify, page, PAGE_BYTES);
                done += PAGE_BYTES;
            }
        }
        for n in 1..=ROOT_STACK_BYTES / PAGE_BYTES {
            self.page(vspace, ROOT_STACK_TOP - n * PAGE_BYTES, MapFlags::READ | MapFlags::WRITE, None)?;
        }
        Ok(())
    }

    /// Root's thread and its time.
    pub(super) fn thread(&mut self, vspace: Handle<VSpace>, entry: u32) -> Result<(), BootError> {
        self.page(vspace, ROOT_IPC_BUFFER_ADDRESS, MapFlags::READ | MapFlags::WRITE, Some(root_slot::IPC_BUFFER))?;
        let tcb = self.bump.object(ObjectType::Tcb, 0)?;
        let tcb = self.kernel.arena.place::<Tcb>(tcb);
        let context = self.bump.object(ObjectType::SchedContext, 0)?;
        let context = self.kernel.arena.place(context);
        self.put(root_slot::TCB, Cap::Tcb { tcb });
        self.put(root_slot::SCHED_CONTEXT, Cap::SchedContext { context });
        let row = self.kernel.arena.part::<CNode, Slot>(self.cnode, 0);
        for (offset, index) in [
            (offset_of!(Tcb, cspace), root_slot::CNODE),
            (offset_of!(Tcb, vspace), root_slot::VSPACE),
            (offset_of!(Tcb, ipc_frame), root_slot::IPC_BUFFER),
        ] {
            let from = self.kernel.arena.nth(row, index);
            let to = Tcb::slot(&self.kernel.arena, tcb, offset);
            self.kernel.copy_cap(from, to, Rights::all(), 0)?;
        }
        let thread = self.kernel.arena.get_mut(tcb);
        thread.context.pc = entry;
        thread.context.sp = ROOT_STACK_TOP;
        thread.context.cpsr = P::component_psr(false);
        thread.priority = ROOT_PRIORITY;
        thread.ceiling = PRIORITY_MAX as u8;
        thread.state = State::Running;
        self.kernel.configure_context(context, 0, ROOT_SLICE_US, ROOT_SLICE_US);
        self.kernel.bind_context(context, tcb)?;
        Ok(())
    }

    /// Tells root what it has.
    pub(super) fn boot_info(&mut self, page: u32, plan: &BootPlan, payload_frames: u32, untyped: &[UntypedInfo]) {
        let head = [
            PAYLOAD_VERSION,
            plan.cores,
            plan.counter_hz,
            payload_frames,
            plan.header.system_offset,
            plan.header.system_bytes,
            untyped.len() as u32,
        ];
        let words = untyped.iter().flat_map(|info| [info.page, info.size_bits, info.device, info.clean]);
        for (n, word) in head.into_iter().chain(words).enumerate() {
            self.kernel.arena.write_word(page + 4 * n as u32, word);
        }
    }
}

const _: () = assert!(offset_of!(BootInfo, untyped) == 28 && core::mem::size_of::<UntypedInfo>() == 16);
