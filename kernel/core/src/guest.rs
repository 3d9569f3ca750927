//! Guests: exits and their answers, waiting, the lazily switched state, the virtual timer.

use crate::arena::Handle;
use crate::cores::put_down;
use crate::kernel::CORES_MAX;
use crate::platform::{GuestException, ListRegister};
use crate::tcb::{Sent, State, Tcb};
use crate::timeout::{Owner, Timeout};
use crate::transfer::R_WORDS;
use crate::vcpu::{ExitRecord, SavedListRegister, Vcpu, bits};
use crate::{Kernel, Platform};
use abi::exit::ExitReply;
use abi::vcpu::{CP32_FIRST, CP64_FIRST, GuestRegister, Row, TABLE, VIRTUAL_TIMER_INTID};
use core::mem::offset_of;

/// Bits of the virtual timer's control register (ARM DDI 0406C B8.1.5).
const TIMER_ENABLE: u32 = 1;
const TIMER_MASKED: u32 = 2;

/// Registers of the table that are not 0 after a reset.
const RESETS: [(GuestRegister, u64); resets()] = {
    let mut found = [(GuestRegister::Sctlr, 0); resets()];
    let (mut n, mut index) = (0, 0);
    while index < TABLE.len() {
        if let Row { register, reset: Some(value @ 1..), .. } = TABLE[index] {
            found[n] = (register, value);
            n += 1;
        }
        index += 1;
    }
    found
};

const fn resets() -> usize {
    let (mut n, mut index) = (0, 0);
    while index < TABLE.len() {
        n += matches!(TABLE[index].reset, Some(1..)) as usize;
        index += 1;
    }
    n
}

impl<P: Platform> Kernel<P> {
    /// The running guest did something that its VMM has to look at. The VMM's thread comes back if it runs from now on and
    /// nothing is left to decide.
    #[inline(always)]
    pub fn on_guest_exit(&mut self, exit: ExitRecord) -> Option<Handle<Tcb>> {
        let tcb = self.current();
        let vcpu = self.arena.get(tcb).vcpu?;
        self.arena.get_mut(vcpu).exit = exit;
        let vmm = self.fast_exit(tcb, vcpu);
        if vmm.is_none() {
            self.report(tcb, Sent::Exit);
        }
        vmm
    }

    /// The VMM has answered the exit of `tcb`.
    #[inline]
    pub(crate) fn apply_exit_reply(&mut self, vmm: Handle<Tcb>, tcb: Handle<Tcb>, label: u16) {
        let Some(vcpu) = self.arena.get(tcb).vcpu else { return };
        let reply = ExitReply::from_bits_truncate(label);
        let exit = self.arena.get(vcpu).exit;
        let words = {
            let registers = &self.arena.get(vmm).context.r;
            (registers[R_WORDS], registers[R_WORDS + 1])
        };
        self.arena.get_mut(vcpu).exit.kind = 0;
        if reply.contains(ExitReply::WRITE) {
            self.write_operand(tcb, vcpu, exit.register & 0xf, words.0);
            if exit.register & ExitRecord::SECOND != 0 {
                self.write_operand(tcb, vcpu, exit.register >> 8 & 0xf, words.1);
            }
        }
        let thread = self.arena.get_mut(tcb);
        thread.state = State::Running;
        if reply.contains(ExitReply::STEP) {
            P::step(&mut thread.context, exit.long != 0);
        }
        if reply.intersects(ExitReply::UNDEFINED | ExitReply::DATA_ABORT | ExitReply::PREFETCH_ABORT | ExitReply::STOP)
        {
            self.apply_rare_reply(tcb, vcpu, reply, words.0);
        }
    }

