//! The first thread: what the kernel makes of the memory that it finds, and gives to `root`.
//!
//! What root itself is made of is taken from the start of the largest free range, and never freed. All
//! other RAM becomes untyped memory, cut into naturally aligned powers of two, not yet known to be zero.

mod root;

use crate::cap::{Cap, FrameFlags, Slot, UntypedFlags};
use crate::irq::IRQS;
use crate::objects::CNode;
use crate::{Kernel, Platform};
use abi::Error;
use abi::boot::*;
use abi::object::*;
use abi::rights::MapFlags;
use arrayvec::ArrayVec;
use root::{Bump, Root, frame};

const BLOCK_BYTES: u32 = 1 << BLOCK_BITS;
const PAGE_BYTES: u32 = 1 << PAGE_BITS;

/// A piece of RAM. `base + bytes` does not exceed 2^32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryRange {
    /// First address, a multiple of 4 KiB.
    pub base: u32,
    /// Length, a multiple of 4 KiB.
    pub bytes: u32,
}

/// What the kernel found.
#[derive(Clone, Copy, Debug)]
pub struct BootPlan<'a> {
    /// Free RAM: without the kernel's image and the payload.
    pub ram: &'a [MemoryRange],
    /// Where the payload lies, a multiple of 2 MiB.
    pub payload: u32,
    /// Its header.
    pub header: PayloadHeader,
    /// Frequency of the counter.
    pub counter_hz: u32,
    /// Cores of the board.
    pub cores: u32,
    /// The page of the kernel's log ring.
    pub kernel_log: u32,
}

/// Why there is no first thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootError {
    /// The payload's header contradicts itself.
    BadPayload,
    /// There is not enough RAM for root.
    NoMemory,
    /// Making root failed.
    Root(Error),
}

impl From<Error> for BootError {
    fn from(error: Error) -> Self {
        Self::Root(error)
    }
}

/// Cuts a range into naturally aligned powers of two of at least a page, ascending.
fn cut(range: MemoryRange, out: &mut ArrayVec<UntypedInfo, UNTYPED_MAX>) {
    let (mut at, end) = (u64::from(range.base), u64::from(range.base) + u64::from(range.bytes));
    while at < end {
        let bits = at.trailing_zeros().min((end - at).ilog2()).min(UNTYPED_BITS_MAX);
        let piece = UntypedInfo { page: (at >> PAGE_BITS) as u32, size_bits: bits, device: 0, clean: 0 };
        if out.try_push(piece).is_err() {
            // Smaller pieces than there is room to tell about are left unused.
            return;
        }
        at += 1 << bits;
    }
}

