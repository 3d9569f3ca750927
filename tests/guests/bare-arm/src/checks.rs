//! The checks of a bare guest. Each prints a line that ends with `ok`, or what was wrong.
#![allow(unsafe_code, reason = "single instructions whose effect is the test")]

use crate::forms;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use guest_kit::cpu::{cntv_ctl, cpsr, dccisw, hvc, interrupts_off, interrupts_on, read32, sctlr, smc, wait};
use guest_kit::exception::{self, Kind, on_irq};
use guest_kit::{gic, println, psci, tables, timer, tree, uart};

const TICKS: u32 = 10;
const TICK_US: u32 = 10_000;
const PAST: u32 = 5;
const SGI: u32 = 5;

static SEEN_TIMER: AtomicU32 = AtomicU32::new(0);
static SEEN_PAST: AtomicU32 = AtomicU32::new(0);
static SEEN_SGI: AtomicU32 = AtomicU32::new(0);
static SEEN_UART: AtomicU32 = AtomicU32::new(0);
static PAST_ARMED: AtomicU32 = AtomicU32::new(0);
static LINE: [AtomicU32; 64] = [const { AtomicU32::new(0) }; 64];
static LINE_LENGTH: AtomicU32 = AtomicU32::new(0);

fn bump(counter: &AtomicU32) {
    counter.store(counter.load(Relaxed) + 1, Relaxed);
}

#[cfg_attr(thumb_guest, instruction_set(arm::t32))]
fn interrupt(iar: u32) {
    match iar & 0x3ff {
        timer::INTID if PAST_ARMED.load(Relaxed) != 0 => {
            bump(&SEEN_PAST);
            if SEEN_PAST.load(Relaxed) < PAST {
                // A time that has gone by: the line never falls, and must be heard again after the end.
                timer::at(timer::now() - 1000);
            } else {
                timer::stop();
            }
        }
        timer::INTID => {
            bump(&SEEN_TIMER);
            if SEEN_TIMER.load(Relaxed) < TICKS {
                timer::at(timer::now() + timer::ticks(TICK_US));
            } else {
                timer::stop();
            }
        }
        SGI if iar >> 10 == 0 => bump(&SEEN_SGI),
        uart::INTID => {
            bump(&SEEN_UART);
            while let Some(byte) = uart::take() {
                let length = LINE_LENGTH.load(Relaxed);
                if let Some(cell) = LINE.get(length as usize) {
                    cell.store(byte.into(), Relaxed);
                    LINE_LENGTH.store(length + 1, Relaxed);
                }
            }
            uart::acknowledge();
        }
        other => println!("wrong: interrupt {other}"),
    }
    gic::end(iar);
}

/// Waits by WFI until `done`, or for that long.
#[cfg_attr(thumb_guest, instruction_set(arm::t32))]
fn wait_until(seconds: u32, mut done: impl FnMut() -> bool) -> bool {
    let end = timer::now() + timer::ticks(1_000_000) * u64::from(seconds);
    loop {
        interrupts_off();
        if done() {
            interrupts_on();
            return true;
        }
        if timer::now() > end {
            interrupts_on();
            return false;
        }
        // With interrupts masked: nothing can come between the question and the waiting.
        wait();
        interrupts_on();
    }
}

fn say(name: &str, right: bool) {
    println!("{}: {}", name, if right { "ok" } else { "FAILED" });
}

fn stage_1() -> bool {
    if cfg!(thumb_guest) {
        tables::enable_long();
    } else {
        tables::enable_short();
    }
    let place = forms::check_all as *const () as u32 & !3;
    let same = read32(place) == read32(place - 0x4000_0000 + tables::ALIAS);
    let before = exception::count(Kind::DataAbort);
    read32(tables::HOLE);
    let fault = exception::count(Kind::DataAbort) == before + 1 && exception::address() == tables::HOLE;
    // A translation fault of level 1: 5 in the short format, 0b000101 in the long one with bit 9.
    let status = exception::status() & 0x63f;
    let known = matches!((cfg!(thumb_guest), status), (false, 0x05) | (true, 0x205 | 0x206));
    if !known {
        println!("wrong: DFSR {:#x}", exception::status());
    }
    same && fault && known && sctlr::read() & 1 == 1
}

fn timer_ticks() -> bool {
    gic::enable_intid(timer::INTID, 0xa0);
    timer::at(timer::now() + timer::ticks(TICK_US));
    wait_until(5, || SEEN_TIMER.load(Relaxed) == TICKS)
}

