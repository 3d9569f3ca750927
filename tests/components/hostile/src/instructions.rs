//! Vault: instructions that a component must not execute. The table of guest registers (`abi::vcpu::TABLE`) says what closes
//! each register to PL0; here each that PL0 can name is named.
#![allow(unsafe_code, reason = "instructions that must fault")]

use core::arch::asm;

macro_rules! attempts {
    ($($number:literal $($line:literal),+;)*) => {
        /// How many there are.
        pub const COUNT: u32 = [$($number),*].len() as u32;

        /// Executes one; if it returns, nothing stopped it. Whether there is such a number.
        pub fn attempt(number: u32) -> bool {
            match number {
                $($number => {
                    // SAFETY: it must fault; should it not, it changes no register and no memory that Rust relies on.
                    unsafe { asm!(".arch_extension virt", ".arch_extension sec", ".fpu neon", $($line),+,
                        out("r0") _, out("r1") _, out("r2") _, out("lr") _) }
                })*
                _ => return false,
            }
            true
        }
    };
}

attempts! {
    0 "mrc p15, 0, r0, c13, c0, 2";
    1 "mov r0, #0", "mcr p15, 0, r0, c13, c0, 2";
    2 "mrc p15, 0, r0, c13, c0, 3";
    3 "mrc p15, 0, r0, c13, c0, 4";
    4 "mrrc p15, 1, r0, r1, c14";
    5 "mrrc p15, 3, r0, r1, c14";
    6 "mrc p15, 0, r0, c14, c3, 1";
    7 "mov r0, #0", "mcr p15, 0, r0, c14, c3, 1";
    8 "mov r0, #0", "mcr p15, 0, r0, c14, c3, 0";
    9 "mrc p15, 0, r0, c14, c1, 0";
    10 "mrc p14, 6, r0, c1, c0, 0";
    11 "mrc p14, 6, r0, c0, c0, 0";
    12 "mrc p15, 0, r0, c9, c12, 0";
    13 "mrc p15, 0, r0, c9, c13, 0";
    14 "mrc p15, 0, r0, c9, c14, 0";
    15 "mrc p14, 0, r0, c0, c0, 0";
    16 "mrc p14, 0, r0, c0, c1, 0";
    17 "mrc p15, 0, r0, c1, c0, 0";
    18 "mov r0, #0", "mcr p15, 0, r0, c1, c0, 0";
    19 "mrc p15, 0, r0, c2, c0, 0";
    20 "mrc p15, 0, r0, c12, c0, 0";
    21 "mrrc p15, 6, r0, r1, c2";
    22 "mrc p15, 4, r0, c1, c1, 0";
    23 "mrc p15, 0, r0, c3, c0, 0";
    24 "mov r0, #0", "mcr p15, 0, r0, c13, c0, 0";
    25 "mrc p15, 0, r0, c13, c0, 1";
    26 "mov r0, #0", "mcr p15, 0, r0, c7, c5, 0";
    27 "mov r0, #0", "mcr p15, 0, r0, c7, c14, 2";
    28 "mov r0, #0", "mcr p15, 0, r0, c8, c7, 0";
    29 "mov r0, #0", "mcr p15, 0, r0, c7, c10, 4";
    30 "vmov r0, s0";
    31 "vmrs r0, fpscr";
    32 "hvc #0";
    33 "smc #0";
    34 "mrc p15, 0, r0, c14, c2, 1";
    35 "adr r0, 2f", "bxj r0", "2:";
    36 "bkpt #0";
    37 "svc #11";
    38 "svc #0xffff";
    39 "mov r0, #0", "ldr r1, [r0]";
    40 "mov r0, #0x10000000", "str r0, [r0]";
    41 "adr lr, 2f", "mov r0, sp", "bx r0", "2:";
    42 "mov r0, #0x40000000", "orr r0, r0, #0x200000", "ldr r1, [r0]";
    43 "mrc p14, 7, r0, c0, c0, 0";
    44 "mrc p0, 0, r0, c0, c0, 0";
    45 "mvn r0, #0", "bic r0, r0, #3", "ldr r1, [r0]";
    46 "udf #0";
}
