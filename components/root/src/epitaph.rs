//! What a component leaves that died: what it did, its registers, and what of its stack tells how it came there.
//!
//! Root reads the registers through the thread's capability, and the stack through its window for filling, a page at a time,
//! in frames that the records say the component's stack pointer may point into: never in a device, never in what belongs to
//! another. The tool turns what is said here into functions, files and lines.

use crate::build::Root;
use crate::failure::Cause;
use crate::table::Object;
use abi::fault::FaultKind;
use abi::method::ThreadState;
use abi::object::PAGE_BITS;
use abi::rights::MapFlags;
use arrayvec::ArrayVec;
use protocol::layout;
use runtime::{Mapped, Tcb, log};
use system::{GroupId, ObjectId, ObjectKind, Record};

/// Number of the program counter among a thread's registers.
const PC: usize = 15;
/// Of its stack pointer.
const SP: usize = 13;
/// r0-r14, pc, cpsr.
pub const REGISTERS: usize = 17;
const PAGE: u32 = 1 << PAGE_BITS;
/// Pages of a stack that are looked at, from the one on that the stack pointer points into.
pub const PAGES_MAX: usize = 8;
/// Bytes of a row.
pub const ROW_BYTES: u32 = 16;
/// The first rows of a stack are told whatever they hold.
pub const FIRST_ROWS: usize = 4;
/// The most rows that are told. With the registers, that is 1100 bytes in a log ring of 4000.
pub const ROWS_MAX: usize = 20;

/// Four words of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Address of the first, a multiple of 16.
    pub address: u32,
    /// The words.
    pub words: [u32; 4],
}

/// What is known of a thread that died.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Epitaph {
    /// r0-r14, pc, cpsr.
    pub registers: [u32; REGISTERS],
    /// The first rows of its stack, and those above in which a word is an address of its code.
    pub rows: ArrayVec<Row, ROWS_MAX>,
}

/// What of a component's space matters here.
struct Space {
    /// From the lowest to the end of the highest address that is executable.
    code: (u32, u32),
    /// The first page that is wanted, the one that the stack pointer points into.
    first: u32,
    /// Frames that lie there and in the pages above: whose they are, and which of them.
    pages: [Option<(Object, u32)>; PAGES_MAX],
}

impl Space {
    fn is_code(&self, word: u32) -> bool {
        (self.code.0..self.code.1).contains(&(word & !1))
    }

    /// The rows of a page that are worth telling, from the stack pointer on.
    fn rows(&self, page: &Mapped, address: u32, sp: u32, to: &mut ArrayVec<Row, ROWS_MAX>) {
        for offset in (0..PAGE).step_by(ROW_BYTES as usize) {
            let address = address + offset;
            if address < sp & !(ROW_BYTES - 1) {
                continue;
            }
            let words = [0, 4, 8, 12].map(|word| page.read_u32((offset + word) as usize));
            let told = to.len() < FIRST_ROWS || words.iter().any(|word| self.is_code(*word));
            if told && to.try_push(Row { address, words }).is_err() {
                return;
            }
        }
    }
}

