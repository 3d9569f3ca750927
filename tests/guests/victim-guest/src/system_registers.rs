//! Every coprocessor register and every banked one of [`abi::guest_registers!`]'s table: filled, and looked at again. Which
//! bits may be filled stands here; which of them hold what is written, each guest finds out itself when it starts.

use abi::vcpu::GuestRegister::{self, *};
use abi::vcpu::TABLE;
use core::arch::asm;
use guest_kit::println;

/// The bits that a register is filled with; 0 if something else shows that it is held, which is told.
///
/// A register of the table that has no line here is an error of the compiler.
const fn filled(register: GuestRegister) -> u64 {
    match register {
        Csselr => 0x1,
        // V, TRE, AFE: no exception is taken, and stage 1 is off.
        Sctlr => 0x3000_2000,
        // ASEDIS: floating point must go on.
        Cpacr => 0x8000_0000,
        // N, PD0, PD1: EAE would change the format of the others.
        Ttbcr => 0x37,
        Dacr | Dfar | Ifar | Adfsr | Aifsr | Mair0 | Mair1 | Amair0 | Amair1 | Contextidr => 0xffff_ffff,
        Dfsr | Ifsr => 0x1d0f,
        Vbar => 0xffff_ffe0,
        // Nothing lies below 32 MiB.
        Fcseidr => 0xfe00_0000,
        Tpidrurw | Tpidruro | Tpidrprw => 0xffff_ffff,
        Cntkctl => 0x3ff,
        Teecr => 0x1,
        Teehbr => 0xffff_fffc,
        Ttbr0 | Ttbr1 => 0x00ff_00ff_ffff_c000,
        Par => 0x00ff_00ff_ffff_f000,
        SpAbt | LrAbt | SpUnd | LrUnd | SpIrq | LrIrq => 0xffff_ffff,
        R8Fiq | R9Fiq | R10Fiq | R11Fiq | R12Fiq | SpFiq | LrFiq => 0xffff_ffff,
        // Flags and masks.
        SpsrSvc | SpsrAbt | SpsrUnd | SpsrIrq | SpsrFiq => 0xf80f_03c0,
        // This code stands on them, in Supervisor mode.
        SpSvc | LrSvc => 0,
        // The tick comes at its time, and once.
        CntvCtl | CntvCval | Cntvoff => 0,
        // In `hold.s`.
        R0 | R1 | R2 | R3 | R4 | R5 | R6 | R7 | R8 | R9 | R10 | R11 | R12 | SpUsr | LrUsr | Pc | Cpsr => 0,
        Fpscr | Fpexc => 0,
        // In `interrupts.rs`.
        Vmcr | Apr => 0,
        // All guests with one processor have the same.
        Vmpidr => 0,
    }
}

/// How many registers of the table are filled.
const FILLED: usize = {
    let (mut count, mut at) = (0, 0);
    while at < TABLE.len() {
        count += (filled(TABLE[at].register) != 0) as usize;
        at += 1;
    }
    count
};

/// Its value this time: a hash of both, so that every bit is another one from tick to tick and from guest to guest.
fn value(values: u32, register: GuestRegister) -> u64 {
    let half = |half: u32| {
        let x = values ^ (register as u32 * 2 + half).wrapping_mul(0x9e37_79b9);
        let x = (x ^ x >> 16).wrapping_mul(0x85eb_ca6b);
        let x = (x ^ x >> 13).wrapping_mul(0xc2b2_ae35);
        u64::from(x ^ x >> 16)
    };
    half(1) << 32 | half(0)
}

/// Moves of a banked register from Supervisor mode, which has no such name for its own.
macro_rules! banked {
    (read SP_svc) => {
        0
    };
    (read LR_svc) => {
        0
    };
    (read SPSR_svc) => {
        banked!(read spsr)
    };
    (read $name:ident) => {{
        let value: u32;
        // SAFETY: reads a register of the guest's.
        unsafe { asm!(".arch_extension virt", concat!("mrs {}, ", stringify!($name)), out(reg) value) };
        u64::from(value)
    }};
    (write SP_svc $value:expr) => {
        ()
    };
    (write LR_svc $value:expr) => {
        ()
    };
    (write SPSR_svc $value:expr) => {
        banked!(write spsr_cxsf $value)
    };
    (write $name:ident $value:expr) => {
        // SAFETY: writes a register of a mode that the guest does not enter.
        unsafe { asm!(".arch_extension virt", concat!("msr ", stringify!($name), ", {}"), in(reg) $value as u32) }
    };
}

