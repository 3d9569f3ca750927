//! Each invariant is broken on purpose, and notices.

use super::{Authority, Census, INVARIANTS, authority_shrinks, check_census};
use crate::arena::Handle;
use crate::cap::{Cap, FrameFlags, Slot, UntypedFlags};
use crate::objects::{Endpoint, Refill, SpaceKind, Waiters};
use crate::sim::maker::FIRST;
use crate::sim::scene::Scene;
use crate::sim::step::{GuestStep, Step, Svc};
use crate::sim::world::World;
use crate::tcb::{State, Tcb};
use crate::vcpu::Vcpu;
use crate::vgic::{ACTIVE, LISTED, PENDING};
use abi::Rights;
use std::vec::Vec;

// Slots of the teardown scene: a guest runs, its VMM waits.
const UNTYPED: u32 = FIRST + 5;
const ENDPOINT: u32 = FIRST + 6;
const REPLY: u32 = FIRST + 7;
const VCPU: u32 = FIRST + 8;
const SPACES: u32 = FIRST + 9;
const LEAVES: u32 = FIRST + 12;
const VMM: u32 = FIRST + 13;
const GUEST: u32 = FIRST + 14;
const CONTEXT: u32 = FIRST + 15;
const FRAME: u32 = FIRST + 16;

fn slot(world: &mut World, at: u32) -> &mut Slot {
    let slot = world.slot(at);
    world.kernel.arena.get_mut(slot)
}

fn tcb(world: &World, at: u32) -> Handle<Tcb> {
    match world.cap(at) {
        Cap::Tcb { tcb } => tcb,
        other => panic!("{other:?}"),
    }
}

fn thread(world: &mut World, at: u32) -> &mut Tcb {
    let tcb = tcb(world, at);
    world.kernel.arena.get_mut(tcb)
}

fn vcpu(world: &mut World) -> &mut Vcpu {
    let Cap::Vcpu { vcpu } = world.cap(VCPU) else { panic!("no vCPU") };
    world.kernel.arena.get_mut(vcpu)
}

fn endpoint(world: &mut World) -> &mut Endpoint {
    let Cap::Endpoint { endpoint, .. } = world.cap(ENDPOINT) else { panic!("no endpoint") };
    world.kernel.arena.get_mut(endpoint)
}

/// The descriptor of the frame, and what it is for the machine.
fn frame_entry(world: &mut World, change: impl FnOnce(u64) -> u64) {
    let Cap::Frame { table: Some(table), index, .. } = world.cap(FRAME) else { panic!("no mapping") };
    let entry = &mut world.kernel.arena.get_mut(table).entries[usize::from(index)];
    *entry = change(*entry);
}

/// Everything, with the guest running.
fn world() -> World {
    let mut world = Scene::Teardown.build();
    let wait = Svc::call(abi::Syscall::Wait, FIRST + 20, 0);
    assert_eq!(world.step(&wait), Ok(true));
    assert_eq!(world.kernel.running(), Some(tcb(&world, GUEST)));
    world
}

