//! What the kernel says when it dies: what, where, and what it was doing, in a bounded piece of text that is readable
//! without a debugger. Each line begins with `!bulkhead epitaph`.

use crate::uart::Uart;
use crate::{board, cell, entry, power, sysreg, timer};
use abi::boot::PayloadHeader;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use kernel_core::Context;

/// Registers at a fault. `sp` and `lr` of the context are the kernel's own.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Record {
    context: Context,
}

impl Record {
    /// No fault yet.
    pub const EMPTY: Self = Self { context: Context { r: [0; 13], sp: 0, lr: 0, pc: 0, cpsr: 0 } };
}

/// What to do after an epitaph, and what names this build. Plain words: written once, by boot.
struct Will {
    action: AtomicU32,
    delay_ms: AtomicU32,
    build: [AtomicU32; 2],
    dying: AtomicU32,
}

static WILL: Will = Will {
    action: AtomicU32::new(0),
    delay_ms: AtomicU32::new(0),
    build: [AtomicU32::new(0), AtomicU32::new(0)],
    dying: AtomicU32::new(0),
};

/// Words of the stack that are shown.
const WINDOW: u32 = 32;

/// Keeps what the payload says about faults.
pub fn set_will(header: &PayloadHeader) {
    WILL.action.store(header.fault_action, Relaxed);
    WILL.delay_ms.store(header.fault_delay_ms, Relaxed);
    WILL.build[0].store(header.build[0], Relaxed);
    WILL.build[1].store(header.build[1], Relaxed);
}

#[inline(never)]
fn line(uart: &Uart) -> &Uart {
    uart.text("!bulkhead epitaph: ")
}

/// Says that the kernel panicked, and dies with all registers.
pub fn panic(info: &core::panic::PanicInfo) -> ! {
    let uart = Uart::take();
    uart.text("\n");
    line(&uart).text("panic");
    if let Some(place) = info.location() {
        uart.text(" at ").text(place.file()).text(":").decimal(place.line());
    }
    if let Some(message) = info.message().as_str() {
        uart.text(": ").text(message);
    }
    uart.text("\n");
    entry::trap_here()
}

/// Says that the machine cannot be started, and stops.
pub fn cannot_start(reason: &str, detail: u32) -> ! {
    let uart = Uart::take();
    uart.text("\n!bulkhead cannot start: ").text(reason).text(" (").hex(detail).text(")\n");
    halt()
}

/// Tells of an exception that came to `vector` while the kernel ran (or an FIQ, which nobody may raise), and ends.
pub(crate) fn fault(vector: u32, record: &Record) -> ! {
    let uart = Uart::take();
    if WILL.dying.load(Relaxed) != 0 {
        line(&uart).text("fault within the epitaph\n");
        halt();
    }
    WILL.dying.store(1, Relaxed);
    let cause = match vector {
        1 => "undefined instruction",
        2 => "call from within",
        3 => "prefetch abort",
        4 => "data abort",
        7 => "FIQ",
        _ => "reset vector",
    };
    // Whoever had the UART may have stopped in the middle of a line.
    uart.text("\n");
    line(&uart).text("kernel fault: ").text(cause).text(" on ").text(board::NAME).text(", build ");
    uart.hex(WILL.build[1].load(Relaxed)).hex(WILL.build[0].load(Relaxed)).text("\n");
    line(&uart).text("hsr ").hex(sysreg::hsr::read()).text(" hdfar ").hex(sysreg::hdfar::read());
    uart.text(" hifar ").hex(sysreg::hifar::read()).text(" hpfar ").hex(sysreg::hpfar::read()).text("\n");
    let context = &record.context;
    line(&uart).text("pc ").hex(context.pc).text(" lr ").hex(context.lr).text(" sp ").hex(context.sp);
    uart.text(" cpsr ").hex(context.cpsr).text("\n");
    for (row, registers) in context.r.chunks(4).enumerate() {
        line(&uart).text("r").decimal(row as u32 * 4);
        for &register in registers {
            uart.text(" ").hex(register);
        }
        uart.text("\n");
    }
    let (tcb, vcpu) = cell::peek();
    line(&uart).text("tcb ").hex(tcb).text(" vcpu ").hex(vcpu).text("\n");
    let words = entry::stack_from(context.sp);
    for (row, words) in words.chunks(4).take(WINDOW as usize / 4).enumerate() {
        line(&uart).text("stack ").hex(context.sp + row as u32 * 16);
        for &word in words {
            uart.text(" ").hex(word);
        }
        uart.text("\n");
    }
    line(&uart).text("end\n");
    match WILL.action.load(Relaxed) {
        1 => power::reset(),
        2 => {
            wait_ms(WILL.delay_ms.load(Relaxed));
            power::reset();
        }
        _ => {}
    }
    halt()
}

fn wait_ms(milliseconds: u32) {
    let ticks = u64::from(milliseconds) * u64::from(sysreg::cntfrq::read() / 1000);
    let start = timer::now();
    while timer::now().wrapping_sub(start) < ticks {}
}

fn halt() -> ! {
    // Interrupts are masked, and what wakes a WFI finds nobody.
    sysreg::cnthp_ctl::write(0);
    loop {
        sysreg::wfi();
    }
}
