//! Vault: calls of the access forms in `forms.s`, and what each must come to.
#![allow(unsafe_code, reason = "functions in assembly")]

use guest_kit::cpu::read32;
use guest_kit::uart;

type Form = unsafe extern "C" fn(u32, *mut u32);

macro_rules! forms {
    ($($name:ident)*) => {
        // SAFETY: all are `Form`s of `forms.s`.
        unsafe extern "C" { $(fn $name(base: u32, values: *mut u32);)* }
    };
}

forms! {
    form_ldr form_ldr_register form_ldr_shifted form_ldrb form_ldrh form_ldrsb form_ldrsh form_ldrsb_register form_ldr_r12
    form_ldr_post form_ldr_pre form_ldr_post_down form_ldr_pre_down form_ldrb_post form_ldrh_pre form_ldrsb_post
    form_ldrsb_pre form_ldrsh_post form_ldrd form_ldrd_pre form_ldrd_post form_ldm form_ldm_up form_ldm_down form_ldrt
    form_pop form_str form_str_register form_strh form_strb form_str_r12 form_str_post form_str_pre form_strh_post
    form_strb_pre form_strd form_strd_pre form_strd_post form_stm form_stm_up form_stm_down form_strt form_push
    form_skipped form_skipped_plain form_block form_block_plain form_block_store form_block_end form_flags
    form_fiq form_fiq_store form_irq
}
#[cfg(not(thumb_guest))]
forms! {
    form_ldr_register_post form_ldr_shifted_pre form_ldmib form_ldmda form_ldrd_register form_ldrh_register_pre
}

