//! The processor, as the kernel's logic sees it.

use crate::inject::{self, Control, Exception};
use crate::sysreg::{self, cntv_ctl, hcptr, isr, vmpidr};
use crate::timer::{HYP_TIMER, VIRTUAL_TIMER};
use crate::vcpu_state::{self, Slot, index};
use crate::world::{self, Live, World};
use crate::{cell, fpu, gic, maintenance, memory, power, psr, stage2, timer, virtual_interface};
use abi::exit::{Access, ExitKind};
use abi::rights::MapFlags;
use abi::vcpu::GuestRegister;
use kernel_core::cores::Errand;
use kernel_core::kernel::CORES_MAX;
use kernel_core::platform::{GuestException, ListRegister, Maintenance};
use kernel_core::vcpu::{ExitRecord, Vcpu};
use kernel_core::{Arena, Context, Platform};

/// What belongs to one core.
pub(crate) struct Local {
    /// What its hardware holds.
    pub(crate) live: Live,
    deadline: u64,
}

impl Local {
    const NEW: Self = Self {
        live: Live { vttbr: 0, tcb: None, world: World::Unsettled, eager: None, float_open: false },
        deadline: u64::MAX,
    };
}

/// An ARMv7-A processor. What belongs to a core means the one that asks.
pub struct Armv7 {
    pub(crate) locals: [Local; CORES_MAX],
    /// Cores that run.
    cores: usize,
    completes_late: bool,
    ticks_per_us_q16: u32,
    interrupts: u32,
    list_registers: usize,
}

/// Interrupts that are the kernel's own.
pub const OWN_INTERRUPTS: [u32; 3] = [gic::MAINTENANCE, HYP_TIMER, VIRTUAL_TIMER];

const CNTV_CTL: usize = index(GuestRegister::CntvCtl);
const ISR_ANY: u32 = 0x1c0;

impl Armv7 {
    /// The first core, with the interrupt controller started and its timers silent.
    pub fn start(counter_hz: u32) -> Self {
        let interrupts = gic::start();
        let list_registers = Self::start_core();
        Self {
            locals: [const { Local::NEW }; CORES_MAX],
            cores: 1,
            completes_late: completes_late(sysreg::midr::read()),
            ticks_per_us_q16: ((u64::from(counter_hz) << 16) / 1_000_000) as u32,
            interrupts,
            list_registers,
        }
    }

    /// What each core has to do for itself. Returns the number of list registers.
    pub(crate) fn start_core() -> usize {
        sysreg::cnthp_ctl::write(0);
        cntv_ctl::write(0);
        gic::start_core(&OWN_INTERRUPTS);
        virtual_interface::start()
    }

    /// So many cores run.
    pub(crate) fn set_cores(&mut self, cores: usize) {
        self.cores = cores;
    }

    /// What this core's hardware holds.
    #[inline(always)]
    pub fn live(&self) -> &Live {
        &self.locals[sysreg::core()].live
    }

    /// The same, to be changed.
    #[inline(always)]
    pub fn live_mut(&mut self) -> &mut Live {
        &mut self.locals[sysreg::core()].live
    }

    /// Whether that vCPU's own SCTLR and CNTKCTL are in the hardware now.
    fn is_eager(&self, vcpu: &Vcpu) -> bool {
        self.live().eager.is_some_and(|live| live.address() as usize == core::ptr::from_ref(vcpu).addr())
    }

    /// Whether the hardware (`true`) or the structure has the register of a loaded vCPU.
    fn in_hardware(&self, vcpu: &Vcpu, register: GuestRegister) -> bool {
        match register {
            GuestRegister::Sctlr | GuestRegister::Cntkctl => self.is_eager(vcpu),
            _ => true,
        }
    }

    /// Silences the Hyp timer, whose deadline has come.
    pub(crate) fn quiet_timer(&mut self) {
        self.locals[sysreg::core()].deadline = u64::MAX;
        timer::set_deadline(u64::MAX);
    }

