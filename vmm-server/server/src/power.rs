//! Switching vCPUs on and off: the firmware calls that concern one of them.
//!
//! Which are on is kept here, and changes under the machine's lock: so the last can't leave. A vCPU that has left is at rest only when
//! its exit thread has answered; until then the kernel says of the guest's thread that it waits, and the vCPU is neither told as off nor
//! started again.

use crate::machine::Machine;
use crate::start;
use abi::Error;
use abi::method::ThreadState;
use abi::vcpu::GuestRegister;
use vmm_devices::psci;

impl Machine {
    /// What the firmware's calls go by.
    pub(crate) fn firmware(&self, caller: usize) -> psci::Machine {
        psci::Machine {
            vcpus: self.vcpus(),
            caller: caller as u32,
            on: self.on,
            ram_base: self.ram.base,
            ram_bytes: self.ram.memory.len() as u32,
        }
    }

    /// CPU_ON: what the caller is told.
    pub(crate) fn switch_on(&mut self, caller: usize, vcpu: u32, entry: u32, context: u32) -> u32 {
        if !self.is_at_rest(vcpu) {
            return psci::ALREADY_ON;
        }
        if self.start(caller, vcpu as usize, entry, context).is_err() {
            self.cpus.refuse();
            return psci::INTERNAL_FAILURE;
        }
        self.on |= 1 << vcpu;
        psci::SUCCESS
    }

    /// CPU_OFF: it is not on any more, and stops with the answer to its exit.
    pub(crate) fn switch_off(&mut self, vcpu: usize) {
        self.on &= !(1 << vcpu);
    }

    /// AFFINITY_INFO of a vCPU that is not on.
    pub(crate) fn whether_off(&mut self, vcpu: u32) -> u32 {
        if self.is_at_rest(vcpu) { psci::AFFINITY_OFF } else { psci::AFFINITY_ON }
    }

    fn is_at_rest(&mut self, vcpu: u32) -> bool {
        let state = self.cpus.guests.get(vcpu as usize).map(|guest| guest.state());
        match state {
            Some(Ok(state)) => state == ThreadState::Inactive as u32,
            _ => {
                self.cpus.refuse();
                false
            }
        }
    }

