//! All that a kernel is at one moment, word by word, so that a test can say that a call has changed nothing.

use super::machine::Machine;
use super::memory::RAM_BASE;
use super::world::{FREE_RAM, SMALL, World};
use crate::cap::{Cap, UntypedFlags};
use crate::irq::IrqTable;
use crate::kernel::{CORES_MAX, Condemned, Core};
use crate::platform::ListRegister;
use crate::vcpu::Vcpu;
use crate::{Arena, Context, Handle};
use abi::object::{GRANULE_BYTES, PAGE_BITS};
use std::collections::{BTreeMap, BTreeSet};
use std::string::String;
use std::vec::Vec;

/// The state of a world: its RAM, in which all objects, capabilities and tables lie, what the kernel knows besides, and what it
/// told the hardware to do. What time it is does not belong to it.
pub struct Snapshot {
    /// What each word held.
    ram: Vec<(u32, u32)>,
    cores: [Core; CORES_MAX],
    irqs: IrqTable,
    condemned: Condemned,
    vmids: (u32, u32),
    hardware: Hardware,
}

#[derive(Debug, PartialEq)]
struct Hardware {
    deadline: u64,
    lists: [ListRegister; 4],
    ends: u32,
    refill: bool,
    enabled: BTreeSet<u32>,
    active: BTreeSet<u32>,
}

impl Hardware {
    fn of(machine: &Machine) -> Self {
        Self {
            deadline: machine.deadline,
            lists: machine.lists,
            ends: machine.eoi_count,
            refill: machine.refill,
            enabled: machine.enabled.clone(),
            active: machine.active.clone(),
        }
    }
}

/// The RAM that the kernel was given, but for what is free in the untypeds that root has: that is zero, which an invariant says.
fn words(world: &World) -> Vec<(u32, u32)> {
    let arena = &world.kernel.arena;
    let mut free = BTreeMap::new();
    for (_, cap) in world.held(world.root) {
        if let Cap::Untyped { bits, flags, page, used } = cap
            && !flags.contains(UntypedFlags::DEVICE)
        {
            free.insert((page << PAGE_BITS) + used * GRANULE_BYTES, (page << PAGE_BITS) + (1 << bits));
        }
    }
    let (mut at, mut words) = (FREE_RAM, Vec::new());
    for (start, end) in free.into_iter().chain([(RAM_BASE + SMALL as u32, u32::MAX)]) {
        words.extend((at..start).step_by(4).map(|address| (address, arena.read_word(address))));
        at = at.max(end);
    }
    words
}

impl Snapshot {
    fn take(world: &World) -> Self {
        let kernel = &world.kernel;
        Self {
            ram: words(world),
            cores: kernel.cores.clone(),
            irqs: kernel.irqs.clone(),
            condemned: kernel.condemned,
            vmids: (kernel.generation, kernel.next_vmid),
            hardware: Hardware::of(&kernel.platform),
        }
    }

    fn changed(&self, arena: &Arena) -> impl Iterator<Item = (u32, u32, u32)> {
        let words = self.ram.iter().map(|&(address, then)| (address, then, arena.read_word(address)));
        words.filter(|(_, then, now)| then != now)
    }
}

impl World {
    /// What the world is now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::take(self)
    }

    /// The vCPU whose floating-point registers are in the hardware.
    pub fn float_owner(&self) -> Option<Handle<Vcpu>> {
        self.kernel.cores[0].float_owner
    }

    /// How many words of memory have changed since.
    pub fn changed_words(&self, since: &Snapshot) -> usize {
        since.changed(&self.kernel.arena).count()
    }

    /// What is different now, but for the registers of the running thread; `None`: nothing.
    pub fn difference(&self, since: &Snapshot) -> Option<String> {
        let kernel = &self.kernel;
        if kernel.cores != since.cores {
            return Some(String::from("who is ready, runs, or waits for a time"));
        }
        if kernel.irqs != since.irqs {
            return Some(String::from("what is known of physical interrupts"));
        }
        if kernel.condemned != since.condemned || (kernel.generation, kernel.next_vmid) != since.vmids {
            return Some(String::from("what is condemned, or the VMIDs"));
        }
        let hardware = Hardware::of(&kernel.platform);
        if hardware != since.hardware {
            return Some(format!("the hardware: {:?} became {hardware:?}", since.hardware));
        }
        let registers = kernel.running().map_or(0..0, |tcb| {
            // The registers stand first in a thread.
            tcb.address()..tcb.address() + size_of::<Context>() as u32
        });
        let mut others = since.changed(&kernel.arena).filter(|(address, ..)| !registers.contains(address));
        let (address, then, now) = others.next()?;
        let place = kernel.running().map_or(0, |tcb| address.wrapping_sub(tcb.address()));
        Some(format!("{then:#x} at {address:#x} became {now:#x} ({place:#x} behind the start of the caller)"))
    }
}
