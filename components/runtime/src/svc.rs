//! Vault: the SVC instruction, the only one there is. On the host, the call goes to the thread's
//! [`Kernel`](crate::host::Kernel).
#![cfg_attr(target_os = "none", allow(unsafe_code, reason = "the SVC instruction"))]

use abi::syscall::CPtr;
use abi::{Error, MessageInfo, Syscall};

/// What a system call takes and gives: r0, r1, r2-r5, r12, as [`abi::syscall`] says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// In: capability address. Out: status.
    pub r0: u32,
    /// Descriptor of the message.
    pub info: MessageInfo,
    /// The first 16 bytes of the message.
    pub words: [u32; 4],
    /// In: address of the `Reply`. Out: badge, or the notification's word.
    pub r12: u32,
}

impl Registers {
    /// Arguments of a call on `capability`.
    #[inline(always)]
    pub const fn new(capability: CPtr, info: MessageInfo, words: [u32; 4], reply: CPtr) -> Self {
        Self { r0: capability, info, words, r12: reply }
    }

    /// The status in r0 as a result. A status that is no error of the ABI's counts as `NoSuchMethod`.
    #[inline(always)]
    pub fn checked(self) -> Result<Self, Error> {
        if self.r0 == 0 { Ok(self) } else { Err(Error::from_status(self.r0).unwrap_or(Error::NoSuchMethod)) }
    }
}

/// Enters the kernel with the call `NUMBER`, one of [`Syscall`].
#[cfg(target_os = "none")]
#[inline(always)]
pub fn svc<const NUMBER: u32>(mut r: Registers) -> Registers {
    // SAFETY: K: the kernel changes no register but these seven, and no memory of the component's but its IPC
    // buffer and what other threads share with it; both are only read through `Mapped`.
    unsafe {
        core::arch::asm!(
            "svc {number}",
            number = const NUMBER,
            inlateout("r0") r.r0,
            inlateout("r1") r.info.0,
            inlateout("r2") r.words[0],
            inlateout("r3") r.words[1],
            inlateout("r4") r.words[2],
            inlateout("r5") r.words[3],
            inlateout("r12") r.r12,
            options(nostack, preserves_flags),
        );
    }
    r
}

/// Hands the call to the kernel that the test installed for this thread.
#[cfg(not(target_os = "none"))]
pub fn svc<const NUMBER: u32>(r: Registers) -> Registers {
    let [w0, w1, w2, w3] = r.words;
    let mut registers = [r.r0, r.info.0, w0, w1, w2, w3, r.r12];
    crate::host::syscall(NUMBER, &mut registers);
    let [r0, info, w0, w1, w2, w3, r12] = registers;
    Registers { r0, info: MessageInfo(info), words: [w0, w1, w2, w3], r12 }
}

/// Invokes a method of a kernel object with `count` of the words; the answer's words.
#[inline(always)]
pub fn invoke(capability: CPtr, method: u16, words: [u32; 4], count: usize) -> Result<[u32; 4], Error> {
    let info = MessageInfo::new(method, count * 4);
    let r = svc::<{ Syscall::Call as u32 }>(Registers::new(capability, info, words, 0)).checked()?;
    Ok(r.words)
}

/// Gives up the rest of this turn; in a context whose budget is below its period, of this period.
#[inline]
pub fn yield_now() {
    svc::<{ Syscall::Yield as u32 }>(Registers::default());
}