    fn start(&mut self, caller: usize, vcpu: usize, entry: u32, context: u32) -> Result<(), Error> {
        let handle = |cpus: &crate::cpus::Vcpus, n: usize| cpus.handles.get(n).copied().ok_or(Error::OutOfRange);
        let (own, new) = (handle(&self.cpus, caller)?, handle(&self.cpus, vcpu)?);
        let guest = self.cpus.guests.get(vcpu).copied().ok_or(Error::OutOfRange)?;
        // All have one clock: what the kernel sets at a reset is the time of that reset.
        let offset = own.read_register(GuestRegister::Cntvoff)?;
        let mut reset = Ok(());
        self.distributor.reset_cpu(vcpu, &mut self.cpus, |_| reset = new.reset());
        reset?;
        new.write_register(GuestRegister::Cntvoff, offset)?;
        start::set_registers(new, vcpu as u32, entry, [context, 0, 0])?;
        guest.resume()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpus::Vcpus;
    use crate::exit::{Verdict, seldom};
    use crate::flush::Flusher;
    use crate::port::Port;
    use crate::progress::FAULTS_MAX;
    use crate::ram::Ram;
    use abi::MessageInfo;
    use abi::exit::{Access, ExitKind, ExitReply};
    use abi::method::{TcbMethod, VcpuMethod};
    use protocol::config::Console;
    use protocol::vm::Ending;
    use runtime::{Lock, Mapped, Tcb, Vcpu, host};
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::rc::Rc;

    const CPU_OFF: u32 = 0x8400_0002;
    const CPU_ON: u32 = 0x8400_0003;
    const AFFINITY_INFO: u32 = 0x8400_0004;
    const RAM: u32 = 0x4000_0000;
    const STOPPED: Verdict = Verdict::Answer(ExitReply::STOP, [0; 2]);

    /// What the kernel knows: states of threads, registers of vCPUs, how often each was reset.
    #[derive(Default)]
    struct Kernel {
        states: BTreeMap<u32, ThreadState>,
        registers: BTreeMap<(u32, u32), u64>,
        resets: BTreeMap<u32, u32>,
    }

    struct World {
        machine: Lock<Option<Machine>>,
        kernel: Rc<RefCell<Kernel>>,
    }

    /// vCPUs 40 and following, their threads 50 and following. Every reset begins a clock of its own.
    fn world(vcpus: u32) -> World {
        let kernel = Rc::<RefCell<Kernel>>::default();
        kernel.borrow_mut().states.insert(50, ThreadState::BlockedOnReply);
        kernel.borrow_mut().registers.insert((40, GuestRegister::Cntvoff as u32), 0x1_2345_6789);
        let seen = kernel.clone();
        host::install(move |_: u32, r: &mut [u32; 7]| {
            let mut kernel = seen.borrow_mut();
            let (handle, label, register) = (r[0], MessageInfo(r[1]).label(), r[2]);
            if label == TcbMethod::ReadState as u16 {
                r[2] = kernel.states.get(&handle).copied().unwrap_or(ThreadState::Inactive) as u32;
            } else if label == TcbMethod::Resume as u16 {
                kernel.states.insert(handle, ThreadState::Running);
            } else if label == VcpuMethod::Reset as u16 {
                *kernel.resets.entry(handle).or_default() += 1;
                kernel.registers.insert((handle, GuestRegister::Cntvoff as u32), 0xdead);
            } else if label == VcpuMethod::ReadRegister as u16 {
                let value = kernel.registers.get(&(handle, register)).copied().unwrap_or(0);
                (r[2], r[3]) = (value as u32, (value >> 32) as u32);
            } else if label == VcpuMethod::WriteRegister as u16 {
                kernel.registers.insert((handle, register), u64::from(r[4]) << 32 | u64::from(r[3]));
            }
            r[0] = 0;
        });
        let ram = Ram { memory: Mapped::allocate(2 << 20), base: RAM };
        let cpus = Vcpus::new((0..vcpus).map(|n| (Vcpu(40 + n), Tcb(50 + n))));
        let machine = Machine::new(cpus, Console::Pl011, Port::new(None, None), ram, Flusher::new(60, 1));
        World { machine: Lock::new(Some(machine)), kernel }
    }

    impl World {
        fn exit(&self, vcpu: usize, kind: ExitKind, words: [u32; 4]) -> Verdict {
            seldom(&self.machine, vcpu, kind as u16, words, || ())
        }
        fn call(&self, vcpu: usize, words: [u32; 4]) -> u32 {
            match self.exit(vcpu, ExitKind::Hvc, words) {
                Verdict::Answer(ExitReply::WRITE, [value, 0]) => value,
                other => panic!("{other:?}"),
            }
        }
        fn set(&self, thread: u32, state: ThreadState) {
            self.kernel.borrow_mut().states.insert(thread, state);
        }
        fn register(&self, vcpu: u32, register: GuestRegister) -> u64 {
            self.kernel.borrow().registers[&(vcpu, register as u32)]
        }
    }

    #[test]
    fn a_vcpu_that_is_switched_on_starts_reset_where_it_should_with_the_clock_of_all() {
        let world = world(3);
        assert_eq!(world.call(0, [CPU_ON, 2, RAM + 0x101, 77]), psci::SUCCESS);
        let mut registers =
            [GuestRegister::Pc, GuestRegister::R0, GuestRegister::Cpsr, GuestRegister::Vmpidr].into_iter();
        let found: [u64; 4] = core::array::from_fn(|_| world.register(42, registers.next().unwrap()));
        assert_eq!(found, [u64::from(RAM) + 0x100, 77, 0x1f3, 0x8000_0002]);
        assert_eq!(world.register(42, GuestRegister::Cntvoff), 0x1_2345_6789);
        assert_eq!(world.kernel.borrow().resets, [(42, 1)].into());
        assert_eq!(world.call(2, [AFFINITY_INFO, 1, 0, 0]), psci::AFFINITY_OFF);
        assert_eq!(world.kernel.borrow().states[&52] as u32, ThreadState::Running as u32);
        assert_eq!(world.call(0, [CPU_ON, 2, RAM, 0]), psci::ALREADY_ON);
        assert_eq!(world.call(0, [CPU_ON, 1, RAM - 4, 0]), psci::INVALID_ADDRESS);
        assert_eq!(world.call(0, [CPU_ON, 3, RAM, 0]), psci::INVALID_PARAMETERS);
        assert!(!world.kernel.borrow().states.contains_key(&51), "nobody else was started");
    }

    #[test]
    fn one_that_has_left_is_off_once_it_rests_and_the_last_can_not_leave() {
        let world = world(2);
        assert_eq!(world.call(0, [CPU_OFF, 0, 0, 0]), psci::DENIED);
        assert_eq!(world.call(0, [CPU_ON, 1, RAM, 0]), psci::SUCCESS);
        world.set(51, ThreadState::BlockedOnReply);
        assert_eq!(world.exit(1, ExitKind::Hvc, [CPU_OFF, 0, 0, 0]), STOPPED);
        assert_eq!(world.call(0, [CPU_OFF, 0, 0, 0]), psci::DENIED, "though the other has not come to rest");
        assert_eq!(world.call(0, [AFFINITY_INFO, 1, 0, 0]), psci::AFFINITY_ON);
        assert_eq!(world.call(0, [CPU_ON, 1, RAM, 0]), psci::ALREADY_ON);
        world.set(51, ThreadState::Inactive);
        assert_eq!(world.call(0, [AFFINITY_INFO, 1, 0, 0]), psci::AFFINITY_OFF);
        assert_eq!(world.call(0, [CPU_ON, 1, RAM, 0]), psci::SUCCESS);
        assert_eq!(world.kernel.borrow().resets[&41], 2);
        // By SMC it stops too, whoever it is.
        assert_eq!(world.exit(0, ExitKind::Smc, [CPU_OFF, 0, 0, 0]), STOPPED);
        assert_eq!(world.call(1, [CPU_OFF, 0, 0, 0]), psci::DENIED);
    }

    #[test]
    fn a_vcpu_that_gets_nowhere_has_crashed_though_another_lives() {
        let world = world(2);
        assert_eq!(world.call(0, [CPU_ON, 1, RAM, 0]), psci::SUCCESS);
        let fetch = [0, 0xc, 0xc, 0xc];
        for _ in 1..FAULTS_MAX {
            assert_eq!(world.exit(1, ExitKind::Fetch, fetch), Verdict::Answer(ExitReply::PREFETCH_ABORT, [0xc, 0]));
            assert_eq!(world.call(0, [AFFINITY_INFO, 1, 0, 0]), psci::AFFINITY_ON);
        }
        assert_eq!(fetch[0] & Access::USER, 0);
        assert_eq!(world.exit(1, ExitKind::Fetch, fetch), Verdict::End(Ending::Crashed));
    }
}