impl<P: Platform> Kernel<P> {
    /// Makes root and everything that it starts with; it is then the only thread.
    ///
    /// # Errors
    /// See [`BootError`].
    pub fn boot(&mut self, plan: &BootPlan) -> Result<(), BootError> {
        let header = &plan.header;
        let payload_frames = header.bytes.div_ceil(BLOCK_BYTES);
        let segments = header.root_segments.get(..header.root_segment_count as usize).ok_or(BootError::BadPayload)?;
        let devices = header.devices.get(..header.device_count as usize).ok_or(BootError::BadPayload)?;
        if payload_frames > root_slot::PAYLOAD_FRAMES_MAX
            || 1u64 << header.root_cnode_bits <= u64::from(root_slot::FIRST_FREE)
        {
            return Err(BootError::BadPayload);
        }

        let Some((largest, _)) = plan.ram.iter().enumerate().max_by_key(|(_, range)| range.bytes) else {
            return Err(BootError::NoMemory);
        };
        let range = plan.ram[largest];
        let pages = pages(segments).ok_or(BootError::BadPayload)?;
        let need = reserve(header.root_cnode_bits, pages).ok_or(BootError::BadPayload)?;
        if need > u64::from(range.bytes) {
            return Err(BootError::NoMemory);
        }
        // What lies behind it is not zeroed.
        let mut bump = Bump { next: u64::from(range.base), end: u64::from(range.base) + need };
        // Nobody reads this past the cache: a mapping that does so cleans first.
        self.platform.zero(&mut self.arena, range.base, need as u32);

        let irqs = bump.take(IRQS as u32 * SLOT_BYTES, GRANULE_BYTES)?;
        let irqs = self.arena.place::<Slot>(irqs);
        self.irqs.set_slots(irqs);

        let cnode = self.arena.place::<CNode>(bump.object(ObjectType::CNode, header.root_cnode_bits)?);
        self.arena.get_mut(cnode).bits = header.root_cnode_bits;
        let bits = header.root_cnode_bits as u8;
        let hidden = u64::from(bump.take(pages as u32 * SLOT_BYTES, GRANULE_BYTES)?);
        let hidden = Bump { next: hidden, end: hidden + pages * u64::from(SLOT_BYTES) };
        let mut root = Root { kernel: self, cnode, bump, hidden };
        root.put(root_slot::CNODE, Cap::cnode(bits, 32 - bits, cnode, 0));
        let vspace = root.space()?;
        root.load(vspace, plan.payload, segments)?;
        root.thread(vspace, header.root_entry)?;
        root.put(root_slot::IRQ_CONTROL, Cap::IrqControl);
        root.put(root_slot::POWER, Cap::Power);
        root.put(root_slot::SCHED_CONTROL, Cap::SchedControl);
        let log = plan.kernel_log >> PAGE_BITS;
        root.put(root_slot::KERNEL_LOG, frame(FrameFlags::READ, log));
        for n in 0..payload_frames {
            let page = (plan.payload >> PAGE_BITS) + (n << (BLOCK_BITS - PAGE_BITS));
            let slot = root.put(root_slot::PAYLOAD + n, frame(FrameFlags::READ | FrameFlags::BLOCK, page));
            root.kernel.map_frame(slot, vspace, ROOT_PAYLOAD_ADDRESS + n * BLOCK_BYTES, MapFlags::READ)?;
        }

        // The last page that root is made of; what lies behind it becomes untyped memory.
        let info = root.page(vspace, ROOT_BOOT_INFO_ADDRESS, MapFlags::READ, None)?;
        let mut untyped = ArrayVec::<UntypedInfo, UNTYPED_MAX>::new();
        let taken = (root.bump.next as u32).next_multiple_of(PAGE_BYTES) - range.base;
        for (n, &range) in plan.ram.iter().enumerate() {
            let skip = if n == largest { taken } else { 0 };
            cut(MemoryRange { base: range.base + skip, bytes: range.bytes - skip }, &mut untyped);
        }
        for device in devices {
            let info = UntypedInfo { page: device.page, size_bits: device.size_bits, device: 1, clean: 1 };
            untyped.try_push(info).map_err(|_| BootError::BadPayload)?;
        }
        for (n, info) in untyped.iter().enumerate() {
            let flags = if info.device != 0 { UntypedFlags::DEVICE } else { UntypedFlags::DIRTY };
            let cap = Cap::Untyped { bits: info.size_bits as u8, flags, page: info.page, used: 0 };
            root.put(root_slot::UNTYPED + n as u32, cap);
        }
        root.boot_info(info, plan, payload_frames, &untyped);
        Ok(())
    }
}

/// Pages that root is made of, and tables that nobody can name. `None` if its segments contradict themselves.
fn pages(segments: &[Segment]) -> Option<u64> {
    // Its IPC buffer, what it is told, and two tables.
    let mut pages = u64::from(ROOT_STACK_BYTES / PAGE_BYTES) + 4;
    for segment in segments {
        if segment.file_bytes > segment.memory_bytes {
            return None;
        }
        pages += u64::from(segment.memory_bytes.div_ceil(PAGE_BYTES));
    }
    Some(pages)
}

