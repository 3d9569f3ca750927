//! Where the linker put things.

#![allow(unsafe_code, reason = "names symbols of the linker script; only their addresses are taken")]

use kernel_armv7::boot::Image;

// SAFETY: the linker script defines each; nothing is read through them.
unsafe extern "C" {
    static __image_start: u8;
    static __text_end: u8;
    static __constants_end: u8;
    static __data_end: u8;
    static __stack_bottom: u8;
    static __stack_top: u8;
    static __stack_stride: u8;
    static __further_cores: u8;
    static __epitaph_stack_bottom: u8;
    static __epitaph_stack_top: u8;
    static __boot_stack_bottom: u8;
    static __boot_stack_top: u8;
    static __image_end: u8;
    static __log: u8;
    static __payload: u8;
}

macro_rules! address {
    ($symbol:ident) => {
        (&raw const $symbol).addr() as u32
    };
}

/// The image's pieces.
pub fn image() -> Image {
    let text_end = address!(__text_end);
    let constants_end = address!(__constants_end);
    let stack = |core| {
        let further = if core <= address!(__further_cores) { core } else { 0 } * address!(__stack_stride);
        (address!(__stack_bottom) + further, address!(__stack_top) + further)
    };
    Image {
        text: (address!(__image_start), text_end),
        constants: (text_end, constants_end),
        writable: [
            (constants_end, address!(__data_end)),
            (address!(__epitaph_stack_bottom), address!(__epitaph_stack_top)),
            (address!(__boot_stack_bottom), address!(__boot_stack_top)),
        ],
        stacks: core::array::from_fn(|core| stack(core as u32)),
        end: address!(__image_end),
        log: address!(__log),
        payload: address!(__payload),
    }
}
