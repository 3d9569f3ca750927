//! The whole guest: it has no MMU, one vector, and one interrupt.

#![allow(unsafe_code, reason = "a bare guest: registers, MMIO and vectors are all that it is made of")]

use core::arch::{asm, global_asm};
use core::fmt::Write;

global_asm!(
    r#"
    .section .text.start, "ax"
    .arm
    .arch_extension virt
    .global _start
_start:
    ldr sp, =__stack
    adr r0, vectors
    mcr p15, 0, r0, c12, c0, 0
    cps #0x12
    ldr sp, =__stack - 0x2000
    cps #0x13
    b {main}

    .balign 32
vectors:
    b .
    b .
    b .
    b .
    b .
    b .
    b irq
    b .

    @ The virtual timer: notes when it came, counts, and sets the next. LATE and COUNT are kept in r8 and r9 of FIQ mode's
    @ bank, which nothing else uses, so that the handler touches no memory but the interrupt controller.
irq:
    push {{r0-r3}}
    mrrc p15, 1, r0, r1, c14            @ CNTVCT: now
    mrrc p15, 3, r2, r3, c14            @ CNTV_CVAL: when it was due
    sub r0, r0, r2
    ldr r1, =LATE
    ldr r2, [r1]
    add r2, r2, r0
    str r2, [r1]
    ldr r2, [r1, #4]
    add r2, r2, #1
    str r2, [r1, #4]
    ldr r0, [r1, #8]                    @ ticks to the next
    mcr p15, 0, r0, c14, c3, 0          @ CNTV_TVAL
    ldr r1, =0x08010000
    ldr r0, [r1, #0xc]
    str r0, [r1, #0x10]
    pop {{r0-r3}}
    subs pc, lr, #4
    .text
    "#,
    main = sym main,
);

/// Sum of how late the timer's interrupts were, in ticks; how many there were; ticks between two.
#[unsafe(no_mangle)]
static mut LATE: [u32; 3] = [0; 3];

const UART: u32 = 0x0900_0000;
const GICD: u32 = 0x0800_0000;
const GICC: u32 = 0x0801_0000;
const ROUNDS: u32 = 2000;

fn write(address: u32, value: u32) {
    // SAFETY: addresses of the documented guest machine's devices.
    unsafe { asm!("str {}, [{}]", in(reg) value, in(reg) address, options(nostack, preserves_flags)) }
}

fn read(address: u32) -> u32 {
    let value;
    // SAFETY: as in `write`.
    unsafe { asm!("ldr {}, [{}]", out(reg) value, in(reg) address, options(nostack, preserves_flags)) }
    value
}

fn hypercall(function: u32) -> u32 {
    let answer;
    // SAFETY: PSCI changes r0-r3 only.
    unsafe {
        asm!(".arch_extension virt", "hvc #0", inlateout("r0") function => answer, lateout("r1") _, lateout("r2") _, lateout("r3") _, options(nostack));
    }
    answer
}

fn now() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: reads the virtual counter.
    unsafe { asm!("isb", "mrrc p15, 1, {}, {}, c14", out(reg) low, out(reg) high, options(nomem, nostack)) }
    u64::from(high) << 32 | u64::from(low)
}

struct Uart;

impl Write for Uart {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        text.bytes().for_each(|byte| write(UART, byte.into()));
        Ok(())
    }
}

/// Ticks that `ROUNDS` rounds take.
fn time(mut operation: impl FnMut()) -> u64 {
    operation();
    let start = now();
    for _ in 0..ROUNDS {
        operation();
    }
    now() - start
}

fn report(name: &str, ticks: u64, rounds: u32) {
    let milli = ticks * 16_000 / u64::from(rounds);
    let _ = writeln!(Uart, "bench: {name} {}.{:03}", milli / 1000, milli % 1000);
}

fn interrupts(on: bool) {
    // SAFETY: the vector is in place.
    unsafe {
        if on {
            asm!("cpsie i", options(nostack));
        } else {
            asm!("cpsid i", options(nostack));
        }
    }
}

fn late() -> [u32; 3] {
    // SAFETY: one core; a torn read is impossible word by word, and interrupts are off.
    unsafe { (&raw const LATE).read_volatile() }
}

extern "C" fn main() -> ! {
    let empty = time(|| {
        core::hint::black_box(0);
    });
    let net = |ticks: u64| ticks.saturating_sub(empty);
    report("mmio-load", net(time(|| { core::hint::black_box(read(UART + 0x18)); })), ROUNDS);
    report("mmio-store", net(time(|| write(UART + 0x24, 26))), ROUNDS);
    report("psci", net(time(|| { core::hint::black_box(hypercall(0x8400_0000)); })), ROUNDS);
    report("debug-register", net(time(|| {
        // SAFETY: DBGDIDR.
        unsafe { asm!("mrc p14, 0, {}, c0, c0, 0", out(reg) _, options(nostack)) }
    })), ROUNDS);
    timer();
    let _ = writeln!(Uart, "bench: guest-done 0");
    hypercall(0x8400_0008);
    loop {
        // SAFETY: waits.
        unsafe { asm!("wfi") }
    }
}

/// How late the virtual timer's interrupt is, from the moment it is due to the first instruction of the guest's vector, while
/// the guest runs.
fn timer() {
    write(GICD, 1);
    write(GICD + 0x100, 1 << 27);
    write(GICC + 4, 0xff);
    write(GICC, 1);
    // A prime number of ticks, so that all phases come.
    // SAFETY: interrupts are off.
    unsafe { (&raw mut LATE).write_volatile([0, 0, 1009]) };
    // SAFETY: the virtual timer is the guest's own.
    unsafe { asm!("mcr p15, 0, {}, c14, c3, 0", "mcr p15, 0, {}, c14, c3, 1", in(reg) 1009, in(reg) 1, options(nostack)) }
    interrupts(true);
    let end = now() + u64::from(ROUNDS) * 1100;
    while now() < end {}
    interrupts(false);
    // SAFETY: as above.
    unsafe { asm!("mcr p15, 0, {}, c14, c3, 1", in(reg) 0, options(nostack)) }
    let [ticks, count, _] = late();
    report("timer-tick", ticks.into(), count.max(1));
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    let _ = Uart.write_str("panic\n");
    loop {}
}