macro_rules! table {
    (
        cp32 { $($c32:ident: $cp32:ident, $o32:literal, $n32:ident, $m32:ident, $p32:literal, $r32:literal, $s32:ident, $x32:ident;)* }
        cp64 { $($c64:ident: $cp64:ident, $o64:literal, $m64:ident, $r64:literal, $s64:ident, $x64:ident;)* }
        banked { $($b:ident: $bn:ident, $rb:literal, $sb:ident, $xb:ident;)* }
    ) => {
        fn read(register: GuestRegister) -> u64 {
            match register {
                $($c32 => {
                    let value: u32;
                    // SAFETY: reads a register of the guest's.
                    unsafe { asm!(concat!("mrc ", stringify!($cp32), ", ", $o32, ", {}, ", stringify!($n32), ", ", stringify!($m32), ", ", $p32), out(reg) value) };
                    u64::from(value)
                })*
                $($c64 => {
                    let (low, high): (u32, u32);
                    // SAFETY: reads a register of the guest's.
                    unsafe { asm!(concat!("mrrc ", stringify!($cp64), ", ", $o64, ", {}, {}, ", stringify!($m64)), out(reg) low, out(reg) high) };
                    u64::from(high) << 32 | u64::from(low)
                })*
                $($b => banked!(read $bn),)*
                _ => 0,
            }
        }

        fn write(register: GuestRegister, value: u64) {
            match register {
                // SAFETY: with the bits of `filled`, none changes what this guest's own accesses do.
                $($c32 => unsafe { asm!(concat!("mcr ", stringify!($cp32), ", ", $o32, ", {}, ", stringify!($n32), ", ", stringify!($m32), ", ", $p32, "\nisb"), in(reg) value as u32) },)*
                // SAFETY: the same.
                $($c64 => unsafe { asm!(concat!("mcrr ", stringify!($cp64), ", ", $o64, ", {}, {}, ", stringify!($m64), "\nisb"), in(reg) value as u32, in(reg) (value >> 32) as u32) },)*
                $($b => banked!(write $bn value),)*
                _ => {}
            }
        }
    };
}
abi::guest_registers!(table);

/// Writes those bits and leaves the others.
fn write_bits(register: GuestRegister, bits: u64, value: u64) {
    write(register, read(register) & !bits | value & bits);
}

/// The bits that each register of the table holds, of those that are filled.
pub struct Registers {
    bits: [u64; TABLE.len()],
}

impl Registers {
    /// Finds out, and tells which registers hold nothing on this processor.
    pub fn probe() -> Self {
        let bits = core::array::from_fn(|at| {
            let (register, bits) = (TABLE[at].register, filled(TABLE[at].register));
            let was = read(register);
            let tried = [0, bits].map(|value| {
                write_bits(register, bits, value);
                read(register)
            });
            write_bits(register, bits, was);
            (tried[0] ^ tried[1]) & bits
        });
        let held = bits.iter().filter(|bits| **bits != 0).count();
        println!("{} registers in the table, {} filled, {} hold something", TABLE.len(), FILLED, held);
        for (row, held) in TABLE.iter().zip(bits) {
            if held == 0 && filled(row.register) != 0 {
                println!("{:?} holds nothing", row.register);
            }
        }
        Self { bits }
    }

    /// Puts a value into each.
    pub fn fill(&self, values: u32) {
        for (row, bits) in TABLE.iter().zip(self.bits) {
            if bits != 0 {
                write_bits(row.register, bits, value(values, row.register));
            }
        }
    }

    /// Tells of each that is not as it was; how many.
    pub fn check(&self, values: u32, tick: u32) -> u32 {
        let mut leaks = 0;
        for (row, bits) in TABLE.iter().zip(self.bits) {
            let (wanted, got) = (value(values, row.register) & bits, read(row.register) & bits);
            if got != wanted {
                println!("LEAK: {:?} is {:#x} instead of {:#x} at tick {}", row.register, got, wanted, tick);
                leaks += 1;
            }
        }
        leaks
    }
}
