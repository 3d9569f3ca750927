//! A machine that remembers all that hardware may remember, and does late all that hardware may do late.
//!
//! Translations and tables stand in [`mmu`], caches in [`cache`], virtual interrupts in [`interrupts`], what is switched
//! lazily in [`registers`]. Each operation that the kernel does on translations and caches comes here by itself, with
//! the line of the kernel that does it, so that a test can leave any of them out.

pub mod cache;
mod cores;
pub mod interrupts;
pub mod mmu;
pub mod registers;
mod sabotage;

use super::fresh::Fresh;
use crate::cores::Errand;
use crate::kernel::CORES_MAX;
use crate::platform::{GuestException, ListRegister, Maintenance, Platform};
use crate::vcpu::Vcpu;
use crate::{Arena, Context};
use abi::rights::MapFlags;
use abi::vcpu::GuestRegister;
use cache::Caches;
use cores::Hardware;
use mmu::Mmu;
pub use mmu::{Translation, walk};
use registers::Registers;
pub use sabotage::{OPERATIONS, Sabotage, Site};
use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};

/// The simulated machine.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The physical counter.
    pub now: u64,
    /// When the timer fires.
    pub deadline: u64,
    /// Whether an interrupt waits: makes long calls stop.
    pub pending: bool,
    /// If not 0: every n-th preemption point finds an interrupt.
    pub preempt_every: u32,
    points: u32,
    /// Translation.
    pub mmu: Mmu,
    /// Caches.
    pub caches: Caches,
    /// List registers of the loaded vCPU.
    pub lists: [ListRegister; 4],
    /// How many of them there are.
    pub list_count: usize,
    /// Ends of interrupts that found no list register (EOICount).
    pub eoi_count: u32,
    /// Whether a maintenance interrupt was asked for when at most one list register holds something.
    pub refill: bool,
    /// Whether one was asked for when an end of interrupt finds no list register.
    pub spilled: bool,
    /// Physical interrupts that are let through.
    pub enabled: BTreeSet<u32>,
    /// Those of them that were last let through as edge-triggered.
    pub edge: BTreeSet<u32>,
    /// Physical interrupts that were delivered and not deactivated.
    pub active: BTreeSet<u32>,
    /// What guests have left in the hardware.
    pub registers: Registers,
    /// The machine was switched off.
    pub off: bool,
    /// The virtual timer's line is high, whatever its registers say.
    pub timer_high: bool,
    /// RAM that nobody wrote since it was made; none, if everything is to be zeroed in earnest.
    fresh: Fresh,
    /// What is left out.
    pub sabotage: Sabotage,
    /// A register that is not switched: for a test that sees it.
    pub leak: Option<GuestRegister>,
    /// Lines of `maintain.rs` that were reached, and for whom.
    pub reached: BTreeSet<(Option<Site>, u32)>,
    /// Who uses one of its orders now.
    site: Option<Site>,
    /// What to subtract from the host's address of something in RAM to get its physical one.
    base: usize,
    /// The core that is meant by all that a core has of its own.
    core: usize,
    /// How many cores there are.
    pub core_count: usize,
    /// What the others have of their own.
    parked: [Hardware; CORES_MAX],
    /// Cores that were told to look at what there is to do.
    pub kicked: [bool; CORES_MAX],
    /// Whether each core has to see to it that invalidations are complete.
    pub late: bool,
}

/// Number of the virtual timer's interrupt.
const TIMER: u32 = abi::vcpu::VIRTUAL_TIMER_INTID;

impl Default for Machine {
    /// A machine on which something ran before.
    fn default() -> Self {
        Self {
            now: 0,
            deadline: u64::MAX,
            pending: false,
            preempt_every: 0,
            points: 0,
            mmu: Mmu::used(),
            caches: Caches::default(),
            lists: [ListRegister::default(); 4],
            list_count: 4,
            eoi_count: 0,
            refill: false,
            spilled: false,
            enabled: BTreeSet::new(),
            edge: BTreeSet::new(),
            active: BTreeSet::new(),
            registers: Registers::default(),
            off: false,
            timer_high: false,
            fresh: Fresh::default(),
            sabotage: Sabotage::None,
            leak: None,
            reached: BTreeSet::new(),
            site: None,
            base: 0,
            core: 0,
            core_count: 1,
            parked: Default::default(),
            kicked: [false; CORES_MAX],
            late: false,
        }
    }
}

impl Machine {
    /// A machine whose RAM holds nothing but zeroes in these ranges, which costs the host nothing.
    pub fn with_fresh(fresh: Fresh) -> Self {
        Self { fresh, ..Self::default() }
    }

    /// This machine, with its RAM where the host's address of something in it, less `base`, is its physical one.
    pub(super) fn at(self, base: usize) -> Self {
        Self { base, ..self }
    }

