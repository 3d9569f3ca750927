//! What a crashed guest leaves: its registers, decoded, the last exits of its vCPU, and where the others are.

use crate::machine::{Machine, Watched};
use crate::registers::{Mode, banked, flags};
use crate::trace::Exit;
use abi::exit::{Access, CoprocessorAccess, ExitKind};
use abi::vcpu::GuestRegister;
use runtime::{Vcpu, log};

/// Logs it. `name` is the VM's.
pub fn tell(name: &str, machine: &Machine, number: usize) {
    let Some(&vcpu) = machine.cpus.handles.get(number) else { return };
    log::error!("{=str}: guest crashed on vCPU {=u32}", name, number as u32);
    registers(vcpu);
    exits(machine, number);
    for (other, &vcpu) in machine.cpus.handles.iter().enumerate().filter(|&(other, _)| other != number) {
        if machine.on & 1 << other != 0 {
            log::error!("vCPU {=u32} meanwhile:", other as u32);
            place(vcpu);
            exits(machine, other);
        }
    }
    if machine.cpus.refused != 0 {
        log::error!("the kernel refused {=u32} of the VMM's calls", machine.cpus.refused);
    }
}

fn exits(machine: &Machine, number: usize) {
    if let Some(Watched { trace, .. }) = machine.watched.get(number) {
        log::error!("its last exits, of {=u32}:", trace.count() as u32);
        trace.exits().for_each(|exit| tell_exit(&exit));
    }
}

/// Where it is: its CPSR comes back.
fn place(vcpu: Vcpu) -> u32 {
    let read = |register| vcpu.read_register(register).unwrap_or(0) as u32;
    let cpsr = read(GuestRegister::Cpsr);
    let (pc, [sp, lr]) = (read(GuestRegister::Pc), [13, 14].map(|number| read(banked(number, cpsr))));
    log::error!("pc {=u32:#010x} lr {=u32:#010x} sp {=u32:#010x}", pc, lr, sp);
    log::error!("cpsr {=u32:#010x}: {=str} mode, {=str}", cpsr, Mode::of(cpsr).name(), &flags(cpsr));
    cpsr
}

fn registers(vcpu: Vcpu) {
    use GuestRegister::*;
    let read = |register| vcpu.read_register(register).unwrap_or(0) as u32;
    let cpsr = place(vcpu);
    let mode = Mode::of(cpsr);
    let current = |number| read(banked(number, cpsr));
    if let Some(spsr) = mode.spsr() {
        let spsr = read(spsr);
        log::error!("spsr {=u32:#010x}: from {=str} mode, {=str}", spsr, Mode::of(spsr).name(), &flags(spsr));
    }
    for first in [0_u8, 4, 8] {
        let [a, b, c, d] = [0, 1, 2, 3].map(|offset| current(first + offset));
        log::error!(
            "r{=u8} {=u32:#010x} r{=u8} {=u32:#010x} r{=u8} {=u32:#010x} r{=u8} {=u32:#010x}",
            first,
            a,
            first + 1,
            b,
            first + 2,
            c,
            first + 3,
            d
        );
    }
    log::error!("r12 {=u32:#010x} sctlr {=u32:#010x} vbar {=u32:#010x}", current(12), read(Sctlr), read(Vbar));
    log::error!("ttbr0 {=u32:#010x} ttbr1 {=u32:#010x} ttbcr {=u32:#010x}", read(Ttbr0), read(Ttbr1), read(Ttbcr));
    log::error!("its last data abort: dfsr {=u32:#x} at {=u32:#010x}", read(Dfsr), read(Dfar));
    log::error!("its last prefetch abort: ifsr {=u32:#x} at {=u32:#010x}", read(Ifsr), read(Ifar));
    if let Ok([syndrome, address, ..]) = vcpu.read_syndrome() {
        log::error!("stopped by {=str} (hsr {=u32:#010x}, {=u32:#010x})", class(syndrome), syndrome, address);
    }
}

/// What the exception class of a Hyp syndrome means (ARM DDI 0406C, B3.13.6).
pub const fn class(hsr: u32) -> &'static str {
    match hsr >> 26 {
        0x01 => "WFI or WFE",
        0x03 => "MCR or MRC of CP15",
        0x04 => "MCRR or MRRC of CP15",
        0x05 => "MCR or MRC of CP14",
        0x06 => "LDC or STC of CP14",
        0x07 => "a coprocessor that is closed",
        0x08 => "a floating-point identification register",
        0x0a => "BXJ",
        0x0c => "MRRC of CP14",
        0x12 => "HVC",
        0x13 => "SMC",
        0x20 => "an instruction fetch",
        0x24 => "a load or store",
        _ => "an unknown exception",
    }
}

fn tell_exit(exit: &Exit) {
    let [a, b, c, d] = exit.words;
    match ExitKind::from_label(exit.label) {
        Some(ExitKind::Mmio) => {
            let access = Access(a);
            let (width, pc) = (access.width(), d);
            match access.is_write() {
                true => {
                    log::error!("  store of {=u32} bytes at {=u32:#010x}: {=u32:#x}, pc {=u32:#010x}", width, b, c, pc)
                }
                false => log::error!("  load of {=u32} bytes at {=u32:#010x}, pc {=u32:#010x}", width, b, pc),
            }
        }
        Some(ExitKind::Undecoded) => {
            log::error!("  load or store at {=u32:#010x}, virtual {=u32:#010x}, pc {=u32:#010x}", b, c, d)
        }
        Some(ExitKind::Fetch) => log::error!("  fetch at {=u32:#010x}, virtual {=u32:#010x}, pc {=u32:#010x}", b, c, d),
        Some(ExitKind::Hvc) => log::error!("  hvc {=u32:#x} {=u32:#x} {=u32:#x} {=u32:#x}", a, b, c, d),
        Some(ExitKind::Smc) => log::error!("  smc {=u32:#x} {=u32:#x} {=u32:#x} {=u32:#x}", a, b, c, d),
        Some(ExitKind::Coprocessor) => coprocessor(CoprocessorAccess(a), b, d),
        Some(ExitKind::Undefined) => {
            log::error!("  undefined: {=str} (hsr {=u32:#010x}), pc {=u32:#010x}", class(a), a, d)
        }
        None => log::error!("  unknown {=u32:#x} {=u32:#x} {=u32:#x} {=u32:#x}", a, b, c, d),
    }
}

fn coprocessor(access: CoprocessorAccess, value: u32, pc: u32) {
    let instruction = match (access.is_read(), access.is_wide()) {
        (true, false) => "mrc",
        (false, false) => "mcr",
        (true, true) => "mrrc",
        (false, true) => "mcrr",
    };
    log::error!(
        "  {=str} p{=u32}, {=u32}, r{=u32}, c{=u32}, c{=u32}, {=u32}: {=u32:#x}, pc {=u32:#010x}",
        instruction,
        if access.is_cp14() { 14 } else { 15 },
        access.opc1(),
        access.rt(),
        access.crn(),
        access.crm(),
        access.opc2(),
        value,
        pc
    );
}
