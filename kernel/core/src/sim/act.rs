//! How a world takes a step, and what hardware does on its own account afterwards.

use super::check::Violation;
use super::step::{GuestStep, Step, Svc};
use super::witness::Seen;
use super::world::World;
use crate::arena::Handle;
use crate::cap::Cap;
use crate::sim::machine::Translation;
use crate::tcb::Tcb;
use crate::vcpu::ExitRecord;
use abi::Syscall;
use abi::rights::MapFlags;
use abi::vcpu::{GuestRegister, VIRTUAL_TIMER_INTID};
use std::format;

/// Where a component's system calls stand.
const PC: u32 = 0x1000;
/// Interrupts that hardware may raise one after another without anybody doing anything: more is a storm.
const ROUNDS: u32 = 40;

impl World {
    /// Takes a step, and lets all interrupts that are due come. `false`: the step does not apply, and nothing has happened.
    ///
    /// # Errors
    /// What the hardware or a witness saw go wrong; invariants are not checked here.
    pub fn step(&mut self, step: &Step) -> Result<bool, Violation> {
        self.refused = false;
        let Some(seen) = self.take_step(step) else { return Ok(false) };
        self.settle(seen)?;
        Ok(true)
    }

    fn running_component(&self) -> Option<Handle<Tcb>> {
        self.kernel.running().filter(|&tcb| self.kernel.arena.get(tcb).vcpu.is_none())
    }

    fn running_guest(&self) -> Option<Handle<Tcb>> {
        self.kernel.running().filter(|&tcb| self.kernel.arena.get(tcb).vcpu.is_some())
    }

    fn take_step(&mut self, step: &Step) -> Option<Seen> {
        match *step {
            Step::Svc(svc) => {
                let tcb = self.running_component()?;
                return Some(self.svc(tcb, svc));
            }
            Step::Fault => {
                self.running_component()?;
                self.kernel.on_component_fault(abi::fault::FaultKind::Data, 0xdead_0000, 0x9380_0006);
                self.schedule();
            }
            Step::Timer => {
                let machine = &mut self.kernel.platform;
                let first = machine.first_deadline();
                if first == u64::MAX {
                    return None;
                }
                let from = machine.now;
                machine.now = machine.now.max(first);
                return Some(Seen::Time { from });
            }
            Step::Pass(ticks) => {
                let machine = &mut self.kernel.platform;
                let from = machine.now;
                machine.now = (from + u64::from(ticks)).min(machine.first_deadline().max(from));
                return Some(Seen::Time { from });
            }
            Step::Core(core) => {
                let machine = &mut self.kernel.platform;
                if core as usize >= machine.core_count {
                    return None;
                }
                machine.switch_core(core as usize);
            }
            Step::Irq(intid) => {
                let machine = &mut self.kernel.platform;
                if !machine.enabled.contains(&intid) || !machine.active.insert(intid) {
                    return None;
                }
                self.kernel.on_irq(intid);
                self.schedule();
                return Some(Seen::Irq { intid });
            }
            Step::Guest(step) => {
                self.running_guest()?;
                return self.guest_step(step);
            }
            Step::Store(address, value) => {
                let (to, guest) = self.translate(address, MapFlags::WRITE)?;
                let physical = (to.page << 12) + (address & 0xffc);
                if guest || to.flags.contains(MapFlags::UNCACHED) {
                    self.kernel.platform.caches.store_past(physical, value);
                } else {
                    let kernel = &mut *self.kernel;
                    kernel.arena.write_word(physical, value);
                    kernel.platform.look(&mut kernel.arena);
                }
            }
            Step::Load(address) => {
                let (to, guest) = self.translate(address, MapFlags::READ)?;
                if !guest && !to.flags.contains(MapFlags::UNCACHED) {
                    let kernel = &mut *self.kernel;
                    kernel.platform.caches.allocate(&kernel.arena, (to.page << 12) + (address & 0xffc));
                }
            }
            Step::Evict(which) => {
                let kernel = &mut *self.kernel;
                kernel.platform.look(&mut kernel.arena);
                if kernel.platform.caches.lines() == 0 {
                    return None;
                }
                kernel.platform.caches.evict(&mut kernel.arena, which as usize);
            }
        }
        Some(Seen::Nothing)
    }

    /// RAM that the running thread may access so, and whether it is a guest (whose caches are off).
    fn translate(&mut self, address: u32, wanted: MapFlags) -> Option<(Translation, bool)> {
        let tcb = self.kernel.running()?;
        let guest = self.kernel.arena.get(tcb).vcpu.is_some();
        let kernel = &mut *self.kernel;
        let to = kernel.platform.mmu.access(&kernel.arena, address)?;
        (to.flags.contains(wanted) && !to.flags.contains(MapFlags::DEVICE)).then_some((to, guest))
    }

    /// What the running thread reads at an address of its own, through the cache or past it as it would. `None`: it may not.
    pub fn load(&mut self, address: u32) -> Option<u32> {
        let (to, guest) = self.translate(address, MapFlags::READ)?;
        let physical = (to.page << 12) + (address & 0xffc);
        let kernel = &mut *self.kernel;
        kernel.platform.look(&mut kernel.arena);
        Some(if guest || to.flags.contains(MapFlags::UNCACHED) {
            kernel.platform.caches.read_ram(&kernel.arena, physical)
        } else {
            kernel.arena.read_word(physical)
        })
    }

