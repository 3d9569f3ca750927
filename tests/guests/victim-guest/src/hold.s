@ hold(seed): fills every core register of its own mode and of User mode, and d0-d31, with values made from the seed, waits
@ for the virtual timer by WFI with interrupts masked, and looks whether all is as it was. Returns 0, or 1 + the number of
@ what differs: 0-12 core registers, 14 lr, 16 and 17 sp and lr of User mode, 64-95 d registers, 96 FPSCR.
    .fpu neon

    .macro double_set number
    add r0, r4, #(64 + \number)
    vmov d\number, r0, r4
    .endm
    .macro double_check number
    vmov r0, r1, d\number
    add r3, r4, #(64 + \number)
    mov r2, #(65 + \number)
    cmp r0, r3
    bne 9f
    cmp r1, r4
    bne 9f
    .endm

    guest_fn hold
    push {r4-r12, lr}
    mov r4, r0
    mov r0, #0x40000000
    vmsr fpexc, r0
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    double_set \n
    .endr
    movw r0, #0
    movt r0, #0x03c0
    vmsr fpscr, r0
    @ System mode has them for its own.
    cps #0x1f
    add sp, r4, #16
    add lr, r4, #17
    cps #0x13
    push {r4}
    @ sp and pc are held by being used.
    mov r0, r4
    add r1, r0, #1
    add r2, r0, #2
    add r3, r0, #3
    add r5, r0, #5
    add r6, r0, #6
    add r7, r0, #7
    add r8, r0, #8
    add r9, r0, #9
    add r10, r0, #10
    add r11, r0, #11
    add r12, r0, #12
    add lr, r0, #14
1:  dsb
    wfi
    @ ISR.I: an interrupt is pending.
    mrc p15, 0, r4, c12, c1, 0
    tst r4, #0x80
    beq 1b
    pop {r4}
    push {r0-r12, lr}
    .irp n, 0,1,2,3,5,6,7,8,9,10,11,12
    ldr r0, [sp, #(\n * 4)]
    add r1, r4, #\n
    mov r2, #(1 + \n)
    cmp r0, r1
    bne 8f
    .endr
    ldr r0, [sp, #52]
    add r1, r4, #14
    mov r2, #15
    cmp r0, r1
    bne 8f
    add sp, sp, #56
    cps #0x1f
    mov r0, sp
    mov r5, lr
    cps #0x13
    mov r2, #17
    add r1, r4, #16
    cmp r0, r1
    bne 9f
    mov r2, #18
    add r1, r4, #17
    cmp r5, r1
    bne 9f
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    double_check \n
    .endr
    vmrs r0, fpscr
    movw r1, #0
    movt r1, #0x03c0
    mov r2, #97
    cmp r0, r1
    bne 9f
    mov r2, #0
    b 9f
8:  add sp, sp, #56
9:  mov r0, r2
    pop {r4-r12, pc}
