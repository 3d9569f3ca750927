//! The board that this kernel was built for.

/// How the machine is switched off and reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// PSCI of the firmware, by SMC.
    PsciSmc,
    /// Versatile Express: the configuration registers at `sysreg`.
    Vexpress {
        /// Base of the system registers.
        sysreg: u32,
    },
}

include!(concat!(env!("OUT_DIR"), "/board.rs"));
