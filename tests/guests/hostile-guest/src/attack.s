@ Jumps that no return address comes back from: the handler's recovery does.
    guest_fn attack_jump
    push {r4-r11, lr}
    mov r4, sp
    bx r0
    guest_fn attack_landing
    mov sp, r4
    pop {r4-r11, pc}

    guest_fn attack_bxj
    push {r4, lr}
    movw r0, #:lower16:1f
    movt r0, #:upper16:1f
    bxj r0
1:  pop {r4, pc}
