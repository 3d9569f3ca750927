//! The registers of a guest, in one table.
//!
//! [`guest_registers!`](crate::guest_registers) is the only list there is. Made from it are: the kernel's save, load and
//! reset code, the numbers by which a VMM names a register, what the simulated machine of the host tests holds, the
//! published table, the encodings that a hostile component tries, and what the guest fills that looks for leaks. A
//! register that is forgotten here is forgotten everywhere, and one that is added here is added everywhere.
//!
//! Each line: name, kind of access and encoding, reset value, how it is saved ([`Saved`]), and what keeps a component (PL0
//! with HCR.TGE set) from reaching it while it stays in the hardware ([`ClosedBy`]).

use crate::exit::CoprocessorAccess;

/// How the kernel saves a guest's register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// At every entry to the kernel, in the thread's context.
    Entry,
    /// At each change between a guest and a component, and between two guests.
    World,
    /// When another vCPU needs the hardware, and at no other time.
    Vcpu,
    /// As `Vcpu`, but apart from the rest: it is stopped before they are saved and set after they are loaded.
    Timer,
    /// When another vCPU uses floating point, and at no other time.
    Float,
    /// Never: the guest can't change it. It is written when its vCPU is loaded.
    Written,
}

/// What keeps a component from reaching a guest's register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClosedBy {
    /// PL0 can't name it (ARM DDI 0406C B3.17).
    Privilege,
    /// HSTR.Tn of its CRn traps (B4.1.69).
    Hstr,
    /// HSTR.TTEE or TEECR.XED traps.
    HstrTee,
    /// It acts on PL0, so it is replaced while a component runs: by a constant, or by the component's own.
    Switched,
    /// c14 has no HSTR bit; the constant CNTKCTL of components closes it.
    Cntkctl,
    /// HCPTR.TCPn traps (B4.1.62).
    Hcptr,
    /// It is a device's: no component has it in its space.
    Stage2,
}

/// What the table says of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Which one.
    pub register: GuestRegister,
    /// What it holds after a reset; `None` if a reset of the vCPU leaves it alone, or is where it begins to count.
    pub reset: Option<u64>,
    /// How the kernel saves it.
    pub saved: Saved,
    /// What keeps components from it.
    pub closed: ClosedBy,
}

const fn row(register: GuestRegister, reset: Option<u64>, saved: Saved, closed: ClosedBy) -> Row {
    Row { register, reset, saved, closed }
}

/// What of a guest stands in no coprocessor register and no banked one: the kernel's code names each.
pub const OTHERS: &[Row] = {
    use GuestRegister::*;
    const fn of_thread(register: GuestRegister) -> Row {
        row(register, None, Saved::Entry, ClosedBy::Switched)
    }
    &[
        of_thread(R0),
        of_thread(R1),
        of_thread(R2),
        of_thread(R3),
        of_thread(R4),
        of_thread(R5),
        of_thread(R6),
        of_thread(R7),
        of_thread(R8),
        of_thread(R9),
        of_thread(R10),
        of_thread(R11),
        of_thread(R12),
        of_thread(SpUsr),
        of_thread(LrUsr),
        of_thread(Pc),
        of_thread(Cpsr),
        row(Vmpidr, None, Saved::Written, ClosedBy::Privilege),
        row(Cntvoff, None, Saved::Written, ClosedBy::Privilege),
        row(Vmcr, Some(0), Saved::Vcpu, ClosedBy::Stage2),
        row(Apr, Some(0), Saved::Vcpu, ClosedBy::Stage2),
        row(Fpscr, Some(0), Saved::Float, ClosedBy::Hcptr),
        row(Fpexc, Some(0), Saved::Float, ClosedBy::Hcptr),
    ]
};

