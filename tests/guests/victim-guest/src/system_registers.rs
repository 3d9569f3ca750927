//! The system registers of a guest that can hold a value with stage 1 off, each with the bits that it keeps.

use guest_kit::{println, registers, wide_registers};

registers! {
    csselr: p15 "2" c0 c0 "0";
    ttbcr: p15 "0" c2 c0 "2";
    dacr: p15 "0" c3 c0 "0";
    dfsr: p15 "0" c5 c0 "0";
    ifsr: p15 "0" c5 c0 "1";
    dfar: p15 "0" c6 c0 "0";
    ifar: p15 "0" c6 c0 "2";
    prrr: p15 "0" c10 c2 "0";
    nmrr: p15 "0" c10 c2 "1";
    vbar: p15 "0" c12 c0 "0";
    fcseidr: p15 "0" c13 c0 "0";
    contextidr: p15 "0" c13 c0 "1";
    tpidrurw: p15 "0" c13 c0 "2";
    tpidruro: p15 "0" c13 c0 "3";
    tpidrprw: p15 "0" c13 c0 "4";
    cntkctl: p15 "0" c14 c1 "0";
    teehbr: p14 "6" c1 c0 "0";
    par_32: p15 "0" c7 c4 "0";
    ttbr0_32: p15 "0" c2 c0 "0";
    ttbr1_32: p15 "0" c2 c0 "1";
}
wide_registers! {
    cntv_cval: p15 "3" c14;
}

macro_rules! held {
    ($($name:ident & $mask:literal + $number:literal;)*) => {
        /// Puts a value into each.
        pub fn fill(values: u32) {
            $($name::write(values.wrapping_mul(2 * $number + 1) & $mask);)*
        }

        /// Tells of each that is not as it was; how many.
        pub fn check(values: u32, tick: u32) -> u32 {
            let mut leaks = 0;
            $(
                let wanted = values.wrapping_mul(2 * $number + 1) & $mask;
                let got = $name::read() & $mask;
                if got != wanted {
                    println!("LEAK: {} is {:#x} instead of {:#x} at tick {}", stringify!($name), got, wanted, tick);
                    leaks += 1;
                }
            )*
            leaks
        }
    };
}

held! {
    csselr & 0x1 + 1;
    // N alone: EAE would change the format of the others.
    ttbcr & 0x7 + 2;
    dacr & 0xffff_ffff + 3;
    dfsr & 0xd0f + 4;
    ifsr & 0x140f + 5;
    dfar & 0xffff_ffff + 6;
    ifar & 0xffff_ffff + 7;
    prrr & 0xff0f_ffff + 8;
    nmrr & 0xffff_ffff + 9;
    contextidr & 0xffff_ffff + 10;
    tpidrurw & 0xffff_ffff + 11;
    tpidruro & 0xffff_ffff + 12;
    tpidrprw & 0xffff_ffff + 13;
    cntkctl & 0x3ff + 14;
    teehbr & 0xffff_fffc + 15;
    par_32 & 0xffff_f000 + 16;
    ttbr0_32 & 0xffff_c000 + 17;
    ttbr1_32 & 0xffff_c000 + 18;
    // Nothing here takes an exception, and nothing lies below 32 MiB.
    vbar & 0xffff_ffe0 + 19;
    fcseidr & 0xfe00_0000 + 20;
}
