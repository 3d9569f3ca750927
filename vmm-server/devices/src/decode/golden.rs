//! Instructions as an assembler encodes them, and what their text says.
//!
//! The words come from GNU as; the last column is read from the assembly text: operation, manner, base, start, writeback
//! (`-` for none), and the pieces as register:width@offset. `v` counts words of the floating-point registers.

use super::*;
use std::string::{String, ToString};
use std::vec::Vec;

fn offset(offset: Offset) -> String {
    let Offset::Register { register, shift, subtract } = offset else {
        let Offset::Constant(bytes) = offset else { unreachable!() };
        return format!("#{bytes}");
    };
    let shift = match shift {
        Shift::Left(0) => String::new(),
        Shift::Left(n) => format!(" lsl {n}"),
        Shift::Right(n) => format!(" lsr {n}"),
        Shift::Arithmetic(n) => format!(" asr {n}"),
        Shift::Rotate(n) => format!(" ror {n}"),
        Shift::Extended => " rrx".to_string(),
    };
    format!("{}r{register}{shift}", if subtract { "-" } else { "" })
}

fn describe(access: &Access) -> String {
    if access.operation == Operation::Nothing {
        return "Nothing".to_string();
    }
    let pieces: Vec<String> = access.pieces.iter().map(piece).collect();
    let writeback = access.writeback.map_or("-".to_string(), offset);
    let start = offset(access.start);
    format!("{:?} {:?} r{} {start} {writeback} {}", access.operation, access.manner, access.base, pieces.join(","))
}

fn piece(piece: &Piece) -> String {
    let register = match piece.register {
        Register::Core(n) => format!("r{n}"),
        Register::Vector(n) => format!("v{n}"),
        Register::Cpsr => unreachable!(),
    };
    format!("{register}:{}{}@{}", piece.width, if piece.signed { "s" } else { "" }, piece.offset)
}

