//! The vault of a guest's registers: all of [`abi::guest_registers!`]'s table, moved between the hardware and a
//! [`Vcpu`]. The table is the only list; a register that is added there is saved, loaded, fetched and stored here.
//!
//! Invariant G of [`crate::sysreg`] holds for each: none changes what the kernel's own accesses do. The table says how each
//! is saved: what is [`Saved::Vcpu`] is moved here; what is [`Saved::World`] in [`crate::world`], and what is
//! [`Saved::Timer`] with the timer ([`crate::platform`]).

#![allow(unsafe_code, reason = "the vault of a guest's registers")]

use abi::vcpu::{BANKED_FIRST, CP32_FIRST, CP64_FIRST, GuestRegister, Saved};
use core::arch::asm;
use kernel_core::vcpu::Vcpu;

/// Position of a register of the table in its array of the [`Vcpu`].
pub const fn index(register: GuestRegister) -> usize {
    let number = register as u32;
    let first = if number >= BANKED_FIRST {
        BANKED_FIRST
    } else if number >= CP64_FIRST {
        CP64_FIRST
    } else {
        CP32_FIRST
    };
    (number - first) as usize
}

/// Whether it is moved with the rest.
const fn moved(saved: Saved) -> bool {
    matches!(saved, Saved::Vcpu)
}

macro_rules! read32 {
    ($cp:ident, $op1:literal, $crn:ident, $crm:ident, $op2:literal) => {{
        let value: u32;
        // SAFETY: G.
        unsafe {
            asm!(concat!("mrc ", stringify!($cp), ", ", $op1, ", {}, ", stringify!($crn), ", ", stringify!($crm), ", ", $op2),
                 out(reg) value, options(nomem, nostack, preserves_flags));
        }
        value
    }};
}
macro_rules! write32 {
    ($value:expr, $cp:ident, $op1:literal, $crn:ident, $crm:ident, $op2:literal) => {{
        let value: u32 = $value;
        // SAFETY: G.
        unsafe {
            asm!(concat!("mcr ", stringify!($cp), ", ", $op1, ", {}, ", stringify!($crn), ", ", stringify!($crm), ", ", $op2),
                 in(reg) value, options(nomem, nostack, preserves_flags));
        }
    }};
}
macro_rules! read64 {
    ($cp:ident, $op1:literal, $crm:ident) => {{
        let (low, high): (u32, u32);
        // SAFETY: G.
        unsafe {
            asm!(concat!("mrrc ", stringify!($cp), ", ", $op1, ", {}, {}, ", stringify!($crm)),
                 out(reg) low, out(reg) high, options(nomem, nostack, preserves_flags));
        }
        u64::from(high) << 32 | u64::from(low)
    }};
}
macro_rules! write64 {
    ($value:expr, $cp:ident, $op1:literal, $crm:ident) => {{
        let value: u64 = $value;
        // SAFETY: G.
        unsafe {
            asm!(concat!("mcrr ", stringify!($cp), ", ", $op1, ", {}, {}, ", stringify!($crm)),
                 in(reg) value as u32, in(reg) (value >> 32) as u32, options(nomem, nostack, preserves_flags));
        }
    }};
}
macro_rules! read_banked {
    ($register:ident) => {{
        let value: u32;
        // SAFETY: G: a register of another mode, which the kernel never enters.
        unsafe {
            asm!(concat!("mrs {}, ", stringify!($register)), out(reg) value, options(nomem, nostack, preserves_flags));
        }
        value
    }};
}
macro_rules! write_banked {
    ($value:expr, $register:ident) => {{
        let value: u32 = $value;
        // SAFETY: as in `read_banked`.
        unsafe {
            asm!(concat!("msr ", stringify!($register), ", {}"), in(reg) value, options(nomem, nostack, preserves_flags));
        }
    }};
}

