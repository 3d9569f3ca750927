@ Every form of access to a device, each a function form_X(base, values): r2, r3 and r12 are loaded from the values
@ before it and stored after it, then the base register. Read in ARM and in Thumb state.

    .macro form name
    guest_fn form_\name
    push {r4, lr}
    mov r4, r1
    ldr r2, [r4]
    ldr r3, [r4, #4]
    ldr r12, [r4, #8]
    .endm

    .macro end_form
    str r2, [r4]
    str r3, [r4, #4]
    str r12, [r4, #8]
    str r0, [r4, #12]
    pop {r4, pc}
    .endm

    .text
    form ldr
    ldr r2, [r0, #4]
    end_form
    form ldr_register
    ldr r2, [r0, r3]
    end_form
    form ldr_shifted
    ldr r2, [r0, r3, lsl #2]
    end_form
    form ldrb
    ldrb r2, [r0, #4]
    end_form
    form ldrh
    ldrh r2, [r0, #4]
    end_form
    form ldrsb
    ldrsb r2, [r0, #4]
    end_form
    form ldrsh
    ldrsh r2, [r0, #4]
    end_form
    form ldrsb_register
    ldrsb r2, [r0, r3]
    end_form
    form ldr_r12
    ldr r12, [r0, #4]
    end_form
    form ldr_post
    ldr r2, [r0], #4
    end_form
    form ldr_pre
    ldr r2, [r0, #4]!
    end_form
    form ldr_post_down
    ldr r2, [r0], #-4
    end_form
    form ldr_pre_down
    ldr r2, [r0, #-4]!
    end_form
    form ldrb_post
    ldrb r2, [r0], #4
    end_form
    form ldrh_pre
    ldrh r2, [r0, #4]!
    end_form
    form ldrsb_post
    ldrsb r2, [r0], #4
    end_form
    form ldrsb_pre
    ldrsb r2, [r0, #4]!
    end_form
    form ldrsh_post
    ldrsh r2, [r0], #4
    end_form
    form ldrd
    ldrd r2, r3, [r0]
    end_form
    form ldrd_pre
    ldrd r2, r3, [r0, #8]!
    end_form
    form ldrd_post
    ldrd r2, r3, [r0], #8
    end_form
    form ldm
    ldmia r0, {r2, r3, r12}
    end_form
    form ldm_up
    ldmia r0!, {r2, r3, r12}
    end_form
    form ldm_down
    ldmdb r0!, {r2, r3, r12}
    end_form
    .if GUEST_THUMB
    form ldrt
    ldrt r2, [r0]
    end_form
    form strt
    strt r2, [r0]
    end_form
    .else
    form ldrt
    ldrt r2, [r0], #0
    end_form
    form strt
    strt r2, [r0], #0
    end_form
    form ldr_register_post
    ldr r2, [r0], r3
    end_form
    form ldr_shifted_pre
    ldr r2, [r0, r3, lsl #2]!
    end_form
    form ldmib
    ldmib r0!, {r2, r3}
    end_form
    form ldmda
    ldmda r0!, {r2, r3}
    end_form
    form ldrd_register
    ldrd r2, r3, [r0, r12]
    end_form
    form ldrh_register_pre
    ldrh r2, [r0, r3]!
    end_form
    .endif
    form pop
    mov r3, sp
    mov sp, r0
    pop {r2, r12}
    mov r0, sp
    mov sp, r3
    mov r3, #0
    end_form
    form str
    str r2, [r0]
    end_form
    form str_register
    str r2, [r0, r3]
    end_form
    form strh
    strh r2, [r0]
    end_form
    form strb
    strb r2, [r0]
    end_form
    form str_r12
    str r12, [r0]
    end_form
    form str_post
    str r2, [r0], #4
    end_form
    form str_pre
    str r2, [r0, #4]!
    end_form
    form strh_post
    strh r2, [r0], #4
    end_form
    form strb_pre
    strb r2, [r0, #4]!
    end_form
    form strd
    strd r2, r3, [r0]
    end_form
    form strd_pre
    strd r2, r3, [r0, #-8]!
    end_form
    form strd_post
    strd r2, r3, [r0], #8
    end_form
    form stm
    stmia r0, {r2, r3}
    end_form
    form stm_up
    stmia r0!, {r2, r3}
    end_form
    form stm_down
    stmdb r0!, {r2, r3}
    end_form
    form push
    mov r12, sp
    mov sp, r0
    push {r2, r3}
    mov r0, sp
    mov sp, r12
    mov r12, #0
    end_form
    @ Conditions: what fails must neither load nor write back; what comes after it goes on in step.
    form skipped
    cmp r0, r0
    it ne
    ldrne r2, [r0], #4
    end_form
    form skipped_plain
    cmp r0, r0
    it ne
    ldrne r2, [r0]
    end_form
    form block
    cmp r0, r0
    itete eq
    ldreq r2, [r0], #4
    ldrne r3, [r0], #4
    ldreq r12, [r0], #4
    movne r2, #0
    end_form
    form block_plain
    cmp r0, r0
    itete eq
    ldreq r2, [r0]
    ldrne r3, [r0]
    ldreq r12, [r0, #4]
    movne r2, #0
    end_form
    form block_store
    cmp r0, r0
    itett eq
    strheq r2, [r0]
    strne r2, [r0]
    ldreq r12, [r0]
    addeq r3, r3, #1
    end_form
    form block_end
    cmp r0, r0
    it eq
    ldreq r2, [r0], #4
    mov r3, #7
    end_form
    @ The sum of flags survives an access in the middle of arithmetic.
    form flags
    mov r3, #0
    subs r12, r3, #1
    ldr r2, [r0], #4
    adc r3, r3, #0
    mrs r12, cpsr
    lsr r12, r12, #28
    end_form

    @ Banked registers as operands: values = loaded word, base's advance, second word, user r8, user r9.
    guest_fn form_fiq
    push {r4-r11, lr}
    mov r4, r0
    mov r5, r1
    mrs r6, cpsr
    movw r8, #0x1008
    movw r9, #0x1009
    movw r10, #0x100a
    movw r11, #0x100b
    cps #0x11
    mov r9, r4
    ldr r8, [r9]
    str r8, [r5]
    ldr r11, [r9], #4
    ldrd r10, r11, [r9], #8
    sub r9, r9, r4
    str r9, [r5, #4]
    str r11, [r5, #8]
    msr cpsr_c, r6
    add r0, r8, r9
    add r0, r0, r10
    add r0, r0, r11
    str r0, [r5, #12]
    pop {r4-r11, pc}

    guest_fn form_fiq_store
    push {r4-r11, lr}
    mov r4, r0
    mov r5, r1
    mrs r6, cpsr
    cps #0x11
    ldr r8, [r5]
    ldr r10, [r5, #4]
    mov r11, r4
    strh r8, [r11], #4
    str r10, [r11]
    sub r11, r11, r4
    str r11, [r5, #12]
    msr cpsr_c, r6
    pop {r4-r11, pc}

    guest_fn form_irq
    push {r4-r11, lr}
    mov r4, r0
    mov r5, r1
    mrs r6, cpsr
    cps #0x12
    mov r7, sp
    ldr lr, [r4, #4]
    str lr, [r5]
    mov sp, r4
    pop {r8, r9}
    sub r10, sp, r4
    mov sp, r7
    str r10, [r5, #4]
    str r9, [r5, #8]
    mov r0, #0
    str r0, [r5, #12]
    msr cpsr_c, r6
    pop {r4-r11, pc}
