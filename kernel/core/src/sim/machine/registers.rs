//! The registers of a guest that stay in the hardware until another vCPU needs it: of one core, one set, whoever's
//! they are.

use crate::sim::identity::hash_timer;
use crate::vcpu::Vcpu;
use abi::vcpu::{
    BANKED_FIRST, BANKED_REGISTERS, CP32_FIRST, CP32_REGISTERS, CP64_FIRST, CP64_REGISTERS, GuestRegister,
};

use std::hash::{Hash, Hasher};

/// What the hardware holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Registers {
    cp32: [u32; CP32_REGISTERS],
    cp64: [u64; CP64_REGISTERS],
    banked: [u32; BANKED_REGISTERS],
    vmpidr: u32,
    vmcr: u32,
    apr: u32,
    cntvoff: u64,
    d: [u64; 32],
    fpscr: u32,
    fpexc: u32,
    /// Whether a guest's floating-point instructions are let through.
    pub float_open: bool,
}

/// Enabled, and not masked.
const TIMER_RUNS: u32 = 1;

impl Registers {
    /// Reads one.
    pub fn read(&self, register: GuestRegister) -> u64 {
        let number = register as u32;
        match register {
            GuestRegister::Vmpidr => self.vmpidr.into(),
            GuestRegister::Cntvoff => self.cntvoff,
            GuestRegister::Vmcr => self.vmcr.into(),
            GuestRegister::Apr => self.apr.into(),
            GuestRegister::Fpscr => self.fpscr.into(),
            GuestRegister::Fpexc => self.fpexc.into(),
            _ if number < CP32_FIRST => 0,
            _ if number < CP64_FIRST => self.cp32[(number - CP32_FIRST) as usize].into(),
            _ if number < BANKED_FIRST => self.cp64[(number - CP64_FIRST) as usize],
            _ => self.banked[(number - BANKED_FIRST) as usize].into(),
        }
    }

    /// Writes one.
    pub fn write(&mut self, register: GuestRegister, value: u64) {
        let number = register as u32;
        match register {
            GuestRegister::Vmpidr => self.vmpidr = value as u32,
            GuestRegister::Cntvoff => self.cntvoff = value,
            GuestRegister::Vmcr => self.vmcr = value as u32,
            GuestRegister::Apr => self.apr = value as u32,
            GuestRegister::Fpscr => self.fpscr = value as u32,
            GuestRegister::Fpexc => self.fpexc = value as u32,
            _ if number < CP32_FIRST => {}
            _ if number < CP64_FIRST => self.cp32[(number - CP32_FIRST) as usize] = value as u32,
            _ if number < BANKED_FIRST => self.cp64[(number - CP64_FIRST) as usize] = value,
            _ => self.banked[(number - BANKED_FIRST) as usize] = value as u32,
        }
    }

    /// A floating-point register, as the guest reads it.
    pub fn float(&self, number: usize) -> u64 {
        self.d[number % 32]
    }

    /// The guest writes it.
    pub fn set_float(&mut self, number: usize, value: u64) {
        self.d[number % 32] = value;
    }

    /// Priorities of interrupts that the guest is at work on: GICH_APR.
    pub fn active_priorities(&self) -> u32 {
        self.apr
    }

    /// The hardware changes them.
    pub fn set_active_priorities(&mut self, active: u32) {
        self.apr = active;
    }

    /// All but floating point.
    pub fn save(&self, vcpu: &mut Vcpu) {
        (vcpu.cp32, vcpu.cp64, vcpu.banked) = (self.cp32, self.cp64, self.banked);
        (vcpu.vmcr, vcpu.apr) = (self.vmcr, self.apr);
    }

    /// The same way back; what a vCPU has that is not its guest's to write goes along.
    pub fn load(&mut self, vcpu: &Vcpu) {
        (self.cp32, self.cp64, self.banked) = (vcpu.cp32, vcpu.cp64, vcpu.banked);
        (self.vmcr, self.apr) = (vcpu.vmcr, vcpu.apr);
        (self.vmpidr, self.cntvoff) = (vcpu.vmpidr, vcpu.cntvoff);
    }

    /// Floating point.
    pub fn save_float(&self, vcpu: &mut Vcpu) {
        (vcpu.d, vcpu.fpscr, vcpu.fpexc) = (self.d, self.fpscr, self.fpexc);
    }

    /// Floating point.
    pub fn load_float(&mut self, vcpu: &Vcpu) {
        (self.d, self.fpscr, self.fpexc) = (vcpu.d, vcpu.fpscr, vcpu.fpexc);
    }

    /// What distinguishes one state from another, `now` being the time.
    pub fn hash_from(&self, now: u64, hasher: &mut impl Hasher) {
        let mut rest = *self;
        for register in [GuestRegister::CntvCtl, GuestRegister::CntvCval, GuestRegister::Cntvoff] {
            rest.write(register, 0);
        }
        rest.hash(hasher);
        let due = self.read(GuestRegister::CntvCval).wrapping_add(self.cntvoff);
        hash_timer(self.read(GuestRegister::CntvCtl) as u32, due, now, hasher);
    }

    /// Whether the virtual timer's condition is met, and it is enabled and not masked (ARM DDI 0406C B8.1.5).
    pub fn timer_line(&self, now: u64) -> bool {
        let due = self.read(GuestRegister::CntvCval).wrapping_add(self.cntvoff);
        self.read(GuestRegister::CntvCtl) as u32 & 3 == TIMER_RUNS && now >= due
    }
}
