//! The host's side of the seam: tests install a kernel for their thread, and it answers system calls.

use crate::mapped::Mapped;
use std::boxed::Box;
use std::cell::RefCell;

/// What answers system calls on the host: a fake that checks each call, or the real kernel core.
pub trait Kernel {
    /// `number` is one of [`Syscall`](abi::Syscall); `registers` are r0, r1, r2-r5 and r12, in and out. The rest
    /// of a long message is in [`ipc_buffer`] of the calling thread.
    fn syscall(&mut self, number: u32, registers: &mut [u32; 7]);
}

impl<F: FnMut(u32, &mut [u32; 7])> Kernel for F {
    fn syscall(&mut self, number: u32, registers: &mut [u32; 7]) {
        self(number, registers);
    }
}

thread_local! {
    static KERNEL: RefCell<Option<Box<dyn Kernel>>> = const { RefCell::new(None) };
    static IPC_BUFFER: RefCell<Option<Mapped>> = const { RefCell::new(None) };
}

/// From now on this thread's system calls go to `kernel`.
pub fn install(kernel: impl Kernel + 'static) {
    KERNEL.with(|slot| *slot.borrow_mut() = Some(Box::new(kernel)));
}

/// From now on this thread has no kernel: what [`install`] gave is dropped.
pub fn remove() {
    KERNEL.with(|slot| *slot.borrow_mut() = None);
}

/// From now on this is this thread's IPC buffer ([`IPC_BUFFER_ALIGN`](abi::message::IPC_BUFFER_ALIGN) bytes).
pub fn set_ipc_buffer(buffer: Mapped) {
    IPC_BUFFER.with(|slot| *slot.borrow_mut() = Some(buffer));
}

/// This thread's IPC buffer; one of its own is made if none was set.
pub fn ipc_buffer() -> Mapped {
    IPC_BUFFER.with(|slot| *slot.borrow_mut().get_or_insert_with(|| Mapped::allocate(512)))
}

pub(crate) fn syscall(number: u32, registers: &mut [u32; 7]) {
    KERNEL.with(|slot| match slot.borrow_mut().as_mut() {
        Some(kernel) => kernel.syscall(number, registers),
        None => panic!("system call {number} with no kernel installed in this thread"),
    });
}
