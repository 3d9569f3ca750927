//! What a trap of a guest means: syndrome and fault addresses in, one event out. Nothing here touches hardware.

use crate::hsr::{DataSyndrome, Hsr, Status, class, hpfar_page};
use crate::inject::Exception;
use crate::psr::{self, MODE, mode};
use abi::exit::{Access, CoprocessorAccess, ExitKind};
use abi::vcpu::GuestRegister;
use kernel_core::Context;
use kernel_core::vcpu::ExitRecord;

/// What classification may have to ask of the guest's state in the hardware.
pub trait Guest {
    /// HDFAR.
    fn hdfar(&mut self) -> u32;
    /// HIFAR.
    fn hifar(&mut self) -> u32;
    /// HPFAR.
    fn hpfar(&mut self) -> u32;
    /// Value of a banked core register.
    fn banked(&mut self, register: GuestRegister) -> u32;
    /// The page that the guest's stage 1 translates that address to; `None` if it no longer does.
    fn translate(&mut self, address: u32) -> Option<u64>;
}

/// What a guest's trap comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuestEvent {
    /// Something for its VMM.
    Exit(ExitRecord),
    /// WFI; `long` is its length.
    Wait {
        /// The instruction is four bytes long.
        long: bool,
    },
    /// Floating point, which is closed.
    Float,
    /// Nothing: the instruction would not have been executed, or has no effect.
    Skip {
        /// The instruction is four bytes long.
        long: bool,
    },
    /// The guest is to take an exception that the kernel caught on its behalf.
    Inject(Exception),
    /// The guest's tables changed meanwhile: the instruction is to be tried again.
    Retry,
}

/// What a trap of the guest with that context means.
#[inline]
pub fn classify(hsr: Hsr, context: &Context, guest: &mut impl Guest) -> GuestEvent {
    match hsr.class() {
        class::DATA => data(hsr, context, guest),
        // Opened whether its condition holds or not: it will be tried again.
        class::COPROCESSOR if hsr.is_float() => GuestEvent::Float,
        class::FETCH => fetch(hsr, context, guest),
        class::HVC => call(ExitKind::Hvc, hsr, context),
        class::SMC => call(ExitKind::Smc, hsr, context),
        _ if !hsr.condition_passed(context.cpsr) => GuestEvent::Skip { long: hsr.long() },
        class::WAIT if hsr.0 & 1 == 0 => GuestEvent::Wait { long: hsr.long() },
        // WFE is a hint: a guest that spins loses nothing by going on.
        class::WAIT => GuestEvent::Skip { long: hsr.long() },
        class::CP15 => coprocessor(0, hsr, context, guest),
        class::CP14 => coprocessor(CoprocessorAccess::CP14, hsr, context, guest),
        class::CP15_WIDE => coprocessor_wide(0, hsr, context, guest),
        class::CP14_WIDE => coprocessor_wide(CoprocessorAccess::CP14, hsr, context, guest),
        _ => undefined(hsr, context),
    }
}

fn undefined(hsr: Hsr, context: &Context) -> GuestEvent {
    GuestEvent::Exit(ExitRecord {
        kind: ExitKind::Undefined as u32,
        words: [hsr.0, 0, 0, context.pc],
        syndrome: hsr.0,
        long: u32::from(hsr.long()),
        ..ExitRecord::default()
    })
}

fn call(kind: ExitKind, hsr: Hsr, context: &Context) -> GuestEvent {
    let [a, b, c, d, ..] = context.r;
    GuestEvent::Exit(ExitRecord {
        kind: kind as u32,
        words: [a, b, c, d],
        syndrome: hsr.0,
        // SMC traps at the instruction, HVC behind it; ISS of an SMC has no meaning, but IL has.
        long: u32::from(hsr.long()),
        ..ExitRecord::default()
    })
}

/// Value of the register that the guest's instruction means by `number`.
#[inline(always)]
fn value(number: u32, context: &Context, guest: &mut impl Guest) -> u32 {
    match psr::banked_register(context.cpsr, number) {
        Some(register) => guest.banked(register),
        None => match number {
            0..=12 => context.r[number as usize],
            13 => context.sp,
            14 => context.lr,
            _ => context.pc,
        },
    }
}

fn user(context: &Context, bit: u32) -> u32 {
    if context.cpsr & MODE == mode::USR { bit } else { 0 }
}

/// The intermediate physical page that was touched. HPFAR has it, but for a permission fault of the access itself
/// (B3.13.1): then stage 1 must be asked.
#[inline(always)]
fn page(hsr: Hsr, status: Status, address: u32, guest: &mut impl Guest) -> Option<u64> {
    if status == Status::Permission && !hsr.walk() { guest.translate(address) } else { Some(hpfar_page(guest.hpfar())) }
}

#[inline(always)]
fn access_bits(page: u64, status: Status, hsr: Hsr, context: &Context) -> u32 {
    let mut access = ((page >> 32) as u32) << 24 | user(context, Access::USER);
    if status == Status::Permission {
        access |= Access::PERMISSION;
    }
    if hsr.walk() {
        access |= Access::WALK;
    }
    access
}