/// An invariant, and a way to break it.
type Plant = (&'static str, fn(&mut World));

/// How each invariant is broken.
const PLANTS: &[Plant] = &[
    ("the derivation forest is well-formed", |world| {
        let other = world.slot(ENDPOINT);
        slot(world, FRAME).prev = Some(other);
    }),
    ("what was derived has no more authority than what it came from", |world| {
        // A copy stands in the CNode.
        if let Cap::Endpoint { rights, .. } = &mut slot(world, ENDPOINT).cap {
            *rights = Rights::READ;
        }
    }),
    ("capabilities are counted", |world| endpoint(world).refs += 1),
    ("no two objects overlap", |world| {
        let Cap::Endpoint { endpoint, .. } = world.cap(ENDPOINT) else { panic!("no endpoint") };
        slot(world, REPLY).cap = Cap::Reply { reply: world.kernel.arena.place(endpoint.address()) };
    }),
    ("no capability names a dead or retyped object", |world| {
        if let Cap::Untyped { used, .. } = &mut slot(world, UNTYPED).cap {
            *used -= 64;
        }
    }),
    ("what an untyped gave out lies in it", |world| {
        if let Cap::Frame { page, .. } = &mut slot(world, FRAME).cap {
            *page += 0x100;
        }
    }),
    ("each thread is in exactly the one queue that its state says", |world| endpoint(world).waiters = Waiters::Senders),
    ("the scheduler knows who is ready, and the most urgent runs", |world| {
        let other = tcb(world, VMM);
        world.kernel.cores[0].current = Some(other);
    }),
    ("a caller and its reply object know each other", |world| {
        let Cap::Reply { reply } = world.cap(REPLY) else { panic!("no reply object") };
        world.kernel.arena.get_mut(reply).receiver = None;
    }),
    ("a context and its thread know each other", |world| thread(world, GUEST).home = None),
    ("budgets are conserved", |world| {
        let Cap::SchedContext { context } = world.cap(CONTEXT) else { panic!("no context") };
        let Refill { amount, .. } = &mut world.kernel.arena.get_mut(context).refills[0];
        *amount += 1;
    }),
    ("the timer is set for what is due first", |world| world.kernel.platform.deadline = u64::MAX),
    ("every mapping is backed by a frame capability", |world| {
        if let Cap::Frame { flags, .. } = &mut slot(world, FRAME).cap {
            flags.remove(FrameFlags::WRITE);
        }
    }),
    ("every table entry is a mapping's", |world| {
        let Cap::Table { table, .. } = world.cap(LEAVES) else { panic!("no table") };
        world.kernel.arena.get_mut(table).entries[9] = 0x4000_0003;
    }),
    ("nothing is writable and executable unless so granted", |world| {
        let Cap::VSpace { vspace } = world.cap(SPACES + 1) else { panic!("no space") };
        world.kernel.arena.get_mut(vspace).kind = SpaceKind::Component;
    }),
    ("no stale translation is reachable", |world| frame_entry(world, |entry| entry | 1 << 54)),
    ("a mapping can be used when the kernel is left", |world| {
        world.kernel.platform.mmu.store(0x4000_0000, 0, 0);
    }),
    ("who runs, runs in its own space", |world| {
        world.kernel.platform.mmu.choose(7 << 48 | 0x4040_0000, true);
        world.kernel.platform.mmu.synchronize();
    }),
    ("a VMID is never shared within a generation", |world| {
        let spaces = world.census().spaces.all;
        let generation = world.kernel.generation;
        for &space in &spaces[..2] {
            let space = world.kernel.arena.get_mut(space);
            (space.generation, space.vmid) = (generation, 1);
        }
    }),
    ("memory that can be retyped is zero for every reader", |world| {
        let Cap::Untyped { page, used, .. } = world.cap(UNTYPED) else { panic!("no untyped") };
        world.kernel.arena.write_word_unseen((page << 12) + (used << 6), 1);
    }),
    ("what is mapped uncached is in RAM", |world| {
        // It was written through the cache, and is mapped so now without more ado.
        assert_eq!(world.step(&Step::Guest(GuestStep::Exit)), Ok(true));
        let Cap::Frame { page, .. } = world.cap(FRAME) else { panic!("no frame") };
        let kernel = &mut *world.kernel;
        kernel.arena.write_word(page << 12, 1);
        let written = std::mem::take(&mut kernel.arena.written);
        kernel.platform.caches.written(written, &crate::sim::machine::mmu::Mmu::default());
        frame_entry(world, |entry| entry & !(0xf << 2) | 0b0101 << 2);
    }),
    ("what is mapped executable is fetched as it was written", |world| {
        let Cap::Frame { page, .. } = world.cap(FRAME) else { panic!("no frame") };
        let kernel = &mut *world.kernel;
        kernel.arena.write_word(page << 12, 1);
        let written = std::mem::take(&mut kernel.arena.written);
        kernel.platform.caches.written(written, &crate::sim::machine::mmu::Mmu::default());
    }),
    ("every virtual interrupt is in exactly one place", |world| vcpu(world).interrupts.state[40].flags = PENDING),
    ("no virtual interrupt waits while there is room", |world| {
        vcpu(world).interrupts.state[40].flags = PENDING;
        vcpu(world).interrupts.set_waiting(40, true);
    }),
    ("the hardware holds the loaded vCPU's interrupts and nobody else's", |world| {
        world.kernel.platform.lists[1].pending = true;
    }),
    ("a physical interrupt that is active has somebody who ends it", |world| {
        world.kernel.platform.active.insert(36);
    }),
];

#[test]
fn each_invariant_that_is_broken_is_seen_to_be() {
    let names: Vec<&str> = INVARIANTS.iter().map(|invariant| invariant.name).collect();
    let planted: Vec<&str> = PLANTS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, planted, "invariants, and those that are broken here");
    for ((name, plant), invariant) in PLANTS.iter().zip(INVARIANTS) {
        let mut world = world();
        assert_eq!((invariant.check)(&world.census()), Ok(()), "{name}");
        plant(&mut world);
        let census = Census::take(&world.kernel, world.cnode);
        assert!((invariant.check)(&census).is_err(), "`{name}` does not notice");
        assert!(check_census(&census).is_err());
    }
}

