@ The head of a zImage. Entered where it was loaded, in ARM state, MMU and data cache off, as Linux is (Linux,
@ Documentation/arch/arm/booting.rst): r0 is 0, r1 a machine, r2 a device tree; the kernel gets them as they are.
@ In which mode is the kernel's to judge: everything here can be done in any but User mode.
@
@ r4  where the file is
@ r5  the room: a place behind the file and behind all that is written, where a copy of the head works. Neither what is
@     still to be read nor what has been written lies there, however file and destination overlap.
head:
    .rept 8
    mov r0, r0
    .endr
    b   begin
    .if . - head - {header}
    .error "boot loaders look for the magic at 0x24"
    .endif
    .word {magic}
    .space {header_bytes} - 4

begin:
    cpsid aif
    adr r4, head
    ldr r5, [r4, #{end}]
    add r5, r4, r5
    ldr r6, [r4, #{destination_end}]
    cmp r5, r6
    movlo r5, r6
    add r5, r5, #63
    bic r5, r5, #63
    mrc p15, 0, r3, c0, c0, 5       @ MPIDR
    tst r3, #0xff                   @ Aff0
    bne follow

    @ The head and its table go to the room.
    add r3, r4, #{saved}
    stm r3, {{r0-r2}}
    ldr r6, [r4, #{pieces}]
    ldr r7, [r4, #{piece_count}]
    add r6, r6, r7, lsl #4
    add r6, r4, r6
    mov r7, r4
    mov r8, r5
1:  ldr r3, [r7], #4
    str r3, [r8], #4
    cmp r7, r6
    blo 1b
    mov r0, #0
    mov r1, #0
    mov r2, #0
    mov r3, #0
    add r6, r5, #{others}
    stm r6, {{r0-r3}}
    mov r0, r5
    mov r1, r8
    bl  fresh

    @ Cores that came along have time to say so: 16 ms, or, if the counter stands still, so many looks at it. Who has, must be
    @ out of the way before anything is moved.
    mov r3, #1
    str r3, [r4, #{ready}]
    dsb
    mrc p15, 0, r6, c14, c0, 0      @ CNTFRQ
    mrrc p15, 0, r7, r8, c14        @ CNTPCT
    mov r3, #0x800000
2:  mrrc p15, 0, r0, r1, c14        @ CNTPCT
    sub r0, r0, r7
    cmp r0, r6, lsr #6
    bhs 3f
    subs r3, r3, #1
    bne 2b
3:  add r7, r4, #{others}
    add r8, r5, #{others}
    mov r6, #4
4:  ldr r2, [r7]
    ldr r3, [r8]
    cmp r2, r3
    bne 4b
    add r7, r7, #4
    add r8, r8, #4
    subs r6, r6, #1
    bne 4b
    add pc, r5, #(move - head)

@ Another core: to the room as soon as the head is there, to the kernel as soon as that is. The kernel parks it. It says, here
@ and in the room, that it is there, and in the room that it is gone.
follow:
    and r3, r3, #3
    mov r7, #1
    add r6, r4, r3, lsl #2
    str r7, [r6, #{others}]
1:  ldr r7, [r4, #{ready}]
    cmp r7, #0
    beq 1b
    mcr p15, 0, r7, c7, c5, 0       @ ICIALLU
    dsb
    isb
    add r6, r5, r3, lsl #2
    add pc, r5, #(wait - head)
wait:
    str r7, [r6, #{others}]
2:  ldr r3, [r5, #{ready}]
    cmp r3, #0
    beq 2b
    mcr p15, 0, r3, c7, c5, 0       @ ICIALLU
    mcr p15, 0, r3, c7, c5, 6       @ BPIALL
    dsb
    isb
    ldr r7, [r5, #{entry}]
    mov r3, #0
    str r3, [r6, #{others}]
    bx  r7

@ Makes what was written from r0 to r1 what is loaded and fetched. While the data cache is off nothing in it can be newer
@ than memory, but lines that the boot loader left may be older. Changes r0, r2, r3.
fresh:
    dsb
    mrc p15, 0, r3, c0, c0, 1       @ CTR
    ubfx r3, r3, #16, #4            @ DminLine, in words
    mov r2, #4
    lsl r2, r2, r3
    sub r3, r2, #1
    bic r0, r0, r3
1:  mcr p15, 0, r0, c7, c6, 1       @ DCIMVAC
    add r0, r0, r2
    cmp r0, r1
    blo 1b
    dsb
    mcr p15, 0, r0, c7, c5, 0       @ ICIALLU
    mcr p15, 0, r0, c7, c5, 6       @ BPIALL
    dsb
    isb
    bx  lr

@ In the room. Pieces are farther apart in memory than in the file: the last ones may go up, the first ones down. Those that
@ go up go last one first, and lie, where they go, above everything that still has to be read; those that go down go first one
@ first, and lie below.
move:
    ldr r6, [r5, #{pieces}]
    ldr r7, [r5, #{piece_count}]
    add r6, r5, r6                  @ the table
    add r7, r6, r7, lsl #4          @ its end
    mov r8, r7
1:  cmp r8, r6
    beq 3f
    ldmdb r8!, {{r9-r12}}           @ offset, destination, bytes, memory bytes
    add r9, r4, r9
    cmp r9, r10
    bhs 1b
    add r9, r9, r11
    add r10, r10, r11
2:  subs r11, r11, #16
    blo 1b
    ldmdb r9!, {{r0-r3}}
    stmdb r10!, {{r0-r3}}
    b   2b
3:  cmp r8, r7
    beq 5f
    ldm r8!, {{r9-r12}}
    add r9, r4, r9
    cmp r9, r10
    bls 3b
4:  subs r11, r11, #16
    blo 3b
    ldm r9!, {{r0-r3}}
    stm r10!, {{r0-r3}}
    b   4b
    @ Nothing is to be read any more: what has no bytes is zero.
5:  mov r8, r6
6:  cmp r8, r7
    beq 8f
    ldm r8!, {{r9-r12}}
    add r11, r10, r11
    add r12, r10, r12
    mov r0, #0
    mov r1, #0
    mov r2, #0
    mov r3, #0
7:  cmp r11, r12
    stmlo r11!, {{r0-r3}}
    blo 7b
    mov r0, r10
    mov r1, r12
    bl  fresh
    b   6b
8:  mov r3, #1
    str r3, [r5, #{ready}]
    dsb
    @ The room is memory like any other to the kernel: nobody may be left in it.
    add r6, r5, #{others}
9:  ldm r6, {{r0-r3}}
    orr r0, r0, r1
    orr r2, r2, r3
    orrs r0, r0, r2
    bne 9b
    add r3, r5, #{saved}
    ldm r3, {{r0-r2}}
    ldr r3, [r5, #{entry}]
    bx  r3