/// A walk's descriptor lies anywhere in its page; an access has the offset of its own address.
#[inline(always)]
fn offset(hsr: Hsr, address: u32) -> u32 {
    if hsr.walk() { 0 } else { address & 0xfff }
}

#[inline]
fn data(hsr: Hsr, context: &Context, guest: &mut impl Guest) -> GuestEvent {
    let address = guest.hdfar();
    let syndrome = hsr.data();
    let status = hsr.status();
    let write = syndrome.contains(DataSyndrome::WNR);
    match status {
        Status::Translation | Status::AccessFlag | Status::Permission => {}
        Status::Debug => return GuestEvent::Inject(Exception::Breakpoint { address, fetch: false }),
        // The bus refused an access that stage 2 allowed: the guest's own matter.
        _ => return GuestEvent::Inject(Exception::DataAbort { address, write }),
    }
    if syndrome.contains(DataSyndrome::CM) {
        // Cache maintenance of an address with no memory behind it: an MCR, always four bytes long.
        return GuestEvent::Skip { long: true };
    }
    let Some(page) = page(hsr, status, address, guest) else { return GuestEvent::Retry };
    let mut access = access_bits(page, status, hsr, context);
    if write {
        access |= Access::WRITE;
    }
    let mut exit = ExitRecord {
        kind: ExitKind::Undecoded as u32,
        words: [0, page as u32 | offset(hsr, address), address, context.pc],
        syndrome: hsr.0,
        address,
        register: 0,
        long: 0,
    };
    if syndrome.contains(DataSyndrome::ISV) && !hsr.walk() {
        access |= syndrome.size() | syndrome.register() << 8;
        if syndrome.contains(DataSyndrome::SSE) {
            access |= Access::SIGNED;
        }
        if hsr.long() {
            access |= Access::LONG;
        }
        exit.kind = ExitKind::Mmio as u32;
        exit.long = u32::from(hsr.long());
        exit.register = syndrome.register();
        exit.words[2] = if write { value(exit.register, context, guest) } else { 0 };
    }
    exit.words[0] = access;
    GuestEvent::Exit(exit)
}

fn fetch(hsr: Hsr, context: &Context, guest: &mut impl Guest) -> GuestEvent {
    let address = guest.hifar();
    let status = hsr.status();
    match status {
        Status::Translation | Status::AccessFlag | Status::Permission => {}
        Status::Debug => return GuestEvent::Inject(Exception::Breakpoint { address: context.pc, fetch: true }),
        _ => return GuestEvent::Inject(Exception::PrefetchAbort { address }),
    }
    let Some(page) = page(hsr, status, address, guest) else { return GuestEvent::Retry };
    let access = access_bits(page, status, hsr, context);
    GuestEvent::Exit(ExitRecord {
        kind: ExitKind::Fetch as u32,
        words: [access, page as u32 | offset(hsr, address), address, context.pc],
        syndrome: hsr.0,
        address,
        register: 0,
        long: 0,
    })
}

/// The fields of an MRC or MCR syndrome stand where [`CoprocessorAccess`] has them.
fn coprocessor(which: u32, hsr: Hsr, context: &Context, guest: &mut impl Guest) -> GuestEvent {
    let access = hsr.0 & 0x000f_fdff | which;
    coprocessor_exit(access, hsr.0 >> 5 & 0xf, None, hsr, context, guest)
}

/// MRRC and MCRR: opc1 in bits 19:16, Rt2 in 13:10.
fn coprocessor_wide(which: u32, hsr: Hsr, context: &Context, guest: &mut impl Guest) -> GuestEvent {
    let rt2 = hsr.0 >> 10 & 0xf;
    let access = hsr.0 & 0x1ff | (hsr.0 >> 16 & 7) << 14 | rt2 << 20 | CoprocessorAccess::WIDE | which;
    coprocessor_exit(access, hsr.0 >> 5 & 0xf, Some(rt2), hsr, context, guest)
}

fn coprocessor_exit(
    access: u32,
    first: u32,
    second: Option<u32>,
    hsr: Hsr,
    context: &Context,
    guest: &mut impl Guest,
) -> GuestEvent {
    let write = access & CoprocessorAccess::READ == 0;
    let long = if hsr.long() { CoprocessorAccess::LONG } else { 0 };
    let (low, high) = if write {
        (value(first, context, guest), second.map_or(0, |second| value(second, context, guest)))
    } else {
        (0, 0)
    };
    GuestEvent::Exit(ExitRecord {
        kind: ExitKind::Coprocessor as u32,
        words: [access | long | user(context, CoprocessorAccess::USER), low, high, context.pc],
        syndrome: hsr.0,
        address: 0,
        register: first | second.map_or(0, |second| second << 8 | ExitRecord::SECOND),
        long: u32::from(hsr.long()),
    })
}

#[cfg(test)]
mod tests;
