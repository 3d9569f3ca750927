//! Thumb encodings, 16 bits (ARM DDI 0406C A6.2) and 32 bits (A6.3).

use super::{Access, Manner, Offset, Refused, Shift, arm, bit, constant, refuse_if, register, vector};

pub(super) fn decode_narrow(word: u32) -> Result<Access, Refused> {
    let low = |n: u32| (word >> n & 7) as u8;
    let imm5 = word >> 6 & 0x1f;
    let imm8 = word & 0xff;
    let immediate = |load, width: u8| {
        let offset = constant(imm5 * u32::from(width), true);
        Access::new(load, low(3)).indexed(offset, true, false).core(low(0), width, false)
    };
    let load = bit(word, 11);
    let access = match word >> 12 {
        0b0100 if word >> 11 == 0b01001 => {
            Access::new(true, 15).indexed(constant(imm8 * 4, true), true, false).core(low(8), 4, false)
        }
        0b0101 => {
            let (load, width, signed) = match word >> 9 & 7 {
                0 => (false, 4, false),
                1 => (false, 2, false),
                2 => (false, 1, false),
                3 => (true, 1, true),
                4 => (true, 4, false),
                5 => (true, 2, false),
                6 => (true, 1, false),
                _ => (true, 2, true),
            };
            let offset = Offset::Register { register: low(6), shift: Shift::Left(0), subtract: false };
            Access::new(load, low(3)).indexed(offset, true, false).core(low(0), width, signed)
        }
        0b0110 => immediate(load, 4),
        0b0111 => immediate(load, 1),
        0b1000 => immediate(load, 2),
        0b1001 => Access::new(load, 13).indexed(constant(imm8 * 4, true), true, false).core(low(8), 4, false),
        // PUSH, with LR in bit 8; POP, with PC.
        0b1011 if word >> 9 & 3 == 0b10 => {
            let last = if load { 15 } else { 14 };
            let list = imm8 as u16 | (word as u16 >> 8 & 1) << last;
            refuse_if(list == 0)?;
            Access::new(load, 13).multiple(list, load, !load, true)
        }
        0b1100 => {
            refuse_if(imm8 == 0)?;
            let writeback = !load || imm8 >> low(8) & 1 == 0;
            Access::new(load, low(8)).multiple(imm8 as u16, true, false, writeback)
        }
        _ => return Err(Refused::NotMemory),
    };
    Ok(access.thumb(2))
}

/// The first half word is in bits 31:16.
pub(super) fn decode_wide(word: u32) -> Result<Access, Refused> {
    let access = match word >> 25 & 0xf {
        0b0100 if !bit(word, 22) => multiple(word),
        0b0100 => dual_or_exclusive(word),
        0b0110 => vector::decode(word),
        0b1100 => single(word),
        // LDC2 and STC2; MCRR2 and MRRC2 are no loads.
        0b1110 if word >> 21 & 0b1101 != 0 => Err(Refused::Unsupported),
        _ => Err(Refused::NotMemory),
    };
    access.map(|access| access.thumb(4))
}

/// A6.3.5.
fn multiple(word: u32) -> Result<Access, Refused> {
    let (w, load, base, list) = (bit(word, 21), bit(word, 20), register(word, 16), word as u16);
    let add = match word >> 23 & 3 {
        0b01 => true,
        0b10 => false,
        // SRS and RFE.
        _ => return Err(Refused::Unsupported),
    };
    refuse_if(base == 15 || list.count_ones() < 2 || list >> 13 & 1 != 0)?;
    refuse_if(if load { list >> 14 == 3 } else { list >> 15 != 0 })?;
    refuse_if(w && list >> base & 1 != 0)?;
    Ok(Access::new(load, base).multiple(list, add, !add, w))
}

/// A6.3.6.
fn dual_or_exclusive(word: u32) -> Result<Access, Refused> {
    let (p, u, w, load) = (bit(word, 24), bit(word, 23), bit(word, 21), bit(word, 20));
    let (base, target, second) = (register(word, 16), register(word, 12), register(word, 8));
    let imm = (word & 0xff) * 4;
    if p || w {
        refuse_if(is_special(target) || is_special(second) || load && target == second)?;
        refuse_if(w && (base == 15 || base == target || base == second) || !load && base == 15)?;
        let access = Access::new(load, base).indexed(constant(imm, u), p, w);
        return Ok(access.core(target, 4, false).core(second, 4, false));
    }
    if !u {
        // LDREX and STREX alone have an offset.
        refuse_if(target == 13 || if load { second != 15 } else { second == 13 })?;
        let access = arm::exclusive(0, load, base, target, 0, second, false)?;
        return Ok(Access { start: constant(imm, true), ..access });
    }
    let size = match (word >> 4 & 0xf, load) {
        (0b0100, _) => 2,
        (0b0101, _) => 3,
        (0b0111, _) => 1,
        // TBB and TBH.
        (0b0000 | 0b0001, true) => return Err(Refused::Unsupported),
        _ => return Err(Refused::Undefined),
    };
    let status = register(word, 0);
    refuse_if(target == 13 || size != 1 && second != 15 || size == 1 && (second == 13 || second == 15))?;
    refuse_if(if load { status != 15 || size == 1 && target == second } else { status == 13 })?;
    arm::exclusive(size, load, base, target, second, status, false)
}

/// SP or PC: UNPREDICTABLE almost everywhere.
fn is_special(register: u8) -> bool {
    matches!(register, 13 | 15)
}

/// A6.3.7 to A6.3.10: single loads and stores, and the hints among them.
fn single(word: u32) -> Result<Access, Refused> {
    let (signed, load) = (bit(word, 24), bit(word, 20));
    let (base, target) = (register(word, 16), register(word, 12));
    let width = match (word >> 21 & 3, signed) {
        (0, _) => 1,
        (1, _) => 2,
        (2, false) => 4,
        _ if signed && !load => return Err(Refused::Unsupported),
        _ => return Err(Refused::Undefined),
    };
    if signed && !load {
        // Advanced SIMD element or structure.
        return Err(Refused::Unsupported);
    }
    if !load && base == 15 {
        return Err(Refused::Undefined);
    }
    let (offset, index, writeback, unprivileged) = addressing(word, base)?;
    if target == 15 && load && width != 4 {
        // PLD, PLDW, PLI, or a hint of no meaning: only without writeback.
        refuse_if(writeback || unprivileged)?;
        return Ok(Access::nothing());
    }
    refuse_if(target == 15 && (!load || unprivileged) || target == 13 && (width != 4 || unprivileged))?;
    refuse_if(writeback && base == target)?;
    let access = Access::new(load, base).indexed(offset, index, writeback).core(target, width, signed);
    Ok(if unprivileged { access.manner(Manner::Unprivileged) } else { access })
}

/// Offset, index, writeback, unprivileged.
fn addressing(word: u32, base: u8) -> Result<(Offset, bool, bool, bool), Refused> {
    if base == 15 || bit(word, 23) {
        return Ok((constant(word & 0xfff, bit(word, 23)), true, false, false));
    }
    if !bit(word, 11) {
        if word & 0x7c0 != 0 {
            return Err(Refused::Undefined);
        }
        refuse_if(is_special(register(word, 0)))?;
        let shift = Shift::Left((word >> 4 & 3) as u8);
        return Ok((Offset::Register { register: register(word, 0), shift, subtract: false }, true, false, false));
    }
    let (p, u, w) = (bit(word, 10), bit(word, 9), bit(word, 8));
    if !p && !w {
        return Err(Refused::Undefined);
    }
    Ok((constant(word & 0xff, u), p, w, p && u && !w))
}
