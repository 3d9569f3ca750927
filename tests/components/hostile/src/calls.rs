//! System calls with wrong capabilities and wrong arguments, each with the error that the ABI documents.

use crate::objects::{CNODE_BITS, Own, held_types, methods};
use abi::describe::{CapType, Description, Kind};
use abi::method::{CNodeMethod, FrameMethod, UntypedMethod};
use abi::{Error, MessageInfo, ObjectType, Rights, Syscall};
use runtime::Untyped;
use runtime::svc::{Registers, svc};

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

/// Every call that names a capability: none of them waits if that is wrong.
fn naming() -> impl Iterator<Item = Syscall> {
    Syscall::ALL.iter().copied().filter(|call| call.description().object.is_some())
}

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

/// Labels of no method: before, between and behind those that there are.
const NO_METHODS: [u16; 6] = [1, 0x200, 0x206, 0x7fff, 0x8000, u16::MAX];

/// Addresses that lead to no capability, and what is said of each.
fn nowhere(own: &Own) -> [(u32, Error); 5] {
    let beyond = [own.beyond, 0x8000_0000, u32::MAX].map(|address| (address, Error::OutOfRange));
    [(0, Error::EmptySlot), (own.empty, Error::EmptySlot), beyond[0], beyond[1], beyond[2]]
}

/// What an object of that type says to a label that is none of its methods. The endpoint that is held can't even be called.
fn misplaced(ty: CapType) -> Error {
    match ty {
        CapType::Endpoint => Error::NoRights,
        ty if ty.is_invoked() => Error::NoSuchMethod,
        _ => Error::WrongType,
    }
}

