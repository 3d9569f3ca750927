//! VLDR, VSTR, VLDM, VSTM, VPUSH, VPOP (ARM DDI 0406C A7.6). ARM and Thumb share bits 27:0.

use super::{Access, Refused, Register, bit, constant, refuse_if, register};

pub(super) fn decode(word: u32) -> Result<Access, Refused> {
    let (p, u, d, w, load) = (bit(word, 24), bit(word, 23), bit(word, 22), bit(word, 21), bit(word, 20));
    if !p && !u && !w {
        // MCRR and MRRC, with D set; without it the encoding is undefined.
        return Err(if d { Refused::NotMemory } else { Refused::Undefined });
    }
    let double = match word >> 8 & 0xf {
        0b1010 => false,
        0b1011 => true,
        _ => return Err(Refused::Unsupported),
    };
    let (base, imm, high) = (register(word, 16), word & 0xff, u32::from(d));
    // The first word: D registers have two, and their number's highest bit is D, that of S registers the lowest.
    let first = if double { (high << 4 | word >> 12 & 0xf) * 2 } else { (word >> 12 & 0xf) << 1 | high };
    let access = Access::new(load, base);
    if p && !w {
        let access = access.indexed(constant(imm * 4, u), true, false);
        return Ok(words(access, first, if double { 2 } else { 1 }));
    }
    // Increment after is P = 0, U = 1; decrement before is P = 1, U = 0, W = 1.
    if p && u {
        return Err(Refused::Undefined);
    }
    // An odd number of words with D registers is FLDMX: the last word is no one's (A8.8.50).
    let count = if double { imm & !1 } else { imm };
    refuse_if(base == 15 && w || count == 0 || double && count > 32)?;
    refuse_if(first + count > if double { 64 } else { 32 })?;
    let offset = constant(imm * 4, u);
    let access =
        Access { start: if u { super::Offset::ZERO } else { offset }, writeback: w.then_some(offset), ..access };
    Ok(words(access, first, count))
}

fn words(access: Access, first: u32, count: u32) -> Access {
    (first..first + count).fold(access, |access, word| access.piece(Register::Vector(word as u8), 4, false))
}
