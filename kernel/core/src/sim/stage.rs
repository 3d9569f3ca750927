//! A world that can be put back to how it was, as often as one likes.
//!
//! A [`Stage`] is a world in one place of the host's memory; a [`Saved`] holds what of it differs from its beginning: a few
//! dozen lines of RAM, and what the kernel and the machine keep outside of RAM.

use super::identity::identity;
use super::machine::Machine;
use super::witness::Witness;
use super::world::{FREE_RAM, World};
use crate::arena::Handle;
use crate::cap::Cap;
use crate::irq::Irq;
use crate::kernel::{Condemned, Core};
use crate::objects::SchedContext;
use crate::queue::Queue;
use crate::ready::ReadyQueues;
use crate::tcb::Tcb;
use crate::timeout::Timeouts;
use crate::vcpu::Vcpu;
use abi::boot::root_slot;
use std::boxed::Box;
use std::vec::Vec;

const LINE: usize = 64;
const PAGE: usize = 4096;

/// A line of RAM.
type Line = [u8; LINE];

/// How a core was.
#[derive(Clone, Debug)]
struct SavedCore {
    current: Option<Handle<Tcb>>,
    ready: Box<[(u8, Queue)]>,
    timeouts: Timeouts,
    active: Option<Handle<SchedContext>>,
    deadline: u64,
    reschedule: bool,
    loaded: Option<Handle<Vcpu>>,
    float_owner: Option<Handle<Vcpu>>,
}

impl SavedCore {
    fn of(core: &Core) -> Self {
        Self {
            current: core.current,
            ready: core.ready.known().collect(),
            timeouts: core.timeouts,
            active: core.active,
            deadline: core.deadline,
            reschedule: core.reschedule,
            loaded: core.loaded,
            float_owner: core.float_owner,
        }
    }

    fn core(&self) -> Core {
        Core {
            current: self.current,
            ready: ReadyQueues::with(&self.ready),
            timeouts: self.timeouts,
            active: self.active,
            deadline: self.deadline,
            reschedule: self.reschedule,
            loaded: self.loaded,
            float_owner: self.float_owner,
        }
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.ready)
    }
}

/// How a world was.
#[derive(Clone, Debug)]
pub struct Saved {
    lines: Box<[(u32, Line)]>,
    machine: Machine,
    witness: Witness,
    cores: Box<[SavedCore]>,
    irqs: Box<[(u16, Irq)]>,
    condemned: Condemned,
    generation: u32,
    next_vmid: u32,
}

impl Saved {
    /// About how many bytes it takes.
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + size_of_val(&*self.lines)
            + self.cores.iter().map(SavedCore::bytes).sum::<usize>()
            + self.machine.bytes()
    }
}

/// A world, and how it began.
pub struct Stage {
    /// The world.
    pub world: World,
    /// RAM that can change: first address, and how it was.
    base: Vec<(u32, Vec<u8>)>,
    /// Lines that differ from that now, or did when last looked at.
    changed: Vec<u32>,
}

impl Stage {
    /// The world as it is now is how it begins. Its threads use what root is made of, and the untyped in `pool`.
    pub fn new(world: World, pool: u32) -> Self {
        let starts = (root_slot::UNTYPED..root_slot::FIRST_FREE).filter_map(|slot| match world.cap(slot) {
            Cap::Untyped { page, .. } if page << 12 > FREE_RAM => Some(page << 12),
            _ => None,
        });
        let root_end = starts.min().unwrap_or(FREE_RAM);
        let mut regions = std::vec![(FREE_RAM, root_end - FREE_RAM)];
        if let Cap::Untyped { page, bits, .. } = world.cap(pool) {
            regions.push((page << 12, 1 << bits));
        }
        let base = regions.into_iter().map(|(start, bytes)| (start, world.ram.read(start, bytes as usize).to_vec()));
        Self { base: base.collect(), world, changed: Vec::new() }
    }

    /// How the world is.
    pub fn save(&mut self) -> Saved {
        let mut lines = Vec::new();
        for (start, base) in &self.base {
            let now = self.world.ram.read(*start, base.len());
            for (page, (now, base)) in now.chunks(PAGE).zip(base.chunks(PAGE)).enumerate() {
                if now == base {
                    continue;
                }
                for (line, (now, base)) in now.chunks_exact(LINE).zip(base.chunks_exact(LINE)).enumerate() {
                    if now != base {
                        let mut content = [0; LINE];
                        content.copy_from_slice(now);
                        lines.push((start + (page * PAGE + line * LINE) as u32, content));
                    }
                }
            }
        }
        self.changed = lines.iter().map(|&(line, _)| line).collect();
        let kernel = &self.world.kernel;
        Saved {
            lines: lines.into(),
            machine: kernel.platform.clone(),
            witness: self.world.witness.clone(),
            cores: kernel.cores[..kernel.platform.core_count].iter().map(SavedCore::of).collect(),
            irqs: kernel.irqs.known().collect(),
            condemned: kernel.condemned,
            generation: kernel.generation,
            next_vmid: kernel.next_vmid,
        }
    }

    /// Puts the world back to how it was. What has changed since the last [`save`](Self::save) or `restore` is `touched`: all
    /// of it, unless a save came right before.
    pub fn restore(&mut self, saved: &Saved) {
        for &line in &self.changed {
            let (start, base) = self
                .base
                .iter()
                .find(|(start, base)| (*start..*start + base.len() as u32).contains(&line))
                .expect("a line");
            let offset = (line - start) as usize;
            self.world.ram.load(line, &base[offset..offset + LINE]);
        }
        for (line, content) in &saved.lines {
            self.world.ram.load(*line, content);
        }
        self.changed.clear();
        self.changed.extend(saved.lines.iter().map(|&(line, _)| line));
        let kernel = &mut self.world.kernel;
        kernel.arena.written.clear();
        kernel.platform.become_like(&saved.machine);
        for (core, saved) in kernel.cores.iter_mut().zip(&saved.cores) {
            *core = saved.core();
        }
        kernel.irqs.learn(&saved.irqs);
        kernel.condemned = saved.condemned;
        kernel.generation = saved.generation;
        kernel.next_vmid = saved.next_vmid;
        self.world.witness.clone_from(&saved.witness);
    }

    /// A number that is the same for states that have the same future.
    pub fn identity(&self) -> u64 {
        identity(&self.world.census(), &self.world)
    }
}
