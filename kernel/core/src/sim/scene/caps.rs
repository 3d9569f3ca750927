//! Two untypeds, a few empty slots, and everything that can be done to capabilities.

use super::Step;
use crate::cap::Cap;
use crate::sim::maker::{FIRST, Maker};
use crate::sim::step::Svc;
use crate::sim::world::World;
use abi::boot::root_slot;
use abi::method::*;
use abi::object::ObjectType;
use std::vec::Vec;

const SPACE: u32 = FIRST + 1;
const THREAD: u32 = FIRST + 2;
const CONTEXT: u32 = FIRST + 3;
/// The slots that are played with: the first two hold untypeds at the beginning.
const SLOTS: std::ops::Range<u32> = FIRST + 4..FIRST + 10;

/// What is made: number and size of the type.
const TYPES: [(ObjectType, u32); 4] =
    [(ObjectType::Untyped, 12), (ObjectType::CNode, 2), (ObjectType::Endpoint, 0), (ObjectType::Frame, 12)];

pub fn build() -> World {
    let mut maker = Maker::new(15);
    assert_eq!(maker.make(ObjectType::VSpace, 0, 1), SPACE);
    assert_eq!(maker.thread(190, SPACE), THREAD);
    assert_eq!(maker.context(10_000, 10_000), CONTEXT);
    assert_eq!(maker.make(ObjectType::Untyped, 13, 2), SLOTS.start);
    maker.start(THREAD, CONTEXT);
    maker.done()
}

pub fn steps(world: &World, steps: &mut Vec<Step>) {
    if world.kernel.running().is_none() {
        return;
    }
    let root = root_slot::CNODE;
    // All empty slots are alike: the first will do.
    let empty = SLOTS.clone().find(|&slot| world.cap(slot).is_null());
    let full: Vec<u32> = SLOTS.filter(|&slot| !world.cap(slot).is_null()).collect();
    let nodes: Vec<u32> = full.iter().copied().filter(|&slot| matches!(world.cap(slot), Cap::CNode { .. })).collect();
    for &slot in &full {
        let cap = world.cap(slot);
        for (method, can) in [(CNodeMethod::Delete, true), (CNodeMethod::Revoke, world.has_children(slot))] {
            if can {
                let step = Svc::method(root, method as u16, &[slot]);
                steps.push(step);
                steps.push(step.preempted());
            }
        }
        if let Cap::Untyped { .. } = cap {
            steps.push(Svc::method(slot, UntypedMethod::Reset as u16, &[]));
            if let Some(to) = empty {
                for (object, bits) in TYPES {
                    let what = object as u32 | bits << 8 | 1 << 16;
                    steps.push(Svc::method(slot, UntypedMethod::Retype as u16, &[what, root, to]));
                }
            }
        }
        if let Some(to) = empty {
            steps.push(Svc::method(root, CNodeMethod::Copy as u16, &[to, slot, 0xf]));
            steps.push(Svc::method(root, CNodeMethod::Move as u16, &[to, slot]));
            if matches!(cap, Cap::Endpoint { .. }) {
                steps.push(Svc::method(root, CNodeMethod::Mint as u16, &[to, slot, 1, 5]));
            }
        }
        // Into a CNode of theirs, itself included, and out of it.
        for &node in &nodes {
            for index in [1, 3] {
                steps.push(Svc::method(node, CNodeMethod::Copy as u16, &[index, slot, 0xf]));
                steps.push(Svc::method(node, CNodeMethod::Move as u16, &[index, slot]));
            }
        }
    }
    for &node in &nodes {
        for index in [1, 3] {
            let step = Svc::method(node, CNodeMethod::Delete as u16, &[index]);
            steps.push(step);
            steps.push(step.preempted());
            steps.push(Svc::method(node, CNodeMethod::Revoke as u16, &[index]));
        }
    }
}