macro_rules! table {
    (
        cp32 { $($c32:ident: $cp32:ident, $o32:literal, $n32:ident, $m32:ident, $p32:literal, $r32:literal, $s32:ident, $x32:ident;)* }
        cp64 { $($c64:ident: $cp64:ident, $o64:literal, $m64:ident, $r64:literal, $s64:ident, $x64:ident;)* }
        banked { $($b:ident: $bn:ident, $rb:literal, $sb:ident, $xb:ident;)* }
    ) => {
        const _: () = assert!($(moved(Saved::$s64))&&* && $(moved(Saved::$sb))&&*, "these are all moved together");

        /// Takes the table out of the hardware, but for what is moved apart.
        pub fn save(vcpu: &mut Vcpu) {
            $(if const { moved(Saved::$s32) } {
                vcpu.cp32[const { index(GuestRegister::$c32) }] = read32!($cp32, $o32, $n32, $m32, $p32);
            })*
            $(vcpu.cp64[const { index(GuestRegister::$c64) }] = read64!($cp64, $o64, $m64);)*
            $(vcpu.banked[const { index(GuestRegister::$b) }] = read_banked!($bn);)*
        }

        /// Puts the table there, but for what is moved apart.
        pub fn load(vcpu: &Vcpu) {
            $(if const { moved(Saved::$s32) } {
                write32!(vcpu.cp32[const { index(GuestRegister::$c32) }], $cp32, $o32, $n32, $m32, $p32);
            })*
            $(write64!(vcpu.cp64[const { index(GuestRegister::$c64) }], $cp64, $o64, $m64);)*
            $(write_banked!(vcpu.banked[const { index(GuestRegister::$b) }], $bn);)*
        }

        /// What the hardware holds of a register of the table. Others are 0.
        pub fn read(register: GuestRegister) -> u64 {
            match register {
                $(GuestRegister::$c32 => u64::from(read32!($cp32, $o32, $n32, $m32, $p32)),)*
                $(GuestRegister::$c64 => read64!($cp64, $o64, $m64),)*
                $(GuestRegister::$b => u64::from(read_banked!($bn)),)*
                _ => 0,
            }
        }

        /// Writes a register of the table to the hardware. Others are left alone.
        pub fn write(register: GuestRegister, value: u64) {
            match register {
                $(GuestRegister::$c32 => write32!(value as u32, $cp32, $o32, $n32, $m32, $p32),)*
                $(GuestRegister::$c64 => write64!(value, $cp64, $o64, $m64),)*
                $(GuestRegister::$b => write_banked!(value as u32, $bn),)*
                _ => {}
            }
        }
    };
}

abi::guest_registers!(table);

/// The place in the structure where a register of the table is kept.
pub enum Slot<'a> {
    /// 32 bits.
    Word(&'a mut u32),
    /// 64 bits.
    Wide(&'a mut u64),
}

/// That place, or `None` for a register that is not in the table.
pub fn slot(vcpu: &mut Vcpu, register: GuestRegister) -> Option<Slot<'_>> {
    match register as u32 {
        CP32_FIRST..CP64_FIRST => vcpu.cp32.get_mut(index(register)).map(Slot::Word),
        CP64_FIRST..BANKED_FIRST => vcpu.cp64.get_mut(index(register)).map(Slot::Wide),
        BANKED_FIRST.. => vcpu.banked.get_mut(index(register)).map(Slot::Word),
        _ => None,
    }
}

/// What that place holds.
pub fn value(vcpu: &Vcpu, register: GuestRegister) -> Option<u64> {
    match register as u32 {
        CP32_FIRST..CP64_FIRST => vcpu.cp32.get(index(register)).map(|&word| u64::from(word)),
        CP64_FIRST..BANKED_FIRST => vcpu.cp64.get(index(register)).copied(),
        BANKED_FIRST.. => vcpu.banked.get(index(register)).map(|&word| u64::from(word)),
        _ => None,
    }
}
