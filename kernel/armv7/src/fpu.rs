//! The vault of the floating-point unit: VFPv4 with Advanced SIMD, 32 double-word registers (ARM DDI 0406C A2.6).
//!
//! Invariant **O (open)**: HCPTR lets CP10 and CP11 through, also for Hyp mode, before the unit is touched. The kernel
//! itself is compiled without floating point, so nothing of its own is in the registers.

#![allow(unsafe_code, reason = "the vault of the floating-point unit")]

use crate::controls::Hcptr;
use crate::sysreg::{hcptr, isb};
use core::arch::global_asm;
use core::mem::offset_of;
use kernel_core::vcpu::Vcpu;

const _: () = assert!(offset_of!(Vcpu, fpexc) == offset_of!(Vcpu, fpscr) + 4);

global_asm!(
    r#"
    .section .text.fpu, "ax"
    .arm
    .fpu neon-vfpv4
    @ r0: d0-d31, r1: FPSCR and FPEXC. FPEXC.EN opens the unit, whatever its owner had.
fpu_store:
    vmrs r2, fpexc
    mov r3, #0x40000000
    vmsr fpexc, r3
    vmrs r3, fpscr
    vstmia r0!, {{d0-d15}}
    vstmia r0, {{d16-d31}}
    str r3, [r1]
    str r2, [r1, #4]
    bx lr
fpu_fetch:
    mov r3, #0x40000000
    vmsr fpexc, r3
    vldmia r0!, {{d0-d15}}
    vldmia r0, {{d16-d31}}
    ldr r3, [r1]
    ldr r2, [r1, #4]
    vmsr fpscr, r3
    vmsr fpexc, r2
    bx lr
    .text
    "#
);

unsafe extern "C" {
    fn fpu_store(registers: *mut u64, status: *mut u32);
    fn fpu_fetch(registers: *const u64, status: *const u32);
}

/// Opens the unit: comes before [`save`] and [`load`].
#[inline(always)]
pub fn open() {
    hcptr::write(Hcptr::GUEST_OPEN.bits());
    isb();
}

/// Takes the registers out of the unit, which is open.
#[inline(always)]
pub fn save(vcpu: &mut Vcpu) {
    // SAFETY: O; `d` is 32 double words, and FPEXC follows FPSCR.
    unsafe { fpu_store(vcpu.d.as_mut_ptr(), (&raw mut *vcpu).byte_add(offset_of!(Vcpu, fpscr)).cast()) }
}

/// Puts them there.
#[inline(always)]
pub fn load(vcpu: &Vcpu) {
    // SAFETY: O; `d` is 32 double words, and FPEXC follows FPSCR.
    unsafe { fpu_fetch(vcpu.d.as_ptr(), (&raw const *vcpu).byte_add(offset_of!(Vcpu, fpscr)).cast()) }
}
