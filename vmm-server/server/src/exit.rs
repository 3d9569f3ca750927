//! What becomes of an exit. The loads and stores of devices are the hot path: no system call but those that the device's
//! effect needs, nothing formatted, nothing that can panic.

use crate::machine::{Machine, Todo};
use crate::{stage1, undecoded};
use abi::MessageInfo;
use abi::exit::{Access, CoprocessorAccess, ExitKind, ExitReply};
use protocol::vm::Ending;
use runtime::{Lock, clock};
use vmm_devices::bus::Device;
use vmm_devices::{bus, cp15, psci, pvpanic};

/// What the guest's thread is told, or what ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on, as the label and two words of the answer say.
    Answer(ExitReply, [u32; 2]),
    /// It has ended.
    End(Ending),
}

impl Verdict {
    #[inline(always)]
    pub(crate) const fn answer(reply: ExitReply) -> Self {
        Self::Answer(reply, [0; 2])
    }

    /// The answer as a message. A guest that has ended stays stopped.
    #[inline(always)]
    pub const fn message(self) -> (MessageInfo, [u32; 4]) {
        let (reply, [w0, w1]) = match self {
            Self::Answer(reply, words) => (reply, words),
            Self::End(_) => (ExitReply::STOP, [0; 2]),
        };
        (MessageInfo::new(reply.bits(), 8), [w0, w1, 0, 0])
    }
}

/// Answers the load or store of a device: the descriptor and the word of the answer. `None` for every other exit, of which nothing
/// was done yet. `after` does what must be done without the lock.
#[inline(always)]
pub fn device(
    machine: &Lock<Option<Machine>>,
    vcpu: usize,
    label: u16,
    words: [u32; 4],
    after: impl FnOnce(Todo),
) -> Option<(MessageInfo, u32)> {
    let access = Access(words[0]);
    // Every device lies below 4 GiB.
    if label != ExitKind::Mmio as u16 || access.0 & (Access::WALK | Access::PERMISSION | IPA_HIGH) != 0 {
        return None;
    }
    let (device, offset) = bus::route(words[1].into(), access.width()).ok()?;
    // What a guest says there may end it.
    if device == Device::Panic {
        return None;
    }
    let mut guard = machine.lock();
    let machine = guard.as_mut()?;
    machine.keep_alive(vcpu, label, words);
    let (reply, word) = if access.is_write() {
        machine.store(vcpu, device, offset, access.width(), stored(access, words[2]));
        (ExitReply::STEP, 0)
    } else {
        let value = machine.load(vcpu, device, offset, access.width());
        (ExitReply::STEP.union(ExitReply::WRITE), access.extend(value))
    };
    let todo = machine.take_todo();
    drop(guard);
    if !todo.is_nothing() {
        after(todo);
    }
    Some((MessageInfo::new(reply.bits(), 4), word))
}

/// What a store puts on the bus: as much of the register as it is wide.
#[inline(always)]
const fn stored(access: Access, register: u32) -> u32 {
    Access(access.0 & !Access::SIGNED).extend(register)
}

/// Decides about an exit that is no decoded access to a device.
#[cold]
#[inline(never)]
pub fn seldom(machine: &Lock<Option<Machine>>, vcpu: usize, label: u16, words: [u32; 4], signal: impl Fn()) -> Verdict {
    let (verdict, todo) = {
        let mut guard = machine.lock();
        let Some(machine) = guard.as_mut() else {
            return Verdict::answer(ExitReply::STOP);
        };
        machine.keep(vcpu, label, words);
        (decide(machine, vcpu, label, words), machine.take_todo())
    };
    if !todo.is_nothing() {
        finish(machine, todo, signal);
    }
    verdict
}

/// Everything but a device's registers. A guest that says that it has panicked, or that gets nowhere, has crashed.
fn decide(machine: &mut Machine, vcpu: usize, label: u16, words: [u32; 4]) -> Verdict {
    let verdict = match ExitKind::from_label(label) {
        Some(ExitKind::Hvc) => firmware(machine, vcpu, words, ExitReply::empty()),
        Some(ExitKind::Smc) => firmware(machine, vcpu, words, ExitReply::STEP),
        Some(ExitKind::Coprocessor) => coprocessor(machine, vcpu, words),
        Some(ExitKind::Mmio) => memory(machine, vcpu, words),
        Some(ExitKind::Undecoded) => undecoded::carry_out(machine, vcpu, words),
        Some(ExitKind::Fetch) => Verdict::Answer(ExitReply::PREFETCH_ABORT, [words[2], 0]),
        Some(ExitKind::Undefined) | None => Verdict::answer(ExitReply::UNDEFINED),
    };
    match machine.take_panicked() {
        Some(pvpanic::Event::Panicked) => return Verdict::End(Ending::Crashed),
        // Its crash kernel goes on, and ends with a reset of its own.
        Some(pvpanic::Event::CrashLoaded) | None => {}
    }
    match verdict {
        Verdict::Answer(reply, _) if reply.intersects(FAULTS) && is_privileged(machine, vcpu, label, words) => {
            if machine.watched.get_mut(vcpu).is_some_and(|watched| watched.progress.faults(label, words)) {
                return Verdict::End(Ending::Crashed);
            }
        }
        _ => machine.lives(vcpu),
    }
    verdict
}

/// The answers that a guest takes as an exception.
const FAULTS: ExitReply = ExitReply::UNDEFINED.union(ExitReply::DATA_ABORT).union(ExitReply::PREFETCH_ABORT);
const CPSR_MODE: u32 = 0x1f;
const MODE_USR: u32 = 0x10;

