@ Entry and vectors of a bare guest, in whatever instruction set is selected when this is read. GUEST_THUMB is 1 for
@ Thumb.
    .arch_extension virt
    .arch_extension sec

    .macro guest_fn name
    .global \name
    .type \name, %function
    .if GUEST_THUMB
    .thumb_func
    .endif
\name:
    .endm

    .macro guest_stack mode, top
    cps #\mode
    movw r0, #:lower16:\top
    movt r0, #:upper16:\top
    mov sp, r0
    .endm

    .section .text.start, "ax", %progbits
    guest_fn _start
    mov r5, r2
    guest_stack 0x11, __stack_fiq
    guest_stack 0x12, __stack_irq
    guest_stack 0x17, __stack_abt
    guest_stack 0x1b, __stack_und
    guest_stack 0x1f, __stack_usr
    guest_stack 0x13, __stack_svc
    movw r0, #:lower16:__bss_start
    movt r0, #:upper16:__bss_start
    movw r1, #:lower16:__bss_end
    movt r1, #:upper16:__bss_end
    mov r2, #0
1:  cmp r0, r1
    bhs 2f
    str r2, [r0]
    add r0, r0, #4
    b 1b
2:  bl guest_setup
    mov r0, r5
    bl guest_main
3:  wfi
    b 3b

    @ Vectors, the exceptions' instruction set, and everything that CPACR closes. Uses r0 alone.
    guest_fn guest_setup
    movw r0, #:lower16:guest_vectors
    movt r0, #:upper16:guest_vectors
    mcr p15, 0, r0, c12, c0, 0
    mrc p15, 0, r0, c1, c0, 0
    .if GUEST_THUMB
    orr r0, r0, #(1 << 30)
    .else
    bic r0, r0, #(1 << 30)
    .endif
    bic r0, r0, #(1 << 13)
    mcr p15, 0, r0, c1, c0, 0
    @ Floating point and everything else that CPACR closes.
    movw r0, #0xffff
    movt r0, #0x0fff
    mcr p15, 0, r0, c1, c0, 2
    isb
    bx lr

    @ Where other processors begin, with their context in r0. Of its 16 KiB the lower half is for exceptions.
    guest_fn guest_secondary
    mov r5, r0
    mrc p15, 0, r4, c0, c0, 5
    and r4, r4, #3
    movw r6, #:lower16:__stacks_secondary
    movt r6, #:upper16:__stacks_secondary
    add r6, r6, r4, lsl #14
    cps #0x13
    mov sp, r6
    sub r6, r6, #0x2000
    cps #0x12
    mov sp, r6
    sub r6, r6, #0x1000
    cps #0x17
    mov sp, r6
    sub r6, r6, #0x800
    cps #0x1b
    mov sp, r6
    cps #0x13
    bl guest_setup
    mov r0, r5
    bl guest_secondary_main
4:  wfi
    b 4b

    .macro guest_vector target
    .if GUEST_THUMB
    b.w \target
    .else
    b \target
    .endif
    .endm

    .macro guest_handler name, kind
    guest_fn \name
    push {r0-r12, lr}
    mov r0, #\kind
    mov r1, sp
    mrs r2, spsr
    bl guest_exception
    msr spsr_cxsf, r0
    pop {r0-r12, lr}
    subs pc, lr, #0
    .endm

    .balign 32
    guest_fn guest_vectors
    guest_vector guest_vectors
    guest_vector guest_undefined
    guest_vector guest_svc
    guest_vector guest_prefetch_abort
    guest_vector guest_data_abort
    guest_vector guest_vectors
    guest_vector guest_irq_entry
    guest_vector guest_fiq_entry

    guest_handler guest_undefined, 0
    guest_handler guest_svc, 1
    guest_handler guest_prefetch_abort, 2
    guest_handler guest_data_abort, 3
    guest_handler guest_irq_entry, 4
    guest_handler guest_fiq_entry, 5

    @ guest_in_user_mode(function): calls it in user mode; its SVC, which follows, comes back here.
    guest_fn guest_in_user_mode
    push {r4-r11, lr}
    mov r6, r0
    mrs r7, cpsr
    cps #0x10
    blx r6
    svc #0
    @ The handler of SVC returns here in Supervisor mode.
    msr cpsr_c, r7
    pop {r4-r11, pc}
