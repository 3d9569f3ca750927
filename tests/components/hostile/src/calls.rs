//! System calls with wrong capabilities and wrong arguments, each with the error that the ABI documents.

use abi::method::{
    CNodeMethod, FrameMethod, IrqControlMethod, IrqHandlerMethod, PowerMethod, SchedContextMethod, TableMethod,
    TcbMethod, UntypedMethod, VcpuMethod,
};
use abi::{Error, MessageInfo, Syscall};
use runtime::svc::{Registers, svc};

/// Capabilities that the component has.
#[derive(Clone, Copy, Debug)]
pub struct Own {
    /// Its CNode.
    pub cnode: u32,
    /// A notification that it may signal and wait for.
    pub notification: u32,
    /// An endpoint that it may only call.
    pub client: u32,
    /// An endpoint that it may receive from.
    pub server: u32,
    /// A reply object without a caller.
    pub reply: u32,
    /// A slot of its CNode that is empty, and a second one.
    pub empty: u32,
    /// Beyond its CNode.
    pub beyond: u32,
}

/// What is wrong: which check, and what the kernel said instead of what it should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Number of the check.
    pub check: u32,
    /// Status that came.
    pub status: u32,
    /// Status that is documented.
    pub wanted: u32,
}

/// Every call that names a capability and is sure not to wait if that is wrong.
const NAMING: [Syscall; 10] = [
    Syscall::Call,
    Syscall::ReplyRecv,
    Syscall::Send,
    Syscall::NbSend,
    Syscall::Recv,
    Syscall::NbRecv,
    Syscall::Signal,
    Syscall::Wait,
    Syscall::Poll,
    Syscall::Reply,
];

fn make(call: Syscall, registers: Registers) -> u32 {
    match call {
        Syscall::Call => svc::<{ Syscall::Call as u32 }>(registers),
        Syscall::ReplyRecv => svc::<{ Syscall::ReplyRecv as u32 }>(registers),
        Syscall::Send => svc::<{ Syscall::Send as u32 }>(registers),
        Syscall::NbSend => svc::<{ Syscall::NbSend as u32 }>(registers),
        Syscall::Recv => svc::<{ Syscall::Recv as u32 }>(registers),
        Syscall::NbRecv => svc::<{ Syscall::NbRecv as u32 }>(registers),
        Syscall::Signal => svc::<{ Syscall::Signal as u32 }>(registers),
        Syscall::Wait => svc::<{ Syscall::Wait as u32 }>(registers),
        Syscall::Poll => svc::<{ Syscall::Poll as u32 }>(registers),
        Syscall::Reply => svc::<{ Syscall::Reply as u32 }>(registers),
        Syscall::Yield => svc::<{ Syscall::Yield as u32 }>(registers),
    }
    .r0
}

/// Makes checks, counts them, and tells of those that fail.
struct Checks<F> {
    count: u32,
    tell: F,
}

impl<F: FnMut(Wrong)> Checks<F> {
    fn want(&mut self, wanted: u32, call: Syscall, capability: u32, label: u16, words: &[u32], reply: u32) {
        let mut all = [0; 4];
        all.iter_mut().zip(words).for_each(|(to, from)| *to = *from);
        let info = MessageInfo::new(label, words.len() * 4);
        let status = make(call, Registers::new(capability, info, all, reply));
        if status != wanted {
            (self.tell)(Wrong { check: self.count, status, wanted });
        }
        self.count += 1;
    }

    fn refuse(&mut self, error: Error, call: Syscall, capability: u32) {
        self.want(error as u32, call, capability, 0xfff0, &[0; 4], 0);
    }

    fn method(&mut self, error: Error, capability: u32, label: u16, words: &[u32]) {
        self.want(error as u32, Syscall::Call, capability, label, words, 0);
    }

    /// Every call with addresses that lead nowhere, and with objects of other types than it needs.
    fn capabilities(&mut self, own: &Own) {
        for call in NAMING {
            self.refuse(Error::EmptySlot, call, 0);
            self.refuse(Error::EmptySlot, call, own.empty);
            for address in [own.beyond, 0x8000_0000, u32::MAX] {
                self.refuse(Error::OutOfRange, call, address);
            }
        }
        for call in [Syscall::ReplyRecv, Syscall::Send, Syscall::NbSend, Syscall::Recv, Syscall::NbRecv] {
            for other in [own.cnode, own.notification, own.reply] {
                self.refuse(Error::WrongType, call, other);
            }
        }
        for call in [Syscall::Signal, Syscall::Wait, Syscall::Poll] {
            for other in [own.cnode, own.client, own.server, own.reply] {
                self.refuse(Error::WrongType, call, other);
            }
        }
        for other in [own.cnode, own.notification, own.client, own.server] {
            self.refuse(Error::WrongType, Syscall::Reply, other);
        }
        for call in [Syscall::Recv, Syscall::NbRecv, Syscall::ReplyRecv] {
            self.refuse(Error::NoRights, call, own.client);
            for (reply, error) in
                [(own.cnode, Error::WrongType), (own.empty, Error::EmptySlot), (own.beyond, Error::OutOfRange)]
            {
                self.want(error as u32, call, own.server, 0, &[], reply);
            }
        }
        self.refuse(Error::NoCaller, Syscall::Reply, own.reply);
        self.want(Error::WouldBlock as u32, Syscall::NbRecv, own.server, 0, &[], own.reply);
    }