/// A load: name, form, base, what is in r2, r3 and r12 before and after, and how far the base moves.
type Case = (&'static str, Form, u32, [u32; 3], [u32; 3], i32);

/// UARTPeriphID0 of the PL011; the identification goes on in each word behind it.
const ID: u32 = uart::BASE + 0xfe0;
/// UARTIBRD (16 bits) and UARTFBRD (6 bits): registers that keep what is written.
const IBRD: u32 = uart::BASE + 0x24;
const FBRD: u32 = uart::BASE + 0x28;
const I0: u32 = 0x11;
const I1: u32 = 0x10;
const I2: u32 = 0x14;
const I4: u32 = 0x0d;
const I5: u32 = 0xf0;
const I6: u32 = 0x05;
const I7: u32 = 0xb1;
const C0: u32 = ID + 16;

const LOADS: &[Case] = &[
    ("ldr", form_ldr, ID, [9, 8, 7], [I1, 8, 7], 0),
    ("ldr register", form_ldr_register, ID, [9, 8, 7], [I2, 8, 7], 0),
    ("ldr shifted", form_ldr_shifted, ID, [9, 5, 7], [I5, 5, 7], 0),
    ("ldrb", form_ldrb, C0, [u32::MAX, 8, 7], [I5, 8, 7], 0),
    ("ldrh", form_ldrh, C0, [u32::MAX, 8, 7], [I5, 8, 7], 0),
    ("ldrsb", form_ldrsb, C0, [0, 8, 7], [0xffff_fff0, 8, 7], 0),
    ("ldrsh", form_ldrsh, C0, [0, 8, 7], [I5, 8, 7], 0),
    ("ldrsb register", form_ldrsb_register, C0, [0, 12, 7], [0xffff_ffb1, 12, 7], 0),
    ("ldr r12", form_ldr_r12, ID, [9, 8, 7], [9, 8, I1], 0),
    ("ldr post", form_ldr_post, ID, [9, 8, 7], [I0, 8, 7], 4),
    ("ldr pre", form_ldr_pre, ID, [9, 8, 7], [I1, 8, 7], 4),
    ("ldr post down", form_ldr_post_down, C0, [9, 8, 7], [I4, 8, 7], -4),
    ("ldr pre down", form_ldr_pre_down, C0 + 4, [9, 8, 7], [I4, 8, 7], -4),
    ("ldrb post", form_ldrb_post, C0 + 4, [u32::MAX, 8, 7], [I5, 8, 7], 4),
    ("ldrh pre", form_ldrh_pre, C0, [u32::MAX, 8, 7], [I5, 8, 7], 4),
    ("ldrsb post", form_ldrsb_post, C0 + 4, [0, 8, 7], [0xffff_fff0, 8, 7], 4),
    ("ldrsb pre", form_ldrsb_pre, C0, [0, 8, 7], [0xffff_fff0, 8, 7], 4),
    ("ldrsh post", form_ldrsh_post, C0 + 12, [0, 8, 7], [I7, 8, 7], 4),
    ("ldrd", form_ldrd, C0, [9, 8, 7], [I4, I5, 7], 0),
    ("ldrd pre", form_ldrd_pre, C0, [9, 8, 7], [I6, I7, 7], 8),
    ("ldrd post", form_ldrd_post, C0, [9, 8, 7], [I4, I5, 7], 8),
    ("ldm", form_ldm, ID, [9, 8, 7], [I0, I1, I2], 0),
    ("ldm up", form_ldm_up, ID, [9, 8, 7], [I0, I1, I2], 12),
    ("ldm down", form_ldm_down, C0 + 16, [9, 8, 7], [I5, I6, I7], -12),
    ("ldrt", form_ldrt, C0, [9, 8, 7], [I4, 8, 7], 0),
    ("pop", form_pop, C0, [9, 8, 7], [I4, 0, I5], 8),
    ("skipped", form_skipped, ID, [9, 8, 7], [9, 8, 7], 0),
    ("skipped plain", form_skipped_plain, ID, [9, 8, 7], [9, 8, 7], 0),
    ("block", form_block, ID, [9, 8, 7], [I0, 8, I1], 8),
    ("block plain", form_block_plain, ID, [9, 8, 7], [I0, 8, I1], 0),
    ("block end", form_block_end, ID, [9, 8, 7], [I0, 7, 7], 4),
    ("flags", form_flags, ID, [9, 8, 7], [I0, 0, 8], 4),
    ("fiq", form_fiq, ID, [0; 3], [I0, 12, I2], (0x4026_u32.wrapping_sub(ID)) as i32),
    ("irq", form_irq, C0, [0; 3], [I5, 8, I5], 0_i32.wrapping_sub_unsigned(C0)),
];

#[cfg(not(thumb_guest))]
const MORE_LOADS: &[Case] = &[
    ("ldr register post", form_ldr_register_post, ID, [9, 8, 7], [I0, 8, 7], 8),
    ("ldr shifted pre", form_ldr_shifted_pre, ID, [9, 5, 7], [I5, 5, 7], 20),
    ("ldmib", form_ldmib, C0, [9, 8, 7], [I5, I6, 7], 8),
    ("ldmda", form_ldmda, C0 + 8, [9, 8, 7], [I5, I6, 7], -8),
    ("ldrd register", form_ldrd_register, ID, [9, 8, 16], [I4, I5, 16], 0),
    ("ldrh register pre", form_ldrh_register_pre, ID, [9, 16, 7], [I4, 16, 7], 16),
];
#[cfg(thumb_guest)]
const MORE_LOADS: &[Case] = &[];

/// A store: name, form, base, values, what IBRD and FBRD are then (they were 0), and how far the base moves.
type Store = (&'static str, Form, u32, [u32; 3], [u32; 2], i32);

const STORES: &[Store] = &[
    ("str", form_str, IBRD, [0x1234, 8, 7], [0x1234, 0], 0),
    ("str register", form_str_register, IBRD, [0x2a, 4, 7], [0, 0x2a], 0),
    ("strh", form_strh, IBRD, [0xabcd_1234, 8, 7], [0x1234, 0], 0),
    ("strb", form_strb, IBRD, [0xabcd_1234, 8, 7], [0x34, 0], 0),
    ("str r12", form_str_r12, IBRD, [9, 8, 0x77], [0x77, 0], 0),
    ("str post", form_str_post, IBRD, [0x1234, 8, 7], [0x1234, 0], 4),
    ("str pre", form_str_pre, IBRD, [0x15, 8, 7], [0, 0x15], 4),
    ("strh post", form_strh_post, IBRD, [0xffff_4321, 8, 7], [0x4321, 0], 4),
    ("strb pre", form_strb_pre, IBRD, [0xffff_ff15, 8, 7], [0, 0x15], 4),
    ("strd", form_strd, IBRD, [0x1234, 0x2a, 7], [0x1234, 0x2a], 0),
    ("strd pre", form_strd_pre, IBRD + 8, [0x1234, 0x2a, 7], [0x1234, 0x2a], -8),
    ("strd post", form_strd_post, IBRD, [0x1234, 0x2a, 7], [0x1234, 0x2a], 8),
    ("stm", form_stm, IBRD, [0x1234, 0x2a, 7], [0x1234, 0x2a], 0),
    ("stm up", form_stm_up, IBRD, [0x1234, 0x2a, 7], [0x1234, 0x2a], 8),
    ("stm down", form_stm_down, IBRD + 8, [0x1234, 0x2a, 7], [0x1234, 0x2a], -8),
    ("strt", form_strt, IBRD, [0x4711, 8, 7], [0x4711, 0], 0),
    ("push", form_push, IBRD + 8, [0x1234, 0x2a, 0], [0x1234, 0x2a], -8),
    ("block store", form_block_store, IBRD, [0x3333, 8, 7], [0x3333, 0], 0),
];

fn write_pair(values: [u32; 2]) {
    guest_kit::cpu::write32(IBRD, values[0]);
    guest_kit::cpu::write32(FBRD, values[1]);
}

/// Tries all; the number that was right, and how many there are. What is wrong is printed.
pub fn check_all() -> (u32, u32) {
    let (mut right, mut all) = (0, 0);
    for &(name, form, base, before, after, moved) in LOADS.iter().chain(MORE_LOADS) {
        let mut values = [before[0], before[1], before[2], 0];
        // SAFETY: a form changes nothing but the four values.
        unsafe { form(base, values.as_mut_ptr()) };
        let wanted = [after[0], after[1], after[2], base.wrapping_add_signed(moved)];
        all += 1;
        if values == wanted {
            right += 1;
        } else {
            guest_kit::println!("wrong: {} at {:#x}: {:x?} instead of {:x?}", name, base, values, wanted);
        }
    }
    for &(name, form, base, before, registers, moved) in STORES {
        write_pair([0, 0]);
        let mut values = [before[0], before[1], before[2], 0];
        // SAFETY: as above.
        unsafe { form(base, values.as_mut_ptr()) };
        let got = ([read32(IBRD), read32(FBRD)], values[3]);
        let wanted = (registers, base.wrapping_add_signed(moved));
        all += 1;
        if got == wanted {
            right += 1;
        } else {
            guest_kit::println!("wrong: {} at {:#x}: {:x?} instead of {:x?}", name, base, got, wanted);
        }
    }
    write_pair([0, 0]);
    let mut values = [0x5678, 0x2b, 0, 0];
    // SAFETY: as above.
    unsafe { form_fiq_store(IBRD, values.as_mut_ptr()) };
    all += 1;
    if [read32(IBRD), read32(FBRD), values[3]] == [0x5678, 0x2b, 4] {
        right += 1;
    } else {
        guest_kit::println!("wrong: fiq store: {:x} {:x} {:x}", read32(IBRD), read32(FBRD), values[3]);
    }
    (right, all)
}
