//! Translation by a guest's own tables, in software: where the instruction at the guest's pc lies.
//!
//! ARM DDI 0406C chapter B3: the short-descriptor format (B3.5) and the long-descriptor format (B3.6). Permissions and
//! access flags are not checked: the guest has just executed the instruction, so the processor has checked them. The
//! result may be stale against the guest's TLB; a guest that changes a mapping under its own pc gets what it asked for.

mod long;
mod short;
#[cfg(test)]
mod tests;

/// The guest's registers that govern stage 1 (`abi::vcpu::GuestRegister` names them all).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Regime {
    /// SCTLR: M in bit 0 (MMU on), EE in bit 25 (tables are big-endian).
    pub sctlr: u32,
    /// TTBCR: EAE in bit 31 chooses the format.
    pub ttbcr: u32,
    /// TTBR0, 64 bits.
    pub ttbr0: u64,
    /// TTBR1, 64 bits.
    pub ttbr1: u64,
    /// FCSEIDR: the process id in bits 31:25 is put before addresses below 32 MiB (B3.16, short descriptors only).
    pub fcseidr: u32,
}

/// Why an address has no translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A descriptor of that level (1 to 3) is invalid, or the walk is disabled, or the address is in neither half.
    Translation(u8),
    /// The descriptor that would have been at this IPA could not be read.
    Walk(u64),
    /// An output address has bits above the 40 that exist (long descriptors).
    AddressSize(u8),
}

const SCTLR_M: u32 = 1;
const SCTLR_EE: u32 = 1 << 25;
const TTBCR_EAE: u32 = 1 << 31;

/// Intermediate physical addresses have 40 bits.
const IPA_BITS: u32 = 40;

/// The intermediate physical address of `virtual_address`. `read` gives the aligned word at an IPA as the processor
/// would load it in little-endian order, or `None` if there is no memory. It is called at most six times.
pub fn translate(
    regime: &Regime,
    virtual_address: u32,
    mut read: impl FnMut(u64) -> Option<u32>,
) -> Result<u64, Fault> {
    let short = regime.ttbcr & TTBCR_EAE == 0;
    let mut modified = virtual_address;
    if short && virtual_address >> 25 == 0 {
        modified |= regime.fcseidr & 0xfe00_0000;
    }
    if regime.sctlr & SCTLR_M == 0 {
        return Ok(u64::from(modified));
    }
    let big_endian = regime.sctlr & SCTLR_EE != 0;
    let mut word = |ipa: u64| {
        let value = read(ipa).ok_or(Fault::Walk(ipa))?;
        Ok(if big_endian { value.swap_bytes() } else { value })
    };
    if short {
        return short::walk(regime, modified, word);
    }
    // In a 64-bit descriptor the halves change places too.
    long::walk(regime, virtual_address, |ipa| {
        let (low, high) = if big_endian { (ipa + 4, ipa) } else { (ipa, ipa + 4) };
        Ok(u64::from(word(low)?) | u64::from(word(high)?) << 32)
    })
}

/// Bits `high` to `low` of `value`, in place.
const fn bits(value: u64, high: u32, low: u32) -> u64 {
    value & (u64::MAX >> (63 - high)) & (u64::MAX << low)
}