    #[cold]
    fn apply_rare_reply(&mut self, tcb: Handle<Tcb>, vcpu: Handle<Vcpu>, reply: ExitReply, address: u32) {
        if reply.contains(ExitReply::STOP) {
            self.arena.get_mut(tcb).state = State::Inactive;
            return;
        }
        let exception = if reply.contains(ExitReply::UNDEFINED) {
            GuestException::Undefined
        } else if reply.contains(ExitReply::DATA_ABORT) {
            GuestException::DataAbort(address)
        } else {
            GuestException::PrefetchAbort(address)
        };
        self.load_vcpu(Some(vcpu));
        let (thread, vcpu) = self.arena.pair_mut(tcb, vcpu);
        self.platform.inject(&mut thread.context, vcpu, exception);
    }

    /// The running guest executed WFI: it waits until an interrupt is pending, masked or not.
    pub fn on_guest_wait(&mut self, long: bool) {
        let tcb = self.current();
        let Some(vcpu) = self.arena.get(tcb).vcpu else { return };
        P::step(&mut self.arena.get_mut(tcb).context, long);
        self.sync(vcpu);
        self.fill(vcpu);
        if !self.has_pending(vcpu) {
            self.arena.get_mut(tcb).state = State::Idle;
            self.make_unready(tcb);
        }
    }

    /// A guest that waits goes on if an interrupt is pending for it.
    pub(crate) fn wake_if_pending(&mut self, vcpu: Handle<Vcpu>) {
        if let Some(tcb) = self.arena.get(vcpu).tcb
            && self.arena.get(tcb).state == State::Idle
            && self.has_pending(vcpu)
        {
            self.wake_vcpu(vcpu);
        }
    }

    /// A guest that waits goes on: an interrupt is pending, or its timer is due.
    pub(crate) fn wake_vcpu(&mut self, vcpu: Handle<Vcpu>) {
        let Some(tcb) = self.arena.get(vcpu).tcb else { return };
        if self.arena.get(tcb).state == State::Idle {
            self.end_idle(tcb);
            self.arena.get_mut(tcb).state = State::Running;
            self.make_ready(tcb);
        }
    }

    /// A guest's waiting ends: nothing is due for it any more.
    pub(crate) fn end_idle(&mut self, tcb: Handle<Tcb>) {
        if let Some(vcpu) = self.arena.get(tcb).vcpu {
            self.unwatch_timer(vcpu);
        }
    }

    fn unwatch_timer(&mut self, vcpu: Handle<Vcpu>) {
        let node = self.vcpu_timeout(vcpu);
        let core = if CORES_MAX == 1 { 0 } else { self.arena.get(vcpu).watched_on as usize % CORES_MAX };
        self.cores[core].timeouts.remove(&mut self.arena, node);
    }

    fn vcpu_timeout(&self, vcpu: Handle<Vcpu>) -> Handle<Timeout> {
        self.arena.part(vcpu, offset_of!(Vcpu, timeout))
    }

    /// First use of floating point since another vCPU used it.
    pub fn on_guest_float(&mut self) {
        let tcb = self.current();
        let Some(vcpu) = self.arena.get(tcb).vcpu else { return };
        self.fetch_float(vcpu);
        match self.core().float_owner.replace(vcpu) {
            // They are there, but closed.
            Some(owner) if owner == vcpu => self.platform.fpu_open(true),
            Some(owner) => {
                let (old, new) = self.arena.pair_mut(owner, vcpu);
                self.platform.fpu_load(Some(old), new);
            }
            None => self.platform.fpu_load(None, self.arena.get(vcpu)),
        }
    }

    pub(crate) fn save_float(&mut self) {
        let here = self.here();
        if let Some(owner) = self.cores[here].float_owner.take() {
            self.platform.fpu_save(self.arena.get_mut(owner));
        }
    }