    fn svc(&mut self, tcb: Handle<Tcb>, svc: Svc) -> Seen {
        let named = self.kernel.named(tcb, svc.r0);
        let context = &mut self.kernel.arena.get_mut(tcb).context;
        context.r[0] = svc.r0;
        context.r[1] = svc.info;
        context.r[2..6].copy_from_slice(&svc.words);
        context.r[12] = svc.r12;
        context.pc = PC;
        self.kernel.platform.pending = svc.preempted;
        self.enter(svc.number);
        self.kernel.platform.pending = false;
        let context = &self.kernel.arena.get(tcb).context;
        let again = context.pc != PC;
        // A server can let a caller down, and an answer is given before the next message is waited for.
        let message = svc.number == Syscall::Call as u32 && matches!(named, Some(Cap::Endpoint { .. }));
        let alone = !message && svc.number != Syscall::ReplyRecv as u32;
        let failed = abi::Error::from_status(context.r[0]).is_some();
        self.refused = alone && !again && failed && self.kernel.running() == Some(tcb);
        Seen::Call { tcb, svc, named, status: (!again).then_some(context.r[0]) }
    }

    fn guest_step(&mut self, step: GuestStep) -> Option<Seen> {
        let machine = &mut self.kernel.platform;
        match step {
            GuestStep::Wait => {
                self.kernel.on_guest_wait(true);
                self.schedule();
            }
            GuestStep::Exit => {
                self.exit(ExitRecord { kind: 1, words: [1, 2, 3, 4], ..ExitRecord::default() });
            }
            GuestStep::Acknowledge => {
                let (intid, source) = machine.guest_acknowledges()?;
                return Some(Seen::Acknowledged { intid, source });
            }
            GuestStep::End(intid) => {
                if machine.registers.active_priorities() == 0 {
                    return None;
                }
                machine.guest_ends(intid);
                return Some(Seen::Ended { intid });
            }
            GuestStep::Float(value) => {
                if !machine.registers.float_open {
                    self.kernel.on_guest_float();
                    self.schedule();
                }
                self.kernel.platform.registers.set_float(0, value.into());
            }
            GuestStep::Write(number, value) => {
                let register = GuestRegister::from_number(number)?;
                let privileged = [GuestRegister::Vmpidr, GuestRegister::Cntvoff, GuestRegister::Apr];
                if number < abi::vcpu::CP32_FIRST || privileged.contains(&register) {
                    return None;
                }
                machine.registers.write(register, value.into());
            }
            GuestStep::Timer(ticks, control) => {
                let now = machine.now.wrapping_sub(machine.registers.read(GuestRegister::Cntvoff));
                machine.registers.write(GuestRegister::CntvCval, now + u64::from(ticks));
                machine.registers.write(GuestRegister::CntvCtl, u64::from(control & 3));
            }
        }
        Some(Seen::Nothing)
    }

    /// Interrupts that are due come, until all is quiet; witnesses look after each.
    fn settle(&mut self, first: Seen) -> Result<(), Violation> {
        self.witness(first)?;
        if self.kernel.platform.core_count == 1 {
            return self.settle_core();
        }
        let here = self.kernel.here();
        loop {
            for core in (here..self.kernel.platform.core_count).chain(0..here) {
                self.kernel.platform.switch_core(core);
                self.settle_core()?;
            }
            if !self.kernel.platform.kicked.contains(&true) {
                break;
            }
        }
        self.kernel.platform.switch_core(here);
        Ok(())
    }

    fn settle_core(&mut self) -> Result<(), Violation> {
        for _ in 0..ROUNDS {
            let loaded = self.kernel.loaded().is_some();
            let machine = &mut self.kernel.platform;
            if machine.maintenance() {
                self.kernel.on_maintenance();
                self.schedule();
                self.witness(Seen::Maintenance)?;
            } else if loaded && machine.registers.timer_line(machine.now) && machine.active.insert(VIRTUAL_TIMER_INTID)
            {
                self.kernel.on_virtual_timer();
                self.schedule();
                self.witness(Seen::VirtualTimer)?;
            } else if machine.now >= machine.deadline {
                // Its line falls before it is handled.
                machine.deadline = u64::MAX;
                self.kernel.on_timer();
                self.schedule();
                self.witness(Seen::Nothing)?;
            } else if machine.told() {
                self.schedule();
                self.witness(Seen::Nothing)?;
            } else {
                return Ok(());
            }
        }
        let what = if self.kernel.platform.maintenance() { "the maintenance interrupt" } else { "a timer" };
        Err(Violation("an interrupt that was handled is quiet", format!("{what} comes {ROUNDS} times and more")))
    }
}

impl crate::Kernel<super::Machine> {
    /// The capability at an address of a thread's.
    pub(super) fn named(&self, tcb: Handle<Tcb>, address: u32) -> Option<Cap> {
        let slot = crate::lookup::lookup(&self.arena, tcb, address).ok()?;
        Some(self.arena.get(slot).cap).filter(|cap| !cap.is_null())
    }
}
