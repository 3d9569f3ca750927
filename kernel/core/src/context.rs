//! The registers of a thread that entry code saves and restores.

/// General registers of a thread, in the order in which entry code stores them.
///
/// For a guest, `sp` and `lr` are those of User mode; the other modes' are part of its vCPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Context {
    /// r0-r12.
    pub r: [u32; 13],
    /// SP of User mode.
    pub sp: u32,
    /// LR of User mode.
    pub lr: u32,
    /// Where to go on (ELR_hyp).
    pub pc: u32,
    /// Processor state (SPSR_hyp).
    pub cpsr: u32,
}
