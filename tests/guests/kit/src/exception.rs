//! Vault: what a guest does with its exceptions: it counts them, and goes on behind the instruction, with the length and the
//! IT state that the architecture asks for.
#![allow(unsafe_code, reason = "the handler's frame, and a symbol that assembly calls")]

use crate::cpu::{dfar, dfsr, ifar, ifsr};
use crate::gic;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Kinds of exceptions, as the vectors number them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Undefined instruction.
    Undefined = 0,
    /// SVC.
    Svc = 1,
    /// Prefetch abort.
    PrefetchAbort = 2,
    /// Data abort.
    DataAbort = 3,
    /// IRQ.
    Irq = 4,
    /// FIQ.
    Fiq = 5,
}

/// Registers when the exception came. `lr` is where the handler returns to.
#[repr(C)]
struct Frame {
    r: [u32; 13],
    lr: u32,
}

static COUNTS: [AtomicU32; 6] = [const { AtomicU32::new(0) }; 6];
static STATUS: AtomicU32 = AtomicU32::new(0);
static ADDRESS: AtomicU32 = AtomicU32::new(0);
static PC: AtomicU32 = AtomicU32::new(0);
static RECOVERY: AtomicU32 = AtomicU32::new(0);
static IRQ: AtomicU32 = AtomicU32::new(0);

const THUMB: u32 = 1 << 5;

fn bump(counter: &AtomicU32) {
    // No exclusives: they are no use with the tables off.
    counter.store(counter.load(Relaxed).wrapping_add(1), Relaxed);
}

/// How many there were.
pub fn count(kind: Kind) -> u32 {
    COUNTS[kind as usize].load(Relaxed)
}

/// DFSR or IFSR of the last abort.
pub fn status() -> u32 {
    STATUS.load(Relaxed)
}

/// DFAR or IFAR of the last abort.
pub fn address() -> u32 {
    ADDRESS.load(Relaxed)
}

/// Where the last exception came from.
pub fn pc() -> u32 {
    PC.load(Relaxed)
}

/// A prefetch abort returns to this address from now on (0: to the instruction behind).
pub fn recover_at(address: u32) {
    RECOVERY.store(address, Relaxed);
}

/// Sets what is called for each IRQ with what IAR said; it ends the interrupt itself.
pub fn on_irq(handler: fn(u32)) {
    IRQ.store(handler as usize as u32, Relaxed);
}

fn half(address: u32) -> u32 {
    // SAFETY: where an instruction was fetched, a half word can be read.
    u32::from(unsafe { (address as *const u16).read_volatile() })
}

/// The SPSR with the IT state of the next instruction (ARM DDI 0406C A2.5.2).
fn step_it(spsr: u32) -> u32 {
    let it = spsr >> 25 & 3 | spsr >> 8 & 0xfc;
    let next = if it & 7 == 0 { 0 } else { it & 0xe0 | it << 1 & 0x1f };
    spsr & !0x0600_fc00 | (next & 3) << 25 | (next & 0xfc) << 8
}

/// Returns the SPSR to go on with.
// SAFETY: the name is the kit's alone.
#[unsafe(no_mangle)]
extern "C" fn guest_exception(kind: u32, frame: &mut Frame, spsr: u32) -> u32 {
    if let Some(counter) = COUNTS.get(kind as usize) {
        bump(counter);
    }
    let thumb = spsr & THUMB != 0;
    match kind {
        // SVC ends user mode: on in Supervisor mode, IRQs masked.
        1 => return spsr & !0x1f | 0xd3,
        4 | 5 => {
            frame.lr -= 4;
            let handler = IRQ.load(Relaxed);
            let iar = gic::acknowledge();
            if handler == 0 {
                gic::end(iar);
            } else if iar & 0x3ff != gic::SPURIOUS {
                // SAFETY: only `on_irq` stores here, a function of this type.
                unsafe { core::mem::transmute::<usize, fn(u32)>(handler as usize)(iar) };
            }
            return spsr;
        }
        _ => {}
    }
    let pc = frame.lr
        - match (kind, thumb) {
            (0, true) => 2,
            (0 | 2, _) => 4,
            _ => 8,
        };
    PC.store(pc, Relaxed);
    match kind {
        2 => {
            STATUS.store(ifsr::read(), Relaxed);
            ADDRESS.store(ifar::read(), Relaxed);
            let recovery = RECOVERY.load(Relaxed);
            if recovery != 0 {
                frame.lr = recovery & !1;
                return if recovery & 1 != 0 { spsr & !0x0600_fc00 | THUMB } else { spsr & !THUMB };
            }
        }
        3 => {
            STATUS.store(dfsr::read(), Relaxed);
            ADDRESS.store(dfar::read(), Relaxed);
        }
        _ => {}
    }
    let long = !thumb || half(pc) >> 11 >= 0b11101;
    frame.lr = pc + if long { 4 } else { 2 };
    if thumb { step_it(spsr) } else { spsr }
}