/// More ways in which the subtler ones can be broken.
#[test]
fn what_is_broken_otherwise_is_seen_as_well() {
    let ways: &[Plant] = &[
        ("the derivation forest is well-formed", |world| {
            // The only child of its own only child.
            let (one, other) = (world.slot(FRAME), world.slot(REPLY));
            for (this, that) in [(one, other), (other, one)] {
                let node = world.kernel.arena.get_mut(this);
                (node.parent, node.child, node.next, node.prev) = (Some(that), Some(that), None, None);
            }
        }),
        ("each thread is in exactly the one queue that its state says", |world| {
            thread(world, VMM).state = State::Running;
        }),
        ("no capability names a dead or retyped object", |world| {
            if let Cap::Untyped { flags, used, .. } = &mut slot(world, UNTYPED).cap {
                flags.remove(UntypedFlags::CONDEMNED);
                *used = 0;
            }
        }),
        ("every virtual interrupt is in exactly one place", |world| {
            vcpu(world).interrupts.state[41].flags = LISTED | ACTIVE;
            vcpu(world).interrupts.state[41].list_register = 2;
        }),
        ("every virtual interrupt is in exactly one place", |world| vcpu(world).interrupts.spilled = 1),
        ("every virtual interrupt is in exactly one place", |world| vcpu(world).interrupts.listed_mask ^= 8),
        ("the hardware holds the loaded vCPU's interrupts and nobody else's", |world| {
            world.kernel.cores[0].loaded = None;
            world.kernel.platform.refill = true;
        }),
        ("every mapping is backed by a frame capability", |world| {
            frame_entry(world, |entry| entry + 0x1000);
        }),
        ("memory that can be retyped is zero for every reader", |world| {
            let Cap::Untyped { page, used, .. } = world.cap(UNTYPED) else { panic!("no untyped") };
            let kernel = &mut *world.kernel;
            kernel.platform.caches.before_zero(&kernel.arena, (page << 12) + (used << 6), 64);
        }),
        ("what is mapped executable is fetched as it was written", |world| {
            // The same virtual page was once another under this VMID.
            let Cap::Frame { page, .. } = world.cap(FRAME) else { panic!("no frame") };
            let vmid = world.kernel.platform.mmu.current(0) >> 48;
            world.kernel.platform.caches.remember_fetch((vmid as u8, 5, page + 1, false));
        }),
    ];
    for (name, plant) in ways {
        let mut world = world();
        plant(&mut world);
        let invariant = INVARIANTS.iter().find(|invariant| invariant.name == *name).expect("it exists");
        assert!((invariant.check)(&world.census()).is_err(), "`{name}` does not notice");
    }
}

#[test]
fn authority_that_grows_is_seen() {
    // Where the first capability to the notification is gone, nobody can badge it anew.
    let without = || {
        let mut world = world();
        slot(&mut world, FIRST + 4).cap = Cap::Null;
        world
    };
    let before = Authority::of(&without().census());
    let grows = |change: &dyn Fn(&mut World)| {
        let mut world = without();
        change(&mut world);
        authority_shrinks(&before, &Authority::of(&world.census())).is_err()
    };
    assert!(!grows(&|_| {}));
    assert!(!grows(&|world| slot(world, FRAME).cap = Cap::Null));
    assert!(grows(&|world| {
        if let Cap::Notification { badge, .. } = &mut slot(world, FIRST + 20).cap {
            *badge = 0x1000;
        }
    }));
    assert!(grows(&|world| {
        let flags = FrameFlags::READ;
        slot(world, FIRST + 30).cap = Cap::Frame { flags, index: 0, page: 0x12345, table: None, vspace: None };
    }));
    // The authority over all interrupts is there.
    assert!(!grows(&|world| slot(world, FIRST + 30).cap = Cap::IrqHandler { intid: 77 }));
}
