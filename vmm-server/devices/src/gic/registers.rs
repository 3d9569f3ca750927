//! The distributor's registers: what a guest's loads and stores do.

use super::deliver::{has, ones};
use super::spec::{self, Register, SgiTarget};
use super::{Bank, Cpus, Distributor, Irq};
use abi::vcpu::InterruptState;

impl Distributor {
    /// The guest's vCPU `vcpu` loads `width` bytes at `offset` of the distributor. Anything that the architecture does not
    /// have reads as zero.
    pub fn read<C: Cpus>(&mut self, vcpu: usize, offset: u32, width: u32, cpus: &mut C) -> u32 {
        if vcpu >= self.vcpus {
            return 0;
        }
        let bits = |rank, field: fn(&Bank) -> u32| self.bank(vcpu, rank).map_or(0, field);
        match Register::at(offset, width) {
            Register::Ctlr => self.ctlr,
            Register::Typer => spec::typer(self.vcpus),
            Register::Iidr => spec::IIDR,
            Register::Group { rank } => bits(rank, |bank| bank.group1),
            Register::SetEnable { rank } | Register::ClearEnable { rank } => bits(rank, |bank| bank.enabled),
            Register::SetPending { rank } | Register::ClearPending { rank } => self.pending(vcpu, rank, cpus),
            Register::SetActive { rank } | Register::ClearActive { rank } => self.active(vcpu, rank, cpus),
            Register::Priority { first } => self.bytes(vcpu, first, width, Self::priority),
            Register::Target { first } => self.bytes(vcpu, first, width, Self::target),
            Register::Configuration { first } => self.configuration(vcpu, first),
            Register::ClearSgi { first } | Register::SetSgi { first } => {
                let mut value = 0;
                for byte in 0..width {
                    if let Some(irq) = self.irq(vcpu, first + byte as usize) {
                        value |= u32::from(self.pending_sources(irq, cpus)) << (8 * byte);
                    }
                }
                value
            }
            Register::Identification(byte) => u32::from(byte),
            Register::Sgir | Register::Reserved => 0,
        }
    }

    /// The guest's vCPU `vcpu` stores `width` bytes at `offset`. Anything that the architecture does not have is ignored.
    pub fn write<C: Cpus>(&mut self, vcpu: usize, offset: u32, width: u32, value: u32, cpus: &mut C) {
        if vcpu >= self.vcpus {
            return;
        }
        let byte = |n: usize| (value >> (8 * n)) as u8;
        let bytes = 0..width.min(4) as usize;
        match Register::at(offset, width) {
            Register::Ctlr => {
                let ctlr = value & (spec::CTLR_ENABLE_GROUP0 | spec::CTLR_ENABLE_GROUP1);
                if ctlr != self.ctlr {
                    self.ctlr = ctlr;
                    self.settle_all(cpus);
                }
            }
            Register::Group { rank } => {
                let old = self.bank(vcpu, rank).map_or(0, |bank| bank.group1);
                self.each(vcpu, rank, old ^ value, |dist, irq| {
                    dist.change(irq, cpus, |bank| bank.group1 ^= irq.bit());
                });
            }
            Register::SetEnable { rank } => {
                let old = self.bank(vcpu, rank).map_or(0, |bank| bank.enabled);
                self.each(vcpu, rank, value & !old, |dist, irq| {
                    dist.change(irq, cpus, |bank| bank.enabled |= irq.bit());
                });
            }
            Register::ClearEnable { rank } => {
                let old = self.bank(vcpu, rank).map_or(0, |bank| bank.enabled);
                self.each(vcpu, rank, value & old, |dist, irq| {
                    if !irq.is_sgi() {
                        dist.change(irq, cpus, |bank| bank.enabled &= !irq.bit());
                    }
                });
            }
            Register::SetPending { rank } => self.each(vcpu, rank, value, |dist, irq| {
                if !irq.is_sgi() && !irq.is_timer() {
                    dist.latch(irq);
                    dist.settle(irq, cpus);
                }
            }),
            Register::ClearPending { rank } => self.each(vcpu, rank, value, |dist, irq| {
                if !irq.is_sgi() && !irq.is_timer() {
                    dist.change(irq, cpus, |bank| bank.latch &= !irq.bit());
                }
            }),
            Register::SetActive { rank } => self.set_active(vcpu, rank, value, true, cpus),
            Register::ClearActive { rank } => self.set_active(vcpu, rank, value, false, cpus),
            Register::Priority { first } => {
                bytes.for_each(|n| self.set_priority(vcpu, first + n, byte(n) & spec::PRIORITY_MASK, cpus))
            }
            Register::Target { first } => bytes.for_each(|n| self.set_target(first + n, byte(n), cpus)),
            Register::Configuration { first } => self.configure(vcpu, first, value, cpus),
            Register::Sgir => self.generate(vcpu, value, cpus),
            Register::ClearSgi { first } => bytes.for_each(|n| self.clear_sgi(vcpu, first + n, byte(n), cpus)),
            Register::SetSgi { first } => bytes.for_each(|n| self.raise_sgi(vcpu, first + n, byte(n), cpus)),
            Register::Typer | Register::Iidr | Register::Identification(_) | Register::Reserved => {}
        }
    }

