//! A kernel for root's tests that checks each call as the real one would: slots, types, room, mappings, badges.

use abi::boot::{ROOT_SCRATCH_ADDRESS, ROOT_SCRATCH_BLOCK_ADDRESS, root_slot};
use abi::method::*;
use abi::rights::MapFlags;
use abi::{Error, MessageInfo, ObjectType};
use runtime::{Mapped, host};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::string::String;
use std::vec::Vec;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Kind {
    Made(ObjectType),
    IrqControl,
    Irq,
    #[default]
    Power,
}

#[derive(Clone, Debug, Default)]
pub struct Object {
    pub kind: Kind,
    pub bits: u32,
    base: u64,
    used: u64,
    dirty: bool,
    device: bool,
    parent: Option<usize>,
    dead: bool,
    pub bytes: HashMap<u32, u8>,
    pub unified: u32,
    /// What was set, by name.
    pub notes: Vec<String>,
    pub started: bool,
    /// A thread's registers, and whether it waits for an answer.
    pub registers: [u32; 17],
    pub waits: bool,
    pub stopped: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct Cap {
    pub object: usize,
    pub badge: u32,
    mapped: Option<(usize, u32)>,
}

#[derive(Default)]
pub struct Fake {
    pub objects: Vec<Object>,
    /// By CNode object and index.
    pub slots: HashMap<(usize, u32), Cap>,
    /// By space object and address.
    pub mappings: HashMap<(usize, u32), (usize, u32)>,
    pub calls: usize,
    /// What is mapped in root's window for filling, each time: the frame, and the flags.
    pub looked_at: Vec<(usize, u32)>,
    /// Priorities that were set, of which threads.
    pub priorities: Vec<(usize, u32)>,
    /// The next answer's word.
    answer: u32,
    scratch: Option<(Mapped, Mapped)>,
}

const ROOT: usize = 0;

impl Fake {
    fn object(&mut self, kind: Kind, bits: u32, base: u64, parent: Option<usize>) -> usize {
        self.objects.push(Object { kind, bits, base, parent, ..Object::default() });
        self.objects.len() - 1
    }

    /// Root's world, with untypeds given as (base, bits, device, clean).
    pub fn new(untypeds: &[(u64, u32, bool, bool)], page: Mapped, block: Mapped) -> Self {
        use ObjectType::*;
        let mut fake = Self { scratch: Some((page, block)), ..Self::default() };
        let mut give = |slot, kind, bits, base| {
            let object = fake.object(kind, bits, base, None);
            fake.slots.insert((ROOT, slot), Cap { object, badge: 0, mapped: None });
        };
        give(root_slot::CNODE, Kind::Made(CNode), 12, 0);
        give(root_slot::VSPACE, Kind::Made(VSpace), 0, 0);
        give(root_slot::TCB, Kind::Made(Tcb), 0, 0);
        give(root_slot::SCHED_CONTEXT, Kind::Made(SchedContext), 0, 0);
        give(root_slot::IRQ_CONTROL, Kind::IrqControl, 0, 0);
        give(root_slot::POWER, Kind::Power, 0, 0);
        give(root_slot::KERNEL_LOG, Kind::Made(Frame), 12, 0);
        for slot in 0..2 {
            give(root_slot::PAYLOAD + slot, Kind::Made(Frame), 21, 0);
        }
        for (index, &(base, bits, device, clean)) in untypeds.iter().enumerate() {
            let object = fake.object(Kind::Made(Untyped), bits, base, None);
            let place = (ROOT, root_slot::UNTYPED + index as u32);
            fake.slots.insert(place, Cap { object, badge: 0, mapped: None });
            fake.objects[object].device = device;
            fake.objects[object].dirty = !clean && !device;
        }
        for slot in root_slot::PAYLOAD..root_slot::PAYLOAD + 2 {
            fake.slots.get_mut(&(ROOT, slot)).unwrap().mapped = Some((1, 0x2000_0000));
        }
        fake
    }

    pub fn install(self) -> Rc<RefCell<Self>> {
        let shared = Rc::new(RefCell::new(self));
        let kernel = shared.clone();
        host::install(move |number: u32, r: &mut [u32; 7]| {
            assert_eq!(number, 0, "root only invokes objects while it builds");
            let mut fake = kernel.borrow_mut();
            fake.calls += 1;
            let (label, words) = (MessageInfo(r[1]).label(), [r[2], r[3], r[4], r[5]]);
            match fake.invoke(r[0], label, words) {
                Ok(()) => (r[0], r[2]) = (0, fake.answer),
                Err(error) => r[0] = error as u32,
            }
        });
        shared
    }