/// Whether the guest was in a mode of its kernel's.
fn is_privileged(machine: &Machine, vcpu: usize, label: u16, words: [u32; 4]) -> bool {
    let user = match ExitKind::from_label(label) {
        Some(ExitKind::Mmio | ExitKind::Undecoded | ExitKind::Fetch) => words[0] & Access::USER,
        Some(ExitKind::Coprocessor) => words[0] & CoprocessorAccess::USER,
        _ => {
            let syndrome = machine.cpus.handles.get(vcpu).and_then(|vcpu| vcpu.read_syndrome().ok());
            u32::from(syndrome.is_some_and(|[.., cpsr]| cpsr & CPSR_MODE == MODE_USR))
        }
    };
    user == 0
}

pub(crate) const fn data_abort(address: u32) -> Verdict {
    Verdict::Answer(ExitReply::DATA_ABORT, [address, 0])
}

/// A decoded access that is none of a device's on the hot path.
fn memory(machine: &mut Machine, vcpu: usize, words: [u32; 4]) -> Verdict {
    let access = Access(words[0]);
    let plain = access.0 & (Access::WALK | Access::PERMISSION) == 0;
    match bus::route(access.ipa(words[1]), access.width()) {
        Ok((Device::Panic, offset)) if plain && access.is_write() => {
            machine.store(vcpu, Device::Panic, offset, access.width(), stored(access, words[2]));
            Verdict::answer(ExitReply::STEP)
        }
        Ok((Device::Panic, offset)) if plain => {
            let value = machine.load(vcpu, Device::Panic, offset, access.width());
            Verdict::Answer(ExitReply::STEP | ExitReply::WRITE, [access.extend(value), 0])
        }
        _ => data_abort(fault_address(machine, vcpu, words[1])),
    }
}

/// The virtual address of a decoded access, which the message has no room for.
fn fault_address(machine: &Machine, vcpu: usize, otherwise: u32) -> u32 {
    let syndrome = machine.cpus.handles.get(vcpu).and_then(|vcpu| vcpu.read_syndrome().ok());
    syndrome.map_or(otherwise, |[_, address, ..]| address)
}

fn firmware(machine: &mut Machine, vcpu: usize, words: [u32; 4], step: ExitReply) -> Verdict {
    let answer = |value| Verdict::Answer(step | ExitReply::WRITE, [value, 0]);
    match psci::call(words, machine.firmware(vcpu)) {
        psci::Outcome::Return(value) => answer(value),
        // A standby may end at once.
        psci::Outcome::Standby => answer(psci::SUCCESS),
        psci::Outcome::CpuOn { vcpu: other, entry, context } => answer(machine.switch_on(vcpu, other, entry, context)),
        psci::Outcome::CpuOff => {
            machine.switch_off(vcpu);
            Verdict::answer(ExitReply::STOP)
        }
        psci::Outcome::WhetherOff { vcpu: other } => answer(machine.whether_off(other)),
        psci::Outcome::SystemOff => Verdict::End(Ending::Off),
        psci::Outcome::SystemReset => Verdict::End(Ending::Reset),
        psci::Outcome::WarmReset => Verdict::End(Ending::Crashed),
    }
}

fn coprocessor(machine: &mut Machine, vcpu: usize, words: [u32; 4]) -> Verdict {
    if stage1::written(machine, vcpu, words) {
        return Verdict::answer(ExitReply::STEP);
    }
    let access = CoprocessorAccess(words[0]);
    match cp15::access(access, machine.vcpus()) {
        cp15::Outcome::Read(value) => {
            Verdict::Answer(ExitReply::STEP | ExitReply::WRITE, [value as u32, (value >> 32) as u32])
        }
        cp15::Outcome::Ignore => Verdict::answer(ExitReply::STEP),
        cp15::Outcome::Undefined => Verdict::answer(ExitReply::UNDEFINED),
        cp15::Outcome::FlushAll => {
            if machine.flusher.begins_run(clock::now_us(), (access.crm(), words[1])) {
                let watch = machine.cpus.handles.get(vcpu).map_or(Ok(()), |vcpu| vcpu.watch_stage1(true));
                if watch.and(machine.flusher.flush()).is_err() {
                    machine.cpus.refused = machine.cpus.refused.wrapping_add(1);
                }
                machine.flusher.flushed(clock::now_us());
            }
            Verdict::answer(ExitReply::STEP)
        }
    }
}

/// IPA bits 39:32 in an [`Access`].
const IPA_HIGH: u32 = 0xff00_0000;

/// How long a guest's serial port waits for room in the console's ring before bytes are lost, in microseconds.
pub const STUCK_US: u64 = 200_000;

/// Does what an exit, or an event, has left to do: goes on with what a device was not done with, wakes the console, and waits for room for
/// what a serial port has sent. In an exit, the time is the guest's own.
#[cold]
#[inline(never)]
pub fn finish(machine: &Lock<Option<Machine>>, mut todo: Todo, signal: impl Fn()) {
    let start = clock::now_us();
    loop {
        if todo.signal {
            signal();
        }
        if todo.stuck {
            runtime::svc::yield_now();
        } else if !todo.more {
            return;
        }
        let mut guard = machine.lock();
        let Some(machine) = guard.as_mut() else {
            return;
        };
        machine.serve_port();
        if clock::now_us().saturating_sub(start) > STUCK_US {
            machine.port.drop_backlog();
        }
        todo = machine.take_todo();
    }
}

/// Something happened at the console: input, or room for output.
pub fn event(machine: &Lock<Option<Machine>>, signal: impl Fn()) {
    finish(machine, Todo { more: true, ..Todo::default() }, signal);
}