    /// Puts a vCPU (or none) into this core's hardware, in place of the one that is there.
    #[cold]
    pub(crate) fn load_vcpu(&mut self, vcpu: Option<Handle<Vcpu>>) {
        let here = self.here();
        if self.cores[here].loaded == vcpu {
            return;
        }
        if let Some(old) = self.cores[here].loaded {
            self.unload(old);
        }
        if let Some(new) = vcpu {
            self.fetch(new);
        }
        self.cores[here].loaded = vcpu;
        let Some(new) = vcpu else { return };
        self.unwatch_timer(new);
        self.platform.vcpu_load(self.arena.get(new));
        // The one before left all list registers empty, and asked for nothing.
        for index in bits(self.arena.get(new).interrupts.listed_mask) {
            self.platform.list_write(index, self.arena.get(new).interrupts.listed(index).value());
        }
        self.fill(new);
        let open = self.cores[here].float_owner == Some(new);
        self.platform.fpu_open(open);
    }

    /// Takes a vCPU out of the hardware. If its guest waits, its timer is watched for it.
    fn unload(&mut self, vcpu: Handle<Vcpu>) {
        put_down(&mut self.platform, &mut self.arena, vcpu);
        self.settle(vcpu);
    }

    /// A vCPU has just left some core's hardware: what its guest did to its interrupts meanwhile is learned, and its timer is
    /// watched for it if it waits.
    pub(crate) fn settle(&mut self, vcpu: Handle<Vcpu>) {
        for index in bits(self.arena.get(vcpu).interrupts.listed_mask) {
            let saved = self.arena.get(vcpu).interrupts.listed(index);
            if saved.has_ended() {
                self.arena.get_mut(vcpu).interrupts.set_listed(index, SavedListRegister::default());
                self.ended(vcpu, saved);
            }
        }
        let interrupts = &mut self.arena.get_mut(vcpu).interrupts;
        interrupts.refill = 0;
        for _ in 0..core::mem::take(&mut interrupts.ends) {
            self.end_spilled(vcpu);
        }
        let waits = self.arena.get(vcpu).tcb.is_some_and(|tcb| self.arena.get(tcb).state == State::Idle);
        if waits {
            self.watch_timer(vcpu);
        }
    }

    /// Wakes the guest of an unloaded vCPU when its virtual timer is due.
    fn watch_timer(&mut self, vcpu: Handle<Vcpu>) {
        let data = self.arena.get(vcpu);
        let control = data.cp32[(GuestRegister::CntvCtl as u32 - CP32_FIRST) as usize];
        let compare = data.cp64[(GuestRegister::CntvCval as u32 - CP64_FIRST) as usize];
        if control & (TIMER_ENABLE | TIMER_MASKED) == TIMER_ENABLE && data.interrupts.timer_enabled != 0 {
            let time = compare.wrapping_add(data.cntvoff);
            let node = self.vcpu_timeout(vcpu);
            let here = self.here();
            self.arena.get_mut(vcpu).watched_on = here as u32;
            self.cores[here].timeouts.insert(&mut self.arena, node, time, Owner::Vcpu(vcpu));
            self.cores[here].reschedule = true;
        }
    }

    /// The virtual timer's interrupt: acknowledged, its priority dropped, still active. It belongs to the loaded vCPU.
    #[inline(always)]
    pub fn on_virtual_timer(&mut self) {
        let Some(vcpu) = self.cores[self.here()].loaded else { return self.platform.timer_deactivate() };
        if self.arena.get(vcpu).interrupts.timer_enabled == 0 {
            self.arena.get_mut(vcpu).interrupts.timer_held = 1;
            return;
        }
        if !self.relist_timer(vcpu) {
            let intid = VIRTUAL_TIMER_INTID as u16;
            let priority = self.arena.get(vcpu).interrupts.state[usize::from(intid)].priority;
            self.inject_hardware(vcpu, intid, priority, intid);
        }
    }