    /// Calls `act` for each interrupt of `bits` in a rank that exists.
    fn each(&mut self, vcpu: usize, rank: usize, bits: u32, mut act: impl FnMut(&mut Self, Irq)) {
        for n in ones(bits) {
            if let Some(irq) = self.irq(vcpu, rank * 32 + n) {
                act(self, irq);
            }
        }
    }

    fn bytes(&self, vcpu: usize, first: usize, width: u32, get: fn(&Self, Irq) -> u8) -> u32 {
        (0..width.min(4)).fold(0, |value, n| {
            let byte = self.irq(vcpu, first + n as usize).map_or(0, |irq| get(self, irq));
            value | u32::from(byte) << (8 * n)
        })
    }

    fn priority(&self, irq: Irq) -> u8 {
        let bank = self.bank(irq.cpu, irq.rank());
        bank.and_then(|bank| bank.priority.get(irq.intid % 32)).copied().unwrap_or(0)
    }

    fn set_priority<C: Cpus>(&mut self, vcpu: usize, intid: usize, priority: u8, cpus: &mut C) {
        let Some(irq) = self.irq(vcpu, intid) else { return };
        if self.priority(irq) != priority {
            self.change(irq, cpus, |bank| {
                if let Some(place) = bank.priority.get_mut(irq.intid % 32) {
                    *place = priority;
                }
            });
        }
    }

    /// Section 4.3.12: banked interrupts target their own processor; with one processor the register is RAZ/WI.
    fn target(&self, irq: Irq) -> u8 {
        match self.vcpus {
            1 => 0,
            _ if irq.is_private() => 1 << irq.cpu,
            _ => self.targets.get(irq.intid - spec::PRIVATE).copied().unwrap_or(0),
        }
    }

    fn set_target<C: Cpus>(&mut self, intid: usize, targets: u8, cpus: &mut C) {
        let Some(irq) = self.irq(0, intid).filter(|irq| !irq.is_private() && self.vcpus > 1) else { return };
        let targets = targets & ((1 << self.vcpus) - 1);
        if let Some(place) = self.targets.get_mut(irq.intid - spec::PRIVATE)
            && *place != targets
        {
            *place = targets;
            self.settle(irq, cpus);
        }
    }

    /// The upper bit of each pair says edge-triggered; the lower one is reserved and RAZ/WI (section 4.3.13).
    fn configuration(&self, vcpu: usize, first: usize) -> u32 {
        let edge = self.bank(vcpu, first / 32).map_or(0, |bank| bank.edge) >> (first % 32);
        (0..16).fold(0, |value, n| value | (edge >> n & 1) << (2 * n + 1))
    }

    fn configure<C: Cpus>(&mut self, vcpu: usize, first: usize, value: u32, cpus: &mut C) {
        for n in 0..16 {
            let Some(irq) = self.irq(vcpu, first + n).filter(|irq| !irq.is_sgi()) else { continue };
            let edge = if value >> (2 * n + 1) & 1 != 0 { irq.bit() } else { 0 };
            if self.bank(vcpu, irq.rank()).is_some_and(|bank| bank.edge & irq.bit() != edge) {
                self.change(irq, cpus, |bank| bank.edge ^= irq.bit());
            }
        }
    }

