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
