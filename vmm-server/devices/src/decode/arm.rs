//! ARM encodings (ARM DDI 0406C A5.2 to A5.7).

use super::{Access, Manner, Offset, Operation, Refused, Shift, bit, constant, refuse_if, register, vector};

pub(super) fn decode(word: u32) -> Result<Access, Refused> {
    if word >> 28 == 0xf {
        return unconditional(word);
    }
    match word >> 25 & 7 {
        0b000 if bit(word, 7) && bit(word, 4) => extra(word),
        0b010 => single(word, constant(word & 0xfff, bit(word, 23))),
        0b011 if !bit(word, 4) => {
            refuse_if(register(word, 0) == 15)?;
            single(word, shifted(word))
        }
        0b100 => multiple(word),
        0b110 => vector::decode(word),
        _ => Err(Refused::NotMemory),
    }
}

/// A5.7: hints, exception returns, and what belongs to Advanced SIMD and coprocessors.
fn unconditional(word: u32) -> Result<Access, Refused> {
    match word >> 20 & 0xff {
        // PLI and PLD, PLDW: immediate or literal; then register, with bit 4 clear.
        op if op & 0xf7 == 0x45 || op & 0xf3 == 0x51 => Ok(Access::nothing()),
        op if (op & 0xf7 == 0x65 || op & 0xf3 == 0x71) && !bit(word, 4) => Ok(Access::nothing()),
        // Advanced SIMD elements and structures.
        op if op & 0xf1 == 0x40 => Err(Refused::Unsupported),
        // RFE and SRS, LDC2 and STC2; but MCRR2 and MRRC2 transfer no memory.
        0x80..=0x9f => Err(Refused::Unsupported),
        op @ 0xc0..=0xdf if op & 0x1a != 0 => Err(Refused::Unsupported),
        _ => Err(Refused::NotMemory),
    }
}

/// A8.4.3: register, shifted by a constant.
fn shifted(word: u32) -> Offset {
    let amount = (word >> 7 & 0x1f) as u8;
    let shift = match (word >> 5 & 3, amount) {
        (0, _) => Shift::Left(amount),
        (1, 0) => Shift::Right(32),
        (1, _) => Shift::Right(amount),
        (2, 0) => Shift::Arithmetic(32),
        (2, _) => Shift::Arithmetic(amount),
        (_, 0) => Shift::Extended,
        _ => Shift::Rotate(amount),
    };
    Offset::Register { register: register(word, 0), shift, subtract: !bit(word, 23) }
}

/// A5.3: LDR, STR, LDRB, STRB, and their T forms (P = 0, W = 1).
fn single(word: u32, offset: Offset) -> Result<Access, Refused> {
    let (index, byte, w, load) = (bit(word, 24), bit(word, 22), bit(word, 21), bit(word, 20));
    let (base, target) = (register(word, 16), register(word, 12));
    let unprivileged = !index && w;
    let writeback = !index || w;
    refuse_if(writeback && (base == 15 || base == target))?;
    refuse_if(target == 15 && (byte || unprivileged && load))?;
    let width = if byte { 1 } else { 4 };
    let access = Access::new(load, base).indexed(offset, index, writeback).core(target, width, false);
    Ok(if unprivileged { access.manner(Manner::Unprivileged) } else { access })
}

/// A5.2.8 to A5.2.10: what shares its place with the multiplications.
fn extra(word: u32) -> Result<Access, Refused> {
    let load = bit(word, 20);
    match (word >> 5 & 3, load) {
        (0, _) => synchronise(word),
        (1, _) => half(word, 2, false),
        (2, true) => half(word, 1, true),
        (3, true) => half(word, 2, true),
        (2, false) => dual(word, true),
        _ => dual(word, false),
    }
}

/// Immediate in two halves, or a register.
fn split_offset(word: u32) -> Result<Offset, Refused> {
    let add = bit(word, 23);
    if bit(word, 22) {
        return Ok(constant(word >> 4 & 0xf0 | word & 0xf, add));
    }
    refuse_if(word & 0xf00 != 0 || register(word, 0) == 15)?;
    Ok(Offset::Register { register: register(word, 0), shift: Shift::Left(0), subtract: !add })
}

