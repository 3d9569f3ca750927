//! The vault of reset: the first instructions, before there is a stack.
//!
//! On some boards every core arrives here at once: all but core 0 are parked first. The image must be entered in Hyp
//! mode, as a Linux zImage is where there is to be a hypervisor: MMU and data cache off, r0-r2 of no interest.

#![allow(unsafe_code, reason = "the vault of reset")]

use core::arch::global_asm;

global_asm!(
    r#"
    .section .text.start, "ax"
    .arm
    .arch_extension virt
    .arch_extension sec
    .global _start
_start:
    mrc p15, 0, r0, c0, c0, 5       @ MPIDR
    tst r0, #0xff                   @ Aff0
    bne wait
    cpsid aif
    mrs r0, cpsr
    and r0, r0, #0x1f
    cmp r0, #0x1a                   @ Hyp
    bne not_hyp
    mov r0, #0
    ldr r1, =__bss_start
    ldr r2, =__bss_end
1:  cmp r1, r2
    strlo r0, [r1], #4
    blo 1b
    ldr sp, =__boot_stack_top
    b   {start}

not_hyp:
    ldr r1, =__uart
    adr r2, complaint
2:  ldrb r0, [r2], #1
    cmp r0, #0
    strne r0, [r1]
    bne 2b
park:
    wfe
    wfi
    b   park

    @ Another core: until core 0 says so, if this kernel is for several.
wait:
    .if {cores} == 1
    b   park
    .endif
    ldr r1, =__unparked
1:  wfe
    ldr r2, [r1]
    cmp r2, #0
    beq 1b

    .global __secondary
__secondary:
    cpsid aif
    mrs r0, cpsr
    and r0, r0, #0x1f
    cmp r0, #0x1a                   @ Hyp
    bne park
    mrc p15, 0, r0, c0, c0, 5
    and r0, r0, #3
    ldr r1, =__stack_stride
    mul r0, r0, r1
    ldr r1, =__stack_top
    add sp, r0, r1
    b   {secondary}

complaint:
    .asciz "\r\n!bulkhead cannot start: entered in another mode than Hyp\r\n"
    .balign 4
    .ltorg
    .text
    .section .data.unparked, "aw"
    .balign 64
    .global __unparked
__unparked:
    .word 0
    .balign 64
    .text
    "#,
    start = sym start,
    secondary = sym secondary,
    cores = const kernel_armv7::secondary::CORES,
);

extern "C" fn secondary() -> ! {
    kernel_armv7::secondary::secondary()
}

extern "C" fn start() -> ! {
    kernel_armv7::boot::boot(&crate::layout::image())
}
