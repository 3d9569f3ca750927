//! Four threads, one of them with a guest, and two or more of every kind of object.

use crate::sim::maker::{FIRST, small};
use crate::sim::world::World;
use abi::boot::root_slot;
use abi::method::*;
use abi::object::ObjectType;

/// Slots that random traces use: from [`FIRST`] to here.
pub const LAST: u32 = FIRST + 96;

/// log2 of the bytes of memory that all is made of.
const BITS: u32 = 17;

pub fn build() -> World {
    build_on(1)
}

/// The same on so many cores, over which the time of its threads is spread.
pub fn build_on(cores: usize) -> World {
    let mut world = small();
    world.kernel.platform.core_count = cores;
    populate(&mut world);
    world
}

/// Makes a world in which root has done nothing yet into one for random traces: threads that share root's capability space.
/// What they play with is one untyped, in slot [`FIRST`], so that its revocation ends everything.
pub fn populate(world: &mut World) {
    let untyped = world.clean_untyped();
    world.retype(untyped, ObjectType::Untyped, BITS, 1, FIRST).expect("memory");
    let mut next = FIRST + 1;
    let mut make = |world: &mut World, object, bits, count| {
        let first = next;
        world.retype(FIRST, object, bits, count, first).expect("an object");
        next += count;
        first
    };
    let threads = make(world, ObjectType::Tcb, 0, 4);
    let contexts = make(world, ObjectType::SchedContext, 0, 3);
    let endpoint = make(world, ObjectType::Endpoint, 0, 2);
    make(world, ObjectType::Notification, 0, 2);
    make(world, ObjectType::Reply, 0, 2);
    let spaces = make(world, ObjectType::VSpace, 0, 2);
    let tables = make(world, ObjectType::Table, 2, 2);
    let leaves = make(world, ObjectType::Table, 3, 2);
    make(world, ObjectType::Frame, 12, 6);
    let vcpu = make(world, ObjectType::Vcpu, 0, 1);
    let ok = |world: &mut World, cap: u32, method: u16, words: &[u32]| {
        world.invoke(cap, method, words).unwrap_or_else(|error| panic!("{cap} {method:#x} {words:x?}: {error:?}"));
    };
    for n in 0..2 {
        ok(world, tables + n, TableMethod::Map as u16, &[spaces + n, 0]);
        ok(world, leaves + n, TableMethod::Map as u16, &[spaces + n, 0]);
    }
    for n in 0..4 {
        let tcb = threads + n;
        let space = if n == 3 { spaces + 1 } else { spaces };
        ok(world, tcb, TcbMethod::SetSpaces as u16, &[root_slot::CNODE, space]);
        ok(world, tcb, TcbMethod::SetPriority as u16, &[root_slot::TCB, 190 + n * 10, 255]);
        ok(world, tcb, TcbMethod::SetFaultHandler as u16, &[endpoint]);
        if n == 3 {
            ok(world, tcb, TcbMethod::BindVcpu as u16, &[vcpu]);
        }
        ok(world, tcb, TcbMethod::Resume as u16, &[]);
    }
    for (n, tcb) in [(0, threads), (1, threads + 1), (2, threads + 3)] {
        let (budget, period) = if n == 1 { (1000, 5000) } else { (2000, 2000) };
        let core = n % world.kernel.platform.core_count as u32;
        let words = [core, budget, period, root_slot::SCHED_CONTROL];
        ok(world, contexts + n, SchedContextMethod::Configure as u16, &words);
        // This may switch to the thread, which then is the one that goes on: all share one capability space.
        let _ = world.invoke(contexts + n, SchedContextMethod::Bind as u16, &[tcb]);
    }
}