/// Bytes that root is made of, at most. `None` if there is no such CNode.
fn reserve(cnode_bits: u32, pages: u64) -> Option<u64> {
    let objects = IRQS as u64 * u64::from(SLOT_BYTES)
        + ObjectType::CNode.bytes(cnode_bits)?
        + 3 * (u64::from(TABLE_BYTES) + u64::from(PAGE_BYTES))
        // Small objects, and what aligning the pages costs.
        + 3 * u64::from(PAGE_BYTES);
    Some((objects + pages * u64::from(PAGE_BYTES + SLOT_BYTES)).next_multiple_of(u64::from(PAGE_BYTES)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_into_aligned_powers_of_two() {
        let mut out = ArrayVec::new();
        cut(MemoryRange { base: 0x4030_1000, bytes: 0x3fcf_f000 }, &mut out);
        let mut at = 0x4030_1000u64;
        for piece in &out {
            assert_eq!(u64::from(piece.page) << 12, at);
            assert_eq!(at % (1 << piece.size_bits), 0);
            at += 1 << piece.size_bits;
        }
        assert_eq!(at, 0x8000_0000);
    }

    #[test]
    fn no_page_that_root_is_made_of_can_become_anything_else() {
        use crate::sim::machine::walk;
        let world = crate::sim::World::new();
        let Cap::VSpace { vspace } = world.cap(root_slot::VSPACE) else { panic!("root has a space") };
        for address in [ROOT_BOOT_INFO_ADDRESS, ROOT_IPC_BUFFER_ADDRESS, ROOT_LINK_ADDRESS, ROOT_STACK_TOP - 4] {
            let page = walk(&world.kernel.arena, vspace.address(), address).expect("it is mapped").page;
            for slot in root_slot::UNTYPED..root_slot::FIRST_FREE {
                let Cap::Untyped { bits, page: first, .. } = world.cap(slot) else { continue };
                let pages = first..first + (1 << (u32::from(bits) - PAGE_BITS));
                assert!(!pages.contains(&page), "{address:#x} lies in the untyped memory at {first:#x}");
            }
        }
    }

    #[test]
    fn root_is_made_of_zeroed_memory_whatever_was_in_it() {
        use crate::sim::memory::RAM_BASE;
        use crate::sim::{Machine, Ram, World};
        let bytes = 8 << 20;
        let mut ram = Ram::new(RAM_BASE, bytes).expect("8 MiB");
        assert!(ram.load(RAM_BASE, &std::vec![0xa5; bytes]));
        let mut header = PayloadHeader {
            magic: PAYLOAD_MAGIC,
            version: PAYLOAD_VERSION,
            bytes: 8192,
            build: [0; 2],
            root_entry: ROOT_LINK_ADDRESS,
            root_cnode_bits: 10,
            root_segment_count: 2,
            root_segments: [Segment::default(); ROOT_SEGMENTS_MAX],
            system_offset: 0,
            system_bytes: 0,
            device_count: 0,
            devices: [Default::default(); DEVICE_RANGES_MAX],
            fault_action: 0,
            fault_delay_ms: 0,
            further_cores: 0,
        };
        for (n, bytes) in [4096, 5 * 4096].into_iter().enumerate() {
            let address = ROOT_LINK_ADDRESS + 0x1_0000 * n as u32;
            header.root_segments[n] =
                Segment { offset: 4096, address, file_bytes: 4096, memory_bytes: bytes, flags: 1 };
        }
        let ram_plan = [MemoryRange { base: RAM_BASE + (4 << 20), bytes: 4 << 20 }];
        let plan = BootPlan {
            ram: &ram_plan,
            payload: RAM_BASE,
            header,
            counter_hz: 1_000_000,
            cores: 1,
            kernel_log: RAM_BASE + (3 << 20),
        };
        let world = World::boot(ram, Machine::default(), &plan).expect("it boots");
        let thread = world.kernel.arena.get(world.root);
        assert_eq!((thread.context.r, thread.context.lr, thread.badge), ([0; 13], 0, 0));
        let Cap::VSpace { vspace } = world.cap(root_slot::VSPACE) else { panic!("root has a space") };
        for address in (ROOT_STACK_TOP - ROOT_STACK_BYTES..ROOT_STACK_TOP).step_by(4096) {
            let page = crate::sim::machine::walk(&world.kernel.arena, vspace.address(), address).expect("mapped").page;
            assert_eq!(world.kernel.arena.read_word(page << PAGE_BITS), 0, "{address:#x}");
        }
    }
}
