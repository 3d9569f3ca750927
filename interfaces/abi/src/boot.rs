//! What the composer puts behind the kernel for it to start `root`, and what the kernel tells `root`.
//!
//! The payload begins at the first multiple of 2 MiB behind the kernel's image: a page with the
//! [`PayloadHeader`], then whatever the composer put there. The kernel reads nothing of it but the header
//! and root's segments; it maps all of it read-only into root's space at [`ROOT_PAYLOAD_ADDRESS`].

/// First word of a payload: "BHPL".
pub const PAYLOAD_MAGIC: u32 = 0x4c50_4842;
/// Changes with the layout of [`PayloadHeader`] or [`BootInfo`].
pub const PAYLOAD_VERSION: u32 = 1;
/// Alignment of the payload, in bytes.
pub const PAYLOAD_ALIGN: u32 = 1 << 21;
/// The most segments that root has.
pub const ROOT_SEGMENTS_MAX: usize = 6;
/// The most device ranges.
pub const DEVICE_RANGES_MAX: usize = 32;
/// The most untyped capabilities that root starts with, devices included.
pub const UNTYPED_MAX: usize = 128;

/// A loadable piece of root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Segment {
    /// Where the bytes lie, from the payload's start.
    pub offset: u32,
    /// Where they go in root's space; a multiple of 4 KiB.
    pub address: u32,
    /// Bytes to copy.
    pub file_bytes: u32,
    /// Bytes in all; what is not copied is zero.
    pub memory_bytes: u32,
    /// [`MapFlags`](crate::rights::MapFlags) bits.
    pub flags: u32,
}

/// A piece of the physical address space that holds devices, given to root as device untyped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct DeviceRange {
    /// Physical page number.
    pub page: u32,
    /// log2 of its size in bytes; the address is a multiple of that.
    pub size_bits: u32,
}

/// The first bytes of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct PayloadHeader {
    /// [`PAYLOAD_MAGIC`].
    pub magic: u32,
    /// [`PAYLOAD_VERSION`].
    pub version: u32,
    /// Bytes of the whole payload, header included.
    pub bytes: u32,
    /// FNV-1a (64 bits) of the whole image, low and high: names the build in logs and epitaphs.
    pub build: [u32; 2],
    /// Where root starts.
    pub root_entry: u32,
    /// log2 of the slots of root's CNode.
    pub root_cnode_bits: u32,
    /// How many of `root_segments` are used.
    pub root_segment_count: u32,
    /// Root's pieces.
    pub root_segments: [Segment; ROOT_SEGMENTS_MAX],
    /// Where the compiled system lies, from the payload's start.
    pub system_offset: u32,
    /// Its length.
    pub system_bytes: u32,
    /// How many of `devices` are used.
    pub device_count: u32,
    /// Devices for root.
    pub devices: [DeviceRange; DEVICE_RANGES_MAX],
    /// What the kernel does after an epitaph: 0 halts, 1 resets the machine, 2 resets it after `fault_delay_ms`.
    pub fault_action: u32,
    /// See `fault_action`.
    pub fault_delay_ms: u32,
    /// Cores beside the first that the system uses: all of them are started, or it is not. A kernel for one core does not look at it.
    pub further_cores: u32,
}

