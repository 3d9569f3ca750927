//! Vault: registers, barriers and device registers. A guest owns its whole machine: nothing here can hurt anyone else,
//! and what it does to itself is what the tests are about.
#![allow(unsafe_code, reason = "instructions that Rust has no words for")]

use core::arch::asm;

/// Reads a word of a device.
pub fn read32(address: u32) -> u32 {
    // SAFETY: a guest's own address space; reading has no effect on Rust's memory.
    unsafe { (address as *const u32).read_volatile() }
}

/// Writes a word of a device.
pub fn write32(address: u32, value: u32) {
    // SAFETY: only called with addresses of devices.
    unsafe { (address as *mut u32).write_volatile(value) }
}

/// Writes a byte of a device.
pub fn write8(address: u32, value: u8) {
    // SAFETY: only called with addresses of devices.
    unsafe { (address as *mut u8).write_volatile(value) }
}

/// Declares modules for 32-bit coprocessor registers, each with `read` and `write`.
#[macro_export]
macro_rules! registers {
    ($($name:ident: $cp:ident $op1:literal $crn:ident $crm:ident $op2:literal;)*) => { $(
        /// A register.
        #[allow(dead_code, unsafe_code, reason = "not every guest writes every register; moves to and from coprocessors")]
        pub mod $name {
            /// Reads it.
            pub fn read() -> u32 {
                let value: u32;
                // SAFETY: reads a register of the guest's.
                unsafe { core::arch::asm!(concat!("mrc ", stringify!($cp), ", ", $op1, ", {}, ", stringify!($crn), ", ", stringify!($crm), ", ", $op2), out(reg) value) };
                value
            }
            /// Writes it.
            pub fn write(value: u32) {
                // SAFETY: writes a register of the guest's.
                unsafe { core::arch::asm!(concat!("mcr ", stringify!($cp), ", ", $op1, ", {}, ", stringify!($crn), ", ", stringify!($crm), ", ", $op2, "\nisb"), in(reg) value) };
            }
        }
    )* };
}

/// Declares modules for 64-bit coprocessor registers, each with `read` and `write`.
#[macro_export]
macro_rules! wide_registers {
    ($($name:ident: $cp:ident $op1:literal $crm:ident;)*) => { $(
        /// A register.
        #[allow(dead_code, unsafe_code, reason = "not every guest writes every register; moves to and from coprocessors")]
        pub mod $name {
            /// Reads it.
            pub fn read() -> u64 {
                let (low, high): (u32, u32);
                // SAFETY: reads a register of the guest's.
                unsafe { core::arch::asm!(concat!("isb\nmrrc ", stringify!($cp), ", ", $op1, ", {}, {}, ", stringify!($crm)), out(reg) low, out(reg) high) };
                u64::from(high) << 32 | u64::from(low)
            }
            /// Writes it.
            pub fn write(value: u64) {
                // SAFETY: writes a register of the guest's.
                unsafe { core::arch::asm!(concat!("mcrr ", stringify!($cp), ", ", $op1, ", {}, {}, ", stringify!($crm), "\nisb"), in(reg) value as u32, in(reg) (value >> 32) as u32) };
            }
        }
    )* };
}

registers! {
    sctlr: p15 "0" c1 c0 "0";
    ttbcr: p15 "0" c2 c0 "2";
    ttbr0_32: p15 "0" c2 c0 "0";
    dacr: p15 "0" c3 c0 "0";
    dfsr: p15 "0" c5 c0 "0";
    ifsr: p15 "0" c5 c0 "1";
    dfar: p15 "0" c6 c0 "0";
    ifar: p15 "0" c6 c0 "2";
    mair0: p15 "0" c10 c2 "0";
    cntv_ctl: p15 "0" c14 c3 "1";
    cntfrq: p15 "0" c14 c0 "0";
    tlbiall: p15 "0" c8 c7 "0";
    iciallu: p15 "0" c7 c5 "0";
    dccisw: p15 "0" c7 c14 "2";
    isr: p15 "0" c12 c1 "0";
    mpidr: p15 "0" c0 c0 "5";
}
wide_registers! {
    ttbr0: p15 "0" c2;
    cntvct: p15 "1" c14;
    cntv_cval: p15 "3" c14;
}

/// What was written before is seen by what comes after, tables included.
pub fn barrier() {
    // SAFETY: barriers.
    unsafe { asm!("dsb", "isb") };
}

/// Waits for an interrupt.
pub fn wait() {
    // SAFETY: waits.
    unsafe { asm!("dsb", "wfi") };
}

/// Lets IRQs in.
pub fn interrupts_on() {
    // SAFETY: the handler preserves every register.
    unsafe { asm!("cpsie i") };
}

/// Keeps IRQs out.
pub fn interrupts_off() {
    // SAFETY: masks.
    unsafe { asm!("cpsid i") };
}

/// HVC with four words; r0 after it.
pub fn hvc(words: [u32; 4]) -> u32 {
    let r0;
    // SAFETY: the hypervisor answers in r0 to r3 alone.
    unsafe {
        asm!(".arch_extension virt", "hvc #0", inout("r0") words[0] => r0, inout("r1") words[1] => _,
            inout("r2") words[2] => _, inout("r3") words[3] => _);
    }
    r0
}

/// SMC with four words; r0 after it.
pub fn smc(words: [u32; 4]) -> u32 {
    let r0;
    // SAFETY: the hypervisor answers in r0 to r3 alone.
    unsafe {
        asm!(".arch_extension sec", "smc #0", inout("r0") words[0] => r0, inout("r1") words[1] => _,
            inout("r2") words[2] => _, inout("r3") words[3] => _);
    }
    r0
}

/// Current mode and masks.
pub fn cpsr() -> u32 {
    let value;
    // SAFETY: reads.
    unsafe { asm!("mrs {}, cpsr", out(reg) value) };
    value
}
