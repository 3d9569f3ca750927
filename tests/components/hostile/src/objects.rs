//! One object of each type, made of the component's own untyped memory, and copies of them that may do less.

use abi::describe::{CapType, Description};
use abi::method::DESCRIPTIONS;
use abi::{Error, ObjectType, Rights};
use runtime::{CNode, Untyped};

/// Number of types of which a component can hold a capability.
pub const HELD: usize = CapType::ALL.len() - ROOTS.len();
/// The authorities over interrupts, power and time: root's alone, nobody else can hold them.
const ROOTS: [CapType; 3] = [CapType::IrqControl, CapType::Power, CapType::SchedControl];

/// Every type of which a component can hold a capability.
pub fn held_types() -> impl Iterator<Item = CapType> + Clone {
    CapType::ALL.iter().copied().filter(|ty| !ROOTS.contains(ty))
}

/// Every method of every type.
pub fn methods() -> impl Iterator<Item = &'static Description> + Clone {
    DESCRIPTIONS.iter().copied().flatten().copied()
}

/// What is made of memory to have an object of that type, and its `size_bits`; `None`: it is not made.
fn recipe(ty: CapType) -> Option<(ObjectType, u32)> {
    Some(match ty {
        CapType::Untyped => (ObjectType::Untyped, 12),
        CapType::CNode => (ObjectType::CNode, CNODE_BITS),
        CapType::Frame => (ObjectType::Frame, 12),
        CapType::Table => (ObjectType::Table, 3),
        CapType::VSpace => (ObjectType::VSpace, 0),
        CapType::Tcb => (ObjectType::Tcb, 0),
        CapType::Vcpu => (ObjectType::Vcpu, 0),
        CapType::Endpoint => (ObjectType::Endpoint, 0),
        CapType::Notification => (ObjectType::Notification, 0),
        CapType::Reply => (ObjectType::Reply, 0),
        CapType::SchedContext => (ObjectType::SchedContext, 0),
        CapType::IrqHandler | CapType::IrqControl | CapType::Power | CapType::SchedControl => return None,
    })
}

/// Slots of the CNode that is made, all of them empty.
pub const CNODE_BITS: u32 = 4;

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
    /// A capability of each type, in the order of [`held_types`]. The endpoint's has no right at all: it could be called.
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
    pub fn of(&self, ty: CapType) -> Option<u32> {
        held_types().zip(self.held).find_map(|(held, slot)| (held == ty).then_some(slot))
    }

    /// Each type that is held, but one.
    pub fn others(&self, ty: CapType) -> impl Iterator<Item = (CapType, u32)> + use<> {
        held_types().zip(self.held).filter(move |(held, _)| *held != ty)
    }

    /// The same type with fewer rights than any method or call wants.
    pub fn weak(&self, ty: CapType) -> Option<u32> {
        match ty {
            CapType::Endpoint => self.of(ty),
            CapType::Frame => Some(self.read_only_frame),
            CapType::Notification => Some(self.weak_notification),
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
        for (held, ty) in self.held.iter_mut().zip(held_types()) {
            *held = irq_handler;
            let Some((object, size_bits)) = recipe(ty) else { continue };
            *held = take();
            let made = if ty == CapType::Endpoint { take() } else { *held };
            Untyped(self.memory).retype(object, size_bits, 1, cnode, made)?;
            if made != *held {
                cnode.copy(*held, made, Rights::empty())?;
            }
        }
        (self.read_only_frame, self.weak_notification) = (take(), take());
        let frame = self.of(CapType::Frame).unwrap_or_default();
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
    fn an_object_of_each_type_is_made_but_of_those_that_come_with_something_else() {
        assert_eq!(held_types().count(), HELD);
        let made: BTreeSet<u32> = held_types().filter_map(recipe).map(|(object, _)| object as u32).collect();
        assert_eq!(made.len(), (1..).map_while(ObjectType::from_number).count());
        assert!(held_types().filter(|ty| recipe(*ty).is_none()).eq([CapType::IrqHandler]));
    }
}
