//! The physical interrupt controller: a GICv2's distributor and CPU interface (ARM IHI 0048B 4.3, 4.4).
//!
//! EOImodeNS is set: `EOIR` only drops the priority, and an interrupt stays active until somebody deactivates it:
//! the kernel for its own, the handler's `Ack` for a component's, the guest's own end of interrupt for a linked one.

use crate::board;
use crate::mmio::Registers;
use crate::sysreg;
use kernel_core::kernel::CORES_MAX;

const GICD: Registers = Registers::at(board::GICD);
const GICC: Registers = Registers::at(board::GICC);

mod gicd {
    pub const CTLR: u32 = 0x000;
    pub const TYPER: u32 = 0x004;
    pub const ISENABLER: u32 = 0x100;
    pub const ICENABLER: u32 = 0x180;
    pub const ICPENDR: u32 = 0x280;
    pub const ISACTIVER: u32 = 0x300;
    pub const ICACTIVER: u32 = 0x380;
    pub const IPRIORITYR: u32 = 0x400;
    pub const ITARGETSR: u32 = 0x800;
    pub const ICFGR: u32 = 0xc00;
    pub const SGIR: u32 = 0xf00;
}

mod gicc {
    pub const CTLR: u32 = 0x00;
    pub const PMR: u32 = 0x04;
    pub const IAR: u32 = 0x0c;
    pub const EOIR: u32 = 0x10;
    pub const DIR: u32 = 0x1000;
    /// Group 1 (the only one that a non-secure kernel sees) and EOImodeNS.
    pub const ENABLE: u32 = 1 | 1 << 9;
}

/// Maintenance interrupt of the virtual interface.
pub const MAINTENANCE: u32 = 25;
/// Numbers from here on are no interrupts (spurious).
const SPURIOUS: u32 = 1020;
/// Every physical interrupt has the same priority: who matters more is for the scheduler to say.
const PRIORITY: u32 = 0xa0a0_a0a0;
/// But the kernel's own timer (26, in the word of 24-27) is more urgent: whatever storms, the scheduler gets its turn.
const PRIORITY_TIMER: (u32, u32) = (24, 0xa080_a0a0);

/// The software interrupt by which a core is made to enter the kernel.
const KICK: u32 = 0;

/// Sets up the distributor, without what each core has of its own. Returns the number of interrupts that there are.
pub fn start() -> u32 {
    let lines = ((GICD.read(gicd::TYPER) & 0x1f) + 1) * 32;
    GICD.write(gicd::CTLR, 0);
    for bank in 1..lines / 32 {
        GICD.write(gicd::ICENABLER + bank * 4, !0);
        GICD.write(gicd::ICPENDR + bank * 4, !0);
        GICD.write(gicd::ICACTIVER + bank * 4, !0);
    }
    for word in 8..lines / 4 {
        GICD.write(gicd::IPRIORITYR + word * 4, PRIORITY);
    }
    // Words 0-7 are this core's own and read-only: they tell by which bit the distributor knows it.
    let here = GICD.read(gicd::ITARGETSR) & 0xff;
    let here = if here == 0 { 1 } else { here };
    for word in 8..lines / 4 {
        GICD.write(gicd::ITARGETSR + word * 4, here * 0x0101_0101);
    }
    GICD.write(gicd::CTLR, 1);
    lines.min(SPURIOUS)
}

/// Sets up what this core has of its own: its private interrupts and its interface. Software interrupts and the kernel's own come
/// through.
pub fn start_core(own: &[u32]) {
    GICD.write(gicd::ICENABLER, !0);
    GICD.write(gicd::ICPENDR, !0);
    GICD.write(gicd::ICACTIVER, !0);
    for word in 0..8 {
        GICD.write(gicd::IPRIORITYR + word * 4, PRIORITY);
    }
    GICD.write(gicd::IPRIORITYR + PRIORITY_TIMER.0, PRIORITY_TIMER.1);
    GICC.write(gicc::PMR, 0xff);
    GICC.write(gicc::CTLR, gicc::ENABLE);
    if CORES_MAX > 1 {
        enable(KICK);
    }
    for &intid in own {
        enable(intid);
    }
}

