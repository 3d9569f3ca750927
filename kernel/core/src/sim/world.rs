//! A kernel with its RAM, booted as on a board, with a root that does what the test says.

use super::check::Census;
use super::machine::{Machine, Sabotage, walk};
use super::memory::{RAM_BASE, Ram};
use super::witness::Witness;
use crate::arena::Handle;
use crate::boot::{BootError, BootPlan, MemoryRange};
use crate::cap::{Cap, Slot};
use crate::objects::CNode;
use crate::tcb::Tcb;
use crate::vcpu::ExitRecord;
use crate::{Kernel, Next};
use abi::boot::{
    BootInfo, PAYLOAD_MAGIC, PAYLOAD_VERSION, PayloadHeader, ROOT_BOOT_INFO_ADDRESS, ROOT_LINK_ADDRESS, Segment,
    UNTYPED_MAX, UntypedInfo, root_slot,
};
use abi::message::MessageInfo;
use abi::object::ObjectType;
use abi::{Error, Syscall};

/// Bytes of a small world's RAM.
pub const SMALL: usize = 16 << 20;

/// Where RAM begins that neither the payload nor the log takes.
pub const FREE_RAM: u32 = RAM_BASE + (4 << 20);

/// Where root's one segment lies in the payload.
const SEGMENT: u32 = 4096;

/// What entry code does about VTTBR on the way out.
#[derive(Clone, Copy)]
enum Way {
    /// Nothing.
    Straight,
    /// Writes it if it holds something else.
    Compare,
    /// Writes it.
    Switch,
}

/// A booted kernel.
pub struct World {
    /// The kernel.
    pub kernel: Box<Kernel<Machine>>,
    /// Root's thread.
    pub root: Handle<Tcb>,
    /// Root's CNode.
    pub cnode: Handle<CNode>,
    /// Those who remember what should happen.
    pub witness: Witness,
    /// The last step was a call of a kernel object, or one that does not wait, that failed at once.
    pub(super) refused: bool,
    // Dropped after the kernel that uses it.
    pub(super) ram: Ram,
}

impl World {
    /// A machine of 16 MiB whose root has a CNode of 1024 slots and one page of code.
    pub fn new() -> Self {
        Self::sized(SMALL, 10)
    }

    /// A machine of `bytes` bytes of RAM, more than 4 MiB, whose root has a CNode of `1 << cnode_bits` slots.
    pub fn sized(bytes: usize, cnode_bits: u32) -> Self {
        Self::sabotaged(bytes, cnode_bits, Sabotage::None)
    }

    /// The same, booted without some of the maintenance that it takes.
    pub(super) fn sabotaged(bytes: usize, cnode_bits: u32, sabotage: Sabotage) -> Self {
        let mut ram = Ram::new(RAM_BASE, bytes).expect("a few MiB");
        // Whatever the last one left there, and root's instructions.
        ram.load(FREE_RAM, &std::vec![0xa5; bytes - (FREE_RAM - RAM_BASE) as usize]);
        ram.load(RAM_BASE + SEGMENT, &[0x42; 4096]);
        let mut header = PayloadHeader {
            magic: PAYLOAD_MAGIC,
            version: PAYLOAD_VERSION,
            bytes: 8192,
            build: [0; 2],
            root_entry: ROOT_LINK_ADDRESS,
            root_cnode_bits: cnode_bits,
            root_segment_count: 1,
            root_segments: [Segment::default(); 6],
            system_offset: 0,
            system_bytes: 0,
            device_count: 1,
            devices: [Default::default(); 32],
            fault_action: 0,
            fault_delay_ms: 0,
            further_cores: 0,
        };
        header.root_segments[0] =
            Segment { offset: SEGMENT, address: ROOT_LINK_ADDRESS, file_bytes: 4096, memory_bytes: 4096, flags: 1 | 8 };
        header.devices[0] = abi::boot::DeviceRange { page: 0x9000, size_bits: 16 };
        let plan = BootPlan {
            ram: &[MemoryRange { base: FREE_RAM, bytes: RAM_BASE + bytes as u32 - FREE_RAM }],
            payload: RAM_BASE,
            header,
            counter_hz: 62_500_000,
            cores: 1,
            kernel_log: RAM_BASE + (3 << 20),
        };
        let mut machine = Machine::default();
        machine.sabotage = sabotage;
        let mut world = Self::boot(ram, machine, &plan).expect("a world boots");
        world.kernel.platform.sabotage = Sabotage::None;
        world
    }