    /// Every method of every type on objects of other types.
    fn methods(&mut self, own: &Own) {
        let labels = (UntypedMethod::ALL.iter().map(|method| *method as u16))
            .chain(FrameMethod::ALL.iter().map(|method| *method as u16))
            .chain(TableMethod::ALL.iter().map(|method| *method as u16))
            .chain(TcbMethod::ALL.iter().map(|method| *method as u16))
            .chain(VcpuMethod::ALL.iter().map(|method| *method as u16))
            .chain(SchedContextMethod::ALL.iter().map(|method| *method as u16))
            .chain(IrqControlMethod::ALL.iter().map(|method| *method as u16))
            .chain(IrqHandlerMethod::ALL.iter().map(|method| *method as u16))
            .chain(PowerMethod::ALL.iter().map(|method| *method as u16))
            .chain([1, 0x200, 0x206, 0x7fff, 0x8000, u16::MAX]);
        for label in labels {
            self.method(Error::NoSuchMethod, own.cnode, label, &[1; 4]);
            self.method(Error::WrongType, own.notification, label, &[1; 4]);
            self.method(Error::WrongType, own.reply, label, &[1; 4]);
        }
    }

    /// The CNode's own methods with wrong arguments.
    fn arguments(&mut self, own: &Own) {
        let (cnode, free) = (own.cnode, own.empty);
        let methods = CNodeMethod::ALL.iter().map(|method| *method as u16);
        for label in methods.clone() {
            self.method(Error::Truncated, cnode, label, &[]);
            self.method(Error::EmptySlot, cnode, label, &[0, own.notification, 0, 0]);
            self.method(Error::OutOfRange, cnode, label, &[own.beyond, own.notification, 0, 0]);
            self.method(Error::OutOfRange, cnode, label, &[u32::MAX, own.notification, 0, 0]);
        }
        for method in [CNodeMethod::Copy, CNodeMethod::Mint, CNodeMethod::Move] {
            let label = method as u16;
            self.method(Error::Truncated, cnode, label, &[free]);
            self.method(Error::EmptySlot, cnode, label, &[free, 0, 0, 0]);
            self.method(Error::EmptySlot, cnode, label, &[free, free + 1, 0, 0]);
            self.method(Error::OutOfRange, cnode, label, &[free, own.beyond, 0, 0]);
            self.method(Error::SlotOccupied, cnode, label, &[own.cnode, own.notification, 0, 0]);
        }
        for method in [CNodeMethod::Copy, CNodeMethod::Mint] {
            for rights in [0x10, 0x100, u32::MAX] {
                self.method(Error::OutOfRange, cnode, method as u16, &[free, own.notification, rights, 0]);
            }
            self.method(Error::NotCopyable, cnode, method as u16, &[free, own.reply, 0xf, 0]);
        }
    }

    /// A copy has no more rights than were asked for, nor more than its source.
    fn rights(&mut self, own: &Own) {
        let (cnode, copy) = (own.cnode, own.empty);
        let done = 0;
        self.want(done, Syscall::Call, cnode, CNodeMethod::Copy as u16, &[copy, own.notification, 0], 0);
        for call in [Syscall::Signal, Syscall::Wait, Syscall::Poll] {
            self.refuse(Error::NoRights, call, copy);
        }
        self.want(done, Syscall::Call, cnode, CNodeMethod::Delete as u16, &[copy], 0);
        self.want(done, Syscall::Call, cnode, CNodeMethod::Copy as u16, &[copy, own.client, 0xf], 0);
        for call in [Syscall::Recv, Syscall::NbRecv, Syscall::ReplyRecv] {
            self.refuse(Error::NoRights, call, copy);
        }
        self.want(done, Syscall::Call, cnode, CNodeMethod::Delete as u16, &[copy], 0);
        self.want(done, Syscall::Call, cnode, CNodeMethod::Copy as u16, &[copy, own.client, 1], 0);
        for call in [Syscall::Call, Syscall::Send, Syscall::NbSend, Syscall::Recv] {
            self.refuse(Error::NoRights, call, copy);
        }
        self.want(done, Syscall::Call, cnode, CNodeMethod::Delete as u16, &[copy], 0);
        self.refuse(Error::EmptySlot, Syscall::Signal, copy);
    }
}

/// Makes all checks; how many there were. `tell` is told of each that went wrong.
pub fn check_all(own: &Own, tell: impl FnMut(Wrong)) -> u32 {
    let mut checks = Checks { count: 0, tell };
    checks.capabilities(own);
    checks.methods(own);
    checks.arguments(own);
    checks.rights(own);
    checks.count
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn a_kernel_that_refuses_nothing_is_found_out() {
        runtime::host::install(|_: u32, r: &mut [u32; 7]| r[0] = 0);
        let own = Own { cnode: 1, notification: 2, client: 3, server: 8, reply: 9, empty: 20, beyond: 1 << 16 };
        let mut wrong = Vec::new();
        let count = check_all(&own, |found| wrong.push(found));
        assert!(count > 300, "{count}");
        // All but those that must succeed.
        assert_eq!(wrong.len() as u32, count - 6);
    }
}
