//! The guest's firmware interface: PSCI 0.2, what of 1.1 its minimum asks for, and SYSTEM_RESET2 (ARM DEN 0022), and the two calls of
//! the SMC Calling Convention (ARM DEN 0028) that tell what of it there is.
//!
//! A pure function from the call, and from which vCPUs are on, to what must happen.

/// All that an answer depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Number of vCPUs, 1 to 32; their MPIDR affinities are 0 to `vcpus - 1` at level 0.
    pub vcpus: u32,
    /// The vCPU that calls.
    pub caller: u32,
    /// The vCPUs that are on, a bit each.
    pub on: u32,
    /// First address of RAM.
    pub ram_base: u32,
    /// Bytes of RAM.
    pub ram_bytes: u32,
}

/// What a call comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Answer with this value in r0.
    Return(u32),
    /// CPU_ON: start that vCPU at `entry` (bit 0: Thumb) with `context` in r0, then answer. It is not among those that are on; if it has
    /// not come to rest since its CPU_OFF, the answer is [`ALREADY_ON`].
    CpuOn {
        /// Which.
        vcpu: u32,
        /// Where it starts: an address of RAM.
        entry: u32,
        /// What it finds in r0.
        context: u32,
    },
    /// CPU_OFF: the caller stops, and is on no more. There is no answer.
    CpuOff,
    /// AFFINITY_INFO of a vCPU that is not among those that are on: [`AFFINITY_OFF`], or [`AFFINITY_ON`] as long as it has not come to
    /// rest since its CPU_OFF.
    WhetherOff {
        /// Which.
        vcpu: u32,
    },
    /// The guest switches itself off.
    SystemOff,
    /// The guest asks to be started again.
    SystemReset,
    /// The guest asks for a warm reset (SYSTEM_RESET2, section 5.15). On this machine that is how a kernel says that it has panicked which has no
    /// driver for the pvpanic, as Linux does with `panic=-1 reboot=panic_warm`: any other reset is a cold one.
    WarmReset,
    /// CPU_SUSPEND, standby: continue as if after a WFI, then answer 0 in r0.
    Standby,
}

/// PSCI_VERSION: 1.1.
pub const VERSION: u32 = 1 << 16 | 1;
/// SMCCC_VERSION: 1.1.
pub const SMCCC_VERSION: u32 = 1 << 16 | 1;

/// Success.
pub const SUCCESS: u32 = 0;
/// The function does not exist.
pub const NOT_SUPPORTED: u32 = -1i32 as u32;
/// A parameter names nothing that exists.
pub const INVALID_PARAMETERS: u32 = -2i32 as u32;
/// The call is refused.
pub const DENIED: u32 = -3i32 as u32;
/// That processor runs already.
pub const ALREADY_ON: u32 = -4i32 as u32;
/// Something went wrong that the guest has no part in.
pub const INTERNAL_FAILURE: u32 = -6i32 as u32;
/// The entry point is no address of memory that can be executed.
pub const INVALID_ADDRESS: u32 = -9i32 as u32;

/// AFFINITY_INFO: running.
pub const AFFINITY_ON: u32 = 0;
/// AFFINITY_INFO: off.
pub const AFFINITY_OFF: u32 = 1;
/// MIGRATE_INFO_TYPE: there is no Trusted OS that would need to migrate.
const MIGRATION_NOT_REQUIRED: u32 = 2;
/// Bit 16 of CPU_SUSPEND's power_state: power-down, else standby (section 5.4.2). 31:26, 23:17 are zero.
const POWER_DOWN: u32 = 1 << 16;
/// SYSTEM_RESET2: the one architectural type of reset. Bit 31: a vendor's own, of which there are none.
const RESET_WARM: u32 = 0;
const POWER_STATE_RESERVED: u32 = 0xfcfe_0000;

/// A function of PSCI or SMCCC, in its 32-bit calling convention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Version,
    CpuSuspend,
    CpuOff,
    CpuOn,
    AffinityInfo,
    MigrateInfoType,
    SystemOff,
    SystemReset,
    Features,
    SystemReset2,
    SmcccVersion,
    SmcccFeatures,
}

impl Function {
    fn of(id: u32) -> Option<Self> {
        Some(match id {
            0x8400_0000 => Self::Version,
            0x8400_0001 => Self::CpuSuspend,
            0x8400_0002 => Self::CpuOff,
            0x8400_0003 => Self::CpuOn,
            0x8400_0004 => Self::AffinityInfo,
            0x8400_0006 => Self::MigrateInfoType,
            0x8400_0008 => Self::SystemOff,
            0x8400_0009 => Self::SystemReset,
            0x8400_000a => Self::Features,
            0x8400_0012 => Self::SystemReset2,
            0x8000_0000 => Self::SmcccVersion,
            0x8000_0001 => Self::SmcccFeatures,
            _ => return None,
        })
    }
}

