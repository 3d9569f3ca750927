//! The distributor's way to the kernel: one system call for each effect.

use abi::Error;
use abi::vcpu::InterruptState;
use arrayvec::ArrayVec;
use protocol::config::VCPUS_MAX;
use runtime::{Tcb, Vcpu};
use vmm_devices::gic::{Cpus, Signal};

/// The vCPUs of the VM.
#[derive(Clone, Debug)]
pub struct Vcpus {
    /// Their capabilities, in order.
    pub handles: ArrayVec<Vcpu, VCPUS_MAX>,
    /// The guest's threads that run on them.
    pub guests: ArrayVec<Tcb, VCPUS_MAX>,
    /// Calls that the kernel refused: our own mistakes, told in the epitaph.
    pub refused: u32,
}

impl Vcpus {
    /// These vCPUs, each with the guest's thread that runs on it; [`VCPUS_MAX`] at most.
    pub fn new(vcpus: impl Iterator<Item = (Vcpu, Tcb)>) -> Self {
        let (mut handles, mut guests) = (ArrayVec::new(), ArrayVec::new());
        for (vcpu, guest) in vcpus.take(VCPUS_MAX) {
            handles.push(vcpu);
            guests.push(guest);
        }
        Self { handles, guests, refused: 0 }
    }

    /// Notes a call that the kernel refused.
    #[cold]
    pub fn refuse(&mut self) {
        self.refused = self.refused.wrapping_add(1);
    }

    #[inline]
    fn on<T: Default>(&mut self, vcpu: usize, work: impl FnOnce(Vcpu) -> Result<T, Error>) -> T {
        let done = self.handles.get(vcpu).map(|vcpu| work(*vcpu));
        match done {
            Some(Ok(value)) => value,
            _ => {
                self.refuse();
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
        self.on(vcpu, |vcpu| vcpu.retract(intid.into()))
    }

    fn state(&mut self, vcpu: usize, intid: u16) -> InterruptState {
        self.on(vcpu, |vcpu| vcpu.read_interrupt(intid.into()))
    }

    fn set_timer(&mut self, vcpu: usize, signal: Signal, enabled: bool) {
        self.on(vcpu, |vcpu| vcpu.set_timer(enabled, signal.priority));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use abi::MessageInfo;
    use abi::method::VcpuMethod;
    use runtime::host;
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::vec::Vec;

    #[test]
    fn what_is_taken_back_is_told_by_the_one_call_that_takes_it() {
        let calls = Rc::<RefCell<Vec<(u32, u16, u32)>>>::default();
        let seen = calls.clone();
        host::install(move |_: u32, r: &mut [u32; 7]| {
            seen.borrow_mut().push((r[0], MessageInfo(r[1]).label(), r[2]));
            *r = [0, 0, 0x5_8001, 0, 0, 0, 0];
        });
        let mut cpus = Vcpus::new([(Vcpu(40), Tcb(50)), (Vcpu(41), Tcb(51))].into_iter());
        // Between two calls the guest of another vCPU runs, and may acknowledge what the first has told as pending.
        assert_eq!(cpus.retract(1, 33), InterruptState(0x5_8001));
        assert_eq!(*calls.borrow(), [(41, VcpuMethod::Retract as u16, 33)]);
        assert_eq!((cpus.retract(2, 33), cpus.refused), (InterruptState(0), 1), "there is no third");
    }
}
