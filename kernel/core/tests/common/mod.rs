//! A world with named objects, for tests of what threads do to each other.
#![allow(dead_code, reason = "each test file uses some of it")]

use abi::boot::root_slot;
use abi::message::MessageInfo;
use abi::method::*;
use abi::object::ObjectType;
use abi::{Error, Syscall};
use kernel_core::cap::Cap;
use kernel_core::sim::{World, check_all};
use kernel_core::tcb::{State, Tcb};
use kernel_core::vcpu::ExitRecord;
use kernel_core::{Context, Handle};

/// Where tests put their objects.
pub const FIRST: u32 = root_slot::FIRST_FREE;

/// A world and its next free slot.
pub struct Desk {
    pub world: World,
    pub untyped: u32,
    next: u32,
}

impl Desk {
    pub fn new() -> Self {
        let mut world = World::new();
        let untyped = world.clean_untyped();
        Self { world, untyped, next: FIRST }
    }

    /// The same on so many cores; core 0 is meant.
    pub fn with_cores(cores: usize) -> Self {
        let mut desk = Self::new();
        desk.world.kernel.platform.core_count = cores;
        desk
    }

    /// What comes happens on that core, which has seen what it was told.
    pub fn on(&mut self, core: usize) {
        self.world.kernel.platform.switch_core(core);
        if self.world.kernel.platform.told() {
            self.world.schedule();
        }
        self.check();
    }

    /// A context of a core.
    pub fn context_on(&mut self, core: u32, budget_us: u32, period_us: u32) -> u32 {
        let context = self.make(ObjectType::SchedContext, 0, 1);
        let words = [core, budget_us, period_us, root_slot::SCHED_CONTROL];
        self.ok(context, SchedContextMethod::Configure as u16, &words);
        context
    }

    /// A thread of that priority that runs on a core: `(thread, context)`.
    pub fn thread_on(&mut self, core: u32, priority: u32) -> (u32, u32) {
        let tcb = self.thread(priority);
        let context = self.context_on(core, 10_000, 10_000);
        self.ok(tcb, TcbMethod::Resume as u16, &[]);
        self.ok(context, SchedContextMethod::Bind as u16, &[tcb]);
        (tcb, context)
    }

    /// New objects; the address of the first.
    pub fn make(&mut self, object: ObjectType, bits: u32, count: u32) -> u32 {
        let first = self.next;
        self.world.retype(self.untyped, object, bits, count, first).expect("room");
        self.next += count;
        first
    }

    /// An empty slot.
    pub fn slot(&mut self) -> u32 {
        self.next += 1;
        self.next - 1
    }

    /// The next free slot, to come back to.
    pub fn mark(&self) -> u32 {
        self.next
    }

    /// Slots from `mark` on are free again: the test has deleted what was there.
    pub fn rewind(&mut self, mark: u32) {
        self.next = mark;
    }

    pub fn ok(&mut self, cap: u32, method: u16, words: &[u32]) -> [u32; 4] {
        self.world.invoke(cap, method, words).unwrap_or_else(|error| panic!("{method:#x}: {error:?}"))
    }

    /// A context of that budget and period.
    pub fn context(&mut self, budget_us: u32, period_us: u32) -> u32 {
        let context = self.make(ObjectType::SchedContext, 0, 1);
        self.ok(context, SchedContextMethod::Configure as u16, &[0, budget_us, period_us, root_slot::SCHED_CONTROL]);
        context
    }

    /// A thread in root's capability space and a space of its own, with that priority, not started.
    pub fn thread(&mut self, priority: u32) -> u32 {
        let tcb = self.make(ObjectType::Tcb, 0, 1);
        let space = self.make(ObjectType::VSpace, 0, 1);
        self.ok(tcb, TcbMethod::SetSpaces as u16, &[root_slot::CNODE, space]);
        self.ok(tcb, TcbMethod::SetPriority as u16, &[root_slot::TCB, priority, 255]);
        tcb
    }

    /// The object behind a thread's capability.
    pub fn tcb(&self, cap: u32) -> Handle<Tcb> {
        match self.world.cap(cap) {
            Cap::Tcb { tcb } => tcb,
            other => panic!("no thread: {other:?}"),
        }
    }

    pub fn state(&self, cap: u32) -> State {
        self.world.kernel.arena.get(self.tcb(cap)).state
    }

    pub fn registers(&self, cap: u32) -> Context {
        self.world.kernel.arena.get(self.tcb(cap)).context
    }

    /// Which of these threads runs.
    pub fn runs(&self, cap: u32) -> bool {
        self.world.kernel.running() == Some(self.tcb(cap))
    }

    /// The running thread does a system call; its registers right afterwards.
    pub fn svc(&mut self, call: Syscall, r0: u32, label: u16, words: &[u32], r12: u32) -> [u32; 7] {
        let mut registers = [0; 4];
        registers[..words.len()].copy_from_slice(words);
        let answer = self.world.syscall(call, r0, MessageInfo::new(label, words.len() * 4).0, registers, r12);
        self.check();
        answer
    }

    pub fn exit(&mut self, exit: ExitRecord) {
        self.world.exit(exit);
        self.check();
    }

    /// Lets that many microseconds pass; the timer fires when it is due.
    pub fn pass_us(&mut self, us: u64) {
        let end = self.world.kernel.platform.now + us * 62;
        while self.world.kernel.platform.deadline <= end {
            self.world.kernel.platform.now = self.world.kernel.platform.now.max(self.world.kernel.platform.deadline);
            self.world.kernel.on_timer();
            self.world.schedule();
        }
        self.world.kernel.platform.now = end;
        self.check();
    }

    pub fn check(&self) {
        if let Err(violation) = check_all(&self.world.kernel, self.world.cnode) {
            panic!("{}: {}", violation.0, violation.1);
        }
    }

    pub fn fails(&mut self, cap: u32, method: u16, words: &[u32], error: Error) {
        assert_eq!(self.world.invoke(cap, method, words), Err(error), "{method:#x} {words:x?}");
        self.check();
    }
}

/// r0 of an answer, as a result.
pub fn status(answer: [u32; 7]) -> Result<(), Error> {
    Error::from_status(answer[0]).map_or(Ok(()), Err)
}

/// A guest with its VMM's passive thread: `(guest, vmm, exits, reply, vcpu)`. The guest runs.
pub fn guest_and_vmm(desk: &mut Desk) -> (u32, u32, u32, u32, u32) {
    let exits = desk.make(ObjectType::Endpoint, 0, 1);
    let reply = desk.make(ObjectType::Reply, 0, 1);
    let vcpu = desk.make(ObjectType::Vcpu, 0, 1);
    let vmm = desk.thread(230);
    let guest = desk.thread(220);
    let badged = desk.slot();
    desk.ok(root_slot::CNODE, CNodeMethod::Mint as u16, &[badged, exits, 7, 1]);
    desk.ok(guest, TcbMethod::SetFaultHandler as u16, &[badged]);
    desk.ok(guest, TcbMethod::BindVcpu as u16, &[vcpu]);
    let context = desk.context(10_000, 10_000);
    desk.ok(vmm, TcbMethod::Resume as u16, &[]);
    desk.ok(context, SchedContextMethod::Bind as u16, &[vmm]);
    desk.svc(Syscall::Recv, exits, 0, &[], reply);
    desk.ok(context, SchedContextMethod::Unbind as u16, &[]);
    desk.ok(guest, TcbMethod::Resume as u16, &[]);
    desk.ok(context, SchedContextMethod::Bind as u16, &[guest]);
    assert!(desk.runs(guest));
    (guest, vmm, exits, reply, vcpu)
}
