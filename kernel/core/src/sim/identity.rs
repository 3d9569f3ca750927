//! Which states are the same: those from which the same can happen.
//!
//! What does not matter is left out: what is in memory where no object lives, how much time has gone by (times count
//! from now), and which VMID a space has, as long as it has its own.

use super::check::Census;
use super::check::Quick;
use super::world::World;
use crate::cap::Cap;
use crate::objects::SchedContext;
use crate::tcb::{Sent, State};
use crate::timeout::Owner;
use crate::vcpu::Vcpu;
use abi::vcpu::{CP32_FIRST, CP64_FIRST, GuestRegister};
use std::hash::{Hash, Hasher};

/// The number of a state.
pub fn identity(census: &Census, world: &World) -> u64 {
    let mut hasher = Quick::default();
    let kernel = &world.kernel;
    let now = kernel.platform.now;
    for &slot in &census.slots {
        let node = census.get(slot);
        (slot, node.cap, node.parent, node.child, node.next, node.prev).hash(&mut hasher);
        match node.cap {
            Cap::Endpoint { endpoint, .. } => {
                let point = census.get(endpoint);
                (point.queue, point.waiters).hash(&mut hasher);
            }
            Cap::Notification { notification, .. } => {
                let object = census.get(notification);
                (object.queue, object.word).hash(&mut hasher);
            }
            Cap::Reply { reply } => {
                let object = census.get(reply);
                (object.caller, object.receiver, object.donated).hash(&mut hasher);
            }
            _ => {}
        }
    }
    for &cnode in &census.cnodes.all {
        let node = census.get(cnode);
        (cnode, node.bits, node.condemned_next, if node.refs == 0 { node.cursor } else { 0 }).hash(&mut hasher);
    }
    for &tcb in &census.threads.all {
        let thread = census.get(tcb);
        (tcb, thread.vcpu, thread.state, thread.sched, thread.home, thread.reply, thread.next, thread.prev)
            .hash(&mut hasher);
        (thread.priority, thread.ceiling, thread.queued, thread.ipc_offset, thread.context.cpsr).hash(&mut hasher);
        match thread.state {
            State::Sending(_) => {
                (thread.sent, thread.badge, thread.grants).hash(&mut hasher);
                match thread.sent {
                    Sent::Send | Sent::Call => thread.context.r[1..6].hash(&mut hasher),
                    Sent::Fault => thread.report.hash(&mut hasher),
                    Sent::Exit => {}
                }
            }
            State::AwaitingReply(_) => thread.sent.hash(&mut hasher),
            _ => {}
        }
    }
    for &space in &census.spaces.all {
        let object = census.get(space);
        (space, object.kind, object.generation == kernel.generation, object.condemned_next).hash(&mut hasher);
        if object.generation == kernel.generation {
            kernel.platform.mmu.hash_space(object.vmid as u8, &mut hasher);
        }
    }
    for &context in &census.contexts.all {
        hash_context(
            context.address(),
            census.get(context),
            kernel.cores.iter().any(|core| core.active == Some(context)),
            now,
            &mut hasher,
        );
    }
    for &vcpu in &census.vcpus.all {
        hash_vcpu(vcpu.address(), census.get(vcpu), now, &mut hasher);
    }
    for core in &kernel.cores[..kernel.platform.core_count] {
        (core.current, core.active, core.reschedule, core.loaded, core.float_owner).hash(&mut hasher);
        core.deadline.saturating_sub(now).min(1 << 40).hash(&mut hasher);
    }
    for known in kernel.irqs.known() {
        known.hash(&mut hasher);
    }
    (kernel.condemned.cnodes, kernel.condemned.spaces).hash(&mut hasher);
    // Rollover is near, or it is not.
    kernel.next_vmid.saturating_sub(240).hash(&mut hasher);
    kernel.platform.hash(&mut hasher);
    world.witness.hash(now, &mut hasher);
    hasher.finish()
}

fn hash_context(address: u32, context: &SchedContext, active: bool, now: u64, hasher: &mut Quick) {
    (address, context.budget, context.period, context.tcb, context.home, context.overdrawn).hash(hasher);
    let waits = context.timeout.owner != Owner::None;
    (waits, if waits { context.timeout.time.wrapping_sub(now) } else { 0 }).hash(hasher);
    if active {
        now.wrapping_sub(context.started).hash(hasher);
    }
    let slice = context.budget == context.period;
    for (n, refill) in context.refills[..context.refill_count as usize].iter().enumerate() {
        let time = match n {
            _ if slice => 0,
            0 if active => refill.time.wrapping_sub(now),
            _ => refill.time.saturating_sub(now),
        };
        (time, refill.amount).hash(hasher);
    }
}

fn hash_vcpu(address: u32, vcpu: &Vcpu, now: u64, hasher: &mut Quick) {
    (address, vcpu.tcb, vcpu.vmcr, vcpu.apr, vcpu.timer_active, vcpu.watch_stage1, vcpu.exit.kind).hash(hasher);
    let waits = vcpu.timeout.owner != Owner::None;
    (waits, if waits { vcpu.timeout.time.wrapping_sub(now) } else { 0 }).hash(hasher);
    let interrupts = &vcpu.interrupts;
    for (intid, state) in interrupts.state.iter().enumerate() {
        if (state.flags, state.sources, state.priority) != (0, 0, 0) {
            (intid, state, interrupts.hardware[intid]).hash(hasher);
        }
    }
    (interrupts.waiting, interrupts.listed).hash(hasher);
    (interrupts.timer_enabled, interrupts.timer_held, interrupts.timer_listed, interrupts.spilled, interrupts.refill)
        .hash(hasher);
    let control = vcpu.cp32[(GuestRegister::CntvCtl as u32 - CP32_FIRST) as usize];
    let compare = vcpu.cp64[(GuestRegister::CntvCval as u32 - CP64_FIRST) as usize];
    hash_timer(control, compare.wrapping_add(vcpu.cntvoff), now, hasher);
    let mut registers = vcpu.cp32;
    registers[(GuestRegister::CntvCtl as u32 - CP32_FIRST) as usize] = 0;
    (vcpu.d[0], registers, &vcpu.cp64[..vcpu.cp64.len() - 1], vcpu.banked).hash(hasher);
}

/// A virtual timer: only if it is enabled does it matter when it is due, and only in the future how far.
pub(super) fn hash_timer(control: u32, due: u64, now: u64, hasher: &mut impl Hasher) {
    control.hash(hasher);
    (control & 1 != 0).then(|| due.saturating_sub(now)).hash(hasher);
}
