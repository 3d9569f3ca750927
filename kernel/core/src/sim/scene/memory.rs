//! Two spaces with a thread in each, tables and frames for both, and memory that is used again.

use super::Step;
use crate::cap::Cap;
use crate::sim::maker::{FIRST, Maker};
use crate::sim::step::Svc;
use crate::sim::world::World;
use abi::Syscall;
use abi::boot::root_slot;
use abi::method::*;
use abi::object::ObjectType;
use abi::rights::MapFlags;
use std::vec::Vec;

const SPACES: u32 = FIRST + 1;
/// Level 2 and 3 of the first space, then of the second.
const TABLES: u32 = FIRST + 3;
const THREADS: u32 = FIRST + 7;
const CONTEXTS: u32 = FIRST + 9;
/// What the frames are made of.
const MEMORY: u32 = FIRST + 11;
const FRAMES: u32 = FIRST + 12;
const COPY: u32 = FIRST + 14;

const AT: u32 = 0x5000;

pub fn build() -> World {
    let mut maker = Maker::new(16);
    assert_eq!(maker.make(ObjectType::VSpace, 0, 2), SPACES);
    for n in 0..2 {
        assert_eq!(maker.make(ObjectType::Table, 2, 1), TABLES + 2 * n);
        assert_eq!(maker.make(ObjectType::Table, 3, 1), TABLES + 2 * n + 1);
        maker.ok(TABLES + 2 * n, TableMethod::Map as u16, &[SPACES + n, 0]);
        maker.ok(TABLES + 2 * n + 1, TableMethod::Map as u16, &[SPACES + n, 0]);
    }
    for n in 0..2 {
        assert_eq!(maker.thread(190, SPACES + n), THREADS + n);
    }
    for n in 0..2 {
        assert_eq!(maker.context(10_000, 10_000), CONTEXTS + n);
    }
    assert_eq!(maker.make(ObjectType::Untyped, 13, 1), MEMORY);
    maker.from = MEMORY;
    assert_eq!(maker.make(ObjectType::Frame, 12, 2), FRAMES);
    for n in 0..2 {
        maker.start(THREADS + n, CONTEXTS + n);
    }
    maker.done()
}

pub fn steps(world: &World, steps: &mut Vec<Step>) {
    if world.kernel.running().is_none() {
        return;
    }
    let root = root_slot::CNODE;
    let read = MapFlags::READ;
    for frame in [FRAMES, FRAMES + 1, COPY] {
        match world.cap(frame) {
            Cap::Frame { table: None, .. } => {
                for space in [SPACES, SPACES + 1] {
                    let kinds = [read | MapFlags::WRITE, read | MapFlags::EXECUTE, read | MapFlags::UNCACHED];
                    for flags in kinds {
                        steps.push(Svc::method(frame, FrameMethod::Map as u16, &[space, AT, flags.bits()]));
                    }
                }
            }
            Cap::Frame { .. } => steps.push(Svc::method(frame, FrameMethod::Unmap as u16, &[])),
            _ => {}
        }
    }
    for slot in [FRAMES, COPY, TABLES + 1, TABLES + 2, SPACES + 1, MEMORY] {
        if !world.cap(slot).is_null() {
            steps.push(Svc::method(root, CNodeMethod::Delete as u16, &[slot]));
        }
    }
    if world.has_children(MEMORY) {
        let step = Svc::method(root, CNodeMethod::Revoke as u16, &[MEMORY]);
        steps.push(step);
        steps.push(step.preempted());
    } else {
        steps.push(Svc::method(MEMORY, UntypedMethod::Reset as u16, &[]));
    }
    let frame = ObjectType::Frame as u32 | 12 << 8 | 1 << 16;
    if world.cap(FRAMES).is_null() {
        steps.push(Svc::method(MEMORY, UntypedMethod::Retype as u16, &[frame, root, FRAMES]));
    }
    if world.cap(COPY).is_null() {
        steps.push(Svc::method(root, CNodeMethod::Copy as u16, &[COPY, FRAMES, 0xf]));
    }
    for n in 1..4 {
        match world.cap(TABLES + n) {
            Cap::Table { vspace: None, .. } => {
                for space in [SPACES, SPACES + 1] {
                    steps.push(Svc::method(TABLES + n, TableMethod::Map as u16, &[space, 0]));
                }
            }
            Cap::Table { .. } => steps.push(Svc::method(TABLES + n, TableMethod::Unmap as u16, &[])),
            _ => {}
        }
    }
    steps.push(Svc::call(Syscall::Yield, 0, 0));
    steps.push(Step::Store(AT, 0x1234_5678));
    steps.push(Step::Evict(0));
    steps.push(Svc::method(FRAMES, FrameMethod::Clean as u16, &[0, 64]));
    steps.push(Svc::method(FRAMES, FrameMethod::Unify as u16, &[0, 64]));
}