/// Calls `$callback!` with the table of guest registers that the kernel saves when another vCPU needs
/// the hardware. Three sections: 32-bit coprocessor registers, 64-bit ones, banked core registers.
#[macro_export]
macro_rules! guest_registers {
    ($callback:ident) => {
        $callback! {
            cp32 {
                // name       cp   op1 CRn  CRm op2  reset        saved  closed by
                Csselr:       p15, 2, c0,  c0, 0, 0x0000_0000, Vcpu,   Privilege;
                Sctlr:        p15, 0, c1,  c0, 0, 0x00c5_0078, World,  Switched;
                Cpacr:        p15, 0, c1,  c0, 2, 0x0000_0000, Vcpu,   Privilege;
                Ttbcr:        p15, 0, c2,  c0, 2, 0x0000_0000, Vcpu,   Privilege;
                Dacr:         p15, 0, c3,  c0, 0, 0x0000_0000, Vcpu,   Privilege;
                Dfsr:         p15, 0, c5,  c0, 0, 0x0000_0000, Vcpu,   Privilege;
                Ifsr:         p15, 0, c5,  c0, 1, 0x0000_0000, Vcpu,   Privilege;
                Adfsr:        p15, 0, c5,  c1, 0, 0x0000_0000, Vcpu,   Privilege;
                Aifsr:        p15, 0, c5,  c1, 1, 0x0000_0000, Vcpu,   Privilege;
                Dfar:         p15, 0, c6,  c0, 0, 0x0000_0000, Vcpu,   Privilege;
                Ifar:         p15, 0, c6,  c0, 2, 0x0000_0000, Vcpu,   Privilege;
                Mair0:        p15, 0, c10, c2, 0, 0x0009_8aa4, Vcpu,   Privilege;
                Mair1:        p15, 0, c10, c2, 1, 0x44e0_48e0, Vcpu,   Privilege;
                Amair0:       p15, 0, c10, c3, 0, 0x0000_0000, Vcpu,   Privilege;
                Amair1:       p15, 0, c10, c3, 1, 0x0000_0000, Vcpu,   Privilege;
                Vbar:         p15, 0, c12, c0, 0, 0x0000_0000, Vcpu,   Privilege;
                Fcseidr:      p15, 0, c13, c0, 0, 0x0000_0000, Vcpu,   Privilege;
                Contextidr:   p15, 0, c13, c0, 1, 0x0000_0000, Vcpu,   Privilege;
                Tpidrurw:     p15, 0, c13, c0, 2, 0x0000_0000, Vcpu,   Hstr;
                Tpidruro:     p15, 0, c13, c0, 3, 0x0000_0000, Vcpu,   Hstr;
                Tpidrprw:     p15, 0, c13, c0, 4, 0x0000_0000, Vcpu,   Privilege;
                Cntkctl:      p15, 0, c14, c1, 0, 0x0000_0000, World,  Switched;
                CntvCtl:      p15, 0, c14, c3, 1, 0x0000_0000, Timer,  Cntkctl;
                Teecr:        p14, 6, c0,  c0, 0, 0x0000_0000, Vcpu,   Privilege;
                Teehbr:       p14, 6, c1,  c0, 0, 0x0000_0000, Vcpu,   HstrTee;
            }
            cp64 {
                // name       cp   op1 CRm  reset saved closed by
                Ttbr0:        p15, 0, c2,  0, Vcpu,   Privilege;
                Ttbr1:        p15, 1, c2,  0, Vcpu,   Privilege;
                Par:          p15, 0, c7,  0, Vcpu,   Privilege;
                CntvCval:     p15, 3, c14, 0, Vcpu, Cntkctl;
            }
            banked {
                // name       register   reset saved closed by
                SpSvc:        SP_svc,    0x0,  Vcpu, Privilege;
                LrSvc:        LR_svc,    0x0,  Vcpu, Privilege;
                SpsrSvc:      SPSR_svc,  0x10, Vcpu, Privilege;
                SpAbt:        SP_abt,    0x0,  Vcpu, Privilege;
                LrAbt:        LR_abt,    0x0,  Vcpu, Privilege;
                SpsrAbt:      SPSR_abt,  0x10, Vcpu, Privilege;
                SpUnd:        SP_und,    0x0,  Vcpu, Privilege;
                LrUnd:        LR_und,    0x0,  Vcpu, Privilege;
                SpsrUnd:      SPSR_und,  0x10, Vcpu, Privilege;
                SpIrq:        SP_irq,    0x0,  Vcpu, Privilege;
                LrIrq:        LR_irq,    0x0,  Vcpu, Privilege;
                SpsrIrq:      SPSR_irq,  0x10, Vcpu, Privilege;
                R8Fiq:        R8_fiq,    0x0,  Vcpu, Privilege;
                R9Fiq:        R9_fiq,    0x0,  Vcpu, Privilege;
                R10Fiq:       R10_fiq,   0x0,  Vcpu, Privilege;
                R11Fiq:       R11_fiq,   0x0,  Vcpu, Privilege;
                R12Fiq:       R12_fiq,   0x0,  Vcpu, Privilege;
                SpFiq:        SP_fiq,    0x0,  Vcpu, Privilege;
                LrFiq:        LR_fiq,    0x0,  Vcpu, Privilege;
                SpsrFiq:      SPSR_fiq,  0x10, Vcpu, Privilege;
            }
        }
    };
}