fn timer_in_the_past() -> bool {
    PAST_ARMED.store(1, Relaxed);
    timer::at(timer::now() - 1000);
    let seen = wait_until(2, || SEEN_PAST.load(Relaxed) >= PAST);
    if !seen {
        println!("wrong: {} of {} interrupts, CNTV_CTL {:#x}", SEEN_PAST.load(Relaxed), PAST, cntv_ctl::read());
    }
    PAST_ARMED.store(0, Relaxed);
    timer::stop();
    seen && SEEN_PAST.load(Relaxed) == PAST
}

fn masked_wait() -> bool {
    // WFI with interrupts masked returns when one is pending.
    interrupts_off();
    PAST_ARMED.store(1, Relaxed);
    SEEN_PAST.store(PAST, Relaxed);
    timer::at(timer::now() + timer::ticks(2000));
    wait();
    let masked = SEEN_PAST.load(Relaxed) == PAST && timer::now() != 0;
    interrupts_on();
    let taken = wait_until(2, || SEEN_PAST.load(Relaxed) == PAST + 1);
    PAST_ARMED.store(0, Relaxed);
    masked && taken
}

fn software_interrupt() -> bool {
    gic::enable_intid(SGI, 0x80);
    gic::interrupt_self(SGI);
    let once = wait_until(2, || SEEN_SGI.load(Relaxed) == 1);
    gic::interrupt_self(SGI);
    once && wait_until(2, || SEEN_SGI.load(Relaxed) == 2)
}

fn firmware() -> bool {
    let version = hvc([psci::VERSION, 0, 0, 0]);
    let off = hvc([psci::FEATURES, psci::SYSTEM_OFF, 0, 0]);
    let nothing = hvc([psci::FEATURES, 0x8400_00ff, 0, 0]);
    let unknown = hvc([0x1234_5678, 0, 0, 0]);
    let before = exception::count(Kind::Undefined);
    let by_smc = smc([psci::VERSION, 0, 0, 0]);
    // On a machine without the Security Extensions (QEMU's vexpress-a15 here), SMC is undefined and never trapped.
    let undefined = exception::count(Kind::Undefined) == before + 1 && by_smc == psci::VERSION;
    let right = version >> 16 == 1 && off == 0 && nothing == u32::MAX && unknown == u32::MAX;
    let right = right && (by_smc == version || undefined);
    if !right {
        println!("wrong: {version:#x} {off:#x} {nothing:#x} {unknown:#x} {by_smc:#x}");
    }
    right
}

/// Memory that is not there: an abort that names the address, and nothing worse.
fn nothing_there() -> bool {
    let before = exception::count(Kind::DataAbort);
    // In the first megabyte that the guest's own tables map and nothing stands in: behind the serial port.
    let hole = 0x0908_0000;
    read32(hole);
    let load = exception::count(Kind::DataAbort) == before + 1 && exception::address() == hole;
    guest_kit::cpu::write32(hole + 4, 1);
    let store = exception::count(Kind::DataAbort) == before + 2 && exception::address() == hole + 4;
    if !load || !store {
        let count = exception::count(Kind::DataAbort) - before;
        println!(
            "wrong: {} aborts, the last at {:#x} with status {:#x}",
            count,
            exception::address(),
            exception::status()
        );
    }
    load && store
}

fn undefined() -> bool {
    let before = exception::count(Kind::Undefined);
    // SAFETY: an undefined instruction, a coprocessor that nobody has, and an implementation-defined register: the handlers go
    // on behind them. (Those in c15 answer under QEMU 7.2, which has no HCR.TIDCP.)
    unsafe {
        core::arch::asm!(
            "udf #0",
            ".inst 0xee110510", // mrc p5, 0, r0, c1, c0, 0
            ".inst 0xee1b0f10", // mrc p15, 0, r0, c11, c0, 0
            out("r0") _,
        );
    }
    let count = exception::count(Kind::Undefined) - before;
    if count != 3 {
        println!("wrong: {} undefined instructions, the last at {:#x}", count, exception::pc());
    }
    count == 3
}

