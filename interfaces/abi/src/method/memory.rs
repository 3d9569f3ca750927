//! Methods of memory: untyped, CNodes, frames, tables.

use super::methods;
use crate::Rights;
use crate::rights::MapFlags;

/// The longest piece that one cache maintenance call works on, in bytes.
pub const CACHE_BYTES_MAX: u32 = 65536;
/// What cache maintenance works in multiples of, in bytes: a line of a Cortex-A15.
pub const CACHE_LINE_BYTES: u32 = 64;

const RIGHTS: u32 = Rights::all().bits() as u32;
const MAP_FLAGS: u32 = MapFlags::all().bits();

methods! {
    /// Methods of untyped memory.
    UntypedMethod of Untyped {
        /// Makes objects, all or none of them, at the next places that are aligned for their type. Their capabilities, derived
        /// from this one, go to consecutive slots.
        Retype = 0x101 (objects: Objects, cnode: Capability(CNode, NONE), index: EmptySlots) -> () {
            WrongState: "the memory is not known to be zero, and the type is not `Untyped`; or it is being deleted, or revoked together with what it was made from",
            DeviceMemory: "a kernel object out of device memory",
            OutOfMemory: "they do not fit in what is free",
        }
        /// Zeroes the memory down to the point of coherency and makes all of it free again. Long; it can be preempted, and goes
        /// on by itself.
        Reset = 0x102 () -> () {
            HasChildren: "something that was made of it is left",
            WrongState: "it is being deleted, or revoked together with what it was made from",
        }
        /// Tells what it is.
        Describe = 0x103 () -> ("page number", "`size_bits` in bits 7-0, device in bit 8", "free bytes, low", "high") {}
    }
}

methods! {
    /// Methods of a CNode.
    CNodeMethod of CNode {
        /// Puts a derived copy of the source into the slot. It has the rights that both the source and the call have.
        Copy = 0x201 (slot: EmptySlot, source: AnyCapability, rights: Flags(RIGHTS)) -> () {
            NotCopyable: "an untyped, a table, a reply, the authority over interrupts, time or power, or a handler: move it",
        }
        /// As `Copy`, with a badge. For a CNode the badge is its guard: value in bits 31-8, length in bits 7-0. Where a badge means
        /// nothing it is ignored; 0 leaves what there was.
        Mint = 0x202 (slot: EmptySlot, source: AnyCapability, rights: Flags(RIGHTS), badge: Free) -> () {
            NotCopyable: "as `Copy`",
            NoRights: "the source has a badge already",
            OutOfRange: "a guard that is longer than what its CNode leaves of an address",
        }
        /// Moves the capability itself, and leaves its old slot empty.
        Move = 0x203 (slot: EmptySlot, source: AnyCapability) -> () {
            HasChildren: "more than 64 capabilities were derived from it",
        }
        /// Deletes the capability; with the last one, its object. What was derived from it stays, derived from its parent. In an
        /// empty slot there is nothing to do. Long, preemptible.
        Delete = 0x204 (slot: Slot) -> () {}
        /// Deletes all that was derived from the capability, but not itself. Long, preemptible.
        Revoke = 0x205 (slot: Slot) -> () {}
    }
}

methods! {
    /// Methods of a frame.
    FrameMethod of Frame {
        /// Maps it. Flags are the rights that are wanted (`READ` is), and `UNCACHED` 16 or `DEVICE` 32. A capability maps once; a
        /// copy can map again.
        Map = 0x301 (vspace: Capability(VSpace, NONE), address: FrameAddress, flags: Flags(MAP_FLAGS)) -> () {
            AlreadyMapped: "this capability has a mapping",
            NoRights: "more than the frame has, or not readable",
            DeviceMemory: "the frame is a device and the mapping is not, or the other way round",
            OutOfRange: "a frame of 2 MiB uncached",
            WriteExecute: "both at once in a component's space",
            MissingTable: "there is no table where the address is translated",
            AddressOccupied: "something is mapped there",
        }
        /// Takes this capability's mapping back.
        Unmap = 0x302 () -> () {
            NotMapped: "it has none",
        }
        /// Cleans to the point of coherency, for a reader that does not use the cache.
        Clean = 0x303 (offset: Offset(CACHE_LINE_BYTES), bytes: Bytes(CACHE_LINE_BYTES, CACHE_BYTES_MAX)) -> () {
            DeviceMemory: "a device is not cached",
        }
        /// Cleans, and forgets what is cached.
        CleanInvalidate = 0x304 (offset: Offset(CACHE_LINE_BYTES), bytes: Bytes(CACHE_LINE_BYTES, CACHE_BYTES_MAX)) -> () {
            DeviceMemory: "a device is not cached",
        }
        /// Forgets what is cached, for a buffer that a device has written.
        Invalidate = 0x305 needs WRITE (offset: Offset(CACHE_LINE_BYTES), bytes: Bytes(CACHE_LINE_BYTES, CACHE_BYTES_MAX)) -> () {
            DeviceMemory: "a device is not cached",
        }
        /// Makes what was written visible to instruction fetch.
        Unify = 0x306 (offset: Offset(CACHE_LINE_BYTES), bytes: Bytes(CACHE_LINE_BYTES, CACHE_BYTES_MAX)) -> () {
            DeviceMemory: "a device is not cached",
        }
        /// Tells the physical address, for a driver that programs DMA.
        Address = 0x307 () -> ("page number", "`size_bits`") {}
    }
}

methods! {
    /// Methods of a stage-2 table.
    TableMethod of Table {
        /// Puts the table into the space where the address, any that it shall translate, is translated.
        Map = 0x401 (vspace: Capability(VSpace, NONE), address: Free) -> () {
            AlreadyMapped: "it is in a space",
            MissingTable: "a table of level 3, and there is none of level 2 for that address",
            AddressOccupied: "a table or a frame of 2 MiB is there",
        }
        /// Unmaps all that is mapped through the table, then the table. Long, preemptible.
        Unmap = 0x402 () -> () {
            NotMapped: "it is in no space",
        }
    }
}
