//! A kernel for tests: it does with interrupts what `VcpuMethod` says, and is harsher where that leaves it free.

use super::{Cpus, Signal};
use abi::vcpu::InterruptState;
use std::collections::BTreeMap;
use std::vec::Vec;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Virtual {
    pub latch: bool,
    pub level: bool,
    pub active: bool,
    pub sources: u8,
    pub priority: u8,
}

impl Virtual {
    pub fn pending(self) -> bool {
        self.latch || self.level || self.sources != 0
    }
}

#[derive(Clone, Default)]
pub struct Kernel {
    pub state: BTreeMap<(usize, u16), Virtual>,
    pub timer: [Option<(bool, u8)>; 4],
    pub calls: usize,
}

impl Kernel {
    pub fn of(&self, vcpu: usize, intid: u16) -> Virtual {
        self.state.get(&(vcpu, intid)).copied().unwrap_or_default()
    }
    fn at(&mut self, vcpu: usize, intid: u16) -> &mut Virtual {
        assert!(vcpu < 4 && intid < 288 && intid != 27, "the kernel refuses {vcpu} {intid}");
        self.calls += 1;
        self.state.entry((vcpu, intid)).or_default()
    }
    /// Every vCPU that could acknowledge it.
    pub fn ready(&self, intid: u16) -> Vec<usize> {
        (0..4).filter(|&vcpu| self.of(vcpu, intid).pending() && !self.of(vcpu, intid).active).collect()
    }
    /// The guest reads IAR: the source, for an SGI.
    pub fn acknowledge(&mut self, vcpu: usize, intid: u16) -> u8 {
        let state = self.at(vcpu, intid);
        assert!(state.pending() && !state.active);
        state.active = true;
        state.latch = false;
        let source = state.sources.trailing_zeros() as u8;
        state.sources &= state.sources.wrapping_sub(1);
        source
    }
    pub fn end(&mut self, vcpu: usize, intid: u16) {
        self.at(vcpu, intid).active = false;
    }
    /// `VcpuMethod::Reset`: all that is held for that vCPU is dropped.
    pub fn reset(&mut self, vcpu: usize) {
        self.state.retain(|&(of, _), _| of != vcpu);
        self.timer[vcpu] = None;
    }
}

impl Cpus for Kernel {
    fn inject(&mut self, vcpu: usize, signal: Signal, source: Option<u8>) {
        assert_eq!(source.is_some(), signal.intid < 16);
        let state = self.at(vcpu, signal.intid);
        state.priority = signal.priority;
        match source {
            Some(source) => state.sources |= 1 << source,
            None => state.latch = true,
        }
    }
    fn set_level(&mut self, vcpu: usize, signal: Signal, level: bool) {
        let state = self.at(vcpu, signal.intid);
        assert_ne!(state.level, level, "a level told twice is a call for nothing");
        state.level = level;
        state.priority = signal.priority;
    }
    fn retract(&mut self, vcpu: usize, intid: u16) -> InterruptState {
        let before = self.state(vcpu, intid);
        let state = self.at(vcpu, intid);
        assert!(!state.level, "what of a level that is retracted?");
        state.latch = false;
        state.sources = 0;
        before
    }
    fn state(&mut self, vcpu: usize, intid: u16) -> InterruptState {
        if intid == 27 {
            return InterruptState(0);
        }
        let state = *self.at(vcpu, intid);
        InterruptState(
            u32::from(state.pending())
                | u32::from(state.active) << 1
                | u32::from(state.level) << 2
                | u32::from(state.priority) << 8
                | u32::from(state.sources) << 16,
        )
    }
    fn set_timer(&mut self, vcpu: usize, signal: Signal, enabled: bool) {
        assert_eq!(signal.intid, 27);
        self.timer[vcpu] = Some((enabled, signal.priority));
    }
    fn set_active(&mut self, vcpu: usize, intid: u16, active: bool) {
        if intid != 27 {
            self.at(vcpu, intid).active = active;
        }
    }
}
