//! One object of each type, made of the component's own untyped memory, and copies of them that may do less.

use abi::method::{
    CNodeMethod, FrameMethod, IrqControlMethod, IrqHandlerMethod, PowerMethod, SchedContextMethod, TableMethod,
    TcbMethod, UntypedMethod, VcpuMethod,
};
use abi::{Error, ObjectType, Rights};
use runtime::{CNode, Untyped};

/// Whose method it is, or what a word must name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// What can be made of memory.
    Made(ObjectType),
    /// A handler of an interrupt: comes with a device.
    IrqHandler,
    /// The authorities over interrupts, power and time: root's alone, nobody else can hold them.
    IrqControl,
    /// See `IrqControl`.
    Power,
    /// See `IrqControl`.
    SchedControl,
}

/// Number of types of which a component can hold a capability.
pub const HELD: usize = types_that_are_made() + 1;

const fn types_that_are_made() -> usize {
    let mut number = 1;
    while ObjectType::from_number(number).is_some() {
        number += 1;
    }
    number as usize - 1
}

impl Type {
    /// Every type of which a component can hold a capability.
    pub fn held() -> impl Iterator<Item = Self> + Clone {
        (1..).map_while(ObjectType::from_number).map(Self::Made).chain([Self::IrqHandler])
    }

    /// Labels of all methods that objects of this type have.
    pub fn labels(self) -> impl Iterator<Item = u16> + Clone {
        macro_rules! of {
            ($name:ident) => {
                ($name::ALL.len(), |n| $name::ALL[n] as u16)
            };
        }
        let (count, label): (usize, fn(usize) -> u16) = match self {
            Self::Made(ObjectType::Untyped) => of!(UntypedMethod),
            Self::Made(ObjectType::CNode) => of!(CNodeMethod),
            Self::Made(ObjectType::Frame) => of!(FrameMethod),
            Self::Made(ObjectType::Table) => of!(TableMethod),
            Self::Made(ObjectType::Tcb) => of!(TcbMethod),
            Self::Made(ObjectType::Vcpu) => of!(VcpuMethod),
            Self::Made(ObjectType::SchedContext) => of!(SchedContextMethod),
            Self::IrqHandler => of!(IrqHandlerMethod),
            Self::IrqControl => of!(IrqControlMethod),
            Self::Power => of!(PowerMethod),
            Self::Made(ObjectType::VSpace | ObjectType::Endpoint | ObjectType::Notification | ObjectType::Reply)
            | Self::SchedControl => (0, |_| 0),
        };
        (0..count).map(label)
    }

    /// Every type, those that nobody holds included.
    pub fn all() -> impl Iterator<Item = Self> + Clone {
        Self::held().chain([Self::IrqControl, Self::Power, Self::SchedControl])
    }
}

/// Slots of the CNode that is made, all of them empty.
pub const CNODE_BITS: u32 = 4;

/// The `size_bits` with which an object of that type is made here.
fn size_bits(ty: ObjectType) -> u32 {
    match ty {
        ObjectType::Untyped | ObjectType::Frame => 12,
        ObjectType::CNode => CNODE_BITS,
        ObjectType::Table => 3,
        _ => 0,
    }
}

/// Capabilities that the component has.
#[derive(Clone, Copy, Debug)]
pub struct Own {
    /// Its CNode.
    pub cnode: u32,
    /// The untyped that everything is made of.
    pub memory: u32,
    /// A notification that it may signal and wait for.
    pub notification: u32,
    /// An endpoint that it may only call.
    pub client: u32,
    /// An endpoint that it may receive from.
    pub server: u32,
    /// A reply object without a caller.
    pub reply: u32,
    /// The first of the slots that are empty.
    pub empty: u32,
    /// Beyond its CNode.
    pub beyond: u32,
    /// A capability of each type, in the order of [`Type::held`]. The endpoint's has no right at all: it could be called.
    pub held: [u32; HELD],
    /// A frame that can only be read.
    pub read_only_frame: u32,
    /// The notification, without a right.
    pub weak_notification: u32,
}

impl Own {
    /// Some numbers, all different, for a kernel that is none.
    #[cfg(not(target_os = "none"))]
    pub fn numbered() -> Self {
        Self {
            cnode: 1,
            notification: 2,
            client: 8,
            server: 9,
            reply: 10,
            memory: 11,
            read_only_frame: 12,
            weak_notification: 13,
            held: core::array::from_fn(|n| 20 + n as u32),
            empty: 60,
            beyond: 1 << 16,
        }
    }

    /// The capability of that type; `None` for what nobody can hold.
    pub fn of(&self, ty: Type) -> Option<u32> {
        Type::held().zip(self.held).find_map(|(held, slot)| (held == ty).then_some(slot))
    }

    /// Each type that is held, but one.
    pub fn others(&self, ty: Type) -> impl Iterator<Item = (Type, u32)> + use<> {
        Type::held().zip(self.held).filter(move |(held, _)| *held != ty)
    }

    /// The same type with fewer rights than any method or call wants.
    pub fn weak(&self, ty: Type) -> Option<u32> {
        match ty {
            Type::Made(ObjectType::Endpoint) => self.of(ty),
            Type::Made(ObjectType::Frame) => Some(self.read_only_frame),
            Type::Made(ObjectType::Notification) => Some(self.weak_notification),
            _ => None,
        }
    }

    /// Makes what is missing: everything goes to slots from `self.empty` on, which moves behind them.
    ///
    /// # Errors
    /// The kernel's, if there is too little memory or room.
    pub fn make(mut self, irq_handler: u32) -> Result<Self, Error> {
        let cnode = CNode(self.cnode);
        let mut take = || {
            self.empty += 1;
            self.empty - 1
        };
        for (held, ty) in self.held.iter_mut().zip(Type::held()) {
            *held = irq_handler;
            let Type::Made(ty) = ty else { continue };
            *held = take();
            let made = if ty == ObjectType::Endpoint { take() } else { *held };
            Untyped(self.memory).retype(ty, size_bits(ty), 1, cnode, made)?;
            if made != *held {
                cnode.copy(*held, made, Rights::empty())?;
            }
        }
        (self.read_only_frame, self.weak_notification) = (take(), take());
        let frame = self.of(Type::Made(ObjectType::Frame)).unwrap_or_default();
        cnode.copy(self.read_only_frame, frame, Rights::READ)?;
        cnode.copy(self.weak_notification, self.notification, Rights::empty())?;
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_method_belongs_to_one_type() {
        assert_eq!(Type::held().count(), HELD);
        let labels: std::vec::Vec<u16> = Type::all().flat_map(Type::labels).collect();
        assert_eq!(labels.iter().collect::<BTreeSet<_>>().len(), labels.len());
        // A type's labels share their upper byte; nothing lies between those of two types.
        for ty in Type::all().filter(|ty| ty.labels().count() > 0) {
            assert_eq!(ty.labels().map(|label| label >> 8).collect::<BTreeSet<_>>().len(), 1, "{ty:?}");
        }
    }
}