/// What the call with these r0 to r3 comes to.
pub fn call(r: [u32; 4], machine: Machine) -> Outcome {
    let Some(function) = Function::of(r[0]) else { return Outcome::Return(NOT_SUPPORTED) };
    Outcome::Return(match function {
        Function::Version => VERSION,
        Function::SmcccVersion => SMCCC_VERSION,
        Function::CpuSuspend if r[1] & POWER_STATE_RESERVED != 0 => INVALID_PARAMETERS,
        // There is no power-down state; a standby is a WFI by another name.
        Function::CpuSuspend if r[1] & POWER_DOWN != 0 => INVALID_PARAMETERS,
        Function::CpuSuspend => return Outcome::Standby,
        // The last that runs may not leave, or nobody could call again.
        Function::CpuOff if machine.on & !(1 << machine.caller) == 0 => DENIED,
        Function::CpuOff => return Outcome::CpuOff,
        Function::CpuOn => match vcpu(r[1], machine) {
            None => INVALID_PARAMETERS,
            Some(vcpu) if is_on(vcpu, machine) => ALREADY_ON,
            Some(_) if !is_entry(r[2], machine) => INVALID_ADDRESS,
            Some(vcpu) => return Outcome::CpuOn { vcpu, entry: r[2], context: r[3] },
        },
        Function::AffinityInfo => match (vcpu(r[1], machine), r[2]) {
            (Some(vcpu), 0) if is_on(vcpu, machine) => AFFINITY_ON,
            (Some(vcpu), 0) => return Outcome::WhetherOff { vcpu },
            // Levels above 0 exist in PSCI 0.2 only; there is one cluster and it runs.
            (_, 1..=3) if r[1] & 0xffff_ff00 == 0 => AFFINITY_ON,
            _ => INVALID_PARAMETERS,
        },
        Function::MigrateInfoType => MIGRATION_NOT_REQUIRED,
        Function::SystemOff => return Outcome::SystemOff,
        Function::SystemReset => return Outcome::SystemReset,
        Function::SystemReset2 if r[1] == RESET_WARM => return Outcome::WarmReset,
        Function::SystemReset2 => INVALID_PARAMETERS,
        Function::SmcccFeatures => match Function::of(r[1]) {
            Some(Function::SmcccVersion | Function::SmcccFeatures) => SUCCESS,
            _ => NOT_SUPPORTED,
        },
        Function::Features => match Function::of(r[1]) {
            // Bit 1: the original format of power_state. Bit 0: OS-initiated mode, which is not there.
            Some(_) => SUCCESS,
            None => NOT_SUPPORTED,
        },
    })
}

/// The vCPU with that affinity.
fn vcpu(affinity: u32, machine: Machine) -> Option<u32> {
    Some(affinity).filter(|&vcpu| vcpu < machine.vcpus)
}

fn is_on(vcpu: u32, machine: Machine) -> bool {
    machine.on & 1 << vcpu != 0
}