    /// The usual case of a tick: the list register that held the last one is empty again, and takes this one.
    #[inline(always)]
    fn relist_timer(&mut self, vcpu: Handle<Vcpu>) -> bool {
        let state = self.arena.get(vcpu).interrupts.state[VIRTUAL_TIMER_INTID as usize];
        let Some(index) = state.list_register.checked_sub(1) else { return false };
        if self.platform.list_empty() >> index & 1 == 0 {
            return false;
        }
        let value = ListRegister {
            intid: VIRTUAL_TIMER_INTID as u16,
            priority: state.priority,
            pending: true,
            hardware: Some(VIRTUAL_TIMER_INTID as u16),
            ..ListRegister::default()
        };
        self.platform.list_write(usize::from(index), value);
        // What memory says of that list register is as true as before, but for a priority that may have changed.
        if let Some(listed) = self.arena.get_mut(vcpu).interrupts.listed.get_mut(usize::from(index)) {
            listed.priority = state.priority;
        }
        if let Some(tcb) = self.arena.get(vcpu).tcb
            && self.arena.get(tcb).state == State::Idle
        {
            self.wake_vcpu(vcpu);
        }
        true
    }

    /// The distributor enables or disables the virtual timer's interrupt.
    pub(crate) fn set_timer_delivery(&mut self, vcpu: Handle<Vcpu>, enabled: bool, priority: u8) {
        let interrupts = &mut self.arena.get_mut(vcpu).interrupts;
        interrupts.state[VIRTUAL_TIMER_INTID as usize].priority = priority;
        interrupts.timer_enabled = u32::from(enabled);
        if enabled && core::mem::take(&mut interrupts.timer_held) != 0 {
            let intid = VIRTUAL_TIMER_INTID as u16;
            self.inject_hardware(vcpu, intid, priority, intid);
        }
    }

    /// Some interrupt controllers forget a level that is still high when a hardware-linked interrupt ends: look
    /// again at the loaded vCPU's timer, if its interrupt has ended.
    pub(crate) fn resample_timer(&mut self) {
        let Some(vcpu) = self.cores[self.here()].loaded else { return };
        if self.arena.get(vcpu).interrupts.timer_listed == 0 {
            return;
        }
        self.sync(vcpu);
        if self.arena.get(vcpu).interrupts.timer_listed == 0 && self.platform.timer_line() {
            self.platform.timer_resample();
        }
    }

    /// Puts a new or stopped vCPU into its reset state.
    pub(crate) fn reset_vcpu(&mut self, vcpu: Handle<Vcpu>) {
        self.forget_vcpu(vcpu);
        self.release_hardware(vcpu);
        let data = self.arena.get_mut(vcpu);
        data.cp32.fill(0);
        data.cp64.fill(0);
        data.banked.fill(0);
        for (register, value) in RESETS {
            data.set_register(register, value);
        }
        data.vmcr = 0;
        data.apr = 0;
        data.timer_active = 0;
        data.d = [0; 32];
        data.fpscr = 0;
        data.fpexc = 0;
        data.watch_stage1 = 0;
        data.exit = ExitRecord::default();
        data.interrupts.clear();
        // The guest's time begins now.
        data.cntvoff = self.platform.now();
    }

    /// Takes a vCPU out of the hardware, wherever it is.
    fn forget_vcpu(&mut self, vcpu: Handle<Vcpu>) {
        self.fetch(vcpu);
        self.fetch_float(vcpu);
        let here = self.here();
        if self.cores[here].loaded == Some(vcpu) {
            self.load_vcpu(None);
        }
        if self.cores[here].float_owner == Some(vcpu) {
            self.save_float();
        }
        self.unwatch_timer(vcpu);
    }

    /// The last capability to a vCPU is going.
    pub(crate) fn end_vcpu(&mut self, vcpu: Handle<Vcpu>) {
        if let Some(tcb) = self.arena.get(vcpu).tcb {
            self.suspend(tcb);
        }
        self.forget_vcpu(vcpu);
        self.release_hardware(vcpu);
        if let Some(tcb) = self.arena.get_mut(vcpu).tcb.take() {
            // What is left is a component, in user mode.
            let thread = self.arena.get_mut(tcb);
            thread.vcpu = None;
            thread.context.cpsr = P::component_psr(false);
        }
    }
}