    fn cap(&self, slot: u32) -> Result<Cap, Error> {
        self.slots.get(&(ROOT, slot)).copied().ok_or(Error::EmptySlot)
    }

    fn of(&self, slot: u32, ty: ObjectType) -> Result<usize, Error> {
        let object = self.cap(slot)?.object;
        if self.objects[object].kind == Kind::Made(ty) { Ok(object) } else { Err(Error::WrongType) }
    }

    fn put(&mut self, cnode: usize, index: u32, cap: Cap) -> Result<(), Error> {
        if index == 0 || index >= 1 << self.objects[cnode].bits {
            return Err(Error::OutOfRange);
        }
        if self.slots.contains_key(&(cnode, index)) {
            return Err(Error::SlotOccupied);
        }
        self.slots.insert((cnode, index), cap);
        Ok(())
    }

    fn drop_cap(&mut self, place: (usize, u32)) {
        if let Some(mapping) = self.slots.remove(&place).and_then(|cap| cap.mapped) {
            self.mappings.remove(&mapping);
        }
    }

    fn kill(&mut self, object: usize) {
        self.objects[object].dead = true;
        let gone: Vec<_> = self.slots.iter().filter(|(_, cap)| cap.object == object).map(|(place, _)| *place).collect();
        gone.into_iter().for_each(|place| self.drop_cap(place));
        let inside: Vec<_> = self.slots.keys().filter(|(cnode, _)| *cnode == object).copied().collect();
        inside.into_iter().for_each(|place| self.drop_cap(place));
        let mapped: Vec<_> = self.mappings.keys().filter(|(space, _)| *space == object).copied().collect();
        for place in mapped {
            self.mappings.remove(&place);
            for cap in self.slots.values_mut().filter(|cap| cap.mapped == Some(place)) {
                cap.mapped = None;
            }
        }
        let children: Vec<_> = self.children(object);
        children.into_iter().for_each(|child| self.kill(child));
    }

    fn children(&self, object: usize) -> Vec<usize> {
        (0..self.objects.len()).filter(|&o| self.objects[o].parent == Some(object) && !self.objects[o].dead).collect()
    }

    fn invoke(&mut self, slot: u32, label: u16, w: [u32; 4]) -> Result<(), Error> {
        match label >> 8 {
            0x1 => self.untyped(slot, label, w),
            0x2 => self.cnode(slot, label, w),
            0x3 => self.frame(slot, label, w),
            0x4 => {
                let table = self.of(slot, ObjectType::Table)?;
                let space = self.of(w[0], ObjectType::VSpace)?;
                self.objects[table].notes.push(std::format!("map {space} {:#x}", w[1]));
                Ok(())
            }
            0x6 => self.tcb(slot, label, w),
            0xb => {
                let context = self.of(slot, ObjectType::SchedContext)?;
                if label == SchedContextMethod::Bind as u16 {
                    self.of(w[0], ObjectType::Tcb)?;
                }
                self.objects[context].notes.push(std::format!("{label:#x} {w:?}"));
                Ok(())
            }
            0xc => {
                assert_eq!(self.objects[self.cap(slot)?.object].kind, Kind::IrqControl);
                let held: Vec<usize> = self.slots.values().map(|cap| cap.object).collect();
                if held.into_iter().any(|o| self.objects[o].kind == Kind::Irq && self.objects[o].bits == w[0]) {
                    return Err(Error::IrqTaken);
                }
                let cnode = self.of(w[1], ObjectType::CNode)?;
                let object = self.object(Kind::Irq, w[0], 0, None);
                self.put(cnode, w[2], Cap { object, badge: 0, mapped: None })
            }
            0xd => {
                let irq = self.cap(slot)?.object;
                if label == IrqHandlerMethod::Clear as u16 {
                    self.objects[irq].notes.clear();
                }
                if label == IrqHandlerMethod::SetNotification as u16 {
                    self.of(w[0], ObjectType::Notification)?;
                    if !self.objects[irq].notes.is_empty() {
                        return Err(Error::WrongState);
                    }
                    let badge = self.cap(w[0])?.badge;
                    self.objects[irq].notes.push(std::format!("badge {badge:#x}"));
                }
                Ok(())
            }
            _ => Err(Error::NoSuchMethod),
        }
    }