    /// Pending here or there (section 4.3.7).
    fn pending<C: Cpus>(&self, vcpu: usize, rank: usize, cpus: &mut C) -> u32 {
        let Some(bank) = self.bank(vcpu, rank) else { return 0 };
        let here = bank.latch | bank.line & !bank.edge;
        self.ask(vcpu, rank, bank.handed & !here, InterruptState::PENDING, cpus) | here
    }

    /// Active in the kernel (section 4.3.9); only what was handed over at some time is asked for.
    fn active<C: Cpus>(&self, vcpu: usize, rank: usize, cpus: &mut C) -> u32 {
        let Some(bank) = self.bank(vcpu, rank) else { return 0 };
        self.ask(vcpu, rank, bank.seen, InterruptState::ACTIVE, cpus)
    }

    /// Which of `bits` (and the timer) have that flag in the kernel.
    fn ask<C: Cpus>(&self, vcpu: usize, rank: usize, bits: u32, flag: u32, cpus: &mut C) -> u32 {
        let timer = if rank == 0 { 1 << abi::vcpu::VIRTUAL_TIMER_INTID } else { 0 };
        ones(bits | timer).fold(0, |value, n| {
            let irq = Irq { cpu: vcpu, intid: rank * 32 + n };
            let set = self.home(irq).is_some_and(|home| has(cpus.state(home, irq.intid as u16), flag));
            value | u32::from(set) << n
        })
    }

    fn set_active<C: Cpus>(&mut self, vcpu: usize, rank: usize, bits: u32, active: bool, cpus: &mut C) {
        if active {
            return self.each(vcpu, rank, bits, |dist, irq| {
                // An SPI that was never handed over becomes active where it would be delivered.
                let home = dist.home(irq).unwrap_or(vcpu);
                if let Some(place) = irq.intid.checked_sub(spec::PRIVATE).and_then(|n| dist.home.get_mut(n)) {
                    *place = home as u8;
                }
                if let Some(bank) = dist.bank_mut(vcpu, rank) {
                    bank.seen |= irq.bit();
                }
                cpus.set_active(home, irq.intid as u16, true);
            });
        }
        let was = self.active(vcpu, rank, cpus);
        self.each(vcpu, rank, bits & was, |dist, irq| {
            if let Some(home) = dist.home(irq) {
                cpus.set_active(home, irq.intid as u16, false);
            }
        });
    }

    /// A write to GICD_SGIR (section 4.3.15).
    fn generate<C: Cpus>(&mut self, sender: usize, value: u32, cpus: &mut C) {
        let Some((sgi, target)) = spec::sgir(value) else { return };
        for vcpu in 0..self.vcpus {
            let named = match target {
                SgiTarget::List(list) => list >> vcpu & 1 != 0,
                SgiTarget::Others => vcpu != sender,
                SgiTarget::Myself => vcpu == sender,
            };
            if named {
                self.raise_sgi(vcpu, sgi, 1 << sender, cpus);
            }
        }
    }

    fn raise_sgi<C: Cpus>(&mut self, vcpu: usize, sgi: usize, sources: u8, cpus: &mut C) {
        if let Some(irq) = self.irq(vcpu, sgi).filter(|irq| irq.is_sgi()) {
            self.latch_sgi(irq, sources & ((1 << self.vcpus) - 1));
            self.settle(irq, cpus);
        }
    }

    fn clear_sgi<C: Cpus>(&mut self, vcpu: usize, sgi: usize, sources: u8, cpus: &mut C) {
        if let Some(irq) = self.irq(vcpu, sgi).filter(|irq| irq.is_sgi() && sources != 0) {
            self.withdraw(irq, cpus);
            let left = self.unlatch(irq) & !sources;
            self.latch_sgi(irq, left);
            self.settle(irq, cpus);
        }
    }

    /// Sources of an SGI, pending here or there (sections 4.3.16 and 4.3.17).
    fn pending_sources<C: Cpus>(&self, irq: Irq, cpus: &mut C) -> u8 {
        let handed = self.bank(irq.cpu, 0).is_some_and(|bank| bank.handed & irq.bit() != 0);
        let there = if handed { (cpus.state(irq.cpu, irq.intid as u16).0 >> 16) as u8 } else { 0 };
        self.sgi_sources(irq) | there
    }
}
