//! The host's side of the seam: what answers a thread's system calls and holds its memory.
//!
//! A unit test installs a function that checks each call. `tests/desk` puts the real kernel core on a simulated machine there:
//! then each thread of each component is a thread of the host, and its address space is translated by the kernel's own tables.

pub(crate) mod place;
pub(crate) mod thread;
pub(crate) mod words;

pub use thread::{set_ipc_buffer, thread};
pub use words::{Level, render};

use std::boxed::Box;
use std::cell::RefCell;
use std::vec::Vec;

/// What stands below a thread on the host: a fake that checks each call, or the real kernel core and a machine. Only the first
/// function is needed for a fake.
pub trait Kernel {
    /// `number` is one of [`Syscall`](abi::Syscall); `registers` are r0, r1, r2-r5 and r12, in and out. The rest
    /// of a long message is in the calling thread's IPC buffer.
    fn syscall(&mut self, number: u32, registers: &mut [u32; 7]);

    /// Loads `bytes` bytes (1, 2 or 4, aligned) from the thread's address space.
    fn load(&mut self, address: u32, bytes: u32) -> u32 {
        panic!("a load of {bytes} bytes at {address:#x}, and this kernel has no memory")
    }

    /// Stores `bytes` bytes (1, 2 or 4, aligned) to the thread's address space.
    fn store(&mut self, address: u32, bytes: u32, value: u32) {
        panic!("a store of {value:#x} ({bytes} bytes) at {address:#x}, and this kernel has no memory")
    }

    /// What the thread's address space holds from `address` on: `bytes` bytes, or fewer if fewer are mapped.
    fn contents(&mut self, address: u32, bytes: u32) -> Vec<u8> {
        panic!("{bytes} bytes are wanted at {address:#x}, and this kernel has no memory")
    }

    /// The machine's counter and its ticks in a second. `None`: the host's own clock is used.
    fn counter(&mut self) -> Option<(u64, u32)> {
        None
    }

    /// The thread's stack pointer when it began: it tells which of its component's threads it is. `None`: there is no component.
    fn stack_pointer(&self) -> Option<u32> {
        None
    }

    /// The thread says something for people, which also goes to its log ring if it has one.
    fn say(&mut self, level: Level, text: &str) {
        let _ = (level, text);
    }

    /// The thread executes an undefined instruction, with these two numbers in r0 and r1.
    fn die(&mut self, code: u32, detail: u32) -> ! {
        panic!("the thread dies with code {code}, detail {detail}")
    }
}

impl<F: FnMut(u32, &mut [u32; 7])> Kernel for F {
    fn syscall(&mut self, number: u32, registers: &mut [u32; 7]) {
        self(number, registers);
    }
}

/// What a kernel unwinds a thread of the host with whose thread is no more. Raise it by [`std::panic::resume_unwind`], which tells
/// nobody; [`thread`] ends with it.
#[derive(Clone, Copy, Debug)]
pub struct Gone;

thread_local! {
    static KERNEL: RefCell<Option<Box<dyn Kernel>>> = const { RefCell::new(None) };
}

/// From now on this thread's system calls go to `kernel`.
pub fn install(kernel: impl Kernel + 'static) {
    KERNEL.with(|slot| *slot.borrow_mut() = Some(Box::new(kernel)));
}

/// From now on this thread has no kernel: what [`install`] gave is dropped.
pub fn remove() {
    KERNEL.with(|slot| *slot.borrow_mut() = None);
}

/// Asks this thread's kernel, if it has one and does not wait for it already.
fn ask<T>(question: impl FnOnce(&mut dyn Kernel) -> T) -> Option<T> {
    KERNEL.with(|slot| match slot.try_borrow_mut() {
        Ok(mut kernel) => kernel.as_mut().map(|kernel| question(&mut **kernel)),
        Err(_) => None,
    })
}

/// Asks this thread's kernel.
fn must<T>(what: &str, question: impl FnOnce(&mut dyn Kernel) -> T) -> T {
    KERNEL.with(|slot| match slot.borrow_mut().as_mut() {
        Some(kernel) => question(&mut **kernel),
        None => panic!("{what} with no kernel installed in this thread: a test calls `runtime::host::install` first"),
    })
}

pub(crate) fn syscall(number: u32, registers: &mut [u32; 7]) {
    must("a system call", |kernel| kernel.syscall(number, registers));
}

/// The machine's counter, if this thread's kernel has a machine.
pub(crate) fn counter() -> Option<(u64, u32)> {
    ask(|kernel| kernel.counter()).flatten()
}
