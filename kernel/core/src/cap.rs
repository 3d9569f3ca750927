//! Capabilities and the slots that hold them.

use crate::arena::Handle;
use crate::objects::{CNode, Endpoint, Notification, Reply, SchedContext, Table, VSpace};
use crate::tcb::Tcb;
use crate::vcpu::Vcpu;
use abi::object::{BLOCK_BITS, PAGE_BITS, SLOT_BYTES};
use abi::{Error, Rights};
use bitflags::bitflags;

bitflags! {
    /// What an untyped is made of.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct UntypedFlags: u8 {
        /// Device memory: it becomes nothing but device frames and smaller device untypeds.
        const DEVICE = 1;
        /// Its free memory is not known to be zero: only smaller untypeds can be made of it until it is reset.
        const DIRTY = 2;
        /// It is being deleted: its children may stand elsewhere in the tree already, though they still lie in its
        /// memory. Nothing can be made of it any more, and it cannot be reset.
        const CONDEMNED = 4;
    }
}

bitflags! {
    /// Rights and kind of a frame.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct FrameFlags: u8 {
        /// May be mapped readable.
        const READ = 1;
        /// May be mapped writable.
        const WRITE = 2;
        /// May be mapped executable.
        const EXECUTE = 8;
        /// 2 MiB; else 4 KiB.
        const BLOCK = 16;
        /// Device memory.
        const DEVICE = 32;
    }
}

impl FrameFlags {
    /// log2 of the frame's size.
    pub const fn bits_of_size(self) -> u32 {
        if self.contains(Self::BLOCK) { BLOCK_BITS } else { PAGE_BITS }
    }
    /// The rights in it.
    pub const fn rights(self) -> Rights {
        Rights::from_bits_truncate(self.bits() & 0xf)
    }
}

/// A capability: 16 bytes, all zero is `Null`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "each variant's line names its fields")]
pub enum Cap {
    /// None.
    Null = 0,
    /// Memory of `1 << bits` bytes from physical page `page`, of which `used` granules of 64 bytes are taken.
    Untyped { bits: u8, flags: UntypedFlags, page: u32, used: u32 },
    /// `1 << bits` slots. An address that is resolved through it must begin with the `guard_bits` bits of `guard`.
    /// `direct` follows from those: addresses from 1 to `direct` are resolved in one step. Made by [`Cap::cnode`].
    CNode { bits: u8, guard_bits: u8, cnode: Handle<CNode>, guard: u32, direct: u32 },
    /// Memory that can be mapped, and where this capability has mapped it: entry `index` of `table`, in `vspace`.
    Frame { flags: FrameFlags, index: u16, page: u32, table: Option<Handle<Table>>, vspace: Option<Handle<VSpace>> },
    /// A stage-2 table, and where it is mapped: entry `index` of `parent`, or of the root if there is no parent.
    Table { level: u8, index: u16, table: Handle<Table>, parent: Option<Handle<Table>>, vspace: Option<Handle<VSpace>> },
    /// An address space.
    VSpace { vspace: Handle<VSpace> },
    /// A thread.
    Tcb { tcb: Handle<Tcb> },
    /// A virtual processor.
    Vcpu { vcpu: Handle<Vcpu> },
    /// An endpoint.
    Endpoint { rights: Rights, endpoint: Handle<Endpoint>, badge: u32 },
    /// A notification.
    Notification { rights: Rights, notification: Handle<Notification>, badge: u32 },
    /// A reply object.
    Reply { reply: Handle<Reply> },
    /// A scheduling context.
    SchedContext { context: Handle<SchedContext> },
    /// The authority over interrupts.
    IrqControl,
    /// One interrupt.
    IrqHandler { intid: u16 },
    /// The machine's power.
    Power,
    /// The authority over processor time.
    SchedControl,
}

/// A slot: a capability and its place in the derivation tree.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Slot {
    /// What it holds.
    pub cap: Cap,
    /// What it was derived from.
    pub parent: Option<Handle<Slot>>,
    /// First of what was derived from it.
    pub child: Option<Handle<Slot>>,
    /// Next of what was derived from `parent`.
    pub next: Option<Handle<Slot>>,
    /// The one before.
    pub prev: Option<Handle<Slot>>,
}

plain!(Slot);
const _: () = assert!(core::mem::size_of::<Cap>() == 16 && core::mem::size_of::<Slot>() == SLOT_BYTES as usize);

impl Cap {
    /// A capability to a CNode of `1 << bits` slots, with its guard.
    pub const fn cnode(bits: u8, guard_bits: u8, cnode: Handle<CNode>, guard: u32) -> Self {
        let one_step = bits < 32 && bits as u32 + guard_bits as u32 == 32 && guard == 0;
        Self::CNode { bits, guard_bits, cnode, guard, direct: if one_step { (1 << bits) - 1 } else { 0 } }
    }

    /// Whether there is none.
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The capability that a copy with at most `rights` and with `badge` (if not 0) is.
    ///
    /// # Errors
    /// `NotCopyable` for what exists once; `NoRights` for a badge on something badged; `OutOfRange` for a guard
    /// that is longer than an address.
    pub fn derive(self, rights: Rights, badge: u32) -> Result<Cap, Error> {
        let narrowed = |old: u32| match (old, badge) {
            (old, 0) => Ok(old),
            (0, new) => Ok(new),
            _ => Err(Error::NoRights),
        };
        Ok(match self {
            Self::Null => return Err(Error::EmptySlot),
            Self::Untyped { .. } | Self::Table { .. } | Self::Reply { .. } => return Err(Error::NotCopyable),
            Self::IrqControl | Self::IrqHandler { .. } | Self::Power | Self::SchedControl => {
                return Err(Error::NotCopyable);
            }
            Self::Frame { flags, page, .. } => {
                let kept = FrameFlags::from_bits_truncate(rights.bits()) | FrameFlags::BLOCK | FrameFlags::DEVICE;
                Self::Frame { flags: flags & kept, index: 0, page, table: None, vspace: None }
            }
            Self::Endpoint { rights: old, endpoint, badge } => {
                Self::Endpoint { rights: old & rights, endpoint, badge: narrowed(badge)? }
            }
            Self::Notification { rights: old, notification, badge } => {
                Self::Notification { rights: old & rights, notification, badge: narrowed(badge)? }
            }
            Self::CNode { bits, cnode, .. } => match badge {
                0 => self,
                word => {
                    let (guard_bits, guard) = ((word & 0xff) as u8, word >> 8);
                    if u32::from(guard_bits) + u32::from(bits) > 32 {
                        return Err(Error::OutOfRange);
                    }
                    Self::cnode(bits, guard_bits, cnode, guard)
                }
            },
            other => other,
        })
    }
}