impl Root<'_> {
    /// What can be told of the thread of that group that waits, at that pc and with that sp, for what becomes of its fault.
    pub(crate) fn examine(&self, group: GroupId, pc: u32, sp: u32) -> Result<Option<Epitaph>, Cause> {
        for record in self.records()? {
            let Record::Thread { tcb, vspace, vcpu: None, .. } = record? else { continue };
            if self.table.object(tcb)?.group != group {
                continue;
            }
            let tcb = Tcb(self.table.slot(tcb)?);
            let register = |number: usize| tcb.read_register(number as u32);
            let waits = tcb.state()? == ThreadState::BlockedOnReply as u32;
            if !waits || register(PC)? != pc || register(SP)? != sp {
                continue;
            }
            let mut epitaph = Epitaph { registers: [0; REGISTERS], rows: ArrayVec::new() };
            for (number, value) in epitaph.registers.iter_mut().enumerate() {
                *value = register(number)?;
            }
            self.stack(group, vspace, &mut epitaph)?;
            return Ok(Some(epitaph));
        }
        Ok(None)
    }

    fn stack(&self, group: GroupId, vspace: ObjectId, epitaph: &mut Epitaph) -> Result<(), Cause> {
        let sp = epitaph.registers[SP];
        let space = self.space(group, vspace, sp)?;
        for (number, page) in space.pages.iter().enumerate() {
            // Below a stack that ran over there is nothing, and above it all that led there.
            let Some((frames, part)) = page else { continue };
            let address = space.first + number as u32 * PAGE;
            self.scratch()?.look(frames, *part, |page| space.rows(page, address, sp, &mut epitaph.rows))?;
        }
        Ok(())
    }

    /// Where code lies in a space, and the group's own pages from the one with `sp` in it on.
    fn space(&self, group: GroupId, vspace: ObjectId, sp: u32) -> Result<Space, Cause> {
        let mut space = Space { code: (u32::MAX, 0), first: sp & !(PAGE - 1), pages: [None; PAGES_MAX] };
        for record in self.records()? {
            let Record::MapFrames { frames, first, count, vspace: mapped, address, flags, .. } = record? else {
                continue;
            };
            let (flags, object) = (MapFlags::from_bits_truncate(flags), self.table.object(frames)?);
            // Anything else is no stack: blocks are a guest's memory, and to read a device is to do something to it.
            let is_pages = matches!(object.kind, ObjectKind::Frames { bits, .. } if u32::from(bits) == PAGE_BITS);
            if mapped != vspace || !is_pages || flags.intersects(MapFlags::DEVICE | MapFlags::UNCACHED) {
                continue;
            }
            if flags.contains(MapFlags::EXECUTE) {
                let end = address.saturating_add(count << PAGE_BITS);
                space.code = (space.code.0.min(address), space.code.1.max(end));
            }
            if object.group == group {
                for (page, number) in space.pages.iter_mut().zip(0..) {
                    let at = space.first.checked_add(number * PAGE).map(|at| at.wrapping_sub(address) >> PAGE_BITS);
                    if let Some(index) = at.filter(|index| *index < count) {
                        *page = Some((object, first + index));
                    }
                }
            }
        }
        Ok(space)
    }

    /// Tells of a death, in full if there is room for it. The name is told first: it says whose the lines behind it are.
    pub(crate) fn epitaph(&mut self, id: GroupId, fault: FaultKind, words: [u32; 4], now_us: u64) {
        let [address, pc, syndrome, sp] = words;
        let name = self.table.group(id).map_or("?", |group| group.name);
        let cause = cause(fault, address);
        log::error!("{=str} died: {=str}, address {=u32:#010x}, hsr {=u32:#010x}", name, cause, address, syndrome);
        if !self.allowance.take(now_us) {
            log::error!("  pc {=u32:#010x} sp {=u32:#010x}; too many died at once to tell more", pc, sp);
            return;
        }
        match self.examine(id, pc, sp) {
            Ok(Some(epitaph)) => tell(&epitaph),
            Ok(None) => log::error!("  pc {=u32:#010x} sp {=u32:#010x}; its thread is gone", pc, sp),
            Err(cause) => {
                let (why, number) = (cause.text(), cause.number());
                log::error!("  pc {=u32:#010x} sp {=u32:#010x}; no more: {=str} ({=u32})", pc, sp, why, number);
            }
        }
    }
}

fn tell(epitaph: &Epitaph) {
    let r = &epitaph.registers;
    log::error!("  pc {=u32:#010x} lr {=u32:#010x} sp {=u32:#010x} cpsr {=u32:#010x}", r[PC], r[14], r[SP], r[16]);
    log::error!("  r0 {=u32:#010x} r1 {=u32:#010x} r2 {=u32:#010x} r3 {=u32:#010x}", r[0], r[1], r[2], r[3]);
    log::error!("  r4 {=u32:#010x} r5 {=u32:#010x} r6 {=u32:#010x} r7 {=u32:#010x}", r[4], r[5], r[6], r[7]);
    log::error!(
        "  r8 {=u32:#010x} r9 {=u32:#010x} r10 {=u32:#010x} r11 {=u32:#010x} r12 {=u32:#010x}",
        r[8],
        r[9],
        r[10],
        r[11],
        r[12]
    );
    for Row { address, words: [a, b, c, d] } in &epitaph.rows {
        log::error!("  stack {=u32:#010x}: {=u32:08x} {=u32:08x} {=u32:08x} {=u32:08x}", *address, *a, *b, *c, *d);
    }
}

