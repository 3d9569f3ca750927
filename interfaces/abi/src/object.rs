//! Kernel objects: their types, sizes and alignments. The kernel asserts at compile time that its
//! structures fit, and the composer computes with the same numbers.

/// Type of a kernel object that can be made from untyped memory. The numbers are seen by `retype`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum ObjectType {
    /// Memory that other objects are made of. Size: `size_bits`, at least [`UNTYPED_BITS_MIN`].
    Untyped = 1,
    /// `1 << size_bits` capability slots, of which slot 0 is never usable.
    CNode = 2,
    /// Memory that can be mapped: 4 KiB (12) or 2 MiB (21).
    Frame = 3,
    /// A stage-2 table: level 2 (`size_bits` = 2) holds 2 MiB blocks and level-3 tables, level 3
    /// (`size_bits` = 3) holds 4 KiB pages.
    Table = 4,
    /// An address space of 4 GiB with its VMID.
    VSpace = 5,
    /// A thread.
    Tcb = 6,
    /// A virtual processor, to be bound to a thread, which then runs a guest.
    Vcpu = 7,
    /// A meeting point for messages.
    Endpoint = 8,
    /// A word of binary semaphores.
    Notification = 9,
    /// The place where a server keeps its caller until it answers.
    Reply = 10,
    /// Processor time: a core, a budget and a period.
    SchedContext = 11,
}

impl ObjectType {
    /// The type of that number.
    pub const fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            1 => Self::Untyped,
            2 => Self::CNode,
            3 => Self::Frame,
            4 => Self::Table,
            5 => Self::VSpace,
            6 => Self::Tcb,
            7 => Self::Vcpu,
            8 => Self::Endpoint,
            9 => Self::Notification,
            10 => Self::Reply,
            11 => Self::SchedContext,
            _ => return None,
        })
    }

    /// Size in bytes of an object of this type, or `None` if `size_bits` is not allowed for it.
    pub const fn bytes(self, size_bits: u32) -> Option<u64> {
        Some(match self {
            Self::Untyped if size_bits >= UNTYPED_BITS_MIN && size_bits <= UNTYPED_BITS_MAX => 1 << size_bits,
            Self::CNode if size_bits >= CNODE_BITS_MIN && size_bits <= CNODE_BITS_MAX => {
                (SLOT_BYTES as u64) << size_bits
            }
            Self::Frame if size_bits == PAGE_BITS || size_bits == BLOCK_BITS => 1 << size_bits,
            Self::Table if size_bits == 2 || size_bits == 3 => TABLE_BYTES as u64,
            Self::VSpace if size_bits == 0 => VSPACE_BYTES as u64,
            Self::Tcb if size_bits == 0 => TCB_BYTES as u64,
            Self::Vcpu if size_bits == 0 => VCPU_BYTES as u64,
            Self::Endpoint if size_bits == 0 => ENDPOINT_BYTES as u64,
            Self::Notification if size_bits == 0 => NOTIFICATION_BYTES as u64,
            Self::Reply if size_bits == 0 => REPLY_BYTES as u64,
            Self::SchedContext if size_bits == 0 => SCHED_CONTEXT_BYTES as u64,
            _ => return None,
        })
    }

    /// Alignment in bytes of an object of this type and size.
    pub const fn align(self, size_bits: u32) -> u64 {
        match self {
            Self::Untyped | Self::Frame => 1 << size_bits,
            Self::Table | Self::Vcpu => 1 << PAGE_BITS,
            _ => GRANULE_BYTES as u64,
        }
    }
}

/// Every object begins at a multiple of this: one cache line of a Cortex-A15.
pub const GRANULE_BYTES: u32 = 64;
/// Size of a capability slot.
pub const SLOT_BYTES: u32 = 32;
/// Size of a thread control block.
pub const TCB_BYTES: u32 = 512;
/// Size of a virtual processor.
pub const VCPU_BYTES: u32 = 4096;
/// Size of an address space's root.
pub const VSPACE_BYTES: u32 = 128;
/// Size of a stage-2 table: 4 KiB that the hardware walks, 2 KiB that say which capability made each entry.
pub const TABLE_BYTES: u32 = 6144;
/// Size of an endpoint.
pub const ENDPOINT_BYTES: u32 = 64;
/// Size of a notification.
pub const NOTIFICATION_BYTES: u32 = 64;
/// Size of a reply object.
pub const REPLY_BYTES: u32 = 64;
/// Size of a scheduling context.
pub const SCHED_CONTEXT_BYTES: u32 = 256;

/// log2 of the smallest untyped: one page.
pub const UNTYPED_BITS_MIN: u32 = 12;
/// log2 of the largest untyped: its granules can be counted in 32 bits.
pub const UNTYPED_BITS_MAX: u32 = 37;
/// log2 of the slots of the smallest CNode.
pub const CNODE_BITS_MIN: u32 = 1;
/// log2 of the slots of the largest CNode.
pub const CNODE_BITS_MAX: u32 = 16;
/// log2 of a page.
pub const PAGE_BITS: u32 = 12;
/// log2 of a level-2 block.
pub const BLOCK_BITS: u32 = 21;
/// The most objects that one retype makes: what keeps it bounded.
pub const RETYPE_COUNT_MAX: u32 = 64;
/// Threads have priorities 0 (least urgent) to this.
pub const PRIORITY_MAX: u32 = 255;
/// Interrupt numbers that a vCPU can be given: SGIs, PPIs and SPIs 32-287.
pub const VIRTUAL_INTERRUPTS: usize = 288;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_a_size_that_keeps_the_granule() {
        for (ty, bits) in [
            (ObjectType::Untyped, 12),
            (ObjectType::CNode, 1),
            (ObjectType::Frame, 12),
            (ObjectType::Frame, 21),
            (ObjectType::Table, 2),
            (ObjectType::VSpace, 0),
            (ObjectType::Tcb, 0),
            (ObjectType::Vcpu, 0),
            (ObjectType::Endpoint, 0),
            (ObjectType::Notification, 0),
            (ObjectType::Reply, 0),
            (ObjectType::SchedContext, 0),
        ] {
            let bytes = ty.bytes(bits).unwrap();
            assert_eq!(bytes % u64::from(GRANULE_BYTES), 0, "{ty:?}");
            assert_eq!(ty.align(bits) % u64::from(GRANULE_BYTES), 0, "{ty:?}");
            assert!(ty.align(bits).is_power_of_two(), "{ty:?}");
            assert_eq!(ObjectType::from_number(ty as u32), Some(ty));
        }
        assert_eq!(ObjectType::Frame.bytes(13), None);
        assert_eq!(ObjectType::Untyped.bytes(11), None);
    }
}
