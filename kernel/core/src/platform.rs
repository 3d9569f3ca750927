//! The seam between the kernel's logic and the machine.
//!
//! `kernel-armv7` implements it on the processor; the simulated machine implements it on the host, with
//! TLBs and caches that forget nothing by themselves.

use crate::cores::Errand;
use crate::{Arena, Context, vcpu::Vcpu};
use abi::rights::MapFlags;

/// How far a cache operation goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheOp {
    /// Clean to the point of coherency.
    Clean,
    /// Clean and invalidate to the point of coherency.
    CleanInvalidate,
    /// Invalidate to the point of coherency.
    Invalidate,
    /// Clean to the point of unification and invalidate the instruction cache and branch predictor.
    Unify,
}

/// One operation on translations or caches, or one barrier: what the orders in `maintain.rs` are made of. Each is one
/// instruction (ARM DDI 0406C B4.2), whose effect the rest of the machine may see late: that is what barriers are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maintenance {
    /// Waits until stores are seen by the cores' table walkers.
    DsbIshst,
    /// Waits until stores, invalidations of translations and of instructions, and cleaning to the point of unification
    /// are complete on all cores.
    DsbIsh,
    /// Waits until everything is complete, cache maintenance and stores past the cache included, for devices, too.
    DsbSy,
    /// Context synchronization: what was written to control registers counts from now on.
    Isb,
    /// Makes this VMID the current one, with a table that maps nothing, after the next context synchronization.
    SelectVmid(u8),
    /// Back to the space of the thread that the kernel was entered from, after the next context synchronization.
    SelectRunning,
    /// Nobody's space is the current one, after the next context synchronization and until a thread runs again.
    SelectNobody,
    /// Invalidates all translations under the current VMID, on all cores.
    Tlbiallis,
    /// Invalidates all translations of PL1 and PL0, on all cores.
    Tlbiallnsnhis,
    /// Invalidates all instruction caches, on all cores.
    Icialluis,
    /// Cleans the line with that address to the point of coherency.
    Dccmvac(u32),
    /// Cleans and invalidates it to the point of coherency.
    Dccimvac(u32),
    /// Invalidates it to the point of coherency.
    Dcimvac(u32),
    /// Cleans it to the point of unification.
    Dccmvau(u32),
}

/// What a list register holds (ARM IHI 0048B 5.3.11), as plain values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ListRegister {
    /// Virtual interrupt number.
    pub intid: u16,
    /// Priority as the distributor has it (0-255, of which 5 bits count).
    pub priority: u8,
    /// Pending.
    pub pending: bool,
    /// Active.
    pub active: bool,
    /// For an SGI: the vCPU that sent it.
    pub source: u8,
    /// The physical interrupt that the guest's end of interrupt deactivates.
    pub hardware: Option<u16>,
    /// Ask for a maintenance interrupt when the guest ends it (level lines).
    pub notify_end: bool,
}

/// What becomes of a guest's instruction that trapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuestException {
    /// Undefined instruction.
    Undefined,
    /// Synchronous external abort on a data access at this address.
    DataAbort(u32),
    /// Synchronous external abort on a fetch from this address.
    PrefetchAbort(u32),
}

/// The machine.
pub trait Platform {
    // --- cores ---

    /// The core that asks, from 0.
    fn core(&self) -> usize;
    /// How many cores run.
    fn cores(&self) -> usize;
    /// Makes another core enter the kernel, when it can.
    fn kick(&mut self, core: usize);
    /// Makes another core leave user mode or the guest, and do that [`Errand`] with its own hardware; comes back when it has.
    /// A system call that it had on its way is made again.
    fn recall(&mut self, arena: &mut Arena, core: usize, errand: Errand);
    /// Whether a barrier does not wait until the other cores have done the invalidations that they were told of (erratum 798181
    /// of the Cortex-A15). An [`Errand`] includes a barrier.
    fn completes_late(&self) -> bool;

    // --- stage-2 tables ---

    /// Descriptor of a leaf at `level` (2: 2 MiB block, 3: page) for the physical page number `page`.
    fn leaf(level: u8, page: u32, flags: MapFlags) -> u64;
    /// Descriptor of a next-level table at the physical address `table`.
    fn table(table: u32) -> u64;
    /// Writes a descriptor, in one store that walkers see whole or not at all (B3.13.3): with half of it in place they would
    /// find memory executable that is not to be.
    fn write_descriptor(&mut self, entry: &mut u64, descriptor: u64);

    // --- translations and caches ---

    /// One of the orders in `maintain.rs` is used there: what follows is for that.
    #[cfg(any(test, feature = "sim"))]
    fn used_at(&mut self, _site: &'static core::panic::Location<'static>) {}
    /// Does one operation.
    #[cfg_attr(any(test, feature = "sim"), track_caller)]
    fn maintain(&mut self, arena: &mut Arena, operation: Maintenance);

