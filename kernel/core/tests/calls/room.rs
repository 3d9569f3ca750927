//! A world that has one object of each type, and calls that must be refused without a trace.

use crate::common::{Desk, FIRST};
use abi::boot::root_slot;
use abi::describe::{CapType, Description};
use abi::message::MessageInfo;
use abi::method::*;
use abi::object::ObjectType;
use abi::{Error, Syscall};
use kernel_core::cap::Cap;
use kernel_core::sim::Snapshot;
use std::collections::BTreeMap;

/// What a thread has in its registers when it makes a call.
#[derive(Clone, Debug)]
pub struct Call {
    /// Which.
    pub call: Syscall,
    /// r0: the capability's address.
    pub cap: u32,
    /// The message's label: the method.
    pub label: u16,
    /// Its words.
    pub words: Vec<u32>,
    /// Its length in bytes, if that is not the words'.
    pub bytes: Option<usize>,
    /// r12.
    pub reply: u32,
}

impl Call {
    /// An invocation.
    pub fn method(cap: u32, label: u16, words: &[u32]) -> Self {
        Self { call: Syscall::Call, cap, label, words: words.to_vec(), bytes: None, reply: 0 }
    }

    /// A system call of another kind.
    pub fn plain(call: Syscall, cap: u32, reply: u32) -> Self {
        Self { call, cap, label: 0x100, words: Vec::new(), bytes: None, reply }
    }
}

/// Slots of the room's CNode: bits of its size, what is in use, and the first that is free.
pub const CNODE_BITS: u32 = 4;
pub const OCCUPIED: [u32; 3] = [1, 2, 9];
pub const FREE: u32 = 4;
/// Ceiling of the room's thread.
pub const CEILING: u32 = 100;
/// An address below which the room's space has its tables, and one where there are none.
pub const MAPPABLE: u32 = 0x1000;
pub const NO_TABLES: u32 = 0x4000_0000;

/// The world.
pub struct Room {
    pub desk: Desk,
    of: BTreeMap<CapType, u32>,
    gone: BTreeMap<CapType, u32>,
    /// A slot of root's CNode that was never used.
    pub empty: u32,
    before: Option<Snapshot>,
}

impl Room {
    /// One object of each type, in its first state: the frame of 4 KiB, or of 2 MiB.
    pub fn new(frame_bits: u32) -> Self {
        let mut desk = Desk::new();
        let mut of = BTreeMap::new();
        let mut make = |desk: &mut Desk, ty, object, bits| of.insert(ty, desk.make(object, bits, 1));
        make(&mut desk, CapType::Frame, ObjectType::Frame, frame_bits);
        make(&mut desk, CapType::Untyped, ObjectType::Untyped, 16);
        make(&mut desk, CapType::CNode, ObjectType::CNode, CNODE_BITS);
        make(&mut desk, CapType::Table, ObjectType::Table, 2);
        make(&mut desk, CapType::VSpace, ObjectType::VSpace, 0);
        make(&mut desk, CapType::Tcb, ObjectType::Tcb, 0);
        make(&mut desk, CapType::Vcpu, ObjectType::Vcpu, 0);
        make(&mut desk, CapType::Endpoint, ObjectType::Endpoint, 0);
        make(&mut desk, CapType::Notification, ObjectType::Notification, 0);
        make(&mut desk, CapType::Reply, ObjectType::Reply, 0);
        of.insert(CapType::SchedContext, desk.context(1000, 5000));
        of.insert(CapType::IrqControl, root_slot::IRQ_CONTROL);
        of.insert(CapType::Power, root_slot::POWER);
        of.insert(CapType::SchedControl, root_slot::SCHED_CONTROL);
        let handler = desk.slot();
        desk.ok(root_slot::IRQ_CONTROL, IrqControlMethod::Get as u16, &[33, root_slot::CNODE, handler, 0]);
        of.insert(CapType::IrqHandler, handler);

        let empty = desk.slot();
        let mut room = Self { desk, of, gone: BTreeMap::new(), empty, before: None };
        room.furnish();
        room
    }

    /// Nothing but what root starts with.
    pub fn bare() -> Self {
        Self { desk: Desk::new(), of: BTreeMap::new(), gone: BTreeMap::new(), empty: FIRST, before: None }
    }

    fn furnish(&mut self) {
        let (level2, level3) = (self.make(ObjectType::Table, 2), self.make(ObjectType::Table, 3));
        let vspace = self.of(CapType::VSpace);
        self.ok(&Call::method(level2, TableMethod::Map as u16, &[vspace, MAPPABLE]));
        self.ok(&Call::method(level3, TableMethod::Map as u16, &[vspace, MAPPABLE]));
        for slot in OCCUPIED {
            let words = [slot, self.of(CapType::Endpoint), 7];
            self.ok(&Call::method(self.of(CapType::CNode), CNodeMethod::Copy as u16, &words));
        }
        let tcb = self.of(CapType::Tcb);
        self.ok(&Call::method(tcb, TcbMethod::SetPriority as u16, &[root_slot::TCB, 50, CEILING]));
        for &ty in CapType::ALL {
            // A capability of each type that was there, and is no more: a copy that was deleted, or one that was moved.
            let gone = self.slot();
            if ty.is_copyable() {
                self.root(CNodeMethod::Copy, &[gone, self.of(ty), 15]);
                self.root(CNodeMethod::Delete, &[gone]);
                self.gone.insert(ty, gone);
            } else {
                self.root(CNodeMethod::Move, &[gone, self.of(ty)]);
                self.root(CNodeMethod::Move, &[self.of(ty), gone]);
                self.gone.insert(ty, gone);
            }
        }
    }