fn half(word: u32, width: u8, signed: bool) -> Result<Access, Refused> {
    let (index, w, load) = (bit(word, 24), bit(word, 21), bit(word, 20));
    let (base, target) = (register(word, 16), register(word, 12));
    let writeback = !index || w;
    refuse_if(target == 15 || writeback && (base == 15 || base == target))?;
    let access = Access::new(load, base).indexed(split_offset(word)?, index, writeback).core(target, width, signed);
    Ok(if !index && w { access.manner(Manner::Unprivileged) } else { access })
}

fn dual(word: u32, load: bool) -> Result<Access, Refused> {
    let (index, w) = (bit(word, 24), bit(word, 21));
    let (base, target) = (register(word, 16), register(word, 12));
    let writeback = !index || w;
    refuse_if(!target.is_multiple_of(2) || target == 14 || !index && w)?;
    refuse_if(writeback && (base == 15 || base & !1 == target))?;
    refuse_if(load && !bit(word, 22) && register(word, 0) & !1 == target)?;
    let access = Access::new(load, base).indexed(split_offset(word)?, index, writeback);
    Ok(access.core(target, 4, false).core(target + 1, 4, false))
}

/// A5.2.10: SWP, SWPB, and the exclusives.
fn synchronise(word: u32) -> Result<Access, Refused> {
    let (base, load) = (register(word, 16), bit(word, 20));
    match word >> 20 & 0x1f {
        0x10 | 0x14 => {
            let (target, source) = (register(word, 12), register(word, 0));
            refuse_if(word & 0xf00 != 0 || target == 15 || source == 15 || base == 15)?;
            refuse_if(base == target || base == source)?;
            let access = Access { operation: Operation::Swap { source }, ..Access::new(true, base) };
            Ok(access.core(target, if bit(word, 22) { 1 } else { 4 }, false))
        }
        0x18..=0x1f => {
            // Bits 9:8 other than 0b11 are ARMv8's acquire and release.
            refuse_if(word & 0xf00 != 0xf00)?;
            let (target, status) = (register(word, if load { 12 } else { 0 }), register(word, 12));
            refuse_if(load && word & 0xf != 0xf)?;
            exclusive(word >> 21 & 3, load, base, target, target.wrapping_add(1), status, true)
        }
        op if op & 0x10 == 0 => Err(Refused::NotMemory),
        _ => Err(Refused::Undefined),
    }
}

/// `size`: 0 word, 1 double word, 2 byte, 3 half word.
pub(super) fn exclusive(
    size: u32,
    load: bool,
    base: u8,
    target: u8,
    second: u8,
    status: u8,
    even: bool,
) -> Result<Access, Refused> {
    let double = size == 1;
    refuse_if(base == 15 || target == 15)?;
    refuse_if(double && (even && !target.is_multiple_of(2) || second == 15))?;
    refuse_if(!load && (status == 15 || status == base || status == target || double && status == second))?;
    let status = (!load).then_some(status);
    let access = Access::new(load, base).manner(Manner::Exclusive { status });
    Ok(match size {
        0 => access.core(target, 4, false),
        1 => access.core(target, 4, false).core(second, 4, false),
        2 => access.core(target, 1, false),
        _ => access.core(target, 2, false),
    })
}

/// A5.5: block transfers.
fn multiple(word: u32) -> Result<Access, Refused> {
    let (before, add, user, w, load) = (bit(word, 24), bit(word, 23), bit(word, 22), bit(word, 21), bit(word, 20));
    let (base, list) = (register(word, 16), word as u16);
    if user {
        return Err(Refused::Unsupported);
    }
    refuse_if(base == 15 || list == 0 || load && w && list >> base & 1 != 0)?;
    Ok(Access::new(load, base).multiple(list, add, before, w))
}
