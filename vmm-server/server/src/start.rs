//! What a vCPU starts with: registers, the exit thread, and the context that both share.

use crate::parts::VcpuParts;
use abi::Error;
use abi::vcpu::GuestRegister;
use runtime::{Vcpu, svc};

/// CPSR of a guest at its entry: Supervisor mode, with asynchronous aborts, IRQ and FIQ masked.
const CPSR_ENTRY: u32 = 0x1d3;
const CPSR_THUMB: u32 = 0x20;
/// MPIDR: the multiprocessing format; affinity 0 is the vCPU's number.
const MPIDR_FORMAT: u32 = 1 << 31;

/// Sets what a guest finds at its entry. Bit 0 of `entry`: Thumb.
pub fn set_registers(vcpu: Vcpu, number: u32, entry: u32, arguments: [u32; 3]) -> Result<(), Error> {
    let thumb = if entry & 1 != 0 { CPSR_THUMB } else { 0 };
    let [r0, r1, r2] = arguments;
    for (register, value) in [
        (GuestRegister::R0, r0),
        (GuestRegister::R1, r1),
        (GuestRegister::R2, r2),
        (GuestRegister::Pc, entry & !1),
        (GuestRegister::Cpsr, CPSR_ENTRY | thumb),
        (GuestRegister::Vmpidr, MPIDR_FORMAT | number),
    ] {
        vcpu.write_register(register, value.into())?;
    }
    Ok(())
}

/// Starts the exit thread of a vCPU on the vCPU's context, waits until it receives, and gives the context to the guest's thread:
/// from then on the exit thread runs on whatever time the guest gives it.
pub fn exit_thread(parts: &VcpuParts) -> Result<(), Error> {
    parts.context.bind(parts.exit_thread)?;
    parts.exit_thread.resume()?;
    while !parts.exit_thread.is_receiving()? {
        svc::yield_now();
    }
    parts.context.unbind()?;
    parts.context.bind(parts.guest)
}