#[cfg_attr(thumb_guest, instruction_set(arm::t32))]
fn undefined_thumb() -> bool {
    let before = exception::count(Kind::Undefined);
    let result: u32;
    // SAFETY: as above; in an IT block, so that the handler's stepping counts.
    unsafe {
        core::arch::asm!(
            "mov r0, #1",
            "cmp r0, #1",
            "itte eq",
            "mrceq p15, 0, r0, c11, c0, 0",
            "moveq r0, #5",
            "movne r0, #6",
            out("r0") result,
        );
    }
    let count = exception::count(Kind::Undefined) - before;
    if count != 1 || result != 5 {
        println!("wrong: {count} undefined instructions, r0 {result}");
    }
    count == 1 && result == 5
}

fn breakpoint() -> bool {
    let before = exception::count(Kind::PrefetchAbort);
    // SAFETY: the handler goes on behind it.
    unsafe { core::arch::asm!("bkpt #1") };
    // Debug event: status 2 in the short format, 0x22 in the long one.
    exception::count(Kind::PrefetchAbort) == before + 1 && matches!(exception::status() & 0x63f, 0x002 | 0x222)
}

fn set_way() -> bool {
    for way in 0..4 {
        dccisw::write(way << 30 | 1 << 6);
    }
    true
}

fn float() -> bool {
    let result: u32;
    // SAFETY: Rust's own code here uses no floating point.
    unsafe {
        core::arch::asm!(
            ".fpu neon",
            "mov {t}, #0x40000000",
            "vmsr fpexc, {t}",
            "vmov.f32 s0, #1.5",
            "vmov.f32 s1, #2.0",
            "vmul.f32 s2, s0, s1",
            "vmov {t}, s2",
            t = out(reg) result,
        );
    }
    result == 3.0f32.to_bits()
}

#[cfg_attr(thumb_guest, instruction_set(arm::t32))]
fn thumb_state() -> bool {
    // MRS CPSR does not tell T; the address of an instruction's neighbour does.
    let distance: u32;
    // SAFETY: reads pc twice.
    unsafe { core::arch::asm!("adr {0}, 2f", "mov {1}, pc", "2:", "sub {0}, {1}, {0}", out(reg) distance, out(reg) _) };
    // pc reads as 4 ahead in Thumb, 8 in ARM.
    if cfg!(thumb_guest) { distance != 4 } else { distance == 4 }
}

fn serial() -> bool {
    gic::enable_intid(uart::INTID, 0x90);
    uart::listen();
    println!("say something");
    for byte in "? ".bytes() {
        uart::put(byte);
    }
    let ended = |byte: u32| byte == u32::from(b'\r') || byte == u32::from(b'\n');
    let length = || LINE_LENGTH.load(Relaxed) as usize;
    let came = {
        let end = timer::now() + timer::ticks(1_000_000) * 30;
        loop {
            interrupts_off();
            let done = (0..length()).any(|at| ended(LINE[at].load(Relaxed)));
            if done || timer::now() > end {
                interrupts_on();
                break done;
            }
            timer::at(timer::now() + timer::ticks(100_000));
            SEEN_TIMER.store(0, Relaxed);
            wait();
            interrupts_on();
        }
    };
    timer::stop();
    println!();
    for at in 0..length() {
        let byte = LINE[at].load(Relaxed);
        if !ended(byte) {
            uart::put(byte as u8);
        }
    }
    println!(" was said");
    came && SEEN_UART.load(Relaxed) > 0
}

/// All of it.
pub fn main(tree: u32) {
    let reset = tree::number(tree, b"reset=");
    println!("bare guest in {}", if cfg!(thumb_guest) { "Thumb" } else { "ARM" });
    if let Some(mode) = tree::number(tree, b"storm=") {
        crate::storm::storm(mode, tree::number(tree, b"rounds=").unwrap_or(20));
    }
    if reset.is_some() {
        psci::reset();
    }
    say("supervisor mode", cpsr() & 0x1f == 0x13);
    say("instruction set", thumb_state());
    say("stage 1", stage_1());
    let (right, all) = forms::check_all();
    println!("access forms: {right} of {all}");
    say("access forms", right == all);
    on_irq(interrupt);
    gic::enable();
    interrupts_on();
    say("timer", timer_ticks());
    say("timer in the past", timer_in_the_past());
    say("masked wait", masked_wait());
    say("software interrupt", software_interrupt());
    say("firmware", firmware());
    say("nothing there", nothing_there());
    say("undefined", undefined());
    say("undefined in a block", undefined_thumb());
    say("breakpoint", breakpoint());
    say("set/way", set_way());
    say("float", float());
    say("serial", serial());
    println!("all done");
}
