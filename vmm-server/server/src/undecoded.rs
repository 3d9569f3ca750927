//! Loads and stores that the hardware did not decode: the instruction is read from the guest's memory, and carried out here.
//!
//! The kernel does not know the instruction's length, so the pc and the IT state are stepped here, too. Floating-point
//! registers have no names at the kernel: an access with them is an abort, as is one that straddles what is no device.

use crate::exit::{Verdict, data_abort};
use crate::machine::Machine;
use crate::registers::{banked, regime, step_it};
use abi::Error;
use abi::exit::{Access, ExitReply};
use abi::vcpu::GuestRegister;
use runtime::Vcpu;
use vmm_devices::bus;
use vmm_devices::decode::{self, Execution, Refused, Register, Step};
use vmm_devices::virtio::GuestMemory;
use vmm_devices::walk::{Regime, translate};

const CPSR_THUMB: u32 = 1 << 5;
const CPSR_BIG_ENDIAN: u32 = 1 << 9;

/// Why an access can't be carried out.
enum Trouble {
    /// The guest takes an abort at this virtual address.
    Abort(u32),
    /// The guest takes an undefined-instruction exception.
    Undefined,
}

impl From<Error> for Trouble {
    /// The kernel refused what it must not: there is no better answer than an abort.
    fn from(_: Error) -> Self {
        Self::Abort(0)
    }
}

/// Carries out the access of an `Undecoded` exit.
pub fn carry_out(machine: &mut Machine, vcpu: usize, words: [u32; 4]) -> Verdict {
    let [access, _, address, pc] = words;
    let Some(&handle) = machine.cpus.handles.get(vcpu) else {
        return Verdict::answer(ExitReply::STOP);
    };
    if access & Access::WALK != 0 {
        return data_abort(address);
    }
    match execute(machine, vcpu, handle, address, pc) {
        Ok(()) => Verdict::answer(ExitReply::empty()),
        Err(Trouble::Undefined) => Verdict::answer(ExitReply::UNDEFINED),
        Err(Trouble::Abort(0)) => data_abort(address),
        Err(Trouble::Abort(at)) => data_abort(at),
    }
}

fn execute(machine: &mut Machine, vcpu: usize, handle: Vcpu, address: u32, pc: u32) -> Result<(), Trouble> {
    let cpsr = handle.read_register(GuestRegister::Cpsr)? as u32;
    let regime = regime(handle)?;
    let thumb = cpsr & CPSR_THUMB != 0;
    if cpsr & CPSR_BIG_ENDIAN != 0 {
        return Err(Trouble::Abort(address));
    }
    let word = instruction(machine, &regime, pc, thumb).ok_or(Trouble::Abort(address))?;
    let access = decode::decode(word, thumb).map_err(|refused| match refused {
        Refused::Undefined => Trouble::Undefined,
        Refused::NotMemory | Refused::Unsupported | Refused::Unpredictable => Trouble::Abort(address),
    })?;
    if access.pieces.iter().any(|piece| matches!(piece.register, Register::Vector(_))) {
        return Err(Trouble::Abort(address));
    }
    let mut refused = None;
    let mut execution = Execution::new(&access, |register| {
        let read = match register {
            Register::Core(15) => Ok(pc.into()),
            Register::Core(number) => handle.read_register(banked(number, cpsr)),
            Register::Cpsr => Ok(cpsr.into()),
            Register::Vector(_) => Err(Error::OutOfRange),
        };
        read.unwrap_or_else(|error| {
            refused = Some(error);
            0
        }) as u32
    });
    if let Some(error) = refused {
        return Err(error.into());
    }
    let mut next = (pc.wrapping_add(access.length.into()), step_it(cpsr));
    while let Some(step) = execution.step() {
        match step {
            Step::Load { address, width } => {
                let value = load(machine, &regime, vcpu, address, width.into()).ok_or(Trouble::Abort(address))?;
                execution.loaded(value);
            }
            Step::Store { address, width, value } => {
                store(machine, &regime, vcpu, address, width.into(), value).ok_or(Trouble::Abort(address))?;
            }
            Step::Write { register: Register::Core(15), value } => {
                let thumb = if value & 1 != 0 { CPSR_THUMB } else { 0 };
                next = (value & !1, next.1 & !CPSR_THUMB | thumb);
            }
            Step::Write { register: Register::Core(number), value } => {
                handle.write_register(banked(number, cpsr), value.into())?;
            }
            Step::Write { register: Register::Vector(_) | Register::Cpsr, .. } => {}
        }
    }
    handle.write_register(GuestRegister::Pc, next.0.into())?;
    Ok(handle.write_register(GuestRegister::Cpsr, next.1.into())?)
}

/// The instruction at `pc`, as the decoder wants it: a Thumb one may lie across two pages.
fn instruction(machine: &Machine, regime: &Regime, pc: u32, thumb: bool) -> Option<u32> {
    let half = |address: u32| {
        let ipa = translate(regime, address, |ipa| machine.ram.word(ipa)).ok()?;
        let mut bytes = [0; 2];
        machine.ram.read(ipa, &mut bytes).ok()?;
        Some(u32::from(u16::from_le_bytes(bytes)))
    };
    let first = half(pc)?;
    // A narrow instruction may be the last of its page.
    let wide = !thumb || first >> 11 >= 0b11101;
    let second = if wide { half(pc.wrapping_add(2))? } else { 0 };
    Some(second << 16 | first)
}