    /// The state of another machine, with this one's RAM.
    pub(super) fn become_like(&mut self, other: &Self) {
        let base = self.base;
        self.clone_from(other);
        self.base = base;
    }

    /// The kernel is left. `vttbr`: for a thread in that space, rather than for the one that it was entered from; `must`: it is
    /// written without asking whether it must be.
    pub fn leave(&mut self, arena: &mut Arena, vttbr: Option<u64>, must: bool) {
        self.look(arena);
        if let Some(vttbr) = vttbr {
            self.mmu.choose(vttbr, must);
        }
        self.mmu.synchronize();
        self.caches.fetch(&mut self.mmu);
    }

    /// An access of the running thread: what it may be translated to, in the worst case.
    pub fn access(&mut self, arena: &Arena, vttbr: u64, address: u32) -> Option<Translation> {
        self.mmu.choose(vttbr, false);
        self.mmu.synchronize();
        self.mmu.access(arena, address)
    }

    /// Learns what the kernel has written to frames.
    pub fn look(&mut self, arena: &mut Arena) {
        let written = std::mem::take(&mut arena.written);
        self.caches.written(written, &self.mmu);
    }

    /// What distinguishes one state from another, but for what the MMU remembers of each space.
    pub(super) fn hash(&self, hasher: &mut impl Hasher) {
        (self.pending, self.preempt_every, self.off, self.timer_high).hash(hasher);
        if self.preempt_every != 0 {
            (self.points % self.preempt_every).hash(hasher);
        }
        (&self.lists[..self.list_count], self.eoi_count, self.refill, self.spilled).hash(hasher);
        (&self.enabled, &self.active).hash(hasher);
        self.registers.hash_from(self.now, hasher);
        self.hash_cores(hasher);
        self.mmu.hash_begun(hasher);
        self.caches.hash(hasher);
    }

    /// About how many bytes there are beside the structure itself.
    pub(super) fn bytes(&self) -> usize {
        self.mmu.bytes() + self.caches.bytes()
    }
}

impl Platform for Machine {
    fn core(&self) -> usize {
        self.core
    }
    fn cores(&self) -> usize {
        self.core_count
    }
    fn kick(&mut self, core: usize) {
        self.kicked[core] = true;
    }
    fn completes_late(&self) -> bool {
        self.late
    }
    fn recall(&mut self, arena: &mut Arena, core: usize, errand: Errand) {
        let here = self.core;
        assert!(core != here && core < self.core_count, "core {core} is recalled by {here} of {}", self.core_count);
        self.look(arena);
        self.switch_core(core);
        errand.run(self, arena);
        self.kicked[core] = true;
        self.switch_core(here);
    }

    fn leaf(level: u8, page: u32, flags: MapFlags) -> u64 {
        mmu::leaf(level, page, flags)
    }
    fn table(table: u32) -> u64 {
        mmu::table(table)
    }
    fn write_descriptor(&mut self, entry: &mut u64, descriptor: u64) {
        let address = std::ptr::from_ref(entry).addr().wrapping_sub(self.base) as u32;
        self.mmu.store(address, *entry, descriptor);
        *entry = descriptor;
    }

    #[track_caller]
    fn maintain(&mut self, arena: &mut Arena, operation: Maintenance) {
        let line = std::panic::Location::caller().line();
        self.reached.insert((self.site, line));
        if self.sabotage.leaves_out(operation, line, self.site) {
            return;
        }
        self.look(arena);
        match operation {
            Maintenance::DsbIshst => self.mmu.barrier(false),
            Maintenance::DsbIsh | Maintenance::DsbSy => {
                self.mmu.barrier(true);
                self.caches.barrier(arena, &mut self.mmu, operation == Maintenance::DsbSy);
            }
            Maintenance::Isb => self.mmu.synchronize(),
            Maintenance::SelectVmid(vmid) => self.mmu.select(vmid),
            Maintenance::SelectRunning => self.mmu.select_running(),
            Maintenance::SelectNobody => self.mmu.select_nobody(),
            Maintenance::Tlbiallis => self.mmu.invalidate_vmid(),
            Maintenance::Tlbiallnsnhis => self.mmu.invalidate_all(),
            Maintenance::Icialluis => self.caches.invalidate_instructions(),
            Maintenance::Dccmvac(line) => self.caches.clean(arena, line, false),
            Maintenance::Dccimvac(line) => self.caches.clean(arena, line, true),
            Maintenance::Dcimvac(line) => self.caches.invalidate(line),
            Maintenance::Dccmvau(line) => self.caches.unify(arena, line),
        }
    }

    fn used_at(&mut self, site: &'static std::panic::Location<'static>) {
        let file = site.file();
        self.site = Some((file.rsplit_once("core/src/").map_or(file, |(_, file)| file), site.line()));
    }

