//! Typed capability handles, and the methods of objects that are memory or hold capabilities.
//!
//! A handle is a capability address; it owns nothing. A wrong address is an error of the kernel's, never more.

use crate::svc::invoke;
use abi::method::{CNodeMethod, FrameMethod, TableMethod, UntypedMethod};
use abi::rights::{MapFlags, Rights};
use abi::syscall::CPtr;
use abi::{Error, ObjectType};

macro_rules! handles {
    ($($(#[$doc:meta])* $name:ident;)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(pub CPtr);

        impl crate::object::Handle for $name {
            fn at(address: CPtr) -> Self {
                Self(address)
            }
        }
    )* };
}
pub(crate) use handles;

handles! {
    /// Memory that objects are made of.
    Untyped;
    /// Capability slots.
    CNode;
    /// Memory that can be mapped.
    Frame;
    /// A stage-2 table.
    Table;
    /// An address space.
    VSpace;
}

/// What an untyped is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UntypedDescription {
    /// Physical page number of its base.
    pub page: u32,
    /// log2 of its bytes.
    pub size_bits: u32,
    /// Whether it is device memory.
    pub device: bool,
    /// Bytes that are free.
    pub free_bytes: u64,
}

impl Untyped {
    /// Makes `count` objects; their capabilities go to consecutive slots of `cnode` from `index` on.
    pub fn retype(self, ty: ObjectType, size_bits: u32, count: u32, cnode: CNode, index: u32) -> Result<(), Error> {
        let what = ty as u32 | size_bits << 8 | count << 16;
        invoke(self.0, UntypedMethod::Retype as u16, [what, cnode.0, index, 0], 3).map(drop)
    }
    /// Zeroes it and makes all of it free again.
    pub fn reset(self) -> Result<(), Error> {
        invoke(self.0, UntypedMethod::Reset as u16, [0; 4], 0).map(drop)
    }
    /// What it is.
    pub fn describe(self) -> Result<UntypedDescription, Error> {
        let [page, bits, low, high] = invoke(self.0, UntypedMethod::Describe as u16, [0; 4], 0)?;
        Ok(UntypedDescription {
            page,
            size_bits: bits & 0xff,
            device: bits >> 8 & 1 != 0,
            free_bytes: u64::from(high) << 32 | u64::from(low),
        })
    }
}

impl CNode {
    /// Puts a derived copy of the capability at address `source` into slot `index`, with at most `rights`.
    pub fn copy(self, index: u32, source: CPtr, rights: Rights) -> Result<(), Error> {
        invoke(self.0, CNodeMethod::Copy as u16, [index, source, rights.bits().into(), 0], 3).map(drop)
    }
    /// Like `copy`, with a badge.
    pub fn mint(self, index: u32, source: CPtr, rights: Rights, badge: u32) -> Result<(), Error> {
        invoke(self.0, CNodeMethod::Mint as u16, [index, source, rights.bits().into(), badge], 4).map(drop)
    }
    /// Moves the capability itself.
    pub fn take(self, index: u32, source: CPtr) -> Result<(), Error> {
        invoke(self.0, CNodeMethod::Move as u16, [index, source, 0, 0], 2).map(drop)
    }
    /// Deletes the capability in slot `index`.
    pub fn delete(self, index: u32) -> Result<(), Error> {
        invoke(self.0, CNodeMethod::Delete as u16, [index, 0, 0, 0], 1).map(drop)
    }
    /// Deletes everything that was derived from it.
    pub fn revoke(self, index: u32) -> Result<(), Error> {
        invoke(self.0, CNodeMethod::Revoke as u16, [index, 0, 0, 0], 1).map(drop)
    }
}

impl Frame {
    /// Maps it at `address`.
    pub fn map(self, vspace: VSpace, address: u32, flags: MapFlags) -> Result<(), Error> {
        invoke(self.0, FrameMethod::Map as u16, [vspace.0, address, flags.bits(), 0], 3).map(drop)
    }
    /// Takes this capability's mapping back.
    pub fn unmap(self) -> Result<(), Error> {
        invoke(self.0, FrameMethod::Unmap as u16, [0; 4], 0).map(drop)
    }
    /// Cleans to the point of coherency. Offset and length: multiples of 64, at most 64 KiB; so for the next three.
    pub fn clean(self, offset: u32, bytes: u32) -> Result<(), Error> {
        invoke(self.0, FrameMethod::Clean as u16, [offset, bytes, 0, 0], 2).map(drop)
    }
    /// Cleans and invalidates to the point of coherency.
    pub fn clean_invalidate(self, offset: u32, bytes: u32) -> Result<(), Error> {
        invoke(self.0, FrameMethod::CleanInvalidate as u16, [offset, bytes, 0, 0], 2).map(drop)
    }
    /// Discards cached lines.
    pub fn invalidate(self, offset: u32, bytes: u32) -> Result<(), Error> {
        invoke(self.0, FrameMethod::Invalidate as u16, [offset, bytes, 0, 0], 2).map(drop)
    }
    /// Makes what was written visible to instruction fetch.
    pub fn unify(self, offset: u32, bytes: u32) -> Result<(), Error> {
        invoke(self.0, FrameMethod::Unify as u16, [offset, bytes, 0, 0], 2).map(drop)
    }
    /// Physical page number and log2 of its bytes.
    pub fn physical(self) -> Result<(u32, u32), Error> {
        let [page, bits, ..] = invoke(self.0, FrameMethod::Address as u16, [0; 4], 0)?;
        Ok((page, bits))
    }
}

impl Table {
    /// Puts it into the space where `address` is translated.
    pub fn map(self, vspace: VSpace, address: u32) -> Result<(), Error> {
        invoke(self.0, TableMethod::Map as u16, [vspace.0, address, 0, 0], 2).map(drop)
    }
    /// Unmaps all that is mapped through it, then itself.
    pub fn unmap(self) -> Result<(), Error> {
        invoke(self.0, TableMethod::Unmap as u16, [0; 4], 0).map(drop)
    }
}