    fn untyped(&mut self, slot: u32, label: u16, w: [u32; 4]) -> Result<(), Error> {
        let untyped = self.of(slot, ObjectType::Untyped)?;
        if label == UntypedMethod::Reset as u16 {
            if !self.children(untyped).is_empty() {
                return Err(Error::HasChildren);
            }
            (self.objects[untyped].used, self.objects[untyped].dirty) = (0, false);
            return Ok(());
        }
        assert_eq!(label, UntypedMethod::Retype as u16);
        let (ty, bits, count) = (w[0] & 0xff, w[0] >> 8 & 0xff, w[0] >> 16);
        let ty = ObjectType::from_number(ty).ok_or(Error::OutOfRange)?;
        let dirty = self.objects[untyped].dirty;
        assert!(!dirty || ty == ObjectType::Untyped, "an object of memory that was not reset");
        let bytes = ty.bytes(bits).ok_or(Error::OutOfRange)?;
        if !(1..=abi::object::RETYPE_COUNT_MAX).contains(&count) {
            return Err(Error::OutOfRange);
        }
        let device = self.objects[untyped].device;
        if device && !matches!(ty, ObjectType::Untyped | ObjectType::Frame) {
            return Err(Error::DeviceMemory);
        }
        let cnode = self.of(w[1], ObjectType::CNode)?;
        for index in 0..count {
            let parent = &self.objects[untyped];
            let at = (parent.base + parent.used).next_multiple_of(ty.align(bits));
            let used = at + bytes - parent.base;
            if used > 1 << parent.bits {
                return Err(Error::OutOfMemory);
            }
            self.objects[untyped].used = used;
            let object = self.object(Kind::Made(ty), bits, at, Some(untyped));
            self.objects[object].device = device;
            self.objects[object].dirty = dirty;
            self.put(cnode, w[2] + index, Cap { object, badge: 0, mapped: None })?;
        }
        Ok(())
    }

    fn cnode(&mut self, slot: u32, label: u16, w: [u32; 4]) -> Result<(), Error> {
        let cnode = self.of(slot, ObjectType::CNode)?;
        let index = w[0];
        match label {
            l if l == CNodeMethod::Copy as u16 || l == CNodeMethod::Mint as u16 => {
                let cap = self.cap(w[1])?;
                if matches!(
                    self.objects[cap.object].kind,
                    Kind::Made(ObjectType::Untyped | ObjectType::Table | ObjectType::Reply)
                        | Kind::Irq
                        | Kind::IrqControl
                ) {
                    return Err(Error::NotCopyable);
                }
                let badge = if l == CNodeMethod::Mint as u16 { w[3] } else { cap.badge };
                self.put(cnode, index, Cap { badge, mapped: None, ..cap })
            }
            l if l == CNodeMethod::Move as u16 => {
                let cap = self.cap(w[1])?;
                self.put(cnode, index, cap)?;
                self.slots.remove(&(ROOT, w[1]));
                Ok(())
            }
            l if l == CNodeMethod::Delete as u16 => {
                let cap = *self.slots.get(&(cnode, index)).ok_or(Error::EmptySlot)?;
                self.drop_cap((cnode, index));
                if !self.slots.values().any(|other| other.object == cap.object) {
                    self.objects[cap.object].dead = true;
                }
                Ok(())
            }
            _ => {
                let cap = *self.slots.get(&(cnode, index)).ok_or(Error::EmptySlot)?;
                self.children(cap.object).into_iter().for_each(|child| self.kill(child));
                Ok(())
            }
        }
    }