    /// Boots the kernel on a machine whose RAM holds the payload, as the plan says.
    ///
    /// # Errors
    /// See [`BootError`].
    ///
    /// # Panics
    /// If a kernel that has booted does not run root: that is a mistake of the kernel's.
    pub fn boot(mut ram: Ram, machine: Machine, plan: &BootPlan) -> Result<Self, BootError> {
        let mut kernel = Box::new(Kernel::new(ram.arena(), machine.at(ram.base())));
        kernel.boot(plan)?;
        let Next::Run(running) = kernel.schedule() else { panic!("root runs") };
        let Cap::CNode { cnode, .. } = kernel.arena.get(running.tcb).cspace.cap else { panic!("root has a CNode") };
        let witness = Witness::default();
        let mut world = Self { root: running.tcb, cnode, kernel, witness, refused: false, ram };
        world.schedule();
        Ok(world)
    }

    /// What the kernel tells root, as root reads it. `None` if it is not mapped where root looks.
    pub fn boot_info(&self) -> Option<BootInfo> {
        let Cap::VSpace { vspace } = self.cap(root_slot::VSPACE) else { return None };
        let page = walk(&self.kernel.arena, vspace.address(), ROOT_BOOT_INFO_ADDRESS)?.page << 12;
        let word = |n: usize| self.kernel.arena.read_word(page + 4 * n as u32);
        let [version, cores, counter_hz, payload_frames, system_offset, system_bytes, untyped_count] =
            std::array::from_fn(word);
        let info =
            |n: usize| UntypedInfo { page: word(n), size_bits: word(n + 1), device: word(n + 2), clean: word(n + 3) };
        let untyped: [UntypedInfo; UNTYPED_MAX] = std::array::from_fn(|n| info(7 + 4 * n));
        Some(BootInfo {
            version,
            cores,
            counter_hz,
            payload_frames,
            system_offset,
            system_bytes,
            untyped_count,
            untyped,
        })
    }

    /// What a thread holds: its CNode's slots that are not empty.
    pub fn held(&self, tcb: Handle<Tcb>) -> Vec<(u32, Cap)> {
        let arena = &self.kernel.arena;
        let Cap::CNode { cnode, bits, .. } = arena.get(tcb).cspace.cap else { return Vec::new() };
        let row = arena.part::<CNode, Slot>(cnode, 0);
        let caps = (1..1 << bits).map(|index| (index, arena.get(arena.nth(row, index)).cap));
        caps.filter(|(_, cap)| !cap.is_null()).collect()
    }

    /// The slot at an address of root's.
    pub fn slot(&self, index: u32) -> Handle<Slot> {
        self.kernel.arena.nth(self.kernel.arena.part::<CNode, Slot>(self.cnode, 0), index)
    }

    /// The capability at an address of root's.
    pub fn cap(&self, index: u32) -> Cap {
        self.kernel.arena.get(self.slot(index)).cap
    }

