//! Floating point is switched when it is used: whose it is must not outlive them.

use crate::common::{Desk, guest_and_vmm};
use abi::boot::root_slot;
use abi::method::*;
use abi::object::ObjectType;
use abi::vcpu::GuestRegister;
use kernel_core::cap::Cap;
use kernel_core::vcpu::Vcpu;
use kernel_core::{Arena, Handle};

/// What two guests do, and what is done to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// Guest n runs.
    Run(usize),
    /// The guest that runs uses floating point.
    Float,
    /// Its VMM reads guest n's.
    Read(usize),
    /// It is stopped, its vCPU reset, and it goes on.
    Reset(usize),
    /// Guest n's vCPU is deleted.
    DeleteVcpu(usize),
    /// Guest n's thread is deleted.
    DeleteThread(usize),
}

const ACTS: [Act; 11] = [
    Act::Run(0),
    Act::Run(1),
    Act::Float,
    Act::Read(0),
    Act::Read(1),
    Act::Reset(0),
    Act::Reset(1),
    Act::DeleteVcpu(0),
    Act::DeleteVcpu(1),
    Act::DeleteThread(0),
    Act::DeleteThread(1),
];

struct Pair {
    desk: Desk,
    guests: [u32; 2],
    vcpus: [u32; 2],
}

impl Pair {
    fn new() -> Self {
        let mut desk = Desk::new();
        let (first, _, _, _, one) = guest_and_vmm(&mut desk);
        desk.ok(first, TcbMethod::SetPriority as u16, &[root_slot::TCB, 210, 255]);
        let (second, _, _, _, two) = guest_and_vmm(&mut desk);
        Self { desk, guests: [first, second], vcpus: [one, two] }
    }

    fn vcpu(&self, n: usize) -> Option<Handle<Vcpu>> {
        match self.desk.world.cap(self.vcpus[n]) {
            Cap::Vcpu { vcpu } => Some(vcpu),
            _ => None,
        }
    }

    fn has_thread(&self, n: usize) -> bool {
        matches!(self.desk.world.cap(self.guests[n]), Cap::Tcb { .. })
    }

    /// Whether that guest runs.
    fn runs(&self, n: usize) -> bool {
        self.has_thread(n) && self.vcpu(n).is_some() && self.desk.runs(self.guests[n])
    }

    fn act(&mut self, act: Act) {
        let desk = &mut self.desk;
        if desk.world.kernel.running().is_none() {
            return;
        }
        match act {
            Act::Run(n) => {
                for (each, priority) in [(n, 220), (1 - n, 210)] {
                    if matches!(desk.world.cap(self.guests[each]), Cap::Tcb { .. }) {
                        let words = [root_slot::TCB, priority, 255];
                        desk.ok(self.guests[each], TcbMethod::SetPriority as u16, &words);
                    }
                }
            }
            Act::Float if self.runs(0) || self.runs(1) => self.desk.world.kernel.on_guest_float(),
            Act::Float => {}
            Act::Read(n) if self.vcpu(n).is_some() => {
                self.desk.ok(self.vcpus[n], VcpuMethod::ReadRegister as u16, &[GuestRegister::Fpscr as u32]);
            }
            Act::Reset(n) if self.vcpu(n).is_some() && self.has_thread(n) => {
                let guest = self.guests[n];
                // Who asks must not be who is stopped.
                if !self.desk.runs(guest) {
                    self.desk.ok(guest, TcbMethod::Suspend as u16, &[]);
                    self.desk.ok(self.vcpus[n], VcpuMethod::Reset as u16, &[]);
                    assert_ne!(self.desk.world.float_owner(), self.vcpu(n), "its registers are at their reset values");
                    self.desk.ok(guest, TcbMethod::Resume as u16, &[]);
                }
            }
            Act::DeleteVcpu(n) => {
                self.desk.world.invoke(root_slot::CNODE, CNodeMethod::Delete as u16, &[self.vcpus[n]]).ok();
            }
            Act::DeleteThread(n) => {
                self.desk.world.invoke(root_slot::CNODE, CNodeMethod::Delete as u16, &[self.guests[n]]).ok();
            }
            Act::Read(_) | Act::Reset(_) => {}
        }
    }

    /// The owner of what is in the hardware exists.
    fn check(&self, acts: &[Act]) {
        let (owner, loaded) = (self.desk.world.float_owner(), self.desk.world.kernel.loaded());
        for found in [owner, loaded].into_iter().flatten() {
            assert!((0..2).any(|n| self.vcpu(n) == Some(found)), "{acts:?}: {found:?} is nobody's any more");
        }
    }
}

/// Any two things, after the first guest has used it; then whoever runs uses it.
#[test]
fn nobody_owns_floating_point_who_was_deleted_or_reset() {
    for (first, second) in ACTS.iter().flat_map(|&first| ACTS.map(|second| (first, second))) {
        let acts = [Act::Run(0), Act::Float, first, second, Act::Float, Act::Run(1), Act::Float];
        let mut pair = Pair::new();
        for (n, &act) in acts.iter().enumerate() {
            pair.act(act);
            pair.check(&acts[..=n]);
        }
        pair.desk.check();
    }
}

fn words(arena: &Arena, from: u32, bytes: u32) -> Vec<u32> {
    (from..from + bytes).step_by(4).map(|address| arena.read_word(address)).collect()
}

/// What a deleted vCPU was made of is a frame now: the next guest's use of floating point writes nothing there.
#[test]
fn the_memory_of_a_deleted_vcpu_gets_no_registers_any_more() {
    let mut desk = Desk::new();
    let memory = desk.make(ObjectType::Untyped, 12, 1);
    let vcpu = desk.slot();
    desk.world.retype(memory, ObjectType::Vcpu, 0, 1, vcpu).expect("it fits");
    let first = desk.thread(220);
    desk.ok(first, TcbMethod::BindVcpu as u16, &[vcpu]);
    desk.ok(first, TcbMethod::Resume as u16, &[]);
    let context = desk.context(10_000, 10_000);
    desk.ok(context, SchedContextMethod::Bind as u16, &[first]);
    assert!(desk.runs(first));
    desk.world.kernel.on_guest_float();
    desk.ok(root_slot::CNODE, CNodeMethod::Revoke as u16, &[memory]);
    desk.ok(memory, UntypedMethod::Reset as u16, &[]);
    let frame = desk.slot();
    desk.world.retype(memory, ObjectType::Frame, 12, 1, frame).expect("it fits");
    let Cap::Frame { page, .. } = desk.world.cap(frame) else { panic!("no frame") };
    for word in (0..4096).step_by(4) {
        desk.world.kernel.arena.write_word((page << 12) + word, 0x5a5a_0000 | word);
    }
    let before = words(&desk.world.kernel.arena, page << 12, 4096);
    let (second, ..) = guest_and_vmm(&mut desk);
    assert!(desk.runs(second));
    desk.world.kernel.on_guest_float();
    desk.world.kernel.on_guest_wait(true);
    desk.world.schedule();
    assert_eq!(words(&desk.world.kernel.arena, page << 12, 4096), before);
    desk.check();
}
