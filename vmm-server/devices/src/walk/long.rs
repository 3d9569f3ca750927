//! Long descriptors (ARM DDI 0406C B3.6): up to three levels; blocks of 1 GiB and 2 MiB, pages of 4 KiB.

use super::{Fault, IPA_BITS, Regime, bits};

/// TTBCR.EPD0 and EPD1 (B4.1.153): no walk by that table.
const EPD0: u32 = 1 << 7;
const EPD1: u32 = 1 << 23;

pub(super) fn walk(
    regime: &Regime,
    address: u32,
    mut read: impl FnMut(u64) -> Result<u64, Fault>,
) -> Result<u64, Fault> {
    let (t0sz, t1sz) = (regime.ttbcr & 7, regime.ttbcr >> 16 & 7);
    // B3.6.4 and table B3-1: which half an address is in.
    let (table, disabled, size) = if t0sz == 0 && t1sz == 0 || t0sz != 0 && address >> (32 - t0sz) == 0 {
        (regime.ttbr0, EPD0, t0sz)
    } else if t0sz == 0 && address < u32::MAX << (32 - t1sz) {
        (regime.ttbr0, EPD0, 0)
    } else if t1sz == 0 || address >> (32 - t1sz) == u32::MAX >> (32 - t1sz) {
        (regime.ttbr1, EPD1, t1sz)
    } else {
        return Err(Fault::Translation(1));
    };
    if regime.ttbcr & disabled != 0 {
        return Err(Fault::Translation(1));
    }
    // The walk begins at level 1 for ranges above 1 GiB, else at level 2 (B3.6.6). The first table may be small.
    let input_bits = 32 - size;
    let first_level = if size < 2 { 1 } else { 2 };
    let address = u64::from(address);
    let mut top = input_bits - 1;
    let index_bits = input_bits - shift(first_level);
    let mut table = bits(table, IPA_BITS - 1, index_bits + 3);
    for level in first_level..=3 {
        let shift = shift(level);
        let descriptor = read(table | bits(address, top, shift) >> shift << 3)?;
        if descriptor & 1 == 0 || (descriptor & 2 == 0 && level == 3) {
            return Err(Fault::Translation(level as u8));
        }
        if bits(descriptor, 47, IPA_BITS) != 0 {
            return Err(Fault::AddressSize(level as u8));
        }
        if level == 3 || descriptor & 2 == 0 {
            return Ok(bits(descriptor, IPA_BITS - 1, shift) | bits(address, shift - 1, 0));
        }
        table = bits(descriptor, IPA_BITS - 1, 12);
        top = shift - 1;
    }
    Err(Fault::Translation(3))
}

/// Lowest address bit that the index of a level uses.
const fn shift(level: u32) -> u32 {
    39 - 9 * level
}