/// The number in a name such as `c13`.
fn c_number(name: &str) -> u32 {
    name.bytes().skip(1).fold(0, |number, digit| number * 10 + u32::from(digit.wrapping_sub(b'0')))
}

macro_rules! numbers {
    (
        cp32 { $($c32:ident: $cp32:ident, $o32:literal, $n32:ident, $m32:ident, $p32:literal, $r32:literal, $s32:ident, $x32:ident;)* }
        cp64 { $($c64:ident: $cp64:ident, $o64:literal, $m64:ident, $r64:literal, $s64:ident, $x64:ident;)* }
        banked { $($b:ident: $bn:ident, $rb:literal, $sb:ident, $xb:ident;)* }
    ) => {
        /// Number by which a VMM names a register of its guest. Core registers are those of the mode
        /// that the guest is in for r0-r7, pc and cpsr, and of User mode for r8-r12, sp and lr.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        #[allow(missing_docs, reason = "the names are the architecture's own")]
        pub enum GuestRegister {
            R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10, R11, R12, SpUsr, LrUsr, Pc, Cpsr,
            $($c32,)* $($c64,)* $($b,)*
            /// What the guest reads as MPIDR.
            Vmpidr,
            /// Offset of the guest's virtual counter from the physical one, 64 bits.
            Cntvoff,
            /// The virtual interface's control and priority mask (GICH_VMCR).
            Vmcr,
            /// The virtual interface's active priorities (GICH_APR).
            Apr,
            Fpscr, Fpexc,
        }

        impl GuestRegister {
            /// Every register, in the order of their numbers.
            pub const ALL: &'static [GuestRegister] = {
                use GuestRegister::*;
                &[R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10, R11, R12, SpUsr, LrUsr, Pc, Cpsr,
                  $($c32,)* $($c64,)* $($b,)* Vmpidr, Cntvoff, Vmcr, Apr, Fpscr, Fpexc]
            };

            /// The register of that number.
            pub fn from_number(number: u32) -> Option<Self> {
                Self::ALL.get(number as usize).copied()
            }
        }

        /// The 32-bit or 64-bit coprocessor register that a trapped access names; `None` if it is not in the table.
        pub fn by_encoding(access: CoprocessorAccess) -> Option<GuestRegister> {
            let (cp14, wide) = (access.is_cp14(), access.is_wide());
            let named = |cp: &str, op1: u32, crn: u32, crm: u32, op2: u32| {
                (cp == "p14") == cp14 && access.opc1() == op1 && access.crn() == crn && access.crm() == crm && access.opc2() == op2
            };
            if wide {
                $(if named(stringify!($cp64), $o64, 0, c_number(stringify!($m64)), 0) {
                    return Some(GuestRegister::$c64);
                })*
            } else {
                $(if named(stringify!($cp32), $o32, c_number(stringify!($n32)), c_number(stringify!($m32)), $p32) {
                    return Some(GuestRegister::$c32);
                })*
            }
            None
        }

        /// The table: every coprocessor register of a guest, and every banked one. What else it has: [`OTHERS`].
        pub const TABLE: &[Row] = &[
            $(row(GuestRegister::$c32, Some($r32), Saved::$s32, ClosedBy::$x32),)*
            $(row(GuestRegister::$c64, Some($r64), Saved::$s64, ClosedBy::$x64),)*
            $(row(GuestRegister::$b, Some($rb), Saved::$sb, ClosedBy::$xb),)*
        ];

        /// Number of 32-bit coprocessor registers in the table.
        pub const CP32_REGISTERS: usize = [$($r32 as u32),*].len();
        /// Number of 64-bit coprocessor registers.
        pub const CP64_REGISTERS: usize = [$($r64 as u64),*].len();
        /// Number of banked core registers.
        pub const BANKED_REGISTERS: usize = [$($rb as u32),*].len();
        /// Number of the first 32-bit coprocessor register.
        pub const CP32_FIRST: u32 = GuestRegister::Cpsr as u32 + 1;
        /// Number of the first 64-bit coprocessor register.
        pub const CP64_FIRST: u32 = CP32_FIRST + CP32_REGISTERS as u32;
        /// Number of the first banked register.
        pub const BANKED_FIRST: u32 = CP64_FIRST + CP64_REGISTERS as u32;
    };
}

