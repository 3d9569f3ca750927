//! The virtual interface control of the loaded vCPU (ARM IHI 0048B 5.3).

use crate::board;
use crate::listreg;
use crate::mmio::Registers;
use kernel_core::platform::ListRegister;

const GICH: Registers = Registers::at(board::GICH);

const HCR: u32 = 0x00;
const VTR: u32 = 0x04;
const VMCR: u32 = 0x08;
const EISR0: u32 = 0x20;
const EISR1: u32 = 0x24;
const ELRSR0: u32 = 0x30;
const ELRSR1: u32 = 0x34;
const APR: u32 = 0xf0;
const LR: u32 = 0x100;

const ENABLE: u32 = 1 << 0;
const UIE: u32 = 1 << 1;
const LRENPIE: u32 = 1 << 2;

/// Empties it and switches it on. Returns the number of list registers.
pub fn start() -> usize {
    let count = (GICH.read(VTR) & 0x3f) + 1;
    for index in 0..count {
        GICH.write(LR + index * 4, 0);
    }
    GICH.write(APR, 0);
    GICH.write(VMCR, 0);
    GICH.write(HCR, ENABLE);
    count as usize
}

/// GICH_VMCR and GICH_APR of the vCPU that leaves.
pub fn save() -> (u32, u32) {
    (GICH.read(VMCR), GICH.read(APR))
}

/// Those of the vCPU that comes.
pub fn load(vmcr: u32, apr: u32) {
    GICH.write(VMCR, vmcr);
    GICH.write(APR, apr);
}

/// List registers that hold nothing, of `count`. One that has ended and asked to tell so is not free by ELRSR: EISR has it
/// (ARM IHI 0048B 5.3.7, 5.3.8).
pub fn empty(count: usize) -> u64 {
    let low = u64::from(GICH.read(ELRSR0) | GICH.read(EISR0));
    if count > 32 { low | u64::from(GICH.read(ELRSR1) | GICH.read(EISR1)) << 32 } else { low }
}

/// A list register.
#[inline(always)]
pub fn read(index: usize) -> ListRegister {
    listreg::from_bits(GICH.read(LR + index as u32 * 4))
}

/// Writes it.
#[inline(always)]
pub fn write(index: usize, value: ListRegister) {
    GICH.write(LR + index as u32 * 4, listreg::to_bits(value));
}

/// Asks for a maintenance interrupt when at most one list register holds something (`refill`), and when an end of interrupt found no
/// list register (`spilled`); takes the count of those (EOICount).
pub fn control(refill: bool, spilled: bool) -> u32 {
    let ends = GICH.read(HCR) >> 27;
    let refill = if refill { UIE } else { 0 };
    let spilled = if spilled { LRENPIE } else { 0 };
    GICH.write(HCR, ENABLE | refill | spilled);
    ends
}

/// Off while the core sleeps, or a pending list register would wake it at once; on again before anything runs. The
/// rest stays.
pub fn switch(on: bool) {
    let rest = GICH.read(HCR) & !ENABLE;
    GICH.write(HCR, if on { rest | ENABLE } else { rest });
}
