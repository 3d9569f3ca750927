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
    mov r0, r2                          @ the device tree
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

    @ The virtual timer: notes when it came, counts, and sets the next.
irq:
    push {{r0-r3}}
    mrrc p15, 1, r0, r1, c14            @ CNTVCT: now
    .inst 0xf5dff801 + 2 * {irq}        @ the end mark of that number
    mrrc p15, 3, r2, r3, c14            @ CNTV_CVAL: when it was due
    sub r0, r0, r2
    ldr r1, =LATE
    ldr r2, [r1, #12]
    cmp r0, r2
    strhi r0, [r1, #12]
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
    irq = const IRQ,
);

/// Sum of how late the timer's interrupts were, in ticks; how many there were; ticks between two; how late the latest was.
#[unsafe(no_mangle)]
static mut LATE: [u32; 4] = [0; 4];

/// The end mark that the vector makes.
const IRQ: u32 = 43;

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

/// Marks the beginning of what `NUMBER` measures, for the plugin that counts from outside: `pld [pc, #2048 + 2 * NUMBER]`.
#[inline(always)]
fn begin<const NUMBER: u32>() {
    // SAFETY: a hint.
    unsafe { asm!(".inst {}", const 0xf5df_f800_u32 + 2 * NUMBER, options(nostack)) }
}

/// Marks its end.
#[inline(always)]
fn end<const NUMBER: u32>() {
    // SAFETY: a hint.
    unsafe { asm!(".inst {}", const 0xf5df_f801_u32 + 2 * NUMBER, options(nostack)) }
}

/// Ticks that `ROUNDS` rounds take, between the marks of that number.
fn time<const NUMBER: u32>(mut operation: impl FnMut()) -> u64 {
    operation();
    begin::<NUMBER>();
    let start = now();
    for _ in 0..ROUNDS {
        operation();
    }
    let ticks = now() - start;
    end::<NUMBER>();
    ticks
}

/// `mark`: the plugin's number; `marked`: rounds between its two marks.
fn report(name: &str, mark: u32, ticks: u64, rounds: u32, marked: u32) {
    let milli = ticks * 16_000 / u64::from(rounds);
    let (whole, rest) = (milli / 1000, milli % 1000);
    let _ = writeln!(Uart, "bench: {name} {whole}.{rest:03} mark {mark} rounds {marked}");
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

fn late() -> [u32; 4] {
    // SAFETY: one core; a torn read is impossible word by word, and interrupts are off.
    unsafe { (&raw const LATE).read_volatile() }
}

extern "C" fn main(tree: u32) -> ! {
    if says(tree, b"role=sleeper") {
        sleeper();
    } else if says(tree, b"role=spinner") {
        spinner();
    } else if says(tree, b"role=clock") {
        clock();
    } else if says(tree, b"role=forever") {
        loop {
            core::hint::spin_loop();
        }
    } else {
        exits();
        timer();
    }
    hypercall(0x8400_0008);
    loop {
        // SAFETY: waits.
        unsafe { asm!("wfi") }
    }
}

/// Whether the device tree holds those bytes.
fn says(tree: u32, words: &[u8]) -> bool {
    let byte = |at: u32| {
        let value: u32;
        // SAFETY: RAM of the guest's own; with the MMU off, accesses are aligned.
        unsafe { asm!("ldrb {}, [{}]", out(reg) value, in(reg) at, options(nostack, readonly)) }
        value as u8
    };
    let bytes = read(tree + 4).swap_bytes().min(64 << 10);
    (tree..tree + bytes).any(|at| words.iter().zip(at..).all(|(&word, at)| byte(at) == word))
}

fn exits() {
    let empty = time::<32>(|| {
        core::hint::black_box(0);
    });
    let net = |ticks: u64| ticks.saturating_sub(empty);
    let ticks = time::<33>(|| {
        core::hint::black_box(read(UART + 0x18));
    });
    report("mmio-load", 33, net(ticks), ROUNDS, ROUNDS);
    report("mmio-store", 34, net(time::<34>(|| write(UART + 0x24, 26))), ROUNDS, ROUNDS);
    let ticks = time::<35>(|| {
        core::hint::black_box(hypercall(0x8400_0000));
    });
    report("psci", 35, net(ticks), ROUNDS, ROUNDS);
    let ticks = time::<36>(|| {
        core::hint::black_box(hypercall(0x8400_00ff));
    });
    report("exit-resume", 36, net(ticks), ROUNDS, ROUNDS);
    let ticks = time::<37>(|| {
        // SAFETY: DBGDIDR.
        unsafe { asm!("mrc p14, 0, {}, c0, c0, 0", out(reg) _, options(nostack)) }
    });
    report("debug-register", 37, net(ticks), ROUNDS, ROUNDS);
}

/// Lets the virtual timer come, every 1009 ticks: a prime number, so that all phases come.
fn start_timer() {
    write(GICD, 1);
    write(GICD + 0x100, 1 << 27);
    write(GICC + 4, 0xff);
    write(GICC, 1);
    // SAFETY: interrupts are off.
    unsafe { (&raw mut LATE).write_volatile([0, 0, 1009, 0]) };
    // SAFETY: the virtual timer is the guest's own.
    unsafe {
        asm!("mcr p15, 0, {}, c14, c3, 0", "mcr p15, 0, {}, c14, c3, 1", in(reg) 1009, in(reg) 1, options(nostack))
    }
}

fn stop_timer() {
    interrupts(false);
    // SAFETY: the virtual timer is the guest's own.
    unsafe { asm!("mcr p15, 0, {}, c14, c3, 1", in(reg) 0, options(nostack)) }
}

/// How late the virtual timer's interrupt is, from the moment it is due to the first instruction of the guest's vector, while
/// the guest runs.
fn timer() {
    start_timer();
    interrupts(true);
    let deadline = now() + u64::from(ROUNDS) * 1100;
    begin::<38>();
    while now() < deadline {}
    end::<38>();
    stop_timer();
    let [ticks, count, ..] = late();
    report("timer-tick", 38, ticks.into(), count.max(1), count.max(1));
    let _ = writeln!(Uart, "bench: irq-guest-best - irq {IRQ}");
}

/// The latest of many ticks, whoever else has the core meanwhile. It goes on for as long as that lasts.
fn clock() {
    start_timer();
    interrupts(true);
    while late()[1] < 2 * ROUNDS {}
    stop_timer();
    let _ = writeln!(Uart, "bench: irq-guest-worst {}", late()[3] * 16);
}

/// The same while another guest has the core: each tick takes it away from the other and back. Then the first use of a
/// floating-point register, which the other has used since, and the second.
fn sleeper() {
    float_on();
    start_timer();
    while late()[1] < ROUNDS {
        begin::<40>();
        // SAFETY: waits for the timer, which is taken right behind it.
        unsafe { asm!("wfi", "cpsie i", "isb", "cpsid i", options(nostack)) }
        end::<40>();
        begin::<41>();
        float();
        end::<41>();
        begin::<42>();
        float();
        end::<42>();
    }
    stop_timer();
    let [ticks, count, ..] = late();
    report("vcpu-switch", 40, ticks.into(), count.max(1), 1);
    let _ = writeln!(Uart, "bench: first-float - mark 41 less 42 rounds 1");
}

/// Has the core until the sleeper wants it, and uses floating-point registers all the time.
fn spinner() {
    float_on();
    let deadline = now() + u64::from(ROUNDS) * 1300;
    while now() < deadline {
        float();
    }
}

fn float_on() {
    // SAFETY: CPACR and FPEXC (vmsr fpexc, r0) are the guest's own.
    unsafe {
        asm!("mcr p15, 0, {}, c1, c0, 2", "isb", in(reg) 0xf << 20, options(nostack));
        asm!(".inst 0xeee80a10", in("r0") 1 << 30, options(nostack));
    }
}

#[inline(always)]
fn float() {
    // SAFETY: vmov s0, r0: nothing else here uses floating-point registers.
    unsafe { asm!(".inst 0xee000a10", in("r0") 0x3f80_0000, options(nostack)) }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    let _ = Uart.write_str("panic\n");
    loop {}
}
