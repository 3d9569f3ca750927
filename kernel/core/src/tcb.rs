//! A thread.

use crate::Context;
use crate::arena::{Handle, Object};
use crate::vcpu::Vcpu;

/// A thread control block. The context stands first: entry code finds it at the handle's address.
#[repr(C)]
pub struct Tcb {
    /// Registers.
    pub context: Context,
    /// The vCPU whose guest it runs; `None` for a component.
    pub vcpu: Option<Handle<Vcpu>>,
}

#[allow(unsafe_code, reason = "declares plain data: all-zero is valid and no pointer is inside")]
// SAFETY: Z.
unsafe impl Object for Tcb {}
