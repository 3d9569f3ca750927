//! The guest's firmware interface: PSCI 0.2, what of 1.1 its minimum asks for, and SYSTEM_RESET2 (ARM DEN 0022), and the two calls of
//! the SMC Calling Convention (ARM DEN 0028) that tell what of it there is.
//!
//! A pure function from the call to what must happen. Secondary vCPUs cannot be started yet: CPU_ON is refused.

/// How many vCPUs there are, which calls, and who: all that an answer depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Number of vCPUs; their MPIDR affinities are 0 to `vcpus - 1` at level 0.
    pub vcpus: u32,
    /// The vCPU that calls.
    pub caller: u32,
}

/// What a call comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Answer with this value in r0.
    Return(u32),
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
/// The entry point is no address of memory that can be executed.
pub const INVALID_ADDRESS: u32 = -9i32 as u32;

/// AFFINITY_INFO: running.
const AFFINITY_ON: u32 = 0;
/// AFFINITY_INFO: off.
const AFFINITY_OFF: u32 = 1;
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
        // The one vCPU that runs may not leave, or nobody could call again.
        Function::CpuOff => DENIED,
        Function::CpuOn => match vcpu(r[1], machine) {
            None => INVALID_PARAMETERS,
            Some(vcpu) if is_on(vcpu, machine) => ALREADY_ON,
            Some(_) => DENIED,
        },
        Function::AffinityInfo => match (vcpu(r[1], machine), r[2]) {
            (Some(vcpu), 0) if is_on(vcpu, machine) => AFFINITY_ON,
            (Some(_), 0) => AFFINITY_OFF,
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
    vcpu == 0 || vcpu == machine.caller
}

#[cfg(test)]
mod tests {
    use super::*;
    use Outcome::Return;

    const TWO: Machine = Machine { vcpus: 2, caller: 0 };

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
            ([0x8400_0003, 1, 0x4000_0000, 0], DENIED),
            ([0x8400_0003, 2, 0x4000_0000, 0], INVALID_PARAMETERS),
            ([0x8400_0003, 0x8000_0000, 0, 0], INVALID_PARAMETERS),
            ([0x8400_0004, 0, 0, 0], 0),
            ([0x8400_0004, 1, 0, 0], 1),
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