    /// Makes the guest take an exception, its vCPU being loaded here.
    pub(crate) fn take(&mut self, context: &mut Context, vcpu: &mut Vcpu, exception: Exception) {
        if self.is_eager(vcpu) {
            world::save_eager(vcpu);
        }
        let control = Control {
            sctlr: vcpu.cp32[const { index(GuestRegister::Sctlr) }],
            vbar: vcpu_state::read(GuestRegister::Vbar) as u32,
            ttbcr: vcpu_state::read(GuestRegister::Ttbcr) as u32,
        };
        for (register, value) in inject::take(context, control, exception) {
            vcpu_state::write(register, u64::from(value));
        }
    }
}

/// Cortex-A15 up to r3p2 (erratum 798181), by its MIDR: variant in bits 23:20, revision in bits 3:0.
fn completes_late(midr: u32) -> bool {
    let (variant, revision) = (midr >> 20 & 0xf, midr & 0xf);
    midr & 0xff0f_fff0 == 0x410f_c0f0 && (variant, revision) <= (3, 2)
}

/// Whether the access that an exit tells of was a store.
fn is_store(exit: &ExitRecord) -> bool {
    let memory = [ExitKind::Mmio as u32, ExitKind::Undecoded as u32];
    memory.contains(&exit.kind) && Access(exit.words[0]).is_write()
}

impl Platform for Armv7 {
    #[inline(always)]
    fn core(&self) -> usize {
        sysreg::core()
    }
    #[inline(always)]
    fn cores(&self) -> usize {
        self.cores
    }
    fn kick(&mut self, core: usize) {
        gic::kick(core);
    }
    fn completes_late(&self) -> bool {
        self.completes_late
    }
    fn recall(&mut self, _arena: &mut Arena, core: usize, errand: Errand) {
        cell::send(core, errand);
    }

    fn leaf(level: u8, page: u32, flags: MapFlags) -> u64 {
        stage2::leaf(level, page, flags)
    }
    fn table(table: u32) -> u64 {
        stage2::table(table)
    }
    #[inline(always)]
    fn write_descriptor(&mut self, entry: &mut u64, descriptor: u64) {
        memory::store_whole(entry, descriptor);
    }
    #[inline(always)]
    fn maintain(&mut self, _arena: &mut Arena, operation: Maintenance) {
        maintenance::maintain(self.live_mut(), operation);
    }
    fn zero(&mut self, arena: &mut Arena, address: u32, bytes: u32) {
        memory::zero(arena, address, bytes);
    }

    fn now(&self) -> u64 {
        timer::now()
    }
    fn ticks_per_us_q16(&self) -> u32 {
        self.ticks_per_us_q16
    }
    #[inline(always)]
    fn set_deadline(&mut self, deadline: u64) {
        let local = &mut self.locals[sysreg::core()];
        if deadline != local.deadline {
            local.deadline = deadline;
            timer::set_deadline(deadline);
        }
    }
    #[inline(always)]
    fn interrupt_pending(&mut self) -> bool {
        isr::read() & ISR_ANY != 0
    }
    fn irq_exists(&self, intid: u32) -> bool {
        (32..self.interrupts).contains(&intid)
    }
    fn irq_enable(&mut self, intid: u32, edge: bool, core: usize) {
        gic::disable(intid);
        gic::set_edge(intid, edge);
        gic::route(intid, core);
        gic::enable(intid);
    }
    fn irq_disable(&mut self, intid: u32) {
        gic::disable(intid);
    }
    fn irq_quiet(&mut self, intid: u32) {
        gic::quiet(intid);
    }
    fn irq_deactivate(&mut self, intid: u32) {
        gic::deactivate_intid(intid);
    }

