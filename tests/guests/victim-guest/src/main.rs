//! Test guest: fills every register that it has, waits for its timer, and looks whether all is still there.
//!
//! Beside other guests on one core: what differs was leaked or lost at a switch. `seed=N` on the command line makes the
//! values of two such guests different, `ticks=N` says how many times (40).
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod interrupts;
#[cfg(target_os = "none")]
#[allow(unsafe_code, reason = "moves to and from registers of the guest's own")]
mod system_registers;

guest_kit::start!(arm, victim::main, "hold.s");

#[cfg(target_os = "none")]
#[allow(unsafe_code, reason = "calls a function in assembly")]
mod victim {
    use crate::interrupts::Interrupts;
    use crate::system_registers::Registers;
    use guest_kit::{gic, println, timer, tree};

    const TICK_US: u32 = 50_000;

    // SAFETY: in `hold.s`.
    unsafe extern "C" {
        fn hold(seed: u32) -> u32;
    }

    pub fn main(tree: u32) {
        let seed = tree::number(tree, b"seed=").unwrap_or(1);
        let ticks = tree::number(tree, b"ticks=").unwrap_or(40);
        println!("victim {seed} waits {ticks} times");
        gic::enable();
        gic::enable_intid(timer::INTID, 0xa0);
        let registers = Registers::probe();
        let mut leaks = 0;
        let start = timer::now();
        for tick in 1..=ticks {
            let values = seed.wrapping_mul(0x0101_0100).wrapping_add(tick << 8) ^ 0x5a00_0000;
            let interrupts = Interrupts::fill(seed, tick);
            registers.fill(values);
            timer::at(start + timer::ticks(TICK_US) * u64::from(tick));
            // SAFETY: it keeps all registers that the calling convention wants kept, and interrupts are masked.
            let differs = unsafe { hold(values) };
            if differs != 0 {
                println!("LEAK: register {} of the core at tick {tick}", differs - 1);
                leaks += 1;
            }
            leaks += registers.check(values, tick) + interrupts.check(tick);
            let iar = gic::acknowledge();
            timer::stop();
            gic::end(iar);
            if iar & 0x3ff != timer::INTID {
                println!("LEAK: interrupt {iar:#x} at tick {tick}");
                leaks += 1;
            }
            leaks += interrupts.end(tick);
            println!("tick {tick}");
            if leaks > 20 {
                break;
            }
        }
        println!("victim {seed}: {leaks} leaks");
    }
}