guest_registers!(numbers);

/// State of one virtual interrupt, as `VcpuMethod::ReadInterrupt` tells: pending in bit 0, active in
/// bit 1, line high in bit 2, in a list register in bit 3, priority in bits 15:8, sources of an SGI in bits 23:16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct InterruptState(pub u32);

impl InterruptState {
    /// Pending.
    pub const PENDING: u32 = 1;
    /// Active.
    pub const ACTIVE: u32 = 2;
    /// The line is high.
    pub const LEVEL: u32 = 4;
    /// In a list register now.
    pub const LISTED: u32 = 8;
}

/// The virtual timer's interrupt number, as the guest sees it: PPI 11.
pub const VIRTUAL_TIMER_INTID: u32 = 27;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_register_is_found_by_its_encoding() {
        // SCTLR: p15, 0, c1, c0, 0. VBAR: c12. TTBR1: MCRR p15, 1, c2. TEECR: p14, 6, c0, c0, 0.
        assert_eq!(by_encoding(CoprocessorAccess(1 << 10)), Some(GuestRegister::Sctlr));
        assert_eq!(by_encoding(CoprocessorAccess(12 << 10)), Some(GuestRegister::Vbar));
        let ttbr1 = CoprocessorAccess(CoprocessorAccess::WIDE | 1 << 14 | 2 << 1);
        assert_eq!(by_encoding(ttbr1), Some(GuestRegister::Ttbr1));
        assert_eq!(by_encoding(CoprocessorAccess(CoprocessorAccess::CP14 | 6 << 14)), Some(GuestRegister::Teecr));
        assert_eq!(by_encoding(CoprocessorAccess(15 << 10)), None);
    }

    #[test]
    fn a_register_is_found_by_its_number() {
        for (number, &register) in GuestRegister::ALL.iter().enumerate() {
            assert_eq!(register as u32, number as u32);
        }
        assert_eq!(GuestRegister::Csselr as u32, CP32_FIRST);
        assert_eq!(GuestRegister::Ttbr0 as u32, CP64_FIRST);
        assert_eq!(GuestRegister::SpSvc as u32, BANKED_FIRST);
        assert_eq!(TABLE.len(), CP32_REGISTERS + CP64_REGISTERS + BANKED_REGISTERS);
    }

    #[test]
    fn every_register_is_in_the_table_or_beside_it_once() {
        for register in GuestRegister::ALL {
            let rows = TABLE.iter().chain(OTHERS).filter(|row| row.register == *register).count();
            assert_eq!(rows, 1, "{register:?}");
        }
    }
}
