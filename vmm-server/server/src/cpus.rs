//! The distributor's way to the kernel: one system call for each effect.

use abi::Error;
use abi::vcpu::InterruptState;
use arrayvec::ArrayVec;
use protocol::config::VCPUS_MAX;
use runtime::Vcpu;
use vmm_devices::gic::{Cpus, Signal};

/// The vCPUs of the VM.
#[derive(Clone, Debug)]
pub struct Vcpus {
    /// Their capabilities, in order.
    pub handles: ArrayVec<Vcpu, VCPUS_MAX>,
    /// Calls that the kernel refused: our own mistakes, told in the epitaph.
    pub refused: u32,
}

impl Vcpus {
    /// These vCPUs.
    pub fn new(handles: ArrayVec<Vcpu, VCPUS_MAX>) -> Self {
        Self { handles, refused: 0 }
    }

    #[inline]
    fn on<T: Default>(&mut self, vcpu: usize, work: impl FnOnce(Vcpu) -> Result<T, Error>) -> T {
        let done = self.handles.get(vcpu).map(|vcpu| work(*vcpu));
        match done {
            Some(Ok(value)) => value,
            _ => {
                self.refused = self.refused.wrapping_add(1);
                T::default()
            }
        }
    }
}

impl Cpus for Vcpus {
    fn inject(&mut self, vcpu: usize, signal: Signal, source: Option<u8>) {
        let source = source.unwrap_or(0).into();
        self.on(vcpu, |vcpu| vcpu.inject(signal.intid.into(), signal.priority, source));
    }

    fn set_level(&mut self, vcpu: usize, signal: Signal, level: bool) {
        self.on(vcpu, |vcpu| vcpu.set_level(signal.intid.into(), signal.priority, level));
    }

    fn retract(&mut self, vcpu: usize, intid: u16) -> InterruptState {
        self.on(vcpu, |vcpu| {
            let before = vcpu.read_interrupt(intid.into())?;
            vcpu.retract(intid.into())?;
            Ok(before)
        })
    }

    fn state(&mut self, vcpu: usize, intid: u16) -> InterruptState {
        self.on(vcpu, |vcpu| vcpu.read_interrupt(intid.into()))
    }

    fn set_timer(&mut self, vcpu: usize, signal: Signal, enabled: bool) {
        self.on(vcpu, |vcpu| vcpu.set_timer(enabled, signal.priority));
    }
}
