//! Which interrupts a guest has coming: what a distributor with room for all of them would say (ARM IHI 0048B 3.2).

use super::Seen;
use crate::Kernel;
use crate::arena::Handle;
use crate::cap::Cap;
use crate::sim::check::Violation;
use crate::sim::machine::Machine;
use crate::sim::machine::interrupts::PRIORITY_STEP;
use crate::sim::world::World;
use crate::vcpu::Vcpu;
use crate::vgic::{ACTIVE, LISTED, PENDING, SGIS};
use abi::method::VcpuMethod;
use abi::object::VIRTUAL_INTERRUPTS;
use abi::vcpu::VIRTUAL_TIMER_INTID;
use std::collections::BTreeMap;
use std::format;
use std::string::String;

/// One interrupt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct One {
    priority: u8,
    /// Pending once, not for its level. For a software interrupt: from these senders.
    pending: u8,
    active: bool,
    /// The line, if it is one.
    level: bool,
}

impl One {
    fn is_pending(&self) -> bool {
        self.pending != 0 || (self.level && !self.active)
    }
}

/// What the guest of one vCPU has coming.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Expected {
    vcpu: Handle<Vcpu>,
    all: BTreeMap<u16, One>,
    timer_enabled: bool,
    timer_held: bool,
}

type Told = Result<(), String>;

impl Expected {
    /// Nothing, for that vCPU.
    pub fn none(vcpu: Handle<Vcpu>) -> Self {
        Self { vcpu, all: BTreeMap::new(), timer_enabled: false, timer_held: false }
    }

    /// The interrupt that the guest is at work on: the most urgent active one.
    pub fn at_work_on(&self) -> Option<u16> {
        let active = self.all.iter().filter(|(_, one)| one.active);
        active.min_by_key(|(_, one)| one.priority).map(|(&intid, _)| intid)
    }

    /// # Errors
    /// An interrupt that was lost, doubled, or came in the wrong order.
    pub(super) fn see(&mut self, world: &World, seen: Seen) -> Result<(), Violation> {
        let told = self.told(world, seen).and_then(|()| self.agrees(world));
        told.map_err(|what| Violation("no interrupt is lost, doubled or out of turn", what))
    }