/// Makes another core enter the kernel (GICD_SGIR, 4.3.15). What was stored before is seen by who is told.
pub fn kick(core: usize) {
    sysreg::dsb_ish();
    GICD.write(gicd::SGIR, 1 << (16 + core % CORES_MAX) | KICK);
}

/// Has a shared interrupt go to that core.
pub fn route(intid: u32, core: usize) {
    if CORES_MAX > 1 {
        let (register, shift) = (gicd::ITARGETSR + intid / 4 * 4, intid % 4 * 8);
        let value = GICD.read(register) & !(0xff << shift) | 1 << (shift + core as u32 % 8);
        GICD.write(register, value);
    }
}

/// An interrupt that this core has acknowledged: the value of IAR, which an SGI's end must repeat.
#[derive(Clone, Copy)]
pub struct Acknowledged(u32);

impl Acknowledged {
    /// Its number.
    #[inline(always)]
    pub const fn intid(self) -> u32 {
        self.0 & 0x3ff
    }
}

/// Takes the most urgent pending interrupt, which becomes active; its priority is dropped at once, since no kernel
/// code runs with interrupts open.
#[inline(always)]
pub fn acknowledge() -> Option<Acknowledged> {
    let iar = GICC.read(gicc::IAR);
    if iar & 0x3ff >= SPURIOUS {
        return None;
    }
    GICC.write(gicc::EOIR, iar);
    Some(Acknowledged(iar))
}

/// Deactivates what was acknowledged.
#[inline(always)]
pub fn deactivate(interrupt: Acknowledged) {
    GICC.write(gicc::DIR, interrupt.0);
}

/// Deactivates an interrupt that is no SGI.
#[inline(always)]
pub fn deactivate_intid(intid: u32) {
    GICC.write(gicc::DIR, intid);
}

fn bit(base: u32, intid: u32) -> (u32, u32) {
    (base + intid / 32 * 4, 1 << (intid % 32))
}

/// Lets the interrupt through.
pub fn enable(intid: u32) {
    let (register, bit) = bit(gicd::ISENABLER, intid);
    GICD.write(register, bit);
}

/// Keeps it from coming.
pub fn disable(intid: u32) {
    let (register, bit) = bit(gicd::ICENABLER, intid);
    GICD.write(register, bit);
}

/// Ends it if it is active, without having acknowledged it (4.3.8).
pub fn quiet(intid: u32) {
    let (register, bit) = bit(gicd::ICACTIVER, intid);
    GICD.write(register, bit);
}

/// Sets its trigger; only while it is disabled (4.3.13).
pub fn set_edge(intid: u32, edge: bool) {
    let (register, shift) = (gicd::ICFGR + intid / 16 * 4, intid % 16 * 2 + 1);
    let value = GICD.read(register) & !(1 << shift) | u32::from(edge) << shift;
    GICD.write(register, value);
}

/// Whether a private interrupt of this core is active.
pub fn is_active(intid: u32) -> bool {
    let (register, bit) = bit(gicd::ISACTIVER, intid);
    GICD.read(register) & bit != 0
}

/// Makes it active (or not) without it having come: a vCPU's timer travels with it.
pub fn set_active(intid: u32, active: bool) {
    let (register, bit) = bit(if active { gicd::ISACTIVER } else { gicd::ICACTIVER }, intid);
    GICD.write(register, bit);
}

/// Makes the distributor look again at the line of an interrupt that is enabled.
pub fn resample(intid: u32) {
    // On silicon a level line is looked at all the time and this write is idle; QEMU 7.2 forgets a line that was
    // still high at a linked end of interrupt, and looks again at such a write.
    enable(intid);
}
