//! Makes worlds: objects in slots of root's CNode, one after another, and threads that share it.

use super::step::Step;
use super::world::World;
use crate::arena::Handle;
use crate::cap::Cap;
use crate::tcb::Tcb;
use abi::Syscall;
use abi::boot::root_slot;
use abi::message::MessageInfo;
use abi::method::*;
use abi::object::ObjectType;

/// The first slot that worlds use.
pub const FIRST: u32 = root_slot::FIRST_FREE;

/// A world in the making. What goes wrong is the maker's mistake, and ends it.
pub struct Maker {
    /// The world.
    pub world: World,
    /// The untyped that things are made of.
    pub from: u32,
    next: u32,
}

/// A world of little more than 512 KiB of RAM, with 256 free slots.
pub fn small() -> World {
    World::sized((4 << 20) + (1 << 19), 9)
}

impl Maker {
    /// Begins with `1 << bits` bytes of untyped memory, zeroed, as a child of root's largest, in slot [`FIRST`] of
    /// a [`small`] world.
    pub fn new(bits: u32) -> Self {
        let mut world = small();
        let untyped = world.clean_untyped();
        world.retype(untyped, ObjectType::Untyped, bits, 1, FIRST).expect("memory");
        Self { world, from: FIRST, next: FIRST + 1 }
    }

    /// New objects; the address of the first.
    pub fn make(&mut self, object: ObjectType, bits: u32, count: u32) -> u32 {
        let first = self.next;
        self.world.retype(self.from, object, bits, count, first).expect("room");
        self.next += count;
        first
    }

    /// An empty slot.
    pub fn slot(&mut self) -> u32 {
        self.slots(1)
    }

    /// Empty slots; the first of them.
    pub fn slots(&mut self, count: u32) -> u32 {
        self.next += count;
        self.next - count
    }

    /// A call that succeeds.
    pub fn ok(&mut self, cap: u32, method: u16, words: &[u32]) -> [u32; 4] {
        self.world.invoke(cap, method, words).unwrap_or_else(|error| panic!("{cap} {method:#x} {words:x?}: {error:?}"))
    }

    /// A step that applies, with witnesses.
    pub fn take(&mut self, step: Step) {
        assert_eq!(self.world.step(&step), Ok(true), "{step}");
    }

    /// A thread in root's capability space and in `space`, not started.
    pub fn thread(&mut self, priority: u32, space: u32) -> u32 {
        let tcb = self.make(ObjectType::Tcb, 0, 1);
        self.ok(tcb, TcbMethod::SetSpaces as u16, &[root_slot::CNODE, space]);
        self.ok(tcb, TcbMethod::SetPriority as u16, &[root_slot::TCB, priority, 255]);
        tcb
    }

    /// A context of that budget and period.
    pub fn context(&mut self, budget_us: u32, period_us: u32) -> u32 {
        let context = self.make(ObjectType::SchedContext, 0, 1);
        let words = [0, budget_us, period_us, root_slot::SCHED_CONTROL];
        self.ok(context, SchedContextMethod::Configure as u16, &words);
        context
    }

    /// Starts a thread on a context.
    pub fn start(&mut self, tcb: u32, context: u32) {
        self.ok(tcb, TcbMethod::Resume as u16, &[]);
        self.ok(context, SchedContextMethod::Bind as u16, &[tcb]);
    }

    /// A space with tables for its first 2 MiB.
    pub fn space(&mut self) -> u32 {
        let space = self.make(ObjectType::VSpace, 0, 1);
        let tables = [self.make(ObjectType::Table, 2, 1), self.make(ObjectType::Table, 3, 1)];
        for table in tables {
            self.ok(table, TableMethod::Map as u16, &[space, 0]);
        }
        space
    }

    /// Lets a thread that is more urgent than root run on `context` until it has made that call, which blocks it; then it
    /// has no context.
    pub fn block(&mut self, tcb: u32, context: u32, call: Syscall, r0: u32, r12: u32) {
        self.start(tcb, context);
        assert_eq!(self.world.kernel.running(), Some(self.tcb(tcb)), "it is not more urgent");
        self.world.syscall(call, r0, MessageInfo::new(0, 0).0, [0; 4], r12);
        self.ok(context, SchedContextMethod::Unbind as u16, &[]);
    }

    /// The thread that a capability names.
    pub fn tcb(&self, cap: u32) -> Handle<Tcb> {
        match self.world.cap(cap) {
            Cap::Tcb { tcb } => tcb,
            other => panic!("{cap} is no thread: {other:?}"),
        }
    }

    /// The world. Root has nothing more to do: it stops, and never comes back.
    pub fn done(mut self) -> World {
        let root = self.world.root;
        assert!(self.world.kernel.running() == Some(root), "root is not the one that runs");
        let words = [0; 4];
        self.world.syscall(Syscall::Call, root_slot::TCB, MessageInfo::new(TcbMethod::Suspend as u16, 0).0, words, 0);
        self.world
    }
}