    fn told(&mut self, world: &World, seen: Seen) -> Told {
        match seen {
            Seen::Call { svc, named: Some(Cap::Vcpu { vcpu }), status: Some(0), .. } if vcpu == self.vcpu => {
                let label = abi::message::MessageInfo(svc.info).label();
                if let (Some(method), 0) = (VcpuMethod::from_label(label), svc.number) {
                    self.call(method, svc.words);
                }
            }
            Seen::Acknowledged { intid, source } => return self.acknowledged(intid, source),
            Seen::Ended { intid } => {
                let one = self.all.entry(intid).or_default();
                if !one.active {
                    return Err(format!("the guest ended {intid}, which is not active"));
                }
                one.active = false;
            }
            Seen::Irq { intid } => {
                let (number, priority) = world.kernel.irqs.at_vcpu(intid as usize);
                if let Some(Cap::Vcpu { vcpu }) = world.bound_to(intid)
                    && vcpu == self.vcpu
                {
                    self.pend(number, 1);
                    self.all.entry(number).or_default().priority = priority;
                }
            }
            Seen::VirtualTimer => {
                if self.timer_enabled {
                    self.pend(VIRTUAL_TIMER_INTID as u16, 1);
                } else {
                    self.timer_held = true;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn pend(&mut self, intid: u16, source: u8) {
        self.all.entry(intid).or_default().pending |= source;
    }

    fn call(&mut self, method: VcpuMethod, [a, b, c, _]: [u32; 4]) {
        let one = self.all.entry(a as u16).or_default();
        match method {
            VcpuMethod::Inject => {
                one.priority = b as u8;
                one.pending |= if a < u32::from(SGIS) { 1 << c } else { 1 };
            }
            VcpuMethod::SetLevel => {
                one.priority = b as u8;
                if c == 0 && one.level {
                    one.pending = 0;
                }
                one.level = c != 0;
            }
            VcpuMethod::Retract => (one.pending, one.level) = (0, false),
            VcpuMethod::SetTimer => {
                self.timer_enabled = a != 0;
                self.all.entry(VIRTUAL_TIMER_INTID as u16).or_default().priority = b as u8;
                if self.timer_enabled && std::mem::take(&mut self.timer_held) {
                    self.pend(VIRTUAL_TIMER_INTID as u16, 1);
                }
            }
            VcpuMethod::Reset => *self = Self::none(self.vcpu),
            _ => {}
        }
        self.all.retain(|_, one| *one != One::default());
    }

    /// The most urgent that could be taken now.
    fn next(&self) -> Option<(u16, One)> {
        let urgency = |one: &One| u32::from(one.priority) / PRIORITY_STEP;
        let running = self.all.values().filter(|one| one.active).map(urgency).min().unwrap_or(u32::MAX);
        let takable = |(_, one): &(&u16, &One)| one.is_pending() && !one.active && urgency(one) < running;
        let next = self.all.iter().filter(takable).min_by_key(|(_, one)| urgency(one));
        next.map(|(&intid, &one)| (intid, one))
    }

    fn acknowledged(&mut self, intid: u16, source: u8) -> Told {
        let next = self.next();
        let one = self.all.entry(intid).or_default();
        if !one.is_pending() || one.active {
            return Err(format!("the guest was given {intid}: {one:?}"));
        }
        if next.is_none_or(|(_, next)| next.priority / PRIORITY_STEP as u8 != one.priority / PRIORITY_STEP as u8) {
            return Err(format!("the guest was given {intid}, {one:?}, before {next:?}"));
        }
        let taken = if intid < SGIS { 1 << source } else { one.pending & 1 };
        if intid < SGIS && one.pending & taken == 0 {
            return Err(format!("the guest was given {intid} of {source}: {one:?}"));
        }
        one.pending &= !taken;
        one.active = true;
        Ok(())
    }

    /// Whether the kernel and the hardware together hold what is expected.
    fn agrees(&self, world: &World) -> Told {
        let kernel = &world.kernel;
        let machine = &kernel.platform;
        let loaded = kernel.cores[0].loaded == Some(self.vcpu);
        if machine.maintenance() && loaded {
            // What the guest has just done is still to be told.
            return Ok(());
        }
        for intid in 0..VIRTUAL_INTERRUPTS as u16 {
            let one = self.all.get(&intid).copied().unwrap_or_default();
            let (pending, active) = state_of(kernel, self.vcpu, intid);
            if active != one.active || pending != one.is_pending() {
                return Err(format!("{intid} is to be {one:?}, and is pending: {pending}, active: {active}"));
            }
        }
        if loaded && let Some((intid, one)) = self.next() {
            let Some(index) = machine.takable() else {
                return Err(format!("{intid}, {one:?}, can't be taken"));
            };
            let list = machine.lists[index];
            if u32::from(list.priority) / PRIORITY_STEP != u32::from(one.priority) / PRIORITY_STEP {
                return Err(format!("{} would be taken before {intid}, {one:?}", list.intid));
            }
        }
        Ok(())
    }
}

/// Whether an interrupt of a vCPU is pending and whether it is active, wherever that is kept.
pub fn state_of(kernel: &Kernel<Machine>, vcpu: Handle<Vcpu>, intid: u16) -> (bool, bool) {
    let interrupts = &kernel.arena.get(vcpu).interrupts;
    let state = interrupts.state[usize::from(intid)];
    let pending = interrupts.waits(intid) || state.flags & PENDING != 0 || state.sources != 0;
    let Some(index) = state.list_register.checked_sub(1) else {
        return (pending, state.flags & (ACTIVE | LISTED) == ACTIVE);
    };
    let saved = interrupts.listed(index.into()).value();
    let loaded = kernel.cores[0].loaded == Some(vcpu);
    let list = if loaded { kernel.platform.lists[usize::from(index)] } else { saved };
    let same = list.intid == saved.intid;
    (pending || same && list.pending, same && list.active)
}