    /// Writes zeroes to RAM that holds no live object; `address` and `bytes` are multiples of 64. This is where
    /// most instructions of a boot go, so the machine has its own way.
    fn zero(&mut self, arena: &mut Arena, address: u32, bytes: u32);

    // --- time and interrupts ---

    /// The physical counter.
    fn now(&self) -> u64;
    /// Ticks of the counter in a microsecond, times 65536.
    fn ticks_per_us_q16(&self) -> u32;
    /// Asks for a timer interrupt on this core at that time; `u64::MAX`: none.
    fn set_deadline(&mut self, deadline: u64);
    /// Whether an interrupt waits: asked at preemption points.
    fn interrupt_pending(&mut self) -> bool;
    /// Whether the machine has this interrupt and a handler may have it (not the kernel's own).
    fn irq_exists(&self, intid: u32) -> bool;
    /// Configures the trigger, routes the interrupt to that core and lets it through.
    fn irq_enable(&mut self, intid: u32, edge: bool, core: usize);
    /// Keeps the interrupt from coming.
    fn irq_disable(&mut self, intid: u32);
    /// Ends an interrupt if it is active, whoever it was given to.
    fn irq_quiet(&mut self, intid: u32);
    /// Ends a handled interrupt, so that it can come again.
    fn irq_deactivate(&mut self, intid: u32);

    // --- the loaded vCPU's hardware ---

    /// Takes the registers of the vCPU that is loaded on this core out of the hardware: those of the table but
    /// for the ones switched eagerly, the virtual interface's VMCR and APR, the virtual timer (which is then silent)
    /// and whether its physical interrupt is active (which is then cleared). Not list registers, not floating point.
    fn vcpu_save(&mut self, vcpu: &mut Vcpu);
    /// Puts them there.
    fn vcpu_load(&mut self, vcpu: &Vcpu);
    /// Reads one register of the loaded vCPU from the hardware into its structure (by number).
    fn vcpu_fetch(&mut self, vcpu: &mut Vcpu, register: abi::vcpu::GuestRegister);
    /// Writes one register of the loaded vCPU from its structure to the hardware.
    fn vcpu_store(&mut self, vcpu: &Vcpu, register: abi::vcpu::GuestRegister);
    /// Saves the floating-point registers (the unit is enabled for it).
    fn fpu_save(&mut self, vcpu: &mut Vcpu);
    /// Saves those of `old`, if somebody's are there, loads those of `new`, and opens the unit for that guest, which runs next.
    fn fpu_load(&mut self, old: Option<&mut Vcpu>, new: &Vcpu);
    /// Whether the next entry to a guest finds floating point open (`true`) or trapped.
    fn fpu_open(&mut self, open: bool);
    /// How many list registers there are.
    fn list_registers(&self) -> usize;
    /// Bitmap of list registers that hold nothing, those that have ended and ask to tell so included: one of these
    /// goes on asking until it is written.
    fn list_empty(&mut self) -> u64;
    /// Reads a list register.
    fn list_read(&mut self, index: usize) -> ListRegister;
    /// Writes a list register.
    fn list_write(&mut self, index: usize, value: ListRegister);
    /// Asks for a maintenance interrupt when at most one list register holds something (`refill`; never when none is
    /// pending: with all of them active that would come for ever), and when an end of interrupt
    /// finds no list register (`spilled`). Tells how many ends did so (EOICount), which is cleared.
    fn list_control(&mut self, refill: bool, spilled: bool) -> u32;
    /// The virtual timer of the loaded vCPU: whether its condition is met and it is neither masked nor disabled.
    fn timer_line(&mut self) -> bool;
    /// Deactivates the physical interrupt of the virtual timer on this core.
    fn timer_deactivate(&mut self);
    /// Makes the interrupt controller look again at a line that was still high at the guest's end of interrupt.
    fn timer_resample(&mut self);

    // --- guests ---

    /// Makes a thread execute its last system call again: its pc stands behind the `SVC`.
    fn restart_syscall(context: &mut Context);
    /// Processor state in which a component starts: user mode, interrupts masked.
    fn component_psr(thumb: bool) -> u32;
    /// `wanted`, made harmless for a guest: never a mode above PL1.
    fn guest_psr(wanted: u32) -> u32;
    /// The register that instructions of a guest with this cpsr mean by `number` (0-14), if it is a banked one
    /// of the vCPU; `None`: it is in the [`Context`].
    fn banked_register(cpsr: u32, number: u32) -> Option<abi::vcpu::GuestRegister>;
    /// Steps a guest over the instruction at its pc, which is `long` (4 bytes) or not, with its IT state.
    fn step(context: &mut Context, long: bool);
    /// Makes the guest take an exception. The vCPU is loaded on this core.
    fn inject(&mut self, context: &mut Context, vcpu: &mut Vcpu, exception: GuestException);

    // --- the machine ---

    /// Switches the machine off; returns only where it can't.
    fn power_off(&mut self);
    /// Resets the machine; returns only where it can't.
    fn power_reset(&mut self);
}