    fn frame(&mut self, slot: u32, label: u16, w: [u32; 4]) -> Result<(), Error> {
        let frame = self.of(slot, ObjectType::Frame)?;
        let (page, block) = self.scratch.unwrap();
        match label {
            l if l == FrameMethod::Map as u16 => {
                let space = self.of(w[0], ObjectType::VSpace)?;
                let flags = MapFlags::from_bits(w[2]).unwrap();
                if self.cap(slot)?.mapped.is_some() {
                    return Err(Error::AlreadyMapped);
                }
                if self.mappings.contains_key(&(space, w[1])) {
                    return Err(Error::AddressOccupied);
                }
                if self.objects[frame].device != flags.contains(MapFlags::DEVICE) {
                    return Err(Error::DeviceMemory);
                }
                if w[1] % (1 << self.objects[frame].bits) != 0 {
                    return Err(Error::Misaligned);
                }
                self.mappings.insert((space, w[1]), (frame, w[2]));
                self.slots.get_mut(&(ROOT, slot)).unwrap().mapped = Some((space, w[1]));
                if let Some(window) = self.window(space, w[1], page, block) {
                    self.looked_at.push((frame, w[2]));
                    for at in 0..window.len() {
                        window.write_u8(at, *self.objects[frame].bytes.get(&(at as u32)).unwrap_or(&0));
                    }
                }
                Ok(())
            }
            l if l == FrameMethod::Unmap as u16 => {
                let (space, address) = self.cap(slot)?.mapped.ok_or(Error::NotMapped)?;
                self.slots.get_mut(&(ROOT, slot)).unwrap().mapped = None;
                self.mappings.remove(&(space, address));
                if let Some(window) = self.window(space, address, page, block) {
                    for at in 0..window.len() {
                        let byte = window.read_u8(at);
                        if byte != 0 {
                            self.objects[frame].bytes.insert(at as u32, byte);
                        }
                    }
                }
                Ok(())
            }
            l if l == FrameMethod::Unify as u16 => {
                assert!(w[0] % 64 == 0 && w[1] % 64 == 0 && w[1] <= CACHE_BYTES_MAX);
                assert!(w[0] + w[1] <= 1 << self.objects[frame].bits);
                self.objects[frame].unified += w[1];
                Ok(())
            }
            _ => Err(Error::NoSuchMethod),
        }
    }

    fn window(&self, space: usize, address: u32, page: Mapped, block: Mapped) -> Option<Mapped> {
        (space == 1).then_some(())?;
        [(ROOT_SCRATCH_ADDRESS, page), (ROOT_SCRATCH_BLOCK_ADDRESS, block)]
            .into_iter()
            .find_map(|(at, window)| (at == address).then_some(window))
    }

    fn tcb(&mut self, slot: u32, label: u16, w: [u32; 4]) -> Result<(), Error> {
        let tcb = self.of(slot, ObjectType::Tcb)?;
        match TcbMethod::from_label(label).ok_or(Error::NoSuchMethod)? {
            TcbMethod::SetSpaces => {
                self.of(w[0], ObjectType::CNode)?;
                self.of(w[1], ObjectType::VSpace)?;
            }
            TcbMethod::SetIpcBuffer => drop(self.of(w[0], ObjectType::Frame)?),
            TcbMethod::SetFaultHandler => {
                self.of(w[0], ObjectType::Endpoint)?;
                let badge = self.cap(w[0])?.badge;
                self.objects[tcb].notes.push(std::format!("fault badge {badge}"));
            }
            TcbMethod::SetPriority => {
                self.of(w[0], ObjectType::Tcb)?;
                self.priorities.push((tcb, w[1]));
            }
            TcbMethod::Suspend => self.objects[tcb].stopped = true,
            TcbMethod::WriteRegisters if self.objects[tcb].started => {
                return Err(Error::WrongState);
            }
            TcbMethod::WriteRegisters => self.objects[tcb].notes.push(std::format!("registers {w:x?}")),
            TcbMethod::ReadState => {
                let state = if self.objects[tcb].waits { ThreadState::BlockedOnReply } else { ThreadState::Running };
                self.answer = state as u32;
            }
            TcbMethod::ReadRegister => {
                self.answer = *self.objects[tcb].registers.get(w[0] as usize).ok_or(Error::OutOfRange)?;
            }
            TcbMethod::Resume => self.objects[tcb].started = true,
            TcbMethod::BindNotification => drop(self.of(w[0], ObjectType::Notification)?),
            TcbMethod::BindVcpu => drop(self.of(w[0], ObjectType::Vcpu)?),
            _ => return Err(Error::NoSuchMethod),
        }
        Ok(())
    }

    /// The living object that a slot of a CNode names.
    pub fn at(&self, cnode: usize, index: u32) -> Option<&Object> {
        self.slots.get(&(cnode, index)).map(|cap| &self.objects[cap.object])
    }
}