fn load(machine: &mut Machine, regime: &Regime, vcpu: usize, address: u32, width: u32) -> Option<u32> {
    let ipa = translate(regime, address, |ipa| machine.ram.word(ipa)).ok()?;
    if let Ok((device, offset)) = bus::route(ipa, width) {
        return Some(machine.load(vcpu, device, offset, width));
    }
    let mut bytes = [0; 4];
    machine.ram.read(ipa, bytes.get_mut(..width as usize)?).ok()?;
    Some(u32::from_le_bytes(bytes))
}

fn store(machine: &mut Machine, regime: &Regime, vcpu: usize, address: u32, width: u32, value: u32) -> Option<()> {
    let ipa = translate(regime, address, |ipa| machine.ram.word(ipa)).ok()?;
    if let Ok((device, offset)) = bus::route(ipa, width) {
        let mask = if width >= 4 { u32::MAX } else { (1 << (8 * width)) - 1 };
        machine.store(vcpu, device, offset, width, value & mask);
        return Some(());
    }
    machine.ram.write(ipa, value.to_le_bytes().get(..width as usize)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpus::Vcpus;
    use crate::flush::Flusher;
    use crate::port::Port;
    use crate::ram::Ram;
    use abi::MessageInfo;
    use abi::method::VcpuMethod;
    use protocol::config::Console;
    use protocol::ring::PAGE_BYTES;
    use runtime::ring::{Reader, Writer};
    use runtime::{Mapped, Tcb, host};
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::vec::Vec;

    const PC: u32 = 0x4000_1000;

    /// Runs one instruction of a guest with these registers; what it answers, the registers then, and what was printed.
    fn run(code: &[u8], set: &[(GuestRegister, u32)]) -> (Verdict, Vec<u32>, Vec<u8>) {
        let registers = Rc::new(RefCell::new(std::vec![0_u32; GuestRegister::ALL.len()]));
        registers.borrow_mut()[GuestRegister::Cpsr as usize] = 0x13;
        set.iter().for_each(|(register, value)| registers.borrow_mut()[*register as usize] = *value);
        let file = registers.clone();
        host::install(move |_: u32, r: &mut [u32; 7]| {
            let label = MessageInfo(r[1]).label();
            if label == VcpuMethod::ReadRegister as u16 {
                *r = [0, 0, file.borrow()[r[2] as usize], 0, 0, 0, 0];
            } else if label == VcpuMethod::WriteRegister as u16 {
                file.borrow_mut()[r[2] as usize] = r[3];
                r[0] = 0;
            }
        });
        let ram = Ram { memory: Mapped::allocate(2 << 20), base: 0x4000_0000 };
        assert!(ram.memory.try_write((PC - ram.base) as usize, code));
        let page = Mapped::allocate(PAGE_BYTES);
        let cpus = Vcpus::new([(Vcpu(4), Tcb(14))].into_iter());
        let port = Port::new(Writer::new(page), None);
        let mut machine = Machine::new(cpus, Console::Pl011, port, ram, Flusher::new(0, 0));
        let verdict = carry_out(&mut machine, 0, [0, 0x0900_0000, 0x0900_0000, PC]);
        let mut text = std::vec![0; 64];
        let moved = Reader::new(page).unwrap().pop(&mut text);
        text.truncate(moved.bytes);
        (verdict, registers.take(), text)
    }

    use GuestRegister::{Cpsr, Pc, R0, R1, R2, SpSvc};

    #[test]
    fn a_store_with_writeback_prints_and_moves_base_and_pc() {
        // strb r0, [r1], #4
        let code = 0xe4c1_0004_u32.to_le_bytes();
        let (verdict, registers, text) = run(&code, &[(R0, 0x141), (R1, 0x0900_0000)]);
        assert_eq!((verdict, &text[..]), (Verdict::answer(ExitReply::empty()), &b"A"[..]));
        assert_eq!((registers[R1 as usize], registers[Pc as usize]), (0x0900_0004, PC + 4));
    }

    #[test]
    fn a_narrow_thumb_load_of_several_reads_the_banked_stack_too() {
        // pop {r0, r2}, with the stack of Supervisor mode on the PL011's identification.
        let code = 0xbc05_u16.to_le_bytes();
        let (verdict, registers, _) = run(&code, &[(SpSvc, 0x0900_0fe0), (Cpsr, 0x33)]);
        assert_eq!(verdict, Verdict::answer(ExitReply::empty()));
        assert_eq!([R0, R2, SpSvc, Pc].map(|register| registers[register as usize]), [0x11, 0x10, 0x0900_0fe8, PC + 2]);
    }

    #[test]
    fn what_can_not_be_carried_out_aborts_or_is_undefined() {
        let abort = Verdict::Answer(ExitReply::DATA_ABORT, [0x0900_0000, 0]);
        // vldr d0, [r1]
        assert_eq!(run(&0xed91_0b00_u32.to_le_bytes(), &[(R1, 0x0900_0000)]).0, abort);
        // add r0, r0, r0: the guest has changed it meanwhile
        assert_eq!(run(&0xe080_0000_u32.to_le_bytes(), &[]).0, abort);
        // ldm r1, {r0, r2} off the end of the bus: nothing is written
        let (verdict, registers, _) = run(&0xe891_0005_u32.to_le_bytes(), &[(R0, 7), (R1, 0x0900_0ffc)]);
        assert_eq!(verdict, Verdict::Answer(ExitReply::DATA_ABORT, [0x0900_1000, 0]));
        assert_eq!((registers[R0 as usize], registers[Pc as usize]), (7, 0));
    }
}
