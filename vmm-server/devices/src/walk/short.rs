//! Short descriptors (ARM DDI 0406C B3.5): two levels; sections, supersections, large and small pages.

use super::{Fault, Regime, bits};

/// TTBCR.PD0 and PD1 (B4.1.153): no walk by that table.
const PD0: u32 = 1 << 4;
const PD1: u32 = 1 << 5;

pub(super) fn walk(
    regime: &Regime,
    address: u32,
    mut read: impl FnMut(u64) -> Result<u32, Fault>,
) -> Result<u64, Fault> {
    let n = regime.ttbcr & 7;
    // B3.5.4: TTBR0 serves addresses whose upper N bits are zero; its table is 16 KiB >> N.
    let lower = n == 0 || address >> (32 - n) == 0;
    let (table, disabled, n) = if lower { (regime.ttbr0, PD0, n) } else { (regime.ttbr1, PD1, 0) };
    if regime.ttbcr & disabled != 0 {
        return Err(Fault::Translation(1));
    }
    let address = u64::from(address);
    let index = bits(address, 31 - n, 20) >> 18;
    let first = u64::from(read(bits(table, 31, 14 - n) | index)?);
    match first & 3 {
        0 => Err(Fault::Translation(1)),
        1 => {
            let index = bits(address, 19, 12) >> 10;
            let second = u64::from(read(bits(first, 31, 10) | index)?);
            match second & 3 {
                0 => Err(Fault::Translation(2)),
                1 => Ok(bits(second, 31, 16) | bits(address, 15, 0)),
                _ => Ok(bits(second, 31, 12) | bits(address, 11, 0)),
            }
        }
        // A supersection: address bits 39:36 in bits 8:5, 35:32 in bits 23:20 (figure B3-4).
        _ if first >> 18 & 1 != 0 => {
            let high = bits(first, 8, 5) >> 5 << 36 | bits(first, 23, 20) >> 20 << 32;
            Ok(high | bits(first, 31, 24) | bits(address, 23, 0))
        }
        // A section. Bit 0 is PXN, as an implementation with the Virtualization Extensions has it.
        _ => Ok(bits(first, 31, 20) | bits(address, 19, 0)),
    }
}