    fn zero(&mut self, arena: &mut Arena, address: u32, bytes: u32) {
        self.look(arena);
        for (from, to) in self.fresh.take(address.into(), u64::from(address) + u64::from(bytes)) {
            self.caches.before_zero(arena, from as u32, (to - from) as u32);
            arena.zero(from as u32, (to - from) as u32);
        }
    }
    fn now(&self) -> u64 {
        self.now
    }
    fn ticks_per_us_q16(&self) -> u32 {
        62 << 16
    }
    fn set_deadline(&mut self, deadline: u64) {
        self.deadline = deadline;
    }
    fn interrupt_pending(&mut self) -> bool {
        self.points += 1;
        self.pending || (self.preempt_every != 0 && self.points.is_multiple_of(self.preempt_every))
    }
    fn irq_exists(&self, intid: u32) -> bool {
        (32..288).contains(&intid)
    }
    fn irq_enable(&mut self, intid: u32, edge: bool, _core: usize) {
        self.enabled.insert(intid);
        if edge {
            self.edge.insert(intid);
        } else {
            self.edge.remove(&intid);
        }
    }
    fn irq_disable(&mut self, intid: u32) {
        self.enabled.remove(&intid);
    }
    fn irq_quiet(&mut self, intid: u32) {
        self.active.remove(&intid);
    }
    fn irq_deactivate(&mut self, intid: u32) {
        self.active.remove(&intid);
    }
    fn vcpu_save(&mut self, vcpu: &mut Vcpu) {
        self.registers.save(vcpu);
        // From here on nobody's timer runs.
        self.registers.write(GuestRegister::CntvCtl, 0);
        vcpu.timer_active = u32::from(self.active.remove(&TIMER));
    }
    fn vcpu_load(&mut self, vcpu: &Vcpu) {
        let leaks = self.leak.map(|register| (register, self.registers.read(register)));
        self.registers.load(vcpu);
        leaks.into_iter().for_each(|(register, value)| self.registers.write(register, value));
        if vcpu.timer_active != 0 {
            self.active.insert(TIMER);
        }
    }
    fn vcpu_fetch(&mut self, vcpu: &mut Vcpu, register: GuestRegister) {
        if !matches!(register, GuestRegister::Fpscr | GuestRegister::Fpexc) {
            vcpu.set_register(register, self.registers.read(register));
        }
    }
    fn vcpu_store(&mut self, vcpu: &Vcpu, register: GuestRegister) {
        if !matches!(register, GuestRegister::Fpscr | GuestRegister::Fpexc) {
            self.registers.write(register, vcpu.register(register));
        }
    }
    fn fpu_save(&mut self, vcpu: &mut Vcpu) {
        self.registers.save_float(vcpu);
    }
    fn fpu_load(&mut self, old: Option<&mut Vcpu>, new: &Vcpu) {
        if let Some(old) = old {
            self.registers.save_float(old);
        }
        self.registers.load_float(new);
        self.registers.float_open = true;
    }
    fn fpu_open(&mut self, open: bool) {
        self.registers.float_open = open;
    }
    fn list_registers(&self) -> usize {
        self.list_count
    }
    fn list_empty(&mut self) -> u64 {
        // Neither pending nor active: free by ELRSR, or ended and told by EISR.
        let empty = |list: &ListRegister| !list.pending && !list.active;
        let lists = self.lists[..self.list_count].iter().enumerate();
        lists.filter(|(_, list)| empty(list)).fold(0, |map, (n, _)| map | 1 << n)
    }
    fn list_read(&mut self, index: usize) -> ListRegister {
        self.lists[index]
    }
    fn list_write(&mut self, index: usize, value: ListRegister) {
        self.lists[index] = value;
    }
    fn list_control(&mut self, refill: bool, spilled: bool) -> u32 {
        self.refill = refill;
        self.spilled = spilled;
        std::mem::take(&mut self.eoi_count)
    }
    fn timer_line(&mut self) -> bool {
        self.timer_high || self.registers.timer_line(self.now)
    }
    fn timer_deactivate(&mut self) {
        self.active.remove(&TIMER);
    }
    fn timer_resample(&mut self) {}
    fn restart_syscall(context: &mut Context) {
        context.pc = context.pc.wrapping_sub(4);
    }
    fn component_psr(thumb: bool) -> u32 {
        0x1d0 | u32::from(thumb) << 5
    }
    fn guest_psr(_wanted: u32) -> u32 {
        0x1d3
    }
    fn banked_register(_cpsr: u32, _number: u32) -> Option<GuestRegister> {
        None
    }
    fn step(context: &mut Context, long: bool) {
        context.pc = context.pc.wrapping_add(if long { 4 } else { 2 });
    }
    fn inject(&mut self, context: &mut Context, _vcpu: &mut Vcpu, _exception: GuestException) {
        context.pc = 4;
    }
    fn power_off(&mut self) {
        self.off = true;
    }
    fn power_reset(&mut self) {
        self.off = true;
    }
}
