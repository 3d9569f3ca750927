//! Watching a guest's stage-1 control registers (HCR.TVM) from its first set/way operation until its caches are on.
//!
//! Who cleans by set and way is about to switch its caches off or on. What it writes while they are off goes past them, so RAM is flushed
//! when they change (ARM DDI 0406C B3.13, and as KVM/ARM does).

use crate::machine::Machine;
use abi::Error;
use abi::exit::CoprocessorAccess;
use abi::vcpu::{GuestRegister, by_encoding};
use runtime::Vcpu;

/// SCTLR.M and SCTLR.C: translation and caches.
const CACHES_ON: u32 = 1 | 1 << 2;

/// The register that a trapped write is for; 64 bits, or the low half of one. `None` if HCR.TVM does not trap it (B1.14.9).
fn register(access: CoprocessorAccess) -> Option<(GuestRegister, bool)> {
    use GuestRegister::*;
    if access.is_read() || access.is_cp14() || access.0 & CoprocessorAccess::USER != 0 {
        return None;
    }
    // MCR writes the low half of what is 64 bits in the table.
    match (access.is_wide(), access.opc1(), access.crn(), access.crm(), access.opc2()) {
        (false, 0, 2, 0, 0) => return Some((Ttbr0, true)),
        (false, 0, 2, 0, 1) => return Some((Ttbr1, true)),
        _ => {}
    }
    let register = by_encoding(access)?;
    let watched = matches!(
        register,
        Sctlr
            | Ttbcr
            | Dacr
            | Dfsr
            | Ifsr
            | Adfsr
            | Aifsr
            | Dfar
            | Ifar
            | Mair0
            | Mair1
            | Amair0
            | Amair1
            | Contextidr
            | Ttbr0
            | Ttbr1
    );
    watched.then_some((register, false))
}

/// Carries out a watched write. False if it is none.
pub fn written(machine: &mut Machine, vcpu: usize, words: [u32; 4]) -> bool {
    let Some((register, half)) = register(CoprocessorAccess(words[0])) else { return false };
    let Some(&handle) = machine.cpus.handles.get(vcpu) else { return false };
    let value = u64::from(words[2]) << 32 | u64::from(words[1]);
    if write(machine, handle, register, half, value).is_err() {
        machine.cpus.refused = machine.cpus.refused.wrapping_add(1);
    }
    true
}

fn write(machine: &mut Machine, vcpu: Vcpu, register: GuestRegister, half: bool, value: u64) -> Result<(), Error> {
    let are_on = |vcpu: Vcpu| Ok::<_, Error>(vcpu.read_register(GuestRegister::Sctlr)? as u32 & CACHES_ON == CACHES_ON);
    let were_on = are_on(vcpu)?;
    let high = if half { vcpu.read_register(register)? >> 32 << 32 } else { 0 };
    vcpu.write_register(register, high | value)?;
    let on = are_on(vcpu)?;
    if on != were_on {
        machine.flusher.flush()?;
    }
    // Caches are on, and the guest goes on with its work: until its next operation by set and way.
    if on { vcpu.watch_stage1(false) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registers_of_stage_1_are_known_and_no_others() {
        use GuestRegister::*;
        let of = |flags: u32, opc1: u32, crn: u32, crm: u32, opc2: u32| {
            register(CoprocessorAccess(flags | crm << 1 | crn << 10 | opc1 << 14 | opc2 << 17))
        };
        assert_eq!(of(0, 0, 1, 0, 0), Some((Sctlr, false)));
        assert_eq!(of(0, 0, 2, 0, 0), Some((Ttbr0, true)));
        assert_eq!(of(0, 0, 2, 0, 1), Some((Ttbr1, true)));
        assert_eq!(of(CoprocessorAccess::WIDE, 1, 0, 2, 0), Some((Ttbr1, false)));
        assert_eq!(of(0, 0, 13, 0, 1), Some((Contextidr, false)));
        assert_eq!(of(0, 0, 12, 0, 0), None);
        assert_eq!(of(0, 0, 1, 0, 1), None);
        for flags in [CoprocessorAccess::READ, CoprocessorAccess::USER, CoprocessorAccess::CP14] {
            assert_eq!(of(flags, 0, 1, 0, 0), None);
        }
    }

    #[test]
    fn ram_is_flushed_when_the_caches_change_and_the_watch_ends_when_they_are_on() {
        use crate::{cpus::Vcpus, flush::Flusher, port::Port, ram::Ram};
        use abi::MessageInfo;
        use runtime::Tcb;
        use std::{cell::RefCell, rc::Rc, vec::Vec};
        let state = Rc::new(RefCell::new((0_u32, Vec::new())));
        let seen = state.clone();
        runtime::host::install(move |_: u32, r: &mut [u32; 7]| {
            let mut state = seen.borrow_mut();
            match MessageInfo(r[1]).label() {
                0x701 => *r = [0, 0, state.0, 0, 0, 0, 0],
                0x702 => (state.0, r[0]) = (r[3], 0),
                label => {
                    state.1.push((label, r[2]));
                    r[0] = 0;
                }
            }
        });
        let ram = Ram { memory: runtime::Mapped::allocate(2 << 20), base: 0x4000_0000 };
        let cpus = Vcpus::new([(Vcpu(4), Tcb(14))].into_iter());
        let console = protocol::config::Console::Pl011;
        let mut machine = Machine::new(cpus, console, Port::new(None, None), ram, Flusher::new(60, 1));
        let mut sctlr = |value: u32| {
            assert!(written(&mut machine, 0, [1 << 10, value, 0, 0x4000_8000]));
            assert_eq!(state.borrow().0, value);
            let calls = std::mem::take(&mut state.borrow_mut().1);
            let flushed = calls.iter().filter(|(label, _)| *label == 0x304).count();
            (flushed, calls.last() == Some(&(0x70b, 0)))
        };
        assert_eq!(sctlr(4), (0, false), "caches want translation, too");
        assert_eq!(sctlr(5), (32, true));
        assert_eq!(sctlr(1), (32, false));
    }
}