#[rustfmt::skip]
const TABLE: &[(u32, bool, u8, &str, &str)] = &[
    (0xe5910004, false, 4, "ldr r0, [r1, #4]", "Load Plain r1 #4 - r0:4@0"),
    (0xe5110fff, false, 4, "ldr r0, [r1, #-4095]", "Load Plain r1 #-4095 - r0:4@0"),
    (0xe5b10004, false, 4, "ldr r0, [r1, #4]!", "Load Plain r1 #4 #4 r0:4@0"),
    (0xe4110008, false, 4, "ldr r0, [r1], #-8", "Load Plain r1 #0 #-8 r0:4@0"),
    (0xe52de004, false, 4, "str lr, [sp, #-4]!", "Store Plain r13 #-4 #-4 r14:4@0"),
    (0xe4d43001, false, 4, "ldrb r3, [r4], #1", "Load Plain r4 #0 #1 r3:1@0"),
    (0xe7c43005, false, 4, "strb r3, [r4, r5]", "Store Plain r4 r5 - r3:1@0"),
    (0xe7232184, false, 4, "str r2, [r3, -r4, lsl #3]!", "Store Plain r3 -r4 lsl 3 -r4 lsl 3 r2:4@0"),
    (0xe7932024, false, 4, "ldr r2, [r3, r4, lsr #32]", "Load Plain r3 r4 lsr 32 - r2:4@0"),
    (0xe7932044, false, 4, "ldr r2, [r3, r4, asr #32]", "Load Plain r3 r4 asr 32 - r2:4@0"),
    (0xe69323e4, false, 4, "ldr r2, [r3], r4, ror #7", "Load Plain r3 #0 r4 ror 7 r2:4@0"),
    (0xe7932064, false, 4, "ldr r2, [r3, r4, rrx]", "Load Plain r3 r4 rrx - r2:4@0"),
    (0xe590f00c, false, 4, "ldr pc, [r0, #12]", "Load Plain r0 #12 - r15:4@0"),
    (0xe580f000, false, 4, "str pc, [r0]", "Store Plain r0 #0 - r15:4@0"),
    (0xe59f7010, false, 4, "ldr r7, [pc, #16]", "Load Plain r15 #16 - r7:4@0"),
    (0xe4b10004, false, 4, "ldrt r0, [r1], #4", "Load Unprivileged r1 #0 #4 r0:4@0"),
    (0xe6610002, false, 4, "strbt r0, [r1], -r2", "Store Unprivileged r1 #0 -r2 r0:1@0"),
    (0xe1d21fbf, false, 4, "ldrh r1, [r2, #255]", "Load Plain r2 #255 - r1:2@0"),
    (0xe04210b6, false, 4, "strh r1, [r2], #-6", "Store Plain r2 #0 #-6 r1:2@0"),
    (0xe1b210d3, false, 4, "ldrsb r1, [r2, r3]!", "Load Plain r2 r3 r3 r1:1s@0"),
    (0xe17a90f2, false, 4, "ldrsh r9, [r10, #-2]!", "Load Plain r10 #-2 #-2 r9:2s@0"),
    (0xe0f210f4, false, 4, "ldrsht r1, [r2], #4", "Load Unprivileged r2 #0 #4 r1:2s@0"),
    (0xe1e420d8, false, 4, "ldrd r2, r3, [r4, #8]!", "Load Plain r4 #8 #8 r2:4@0,r3:4@4"),
    (0xe00a80db, false, 4, "ldrd r8, r9, [r10], -r11", "Load Plain r10 #0 -r11 r8:4@0,r9:4@4"),
    (0xe18060f1, false, 4, "strd r6, r7, [r0, r1]", "Store Plain r0 r1 - r6:4@0,r7:4@4"),
    (0xe8908006, false, 4, "ldm r0, {r1, r2, pc}", "Load Plain r0 #0 - r1:4@0,r2:4@4,r15:4@8"),
    (0xe9b08002, false, 4, "ldmib r0!, {r1, r15}", "Load Plain r0 #4 #8 r1:4@0,r15:4@4"),
    (0xe8350003, false, 4, "ldmda r5!, {r0, r1}", "Load Plain r5 #-4 #-8 r0:4@0,r1:4@4"),
    (0xe9157f00, false, 4, "ldmdb r5, {r8-r14}", "Load Plain r5 #-28 - r8:4@0,r9:4@4,r10:4@8,r11:4@12,r12:4@16,r13:4@20,r14:4@24"),
    (0xe8ad2001, false, 4, "stm sp!, {r0, r13}", "Store Plain r13 #0 #8 r0:4@0,r13:4@4"),
    (0xe92d4ff0, false, 4, "stmdb sp!, {r4-r11, lr}", "Store Plain r13 #-36 #-36 r4:4@0,r5:4@4,r6:4@8,r7:4@12,r8:4@16,r9:4@20,r10:4@24,r11:4@28,r14:4@32"),
    (0xe8010002, false, 4, "stmda r1, {r1}", "Store Plain r1 #0 - r1:4@0"),
    (0xe9a1000c, false, 4, "stmib r1!, {r2, r3}", "Store Plain r1 #4 #8 r2:4@0,r3:4@4"),
    (0xe1910f9f, false, 4, "ldrex r0, [r1]", "Load Exclusive { status: None } r1 #0 - r0:4@0"),
    (0xe1d10f9f, false, 4, "ldrexb r0, [r1]", "Load Exclusive { status: None } r1 #0 - r0:1@0"),
    (0xe1f10f9f, false, 4, "ldrexh r0, [r1]", "Load Exclusive { status: None } r1 #0 - r0:2@0"),
    (0xe1b12f9f, false, 4, "ldrexd r2, r3, [r1]", "Load Exclusive { status: None } r1 #0 - r2:4@0,r3:4@4"),
    (0xe1820f91, false, 4, "strex r0, r1, [r2]", "Store Exclusive { status: Some(0) } r2 #0 - r1:4@0"),
    (0xe1a20f94, false, 4, "strexd r0, r4, r5, [r2]", "Store Exclusive { status: Some(0) } r2 #0 - r4:4@0,r5:4@4"),
    (0xe1020091, false, 4, "swp r0, r1, [r2]", "Swap { source: 1 } Plain r2 #0 - r0:4@0"),
    (0xe1423093, false, 4, "swpb r3, r3, [r2]", "Swap { source: 3 } Plain r2 #0 - r3:1@0"),
    (0xed50fa01, false, 4, "vldr s31, [r0, #-4]", "Load Plain r0 #-4 - v31:4@0"),
    (0xedcf1b02, false, 4, "vstr d17, [pc, #8]", "Store Plain r15 #8 - v34:4@0,v35:4@4"),
    (0xecb00b20, false, 4, "vldmia r0!, {d0-d15}", "Load Plain r0 #0 #128 v0:4@0,v1:4@4,v2:4@8,v3:4@12,v4:4@16,v5:4@20,v6:4@24,v7:4@28,v8:4@32,v9:4@36,v10:4@40,v11:4@44,v12:4@48,v13:4@52,v14:4@56,v15:4@60,v16:4@64,v17:4@68,v18:4@72,v19:4@76,v20:4@80,v21:4@84,v22:4@88,v23:4@92,v24:4@96,v25:4@100,v26:4@104,v27:4@108,v28:4@112,v29:4@116,v30:4@120,v31:4@124"),
    (0xed611a07, false, 4, "vstmdb r1!, {s3-s9}", "Store Plain r1 #-28 #-28 v3:4@0,v4:4@4,v5:4@8,v6:4@12,v7:4@16,v8:4@20,v9:4@24"),
    (0xecd2fb02, false, 4, "vldmia r2, {d31}", "Load Plain r2 #0 - v62:4@0,v63:4@4"),
    (0xed2d8b04, false, 4, "vpush {d8-d9}", "Store Plain r13 #-16 #-16 v16:4@0,v17:4@4,v18:4@8,v19:4@12"),
    (0xf5d0f004, false, 4, "pld [r0, #4]", "Nothing"),
    (0xf6d1f002, false, 4, "pli [r1, r2]", "Nothing"),
    (0x00004802, true, 2, "ldr r0, [pc, #8]", "Load Plain r15 #8 - r0:4@0"),
    (0x000050d1, true, 2, "str r1, [r2, r3]", "Store Plain r2 r3 - r1:4@0"),
    (0x000052d1, true, 2, "strh r1, [r2, r3]", "Store Plain r2 r3 - r1:2@0"),
    (0x000054d1, true, 2, "strb r1, [r2, r3]", "Store Plain r2 r3 - r1:1@0"),
    (0x000056d1, true, 2, "ldrsb r1, [r2, r3]", "Load Plain r2 r3 - r1:1s@0"),
    (0x000058d1, true, 2, "ldr r1, [r2, r3]", "Load Plain r2 r3 - r1:4@0"),
    (0x00005ad1, true, 2, "ldrh r1, [r2, r3]", "Load Plain r2 r3 - r1:2@0"),
    (0x00005cd1, true, 2, "ldrb r1, [r2, r3]", "Load Plain r2 r3 - r1:1@0"),
    (0x00005ed1, true, 2, "ldrsh r1, [r2, r3]", "Load Plain r2 r3 - r1:2s@0"),
    (0x000067d1, true, 2, "str r1, [r2, #124]", "Store Plain r2 #124 - r1:4@0"),
    (0x00007fd1, true, 2, "ldrb r1, [r2, #31]", "Load Plain r2 #31 - r1:1@0"),
    (0x000087f7, true, 2, "strh r7, [r6, #62]", "Store Plain r6 #62 - r7:2@0"),
    (0x000099ff, true, 2, "ldr r1, [sp, #1020]", "Load Plain r13 #1020 - r1:4@0"),
    (0x0000b581, true, 2, "push {r0, r7, lr}", "Store Plain r13 #-12 #-12 r0:4@0,r7:4@4,r14:4@8"),
    (0x0000bd02, true, 2, "pop {r1, pc}", "Load Plain r13 #0 #8 r1:4@0,r15:4@4"),
    (0x0000c309, true, 2, "stmia r3!, {r0, r3}", "Store Plain r3 #0 #8 r0:4@0,r3:4@4"),
    (0x0000cb03, true, 2, "ldmia r3!, {r0, r1}", "Load Plain r3 #0 #8 r0:4@0,r1:4@4"),
    (0x0000cb09, true, 2, "ldmia r3, {r0, r3}", "Load Plain r3 #0 - r0:4@0,r3:4@4"),
    (0x8ffff8d9, true, 4, "ldr.w r8, [r9, #4095]", "Load Plain r9 #4095 - r8:4@0"),
    (0x8cfff859, true, 4, "ldr r8, [r9, #-255]", "Load Plain r9 #-255 - r8:4@0"),
    (0x8d01f849, true, 4, "str r8, [r9, #-1]!", "Store Plain r9 #-1 #-1 r8:4@0"),
    (0x8bfff939, true, 4, "ldrsh r8, [r9], #255", "Load Plain r9 #0 #255 r8:2s@0"),
    (0x803af819, true, 4, "ldrb.w r8, [r9, r10, lsl #3]", "Load Plain r9 r10 lsl 3 - r8:1@0"),
    (0xf004f8d0, true, 4, "ldr pc, [r0, #4]", "Load Plain r0 #4 - r15:4@0"),
    (0x1e03f842, true, 4, "strt r1, [r2, #3]", "Store Unprivileged r2 #3 - r1:4@0"),
    (0x1efff912, true, 4, "ldrsbt r1, [r2, #255]", "Load Unprivileged r2 #255 - r1:1s@0"),
    (0x83ffe979, true, 4, "ldrd r8, r3, [r9, #-1020]!", "Load Plain r9 #-1020 #-1020 r8:4@0,r3:4@4"),
    (0x8301e8e9, true, 4, "strd r8, r3, [r9], #4", "Store Plain r9 #0 #4 r8:4@0,r3:4@4"),
    (0x4006e930, true, 4, "ldmdb r0!, {r1, r2, lr}", "Load Plain r0 #-12 #-12 r1:4@0,r2:4@4,r14:4@8"),
    (0x01fee889, true, 4, "stm.w r9, {r1-r8}", "Store Plain r9 #0 - r1:4@0,r2:4@4,r3:4@8,r4:4@12,r5:4@16,r6:4@20,r7:4@24,r8:4@28"),
    (0x4ff0e92d, true, 4, "push.w {r4-r11, lr}", "Store Plain r13 #-36 #-36 r4:4@0,r5:4@4,r6:4@8,r7:4@12,r8:4@16,r9:4@20,r10:4@24,r11:4@28,r14:4@32"),
    (0x0fffe851, true, 4, "ldrex r0, [r1, #1020]", "Load Exclusive { status: None } r1 #1020 - r0:4@0"),
    (0x1001e842, true, 4, "strex r0, r1, [r2, #4]", "Store Exclusive { status: Some(0) } r2 #4 - r1:4@0"),
    (0x1f50e8c2, true, 4, "strexh r0, r1, [r2]", "Store Exclusive { status: Some(0) } r2 #0 - r1:2@0"),
    (0x057fe8d2, true, 4, "ldrexd r0, r5, [r2]", "Load Exclusive { status: None } r2 #0 - r0:4@0,r5:4@4"),
    (0x1770e8c2, true, 4, "strexd r0, r1, r7, [r2]", "Store Exclusive { status: Some(0) } r2 #0 - r1:4@0,r7:4@4"),
    (0x0bffed90, true, 4, "vldr d0, [r0, #1020]", "Load Plain r0 #1020 - v0:4@0,v1:4@4"),
    (0x0a20eca0, true, 4, "vstmia r0!, {s0-s31}", "Store Plain r0 #0 #128 v0:4@0,v1:4@4,v2:4@8,v3:4@12,v4:4@16,v5:4@20,v6:4@24,v7:4@28,v8:4@32,v9:4@36,v10:4@40,v11:4@44,v12:4@48,v13:4@52,v14:4@56,v15:4@60,v16:4@64,v17:4@68,v18:4@72,v19:4@76,v20:4@80,v21:4@84,v22:4@88,v23:4@92,v24:4@96,v25:4@100,v26:4@104,v27:4@108,v28:4@112,v29:4@116,v30:4@120,v31:4@124"),
    (0x0b20ecbd, true, 4, "vpop {d0-d15}", "Load Plain r13 #0 #128 v0:4@0,v1:4@4,v2:4@8,v3:4@12,v4:4@16,v5:4@20,v6:4@24,v7:4@28,v8:4@32,v9:4@36,v10:4@40,v11:4@44,v12:4@48,v13:4@52,v14:4@56,v15:4@60,v16:4@64,v17:4@68,v18:4@72,v19:4@76,v20:4@80,v21:4@84,v22:4@88,v23:4@92,v24:4@96,v25:4@100,v26:4@104,v27:4@108,v28:4@112,v29:4@116,v30:4@120,v31:4@124"),
    (0xfc04f810, true, 4, "pld [r0, #-4]", "Nothing"),
];

#[test]
fn instructions_mean_what_their_text_says() {
    for &(word, thumb, length, text, expected) in TABLE {
        let access = decode(word, thumb).unwrap_or_else(|refused| panic!("{text}: {refused:?}"));
        assert_eq!(describe(&access), expected, "{text}");
        assert_eq!((access.thumb, access.length), (thumb, length), "{text}");
    }
}