    /// Everything that exists.
    pub fn census(&self) -> Census<'_> {
        Census::take(&self.kernel, self.cnode)
    }

    /// Whether something was derived from the capability at an address of root's.
    pub fn has_children(&self, index: u32) -> bool {
        self.kernel.arena.get(self.slot(index)).child.is_some()
    }

    /// What a physical interrupt is bound to.
    pub(super) fn bound_to(&self, intid: u32) -> Option<Cap> {
        let slot = self.kernel.arena.nth(self.kernel.irqs.slots()?, intid);
        Some(self.kernel.arena.get(slot).cap)
    }

    /// The running thread executes `SVC #number`, and the kernel is left again. Entry code leaves by a shorter way where
    /// the kernel says that it may: that way must lead to where the scheduler does.
    ///
    /// # Panics
    /// If it leads elsewhere.
    pub fn enter(&mut self, number: u32) -> Next {
        let caller = self.kernel.current();
        let before = self.kernel.direct(caller);
        const CALL: u32 = Syscall::Call as u32;
        const REPLY_RECV: u32 = Syscall::ReplyRecv as u32;
        let direct = match number {
            CALL => self.kernel.on_call(caller),
            REPLY_RECV => self.kernel.on_reply_receive(caller),
            _ => self.kernel.on_syscall(caller, number),
        };
        let (short, way) = match direct {
            Some(to) => (self.kernel.direct(to), Way::Switch),
            None if self.kernel.undisturbed(caller) => (before, Way::Straight),
            None => (None, Way::Compare),
        };
        let way = if short.is_some() { way } else { Way::Compare };
        let next = self.kernel.schedule();
        if let Some(running) = short {
            assert_eq!(next, Next::Run(running), "the short way out of SVC {number}");
        }
        self.leave(next, way);
        next
    }

    /// The running guest has an exit, and the kernel is left again: as [`enter`](Self::enter).
    ///
    /// # Panics
    /// If the shorter way leads elsewhere.
    pub fn exit(&mut self, exit: ExitRecord) -> Next {
        let short = self.kernel.on_guest_exit(exit).and_then(|vmm| self.kernel.direct(vmm));
        let next = self.kernel.schedule();
        if let Some(running) = short {
            assert_eq!(next, Next::Run(running), "the short way out of an exit");
        }
        self.leave(next, if short.is_some() { Way::Switch } else { Way::Compare });
        next
    }

    /// Leaves the kernel after anything but a component's system call.
    pub fn schedule(&mut self) -> Next {
        let next = self.kernel.schedule();
        self.leave(next, Way::Compare);
        next
    }

    fn leave(&mut self, next: Next, way: Way) {
        let Next::Run(running) = next else { return };
        let kernel = &mut *self.kernel;
        match way {
            Way::Straight => kernel.platform.leave(&mut kernel.arena, None, false),
            Way::Compare => kernel.platform.leave(&mut kernel.arena, Some(running.vttbr), false),
            Way::Switch => kernel.platform.leave(&mut kernel.arena, Some(running.vttbr), true),
        }
    }

    /// Makes the running thread do a system call; its registers afterwards: r0, r1, r2-r5, r12.
    pub fn syscall(&mut self, call: Syscall, r0: u32, info: u32, words: [u32; 4], r12: u32) -> [u32; 7] {
        let tcb = self.kernel.current();
        let context = &mut self.kernel.arena.get_mut(tcb).context;
        context.r[0] = r0;
        context.r[1] = info;
        context.r[2..6].copy_from_slice(&words);
        context.r[12] = r12;
        let pc = context.pc;
        loop {
            self.kernel.arena.get_mut(tcb).context.pc = pc.wrapping_add(4);
            self.enter(call as u32);
            // A call that was preempted stands at its SVC again.
            if self.kernel.running() != Some(tcb) || self.kernel.arena.get(tcb).context.pc != pc {
                break;
            }
        }
        let r = self.kernel.arena.get(tcb).context.r;
        [r[0], r[1], r[2], r[3], r[4], r[5], r[12]]
    }

    /// Invokes a method of a kernel object as the running thread; the answer's words.
    ///
    /// # Errors
    /// What the kernel answered.
    pub fn invoke(&mut self, cap: u32, method: u16, words: &[u32]) -> Result<[u32; 4], Error> {
        let mut registers = [0; 4];
        registers[..words.len()].copy_from_slice(words);
        let info = MessageInfo::new(method, words.len() * 4).0;
        let answer = self.syscall(Syscall::Call, cap, info, registers, 0);
        match Error::from_status(answer[0]) {
            None => Ok([answer[2], answer[3], answer[4], answer[5]]),
            Some(error) => Err(error),
        }
    }

    /// Retypes from the untyped at `from` into root's slots from `to` on.
    ///
    /// # Errors
    /// What the kernel answered.
    pub fn retype(&mut self, from: u32, object: ObjectType, bits: u32, count: u32, to: u32) -> Result<(), Error> {
        let what = object as u32 | bits << 8 | count << 16;
        self.invoke(from, abi::method::UntypedMethod::Retype as u16, &[what, root_slot::CNODE, to]).map(|_| ())
    }

    /// The address of root's largest untyped of RAM, reset.
    pub fn clean_untyped(&mut self) -> u32 {
        let (slot, _) = (root_slot::UNTYPED..root_slot::FIRST_FREE)
            .filter_map(|slot| match self.cap(slot) {
                Cap::Untyped { bits, flags, .. } if !flags.contains(crate::cap::UntypedFlags::DEVICE) => {
                    Some((slot, bits))
                }
                _ => None,
            })
            .max_by_key(|&(_, bits)| bits)
            .expect("root has untyped memory");
        self.invoke(slot, abi::method::UntypedMethod::Reset as u16, &[]).expect("it can be reset");
        slot
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}
