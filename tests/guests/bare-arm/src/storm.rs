//! Storms: what a guest can do to its interrupts to keep a hypervisor busy for ever. Only the guest itself may suffer.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use guest_kit::cpu::{dccisw, interrupts_off, interrupts_on, write32};
use guest_kit::exception::on_irq;
use guest_kit::{gic, println, psci, timer, uart};

static ENDED: AtomicU32 = AtomicU32::new(0);

fn eoi_only(iar: u32) {
    ENDED.store(ENDED.load(Relaxed) + 1, Relaxed);
    gic::end(iar);
}
/// 0: tells once in 100 ms that it lives. 1: ends a level interrupt whose line is still high. 2: four active, one waits. 3: goes over its caches by
/// set and way again and again, each of which flushes all of its RAM. With 10 more it begins at once. It goes on for so many rounds
/// of 100 ms.
pub fn storm(mode: u32, rounds: u32) -> ! {
    let (mode, at_once) = (mode % 10, mode >= 10);
    println!("mode {mode}");
    gic::enable();
    if mode == 0 {
        for n in 0..40 {
            let end = timer::now() + timer::ticks(100_000);
            while timer::now() < end {}
            println!("alive {n}");
        }
        psci::off();
    }
    let start = timer::now() + timer::ticks(500_000);
    while timer::now() < start && !at_once {}
    println!("attack {mode}");
    if mode == 1 {
        on_irq(eoi_only);
        gic::enable_intid(uart::INTID, 0x90);
        write32(uart::BASE + 0x30, 0x301);
        write32(uart::BASE + 0x38, 1 << 5); // transmit interrupt
        uart::put(b'.');
        interrupts_on();
    }
    if mode == 2 {
        interrupts_off();
        write32(gic::INTERFACE, 0x201); // EOImode: EOIR drops the priority alone
        for sgi in 0..5 {
            gic::enable_intid(sgi, 0x80);
            gic::interrupt_self(sgi);
            if sgi < 4 {
                let iar = gic::acknowledge();
                gic::end(iar);
            }
        }
    }
    let mut n = 0u32;
    while mode == 3 {
        dccisw::write(0);
    }
    loop {
        let end = timer::now() + timer::ticks(100_000);
        while timer::now() < end {}
        println!("attacker {mode} goes on {n}, irqs {}", ENDED.load(Relaxed));
        n += 1;
        if n == rounds {
            psci::off();
        }
    }
}
