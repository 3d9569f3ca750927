//! What a crashed guest leaves: its registers, and the last exits of its vCPU.

use crate::machine::Machine;
use crate::trace::Exit;
use abi::exit::ExitKind;
use abi::vcpu::GuestRegister;
use runtime::{Vcpu, log};

/// Logs it. `name` is the VM's.
pub fn tell(name: &str, machine: &Machine, number: usize) {
    let Some(&vcpu) = machine.cpus.handles.get(number) else { return };
    log::error!("{=str}: guest crashed on vCPU {=u32}", name, number as u32);
    registers(vcpu);
    if let Some(trace) = machine.traces.get(number) {
        log::error!("its last exits, of {=u32}:", trace.count() as u32);
        trace.exits().for_each(|exit| tell_exit(&exit));
    }
    if machine.cpus.refused != 0 {
        log::error!("the kernel refused {=u32} of the VMM's calls", machine.cpus.refused);
    }
}

fn registers(vcpu: Vcpu) {
    use GuestRegister::*;
    let read = |register| vcpu.read_register(register).unwrap_or(0) as u32;
    log::error!("pc {=u32:#010x} cpsr {=u32:#010x} sctlr {=u32:#010x}", read(Pc), read(Cpsr), read(Sctlr));
    for [a, b, c, d] in [[R0, R1, R2, R3], [R4, R5, R6, R7], [R8, R9, R10, R11]] {
        log::error!(
            "{=str} {=u32:#010x} {=u32:#010x} {=u32:#010x} {=u32:#010x}",
            row(a),
            read(a),
            read(b),
            read(c),
            read(d)
        );
    }
    log::error!("r12 {=u32:#010x} sp_svc {=u32:#010x} lr_svc {=u32:#010x}", read(R12), read(SpSvc), read(LrSvc));
    log::error!(
        "lr_abt {=u32:#010x} spsr_abt {=u32:#010x} dfar {=u32:#010x} dfsr {=u32:#x}",
        read(LrAbt),
        read(SpsrAbt),
        read(Dfar),
        read(Dfsr)
    );
    log::error!("ttbr0 {=u32:#010x} ttbcr {=u32:#010x} vbar {=u32:#010x}", read(Ttbr0), read(Ttbcr), read(Vbar));
}

const fn row(first: GuestRegister) -> &'static str {
    match first {
        GuestRegister::R0 => "r0-r3",
        GuestRegister::R4 => "r4-r7",
        _ => "r8-r11",
    }
}

fn tell_exit(exit: &Exit) {
    let [a, b, c, d] = exit.words;
    log::error!("{=str} {=u32:#x} {=u32:#x} {=u32:#x} {=u32:#x}", kind(exit.label), a, b, c, d);
}

/// The name of an exit's kind.
pub const fn kind(label: u16) -> &'static str {
    match ExitKind::from_label(label) {
        Some(ExitKind::Mmio) => "mmio",
        Some(ExitKind::Undecoded) => "undecoded",
        Some(ExitKind::Fetch) => "fetch",
        Some(ExitKind::Hvc) => "hvc",
        Some(ExitKind::Smc) => "smc",
        Some(ExitKind::Coprocessor) => "coprocessor",
        Some(ExitKind::Undefined) => "undefined",
        None => "unknown",
    }
}