/// Whether an instruction can lie there: in RAM, and aligned as its instruction set asks (bit 0: Thumb).
fn is_entry(entry: u32, machine: Machine) -> bool {
    entry & 3 != 2 && (entry & !1).checked_sub(machine.ram_base).is_some_and(|offset| offset < machine.ram_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Outcome::Return;

    const TWO: Machine = Machine { vcpus: 2, caller: 0, on: 0b01, ram_base: 0x4000_0000, ram_bytes: 0x80_0000 };

    #[test]
    fn linux_asks_these_while_it_boots() {
        for (call_, outcome) in [
            ([0x8400_0000, 0, 0, 0], Return(0x1_0001)),
            ([0x8400_000a, 0x8400_0012, 0, 0], Return(0)),
            ([0x8400_0006, 0, 0, 0], Return(2)),
            ([0x8400_000a, 0x8000_0000, 0, 0], Return(0)),
            ([0x8000_0000, 0, 0, 0], Return(0x1_0001)),
            ([0x8000_0001, 0x8000_8000, 0, 0], Return(NOT_SUPPORTED)),
            ([0x8400_000a, 0x8400_0001, 0, 0], Return(0)),
            ([0x8400_000a, 0x8400_000e, 0, 0], Return(NOT_SUPPORTED)),
            ([0x8400_0008, 0, 0, 0], Outcome::SystemOff),
            ([0x8400_0009, 0, 0, 0], Outcome::SystemReset),
            ([0x8400_0012, 0, 0, 0], Outcome::WarmReset),
            ([0x8400_0012, 1, 0, 0], Return(INVALID_PARAMETERS)),
            ([0x8400_0012, 1 << 31, 0, 0], Return(INVALID_PARAMETERS)),
        ] {
            assert_eq!(call(call_, TWO), outcome, "{call_:x?}");
        }
    }

    #[test]
    fn processors_are_named_by_their_affinity() {
        for (call_, outcome) in [
            ([0x8400_0003, 0, 0x4000_0000, 0], ALREADY_ON),
            ([0x8400_0003, 0, 0, 0], ALREADY_ON),
            ([0x8400_0003, 1, 0x3fff_fffc, 0], INVALID_ADDRESS),
            ([0x8400_0003, 1, 0x4080_0000, 0], INVALID_ADDRESS),
            ([0x8400_0003, 1, 0x4080_0001, 0], INVALID_ADDRESS),
            ([0x8400_0003, 1, 0x4000_0002, 0], INVALID_ADDRESS),
            ([0x8400_0003, 1, 0, 0], INVALID_ADDRESS),
            ([0x8400_0003, 1, u32::MAX, 0], INVALID_ADDRESS),
            ([0x8400_0003, 2, 0x4000_0000, 0], INVALID_PARAMETERS),
            ([0x8400_0003, 0x8000_0000, 0, 0], INVALID_PARAMETERS),
            ([0x8400_0004, 0, 0, 0], 0),
            ([0x8400_0004, 2, 0, 0], INVALID_PARAMETERS),
            ([0x8400_0004, 0, 1, 0], 0),
            ([0x8400_0004, 0x100, 1, 0], INVALID_PARAMETERS),
            ([0x8400_0004, 0, 4, 0], INVALID_PARAMETERS),
            ([0x8400_0002, 0, 0, 0], DENIED),
        ] {
            assert_eq!(call(call_, TWO), Return(outcome), "{call_:x?}");
        }
    }

    #[test]
    fn a_vcpu_that_is_off_is_switched_on_where_its_caller_says() {
        for entry in [0x4000_0000, 0x4000_8001, 0x4000_8003, 0x407f_fffc, 0x407f_ffff] {
            let on = Outcome::CpuOn { vcpu: 1, entry, context: 7 };
            assert_eq!(call([0x8400_0003, 1, entry, 7], TWO), on, "{entry:#x}");
        }
        let both = Machine { on: 0b11, ..TWO };
        assert_eq!(call([0x8400_0003, 1, 0x4000_0000, 7], both), Return(ALREADY_ON));
        assert_eq!(call([0x8400_0004, 1, 0, 0], both), Return(AFFINITY_ON));
        assert_eq!(call([0x8400_0004, 1, 0, 0], TWO), Outcome::WhetherOff { vcpu: 1 });
    }

    #[test]
    fn any_may_leave_but_the_last() {
        for (caller, on, outcome) in [
            (0, 0b01, Return(DENIED)),
            (1, 0b10, Return(DENIED)),
            (3, 0b1000, Return(DENIED)),
            (0, 0b11, Outcome::CpuOff),
            (1, 0b11, Outcome::CpuOff),
            (2, 0b1100, Outcome::CpuOff),
        ] {
            let machine = Machine { vcpus: 4, caller, on, ..TWO };
            assert_eq!(call([0x8400_0002, 0, 0, 0], machine), outcome, "{caller} of {on:#b}");
        }
    }

    #[test]
    fn suspend_is_a_standby() {
        assert_eq!(call([0x8400_0001, 0, 0, 0], TWO), Outcome::Standby);
        assert_eq!(call([0x8400_0001, 1 << 16, 0, 0], TWO), Return(INVALID_PARAMETERS));
        assert_eq!(call([0x8400_0001, u32::MAX, 0, 0], TWO), Return(INVALID_PARAMETERS));
    }

    #[test]
    fn what_does_not_exist_is_not_supported() {
        let unknown = (0x8400_000b..0x8400_0100).filter(|id| *id != 0x8400_0012);
        for id in unknown.chain([0, 1, 0x8400_0005, 0x8400_0007, 0xc400_0003, 0x8600_0000, u32::MAX]) {
            assert_eq!(call([id, 0, 0, 0], TWO), Return(NOT_SUPPORTED), "{id:#x}");
        }
    }
}