    /// The address of the object of that type.
    pub fn of(&self, ty: CapType) -> u32 {
        self.of[&ty]
    }

    /// An address at which there was a capability of that type.
    pub fn gone(&self, ty: CapType) -> u32 {
        self.gone[&ty]
    }

    /// log2 of the size of the room's frame.
    pub fn frame_bits(&self) -> u32 {
        match self.desk.world.cap(self.of(CapType::Frame)) {
            Cap::Frame { flags, .. } => flags.bits_of_size(),
            other => panic!("no frame: {other:?}"),
        }
    }

    /// A new object.
    pub fn make(&mut self, object: ObjectType, bits: u32) -> u32 {
        self.before = None;
        self.desk.make(object, bits, 1)
    }

    /// A slot of root's CNode that nobody uses.
    pub fn slot(&mut self) -> u32 {
        self.desk.slot()
    }

    /// A method of root's CNode, which succeeds.
    pub fn root(&mut self, method: CNodeMethod, words: &[u32]) {
        self.ok(&Call::method(root_slot::CNODE, method as u16, words));
    }

    /// A copy with those rights.
    pub fn copy(&mut self, of: u32, rights: u32) -> u32 {
        let slot = self.slot();
        self.root(CNodeMethod::Copy, &[slot, of, rights]);
        slot
    }

    /// A device untyped of 64 KiB, of which nothing was made.
    pub fn device_untyped(&self) -> u32 {
        let device = |cap| matches!(cap, Cap::Untyped { bits: 16, page: 0x9000, .. });
        (root_slot::UNTYPED..FIRST).find(|&slot| device(self.desk.world.cap(slot))).expect("the world has a device")
    }

    /// A device frame.
    pub fn device_frame(&mut self) -> u32 {
        let (slot, untyped) = (self.slot(), self.device_untyped());
        self.before = None;
        self.desk.world.retype(untyped, ObjectType::Frame, 12, 1, slot).expect("a device frame");
        slot
    }

    fn registers(&mut self, call: &Call) -> (u32, [u32; 4]) {
        let mut words = [0xdead_beef; 4];
        words[..call.words.len()].copy_from_slice(&call.words);
        (MessageInfo::new(call.label, call.bytes.unwrap_or(call.words.len() * 4)).0, words)
    }

    /// The running thread makes the call: what r0 says then.
    pub fn make_call(&mut self, call: &Call) -> Result<[u32; 4], Error> {
        let (info, words) = self.registers(call);
        self.before = None;
        let answer = self.desk.world.syscall(call.call, call.cap, info, words, call.reply);
        match Error::from_status(answer[0]) {
            None => Ok([answer[2], answer[3], answer[4], answer[5]]),
            Some(error) => Err(error),
        }
    }

    /// The call succeeds.
    #[track_caller]
    pub fn ok(&mut self, call: &Call) -> [u32; 4] {
        let answer = self.make_call(call);
        answer.unwrap_or_else(|error| panic!("{call:x?}: {error:?}"))
    }

    /// The call fails with that error, and all is as it was: memory, queues, the tree, and of the caller's registers r0 alone.
    #[track_caller]
    pub fn refused(&mut self, call: &Call, error: Error, why: &str) {
        let before = match self.before.take() {
            Some(before) => before,
            None => self.desk.world.snapshot(),
        };
        let caller = self.desk.world.kernel.current();
        let (info, words) = self.registers(call);
        let mut wanted = self.desk.world.kernel.arena.get(caller).context;
        wanted.r[0] = error as u32;
        wanted.r[1] = info;
        wanted.r[2..6].copy_from_slice(&words);
        wanted.r[12] = call.reply;
        wanted.pc = wanted.pc.wrapping_add(4);
        let answer = self.make_call(call).map(|_| ());
        assert_eq!(answer, Err(error), "{why}: {call:x?}");
        assert_eq!(self.desk.world.kernel.running(), Some(caller), "{why}: {call:x?}: somebody else runs");
        assert_eq!(self.desk.world.kernel.arena.get(caller).context, wanted, "{why}: {call:x?}: registers");
        if let Some(difference) = self.desk.world.difference(&before) {
            panic!("{why}: {call:x?} failed with {error:?} and changed {difference}");
        }
        self.before = Some(before);
    }
}

/// All methods.
pub fn all_methods() -> impl Iterator<Item = &'static Description> {
    DESCRIPTIONS.iter().copied().flatten().copied()
}