/// Words with which a method could succeed, but for what nobody can hold.
fn right_words(own: &Own, method: &Description) -> [u32; 4] {
    let mut words = [0; 4];
    for (to, word) in words.iter_mut().zip(method.words) {
        *to = match word.kind {
            Kind::Capability(ty, _) | Kind::OptionalCapability(ty, _) => own.of(ty).unwrap_or(own.cnode),
            Kind::AnyCapability => own.notification,
            Kind::Objects => ObjectType::Notification as u32 | 1 << 16,
            Kind::Number(ranges) => ranges.first().map_or(0, |(first, _)| *first),
            Kind::Bytes(multiple, _) => multiple,
            Kind::FrameAddress => 0x1000_0000,
            Kind::Core | Kind::Priority | Kind::Offset(_) => 0,
            Kind::Free | Kind::Slot | Kind::EmptySlot | Kind::EmptySlots => 1,
            Kind::Flags(_) | Kind::BudgetUs | Kind::PeriodUs => 1,
        };
    }
    words
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

    /// A method, invoked with all it needs but what is wrong.
    fn method(&mut self, error: Error, capability: u32, label: u16, words: &[u32]) {
        self.want(error as u32, Syscall::Call, capability, label, words, 0);
    }

    /// Every call with addresses that lead nowhere, and with objects of other types than it needs.
    fn capabilities(&mut self, own: &Own) {
        for call in naming() {
            for (address, error) in nowhere(own) {
                self.refuse(error, call, address);
            }
            // A call on anything but an endpoint is a method: those come later.
            let used = call.description().object.filter(|_| call != Syscall::Call);
            for (_, other) in used.into_iter().flat_map(|ty| own.others(ty)) {
                self.refuse(Error::WrongType, call, other);
            }
        }
        let reply = CapType::Reply;
        for call in [Syscall::Recv, Syscall::NbRecv, Syscall::ReplyRecv] {
            self.refuse(Error::NoRights, call, own.client);
            for (_, other) in own.others(reply) {
                self.want(Error::WrongType as u32, call, own.server, 0, &[], other);
            }
            // No reply object at all is allowed.
            for (address, error) in nowhere(own).into_iter().filter(|(address, _)| *address != 0) {
                self.want(error as u32, call, own.server, 0, &[], address);
            }
        }
        self.refuse(Error::NoCaller, Syscall::Reply, own.reply);
        self.want(Error::WouldBlock as u32, Syscall::NbRecv, own.server, 0, &[], own.reply);
    }

    /// Every method of every type on objects of other types, and where nothing is; labels that are no methods at all.
    fn methods(&mut self, own: &Own) {
        for method in methods() {
            let Some(ty) = method.object else { continue };
            for (other, slot) in own.others(ty) {
                self.method(misplaced(other), slot, method.number as u16, &[1; 4]);
            }
            for (address, error) in nowhere(own) {
                self.method(error, address, method.number as u16, &[1; 4]);
            }
        }
        for label in NO_METHODS {
            for (ty, slot) in held_types().zip(own.held) {
                self.method(misplaced(ty), slot, label, &[1; 4]);
            }
        }
    }

    /// Every method of what the component has, with each word wrong in turn.
    fn arguments(&mut self, own: &Own) {
        for method in methods() {
            let Some(object) = method.object.and_then(|ty| own.of(ty)) else { continue };
            let right = right_words(own, method);
            let right = &right[..method.words.len()];
            for length in 0..right.len() {
                self.method(Error::Truncated, object, method.number as u16, &right[..length]);
            }
            for (at, word) in method.words.iter().enumerate() {
                self.word(own, method, (object, right), (at, word.kind));
            }
            let weak = method.object.filter(|_| !method.rights.is_empty()).and_then(|ty| own.weak(ty));
            weak.into_iter().for_each(|weak| self.method(Error::NoRights, weak, method.number as u16, right));
        }
        // Rights that only some flags ask for.
        let space = own.of(CapType::VSpace).unwrap_or_default();
        let writable = u32::from((Rights::READ | Rights::WRITE).bits());
        self.method(Error::NoRights, own.read_only_frame, FrameMethod::Map as u16, &[space, 0x1000_0000, writable]);
    }

    /// One word, with all that it must not be; the others are right.
    fn word(&mut self, own: &Own, method: &Description, (object, right): (u32, &[u32]), (at, kind): (usize, Kind)) {
        let mut with = |error: Error, value: u32| {
            let mut words = [0; 4];
            words[..right.len()].copy_from_slice(right);
            words[at] = value;
            self.method(error, object, method.number as u16, &words[..right.len()]);
        };
        match kind {
            Kind::Slot | Kind::EmptySlot | Kind::EmptySlots => {
                with(Error::EmptySlot, 0);
                with(Error::OutOfRange, 1 << CNODE_BITS);
                with(Error::OutOfRange, u32::MAX);
            }
            Kind::AnyCapability | Kind::Capability(..) | Kind::OptionalCapability(..) => {
                // 0 may mean none.
                let skipped = usize::from(matches!(kind, Kind::OptionalCapability(..)));
                nowhere(own).into_iter().skip(skipped).for_each(|(address, error)| with(error, address));
            }
            // No capabilities: what is wrong with numbers is tried elsewhere.
            _ => {}
        }
        if let Kind::Capability(ty, rights) | Kind::OptionalCapability(ty, rights) = kind {
            own.others(ty).for_each(|(_, other)| with(Error::WrongType, other));
            let weak = own.weak(ty).filter(|_| !rights.is_empty());
            weak.into_iter().for_each(|weak| with(Error::NoRights, weak));
        }
    }

    /// What can't be copied, slots that are taken, rights that there are none.
    fn copies(&mut self, own: &Own) {
        let (cnode, free) = (own.cnode, own.empty);
        for method in [CNodeMethod::Copy, CNodeMethod::Mint, CNodeMethod::Move] {
            self.method(Error::SlotOccupied, cnode, method as u16, &[own.cnode, own.notification, 0, 0]);
        }
        let one = ObjectType::Notification as u32 | 1 << 16;
        self.method(Error::SlotOccupied, own.memory, UntypedMethod::Retype as u16, &[one, cnode, own.cnode]);
        for method in [CNodeMethod::Copy, CNodeMethod::Mint] {
            for rights in [0x10, 0x100, u32::MAX] {
                self.method(Error::OutOfRange, cnode, method as u16, &[free, own.notification, rights, 0]);
            }
            for (_, slot) in held_types().zip(own.held).filter(|(ty, _)| !ty.is_copyable()) {
                self.method(Error::NotCopyable, cnode, method as u16, &[free, slot, 0xf, 0]);
            }
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
    let before = Untyped(own.memory).describe();
    checks.capabilities(own);
    checks.methods(own);
    checks.arguments(own);
    checks.copies(own);
    checks.rights(own);
    // A call that fails changes nothing: no object was made.
    let after = Untyped(own.memory).describe();
    if before != after || after.is_err() {
        (checks.tell)(Wrong { check: checks.count, status: 0, wanted: 0 });
    }
    checks.count + 1
}

/// How many checks [`check_all`] makes: it makes the same whatever comes of them.
#[cfg(not(target_os = "none"))]
pub fn count() -> u32 {
    runtime::host::install(|_: u32, r: &mut [u32; 7]| r[0] = 0);
    check_all(&Own::numbered(), |_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::HELD;
    use std::vec::Vec;

    #[test]
    fn a_kernel_that_refuses_nothing_is_found_out() {
        runtime::host::install(|_: u32, r: &mut [u32; 7]| r[0] = 0);
        let mut wrong = Vec::new();
        let count = check_all(&Own::numbered(), |found| wrong.push(found));
        // All but those that must succeed: copies and deletions of `rights`, and what is left of the memory.
        assert_eq!(wrong.len() as u32, count - 7);
    }

    #[test]
    fn a_kernel_that_makes_something_in_a_call_that_fails_is_found_out() {
        let mut free = u32::MAX;
        runtime::host::install(move |_: u32, r: &mut [u32; 7]| {
            (r[0], r[4], free) = (0, free, free - 64);
        });
        let mut last = None;
        let count = check_all(&Own::numbered(), |found| last = Some(found.check));
        assert_eq!(last, Some(count - 1));
    }

    #[test]
    fn every_method_is_tried_on_every_type_and_on_nothing() {
        runtime::host::install(|_: u32, r: &mut [u32; 7]| r[0] = 0);
        let mut checks = Checks { count: 0, tell: |_| () };
        checks.methods(&Own::numbered());
        let nowhere = nowhere(&Own::numbered()).len();
        let of_held =
            methods().filter(|method| method.object.is_some_and(|ty| held_types().any(|held| held == ty))).count();
        let of_root = methods().count() - of_held;
        let wanted = of_held * (HELD - 1 + nowhere) + of_root * (HELD + nowhere) + NO_METHODS.len() * HELD;
        assert_eq!(checks.count as usize, wanted);
    }

    #[test]
    fn every_word_that_names_a_capability_is_given_every_other_type() {
        runtime::host::install(|_: u32, r: &mut [u32; 7]| r[0] = 0);
        let of_held = methods().filter(|method| method.object.is_some_and(|ty| held_types().any(|held| held == ty)));
        let mut seen = 0;
        for (method, (at, word)) in
            of_held.flat_map(|method| method.words.iter().enumerate().map(move |word| (method, word)))
        {
            let mut checks = Checks { count: 0, tell: |_| () };
            let own = Own::numbered();
            let right = right_words(&own, method);
            checks.word(&own, method, (1, &right[..method.words.len()]), (at, word.kind));
            let (others, nowhere) = (HELD - 1, nowhere(&own).len());
            let weak = |ty, rights: abi::Rights| usize::from(own.weak(ty).is_some() && !rights.is_empty());
            let wanted = match word.kind {
                // Nobody holds it, so that all types are others.
                Kind::Capability(CapType::SchedControl, _) => nowhere + HELD,
                Kind::Capability(ty, rights) => nowhere + others + weak(ty, rights),
                Kind::OptionalCapability(ty, rights) => nowhere - 1 + others + weak(ty, rights),
                Kind::AnyCapability => nowhere,
                Kind::Slot | Kind::EmptySlot | Kind::EmptySlots => 3,
                _ => 0,
            };
            assert_eq!(checks.count as usize, wanted, "{} {}", method.name, word.name);
            seen += usize::from(wanted > HELD);
        }
        assert!(seen > 10, "{seen}");
    }
}
