//! A machine that remembers: translations stay in its TLB until they are invalidated.

use super::fresh::Fresh;
use crate::platform::{CacheOp, GuestException, ListRegister, Platform};
use crate::vcpu::Vcpu;
use crate::{Arena, Context};
use abi::rights::MapFlags;
use abi::vcpu::GuestRegister;
use std::collections::{BTreeMap, BTreeSet};

/// What an entry of the simulated tables says. Bit 0: valid; bit 1: a table; flags in bits 7:2 and 11:8; page
/// number from bit 12 on.
const VALID: u64 = 1;
const TABLE: u64 = 2;

/// A translation: physical page and flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// Physical page number.
    pub page: u32,
    /// How it is mapped.
    pub flags: MapFlags,
}

/// The simulated machine.
#[derive(Debug, Default)]
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
    /// Translations that were used and not invalidated since, by VMID and virtual page.
    pub tlb: BTreeMap<(u8, u32), Translation>,
    /// List registers of the loaded vCPU.
    pub lists: [ListRegister; 4],
    /// Ends of interrupts that found no list register.
    pub eoi_count: u32,
    /// Whether a maintenance interrupt was asked for when nothing is pending.
    pub refill: bool,
    /// Interrupts that are let through.
    pub enabled: BTreeSet<u32>,
    /// Interrupts that were delivered and not deactivated.
    pub active: BTreeSet<u32>,
    /// The machine was switched off.
    pub off: bool,
    /// What the virtual timer's line says.
    pub timer_high: bool,
    /// RAM that nobody wrote since it was made; none, if everything is to be zeroed in earnest.
    fresh: Fresh,
}

/// Walks a space's tables as hardware does.
pub fn walk(arena: &Arena, root: u32, address: u32) -> Option<Translation> {
    let read = |table: u32, index: u32| {
        let low = arena.read_word(table + 8 * index);
        let high = arena.read_word(table + 8 * index + 4);
        u64::from(low) | u64::from(high) << 32
    };
    let leaf = |entry: u64, address: u32, bits: u32| Translation {
        page: (entry >> 12) as u32 + ((address & ((1 << bits) - 1)) >> 12),
        flags: MapFlags::from_bits_truncate((entry >> 2 & 0x3f) as u32),
    };
    let first = read(root, address >> 30);
    if first & VALID == 0 {
        return None;
    }
    let second = read((first & !0xfff) as u32, address >> 21 & 511);
    match second & (VALID | TABLE) {
        VALID => Some(leaf(second, address, 21)),
        0 | TABLE => None,
        _ => {
            let third = read((second & !0xfff) as u32, address >> 12 & 511);
            (third & VALID != 0).then(|| leaf(third, address, 12))
        }
    }
}

impl Machine {
    /// A machine whose RAM holds nothing but zeroes in these ranges, which costs the host nothing.
    pub fn with_fresh(fresh: Fresh) -> Self {
        Self { fresh, ..Self::default() }
    }

    /// An access of the running thread: through the TLB, which learns.
    pub fn access(&mut self, arena: &Arena, vttbr: u64, address: u32) -> Option<Translation> {
        let (vmid, root) = ((vttbr >> 48) as u8, vttbr as u32);
        if let Some(&known) = self.tlb.get(&(vmid, address >> 12)) {
            return Some(known);
        }
        let found = walk(arena, root, address)?;
        self.tlb.insert((vmid, address >> 12), found);
        Some(found)
    }
}

impl Platform for Machine {
    fn leaf(_level: u8, page: u32, flags: MapFlags) -> u64 {
        u64::from(page) << 12 | u64::from(flags.bits()) << 2 | VALID
    }
    fn table(table: u32) -> u64 {
        u64::from(table) | VALID | TABLE
    }
    fn tables_written(&mut self) {}
    fn flush_vmid(&mut self, vmid: u8) {
        self.tlb.retain(|&(owner, _), _| owner != vmid);
    }
    fn flush_all(&mut self) {
        self.tlb.clear();
    }
    fn cache(&mut self, _op: CacheOp, _address: u32, _bytes: u32) {}
    fn zero(&mut self, arena: &mut Arena, address: u32, bytes: u32) {
        for (from, to) in self.fresh.take(address.into(), u64::from(address) + u64::from(bytes)) {
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
    fn irq_enable(&mut self, intid: u32, _edge: bool) {
        self.enabled.insert(intid);
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
    fn vcpu_save(&mut self, _vcpu: &mut Vcpu) {}
    fn vcpu_load(&mut self, _vcpu: &Vcpu) {}
    fn vcpu_fetch(&mut self, _vcpu: &mut Vcpu, _register: GuestRegister) {}
    fn vcpu_store(&mut self, _vcpu: &Vcpu, _register: GuestRegister) {}
    fn fpu_save(&mut self, _vcpu: &mut Vcpu) {}
    fn fpu_load(&mut self, _old: Option<&mut Vcpu>, _new: &Vcpu) {}
    fn fpu_open(&mut self, _open: bool) {}
    fn list_registers(&self) -> usize {
        self.lists.len()
    }
    fn list_empty(&mut self) -> u64 {
        // Neither pending nor active: free by ELRSR, or ended and told by EISR.
        let empty = |list: &ListRegister| !list.pending && !list.active;
        self.lists.iter().enumerate().filter(|(_, list)| empty(list)).fold(0, |map, (n, _)| map | 1 << n)
    }
    fn list_read(&mut self, index: usize) -> ListRegister {
        self.lists[index]
    }
    fn list_write(&mut self, index: usize, value: ListRegister) {
        self.lists[index] = value;
    }
    fn list_control(&mut self, refill: bool, _spilled: bool) -> u32 {
        self.refill = refill;
        std::mem::take(&mut self.eoi_count)
    }
    fn timer_line(&mut self) -> bool {
        self.timer_high
    }
    fn timer_deactivate(&mut self) {
        self.active.remove(&27);
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