    fn vcpu_save(&mut self, vcpu: &mut Vcpu) {
        if self.is_eager(vcpu) {
            world::save_eager(vcpu);
            self.live_mut().eager = None;
        }
        vcpu_state::save(vcpu);
        vcpu.cp32[CNTV_CTL] = cntv_ctl::read() & 3;
        cntv_ctl::write(0);
        vcpu.timer_active = u32::from(gic::is_active(VIRTUAL_TIMER));
        if vcpu.timer_active != 0 {
            gic::set_active(VIRTUAL_TIMER, false);
        }
        (vcpu.vmcr, vcpu.apr) = virtual_interface::save();
    }
    fn vcpu_load(&mut self, vcpu: &Vcpu) {
        vcpu_state::load(vcpu);
        vmpidr::write(vcpu.vmpidr);
        sysreg::cntvoff::write(vcpu.cntvoff);
        virtual_interface::load(vcpu.vmcr, vcpu.apr);
        if vcpu.timer_active != 0 {
            gic::set_active(VIRTUAL_TIMER, true);
        }
        sysreg::isb();
        cntv_ctl::write(vcpu.cp32[CNTV_CTL]);
    }
    fn vcpu_fetch(&mut self, vcpu: &mut Vcpu, register: GuestRegister) {
        if !self.in_hardware(vcpu, register) {
            return;
        }
        match register {
            GuestRegister::Vmcr => vcpu.vmcr = virtual_interface::save().0,
            GuestRegister::Apr => vcpu.apr = virtual_interface::save().1,
            _ => match vcpu_state::slot(vcpu, register) {
                Some(Slot::Word(word)) => *word = vcpu_state::read(register) as u32,
                Some(Slot::Wide(wide)) => *wide = vcpu_state::read(register),
                None => {}
            },
        }
    }
    fn vcpu_store(&mut self, vcpu: &Vcpu, register: GuestRegister) {
        if !self.in_hardware(vcpu, register) {
            return;
        }
        match register {
            GuestRegister::Vmpidr => vmpidr::write(vcpu.vmpidr),
            GuestRegister::Cntvoff => sysreg::cntvoff::write(vcpu.cntvoff),
            GuestRegister::Vmcr | GuestRegister::Apr => virtual_interface::load(vcpu.vmcr, vcpu.apr),
            _ => {
                if let Some(value) = vcpu_state::value(vcpu, register) {
                    vcpu_state::write(register, value);
                }
            }
        }
    }
    fn fpu_save(&mut self, vcpu: &mut Vcpu) {
        fpu::open();
        fpu::save(vcpu);
        hcptr::write(self.live().hcptr().bits());
    }
    fn fpu_load(&mut self, old: Option<&mut Vcpu>, new: &Vcpu) {
        fpu::open();
        self.live_mut().float_open = true;
        if let Some(old) = old {
            fpu::save(old);
        }
        fpu::load(new);
    }
    #[inline(always)]
    fn fpu_open(&mut self, open: bool) {
        let live = self.live_mut();
        if open != live.float_open {
            live.float_open = open;
            hcptr::write(live.hcptr().bits());
        }
    }
    fn list_registers(&self) -> usize {
        self.list_registers
    }
    fn list_empty(&mut self) -> u64 {
        virtual_interface::empty(self.list_registers)
    }
    fn list_read(&mut self, index: usize) -> ListRegister {
        virtual_interface::read(index)
    }
    fn list_write(&mut self, index: usize, value: ListRegister) {
        virtual_interface::write(index, value);
    }
    fn list_control(&mut self, refill: bool, spilled: bool) -> u32 {
        virtual_interface::control(refill, spilled)
    }
    fn timer_line(&mut self) -> bool {
        timer::virtual_line()
    }
    fn timer_deactivate(&mut self) {
        gic::deactivate_intid(VIRTUAL_TIMER);
    }
    fn timer_resample(&mut self) {
        gic::resample(VIRTUAL_TIMER);
    }

    #[inline(always)]
    fn restart_syscall(context: &mut Context) {
        psr::restart_syscall(context);
    }
    fn component_psr(thumb: bool) -> u32 {
        psr::component(thumb)
    }
    fn guest_psr(wanted: u32) -> u32 {
        psr::guest(wanted)
    }
    fn banked_register(cpsr: u32, number: u32) -> Option<GuestRegister> {
        psr::banked_register(cpsr, number)
    }
    #[inline(always)]
    fn step(context: &mut Context, long: bool) {
        psr::step(context, long);
    }
    fn inject(&mut self, context: &mut Context, vcpu: &mut Vcpu, exception: GuestException) {
        let exception = match exception {
            GuestException::Undefined => Exception::Undefined,
            GuestException::DataAbort(address) => Exception::DataAbort { address, write: is_store(&vcpu.exit) },
            GuestException::PrefetchAbort(address) => Exception::PrefetchAbort { address },
        };
        self.take(context, vcpu, exception);
    }

    fn power_off(&mut self) {
        power::off();
    }
    fn power_reset(&mut self) {
        power::reset();
    }
}