/// A fault in words. What lies between the stacks is nobody's: who touches it has gone over the end of one.
const fn cause(fault: FaultKind, address: u32) -> &'static str {
    let of_stacks = address >= layout::STACKS && address < layout::stack_top(layout::THREADS_MAX - 1);
    match fault {
        FaultKind::Data if of_stacks => "went over the end of its stack",
        FaultKind::Data => "touched memory that it does not have",
        FaultKind::Fetch => "ran into memory that is no code",
        FaultKind::Undefined => "undefined instruction (or panic)",
        FaultKind::Breakpoint => "breakpoint",
        FaultKind::Alignment => "misaligned access or external abort",
        FaultKind::UnknownCall => "unknown system call",
        FaultKind::TimeOut => "its caller's time ran out",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Fake;
    use crate::lifecycle::Outcome;
    use crate::tests::{message, records, root, slot_of};
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::vec::Vec;
    use system::Action;

    /// The component of `records`, its group, and the numbers of its thread and of its first frames.
    const ECHO: GroupId = 2;
    const TCB: usize = 19;
    const FRAMES: usize = 18;
    /// The two pages of the stack that it gets here, from slot `STACK_SLOT` on.
    const STACK: u32 = 0x1800_e000;
    const STACK_SLOT: u32 = 2500;
    const TOP: u32 = STACK + 2 * PAGE;
    const CODE: u32 = 0x1000_0000;
    const SHARED: u32 = 0x1820_0000;
    const DEVICE: u32 = 0x1830_0000;
    /// A word of zeros that is told as code.
    const CALL: u32 = CODE + 0x124;

    /// A component whose first frames are code, with a stack and a device.
    fn world() -> (Root<'static>, Rc<RefCell<Fake>>) {
        let mut all = records(Action::Stop);
        for record in &mut all {
            match record {
                Record::MapFrames { frames, flags, .. } if usize::from(*frames) == FRAMES => {
                    *flags = (MapFlags::READ | MapFlags::EXECUTE).bits();
                }
                // It would be the component's own, were it not a device.
                Record::Object { group, kind: ObjectKind::Device { .. }, .. } => *group = ECHO,
                _ => {}
            }
        }
        let objects = all.iter().filter(|record| matches!(record, Record::Object { .. })).count() as ObjectId;
        let first = all.iter().position(|record| matches!(record, Record::RootEndpoint { .. })).unwrap();
        let kind = ObjectKind::Frames { bits: PAGE_BITS as u8, count: 2 };
        all.insert(first, Record::Object { group: ECHO, part: 0, slot: STACK_SLOT, kind });
        let map = |frames, count, address, flags: MapFlags, slot| {
            let (vspace, flags) = (17, (MapFlags::READ | MapFlags::WRITE | flags).bits());
            Record::MapFrames { frames, first: 0, count, vspace, address, flags, slot }
        };
        let maps = [map(objects, 2, STACK, MapFlags::empty(), 2510), map(4, 1, DEVICE, MapFlags::DEVICE, 2512)];
        let place = all.iter().position(|record| matches!(record, Record::Grant { .. })).unwrap();
        maps.into_iter().for_each(|record| all.insert(place, record));
        let (mut root, fake) = root(&all);
        root.build(|_| ()).unwrap();
        fake.borrow_mut().looked_at.clear();
        (root, fake)
    }

    fn object(fake: &Rc<RefCell<Fake>>, slot: u32) -> usize {
        fake.borrow().slots[&(0, slot)].object
    }

    /// The component's thread has died with that stack pointer. Register n is 1000 + n, the pc lies in code.
    fn die(fake: &Rc<RefCell<Fake>>, sp: u32) -> u32 {
        let tcb = object(fake, slot_of(TCB));
        let thread = &mut fake.borrow_mut().objects[tcb];
        thread.registers = core::array::from_fn(|number| 1000 + number as u32);
        (thread.registers[SP], thread.registers[PC], thread.waits) = (sp, CODE + 8, true);
        CODE + 8
    }

    fn write(fake: &Rc<RefCell<Fake>>, address: u32, word: u32) {
        let frame = object(fake, STACK_SLOT + (address - STACK) / PAGE);
        let bytes = (address % PAGE..).zip(word.to_le_bytes());
        fake.borrow_mut().objects[frame].bytes.extend(bytes);
    }

    /// No page of anybody's stays in root's window.
    fn window_is_free(fake: &Rc<RefCell<Fake>>) -> bool {
        let scratch = abi::boot::ROOT_SCRATCH_ADDRESS;
        !fake.borrow().mappings.keys().any(|(space, address)| (*space, *address) == (1, scratch))
    }

    #[test]
    fn registers_and_what_of_the_stack_tells_callers_are_read() {
        let (root, fake) = world();
        let sp = TOP - PAGE - 0x40;
        let pc = die(&fake, sp + 4);
        for (address, word) in [(sp, 7), (sp + 0x34, CALL), (TOP - 0x200, CALL | 1), (TOP - 4, 0x3000_0000)] {
            write(&fake, address, word);
        }
        let epitaph = root.examine(ECHO, pc, sp + 4).unwrap().unwrap();
        assert_eq!((epitaph.registers[0], epitaph.registers[16], epitaph.registers[PC]), (1000, 1016, pc));
        let row = |address, words| Row { address, words };
        let expected = [
            row(sp, [7, 0, 0, 0]),
            row(sp + 0x10, [0; 4]),
            row(sp + 0x20, [0; 4]),
            row(sp + 0x30, [0, CALL, 0, 0]),
            row(TOP - 0x200, [CALL | 1, 0, 0, 0]),
        ];
        assert_eq!(epitaph.rows[..], expected);
        // Each page once, and only to read.
        let pages = [0, 1].map(|page| (object(&fake, STACK_SLOT + page), MapFlags::READ.bits()));
        assert_eq!(fake.borrow().looked_at, pages);
        assert!(window_is_free(&fake));
    }

    #[test]
    fn a_stack_that_ran_over_is_read_from_where_it_ends() {
        let (root, fake) = world();
        let pc = die(&fake, STACK - 0x100);
        write(&fake, STACK + 0x804, CALL);
        let epitaph = root.examine(ECHO, pc, STACK - 0x100).unwrap().unwrap();
        assert_eq!(epitaph.rows.first().map(|row| row.address), Some(STACK));
        assert_eq!(epitaph.rows.last(), Some(&Row { address: STACK + 0x800, words: [0, CALL, 0, 0] }));
        assert_eq!(cause(FaultKind::Data, STACK - 4), "went over the end of its stack");
        for address in [0, layout::STACKS - 4, layout::stack_top(layout::THREADS_MAX - 1), u32::MAX] {
            assert_eq!(cause(FaultKind::Data, address), "touched memory that it does not have");
        }
    }

    #[test]
    fn a_stack_pointer_that_is_none_harms_nobody_and_no_device_is_read() {
        let (mut root, fake) = world();
        let code = CODE + 0x100;
        for sp in
            [0, 3, 0x3000_0000, SHARED, DEVICE, DEVICE - 16, TOP, TOP + 1, STACK - 8 * PAGE, u32::MAX - 7, u32::MAX]
        {
            let pc = die(&fake, sp);
            let epitaph = root.examine(ECHO, pc, sp).unwrap().unwrap();
            assert!(epitaph.rows.is_empty(), "{sp:#x}: {:?}", epitaph.rows);
            assert_eq!((epitaph.registers[SP], fake.borrow().looked_at.len()), (sp, 0), "{sp:#x}");
        }
        // Its own code it may see, and an address that is not even aligned is no other than the one below.
        for (sp, first) in [(code, code), (TOP - 5, TOP - 16)] {
            let pc = die(&fake, sp);
            assert_eq!(root.examine(ECHO, pc, sp).unwrap().unwrap().rows[0].address, first);
            assert!(window_is_free(&fake));
        }
        // And root goes on: the component is built again, which needs the window.
        let pc = die(&fake, 0);
        let words: Vec<u8> = [0, pc, 0, 0].iter().flat_map(|word: &u32| word.to_le_bytes()).collect();
        assert_eq!(root.handle(&message(FaultKind::Data as u16, u32::from(ECHO) + 1, &words), 0), Ok(Outcome::GoOn));
        assert!(fake.borrow().at(0, slot_of(TCB)).unwrap().started);
    }

    #[test]
    fn what_is_told_is_bounded() {
        let (root, fake) = world();
        (STACK..TOP).step_by(4).for_each(|address| write(&fake, address, CALL));
        let pc = die(&fake, STACK);
        let rows = root.examine(ECHO, pc, STACK).unwrap().unwrap().rows;
        assert_eq!(rows.last().map(|row| row.address), Some(STACK + (ROWS_MAX as u32 - 1) * ROW_BYTES));
        assert!(rows.is_full());
    }

    #[test]
    fn only_the_thread_that_waits_there_is_told_of() {
        let (root, fake) = world();
        let pc = die(&fake, TOP - 64);
        assert_eq!(root.examine(ECHO, pc + 4, TOP - 64), Ok(None));
        assert_eq!(root.examine(ECHO, pc, TOP), Ok(None));
        assert_eq!(root.examine(0, pc, TOP - 64), Ok(None));
        let tcb = object(&fake, slot_of(TCB));
        fake.borrow_mut().objects[tcb].waits = false;
        assert_eq!(root.examine(ECHO, pc, TOP - 64), Ok(None));
    }

    #[test]
    fn who_dies_again_and_again_is_told_of_in_full_twice_and_then_rarely() {
        let (mut root, fake) = world();
        let mut die_at = |now_us| {
            let (sp, before) = (TOP - 64, fake.borrow().looked_at.len());
            let pc = die(&fake, sp);
            let words: Vec<u8> = [0, pc, 0, sp].iter().flat_map(|word| word.to_le_bytes()).collect();
            let message = message(FaultKind::Undefined as u16, u32::from(ECHO) + 1, &words);
            root.handle(&message, now_us).unwrap();
            // Building it again uses the window, too, but to write.
            fake.borrow().looked_at[before..].iter().any(|(_, flags)| *flags == MapFlags::READ.bits())
        };
        assert_eq!([0, 1, 2, 3].map(&mut die_at), [true, true, false, false]);
        assert!(die_at(crate::allowance::EVERY_US + 3));
    }
}