/// Capability addresses that root finds at its start. Slots from [`FIRST_FREE`](root_slot::FIRST_FREE) on, up to
/// `BootInfo::first_free_slot`, hold its untyped memory.
pub mod root_slot {
    /// Root's own CNode.
    pub const CNODE: u32 = 1;
    /// Its address space.
    pub const VSPACE: u32 = 2;
    /// Its thread.
    pub const TCB: u32 = 3;
    /// Its scheduling context: core 0, all of the time.
    pub const SCHED_CONTEXT: u32 = 4;
    /// The authority over interrupts.
    pub const IRQ_CONTROL: u32 = 5;
    /// The authority over the machine's power.
    pub const POWER: u32 = 6;
    /// The frame of its IPC buffer.
    pub const IPC_BUFFER: u32 = 7;
    /// The kernel's log ring of core 0: a 4 KiB frame, readable.
    pub const KERNEL_LOG: u32 = 8;
    /// The authority over processor time: what `SchedContext::Configure` asks for.
    pub const SCHED_CONTROL: u32 = 10;
    /// A level-3 table, mapped where [`ROOT_SCRATCH_ADDRESS`](super::ROOT_SCRATCH_ADDRESS) is translated.
    pub const SCRATCH_TABLE: u32 = 9;
    /// 2 MiB frames of the payload, in order (read-only, cached): the first of `BootInfo::payload_frames`.
    pub const PAYLOAD: u32 = 16;
    /// The most payload frames: 512 MiB less.
    pub const PAYLOAD_FRAMES_MAX: u32 = 112;
    /// First slot of untyped memory.
    pub const UNTYPED: u32 = PAYLOAD + PAYLOAD_FRAMES_MAX;
    /// First slot that the kernel leaves empty.
    pub const FIRST_FREE: u32 = UNTYPED + super::UNTYPED_MAX as u32;
}

/// Priority of root's thread.
pub const ROOT_PRIORITY: u8 = 200;
/// Budget and period of root's thread, in microseconds: it has the whole processor if it wants it, in turns with who is as urgent.
pub const ROOT_SLICE_US: u32 = 10_000;
/// Where root's image is linked.
pub const ROOT_LINK_ADDRESS: u32 = 0x1000_0000;
/// Root's stack ends here (it grows down from this address); below it lies an unmapped page.
pub const ROOT_STACK_TOP: u32 = 0x1018_0000;
/// Bytes of root's stack.
pub const ROOT_STACK_BYTES: u32 = 0x8000;
/// Where the kernel maps the [`BootInfo`] page, readable.
pub const ROOT_BOOT_INFO_ADDRESS: u32 = 0x1019_0000;
/// Where it maps root's IPC buffer.
pub const ROOT_IPC_BUFFER_ADDRESS: u32 = 0x101a_0000;
/// 2 MiB under one level-3 table in which root can map pages while it builds.
pub const ROOT_SCRATCH_ADDRESS: u32 = 0x1020_0000;
/// Where a 2 MiB block can be mapped while root builds: the level-2 table is there.
pub const ROOT_SCRATCH_BLOCK_ADDRESS: u32 = 0x1040_0000;
/// Where the payload is mapped, readable.
pub const ROOT_PAYLOAD_ADDRESS: u32 = 0x2000_0000;

/// One untyped capability of root's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct UntypedInfo {
    /// Physical page number of its base.
    pub page: u32,
    /// log2 of its size in bytes.
    pub size_bits: u32,
    /// 1 for device memory.
    pub device: u32,
    /// 1 if it is known to be zero and need not be `Reset` before use.
    pub clean: u32,
}

/// What root reads at [`ROOT_BOOT_INFO_ADDRESS`].
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BootInfo {
    /// [`PAYLOAD_VERSION`].
    pub version: u32,
    /// Cores that the board has.
    pub cores: u32,
    /// Frequency of the counter in Hz.
    pub counter_hz: u32,
    /// 2 MiB frames from [`root_slot::PAYLOAD`] on.
    pub payload_frames: u32,
    /// Where the compiled system lies in the payload, and its length.
    pub system_offset: u32,
    /// Length of the compiled system.
    pub system_bytes: u32,
    /// How many of `untyped` are used; their capabilities start at [`root_slot::UNTYPED`].
    pub untyped_count: u32,
    /// Root's untyped memory: RAM first, then devices.
    pub untyped: [UntypedInfo; UNTYPED_MAX],
}

const _: () = assert!(core::mem::size_of::<BootInfo>() <= 4096);
const _: () = assert!(core::mem::size_of::<PayloadHeader>() <= 4096);
