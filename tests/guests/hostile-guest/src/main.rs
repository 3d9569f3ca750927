//! Test guest: does what no guest should. In the end it says that it has survived; whether the others have is for them
//! to say.
//!
//! `mask=N` on the command line does the attacks of the bits set in N alone. `then=1` aborts for ever at one address, `then=2` floods the console first.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod encodings;

guest_kit::start!(arm, attack::main, "attack.s");

#[cfg(target_os = "none")]
#[allow(unsafe_code, reason = "single instructions whose effect is the test, and functions in assembly")]
mod attack {
    use crate::encodings::{Batch, Level, move_one, move_two, others};
    use guest_kit::cpu::{hvc, read32, smc, write32};
    use guest_kit::exception::{self, Kind};
    use guest_kit::{gic, println, tables, timer, tree, uart};

    // SAFETY: in `attack.s`.
    unsafe extern "C" {
        fn attack_jump(address: u32);
        fn attack_landing();
        fn attack_bxj();
    }

    const BAD_ACCESSES: u32 = 100_000;
    const FLOOD_LINES: u32 = 2_000;

    fn undefined() -> u32 {
        exception::count(Kind::Undefined)
    }

    fn aborts() -> u32 {
        exception::count(Kind::DataAbort)
    }

    /// Addresses where nothing is, and the edges of what is there.
    fn unmapped() -> bool {
        let places = [
            0,
            0x1000,
            0x0700_0000,
            0x0801_2000,
            0x0802_0000,
            0x0803_0000,
            0x0804_0000,
            0x0900_1000,
            0x0902_0000,
            0x1000_0000,
            0x3fff_fffc,
            0x4080_0000,
            0x7fff_fffc,
            0x8000_0000,
            0xffff_f000,
            0xffff_fffc,
        ];
        let before = aborts();
        for place in places {
            read32(place);
            write32(place, 0x5a5a_5a5a);
        }
        let count = aborts() - before;
        if count != 2 * places.len() as u32 {
            println!("wrong: {} aborts of {}", count, 2 * places.len());
        }
        count == 2 * places.len() as u32
    }

    fn jumps() -> bool {
        let before = exception::count(Kind::PrefetchAbort);
        exception::recover_at(attack_landing as *const () as u32);
        let places = [0x0, 0x0900_0000, 0x0800_0000, 0x1000_0000, 0x4080_0000, 0xffff_fff0];
        for place in places {
            // SAFETY: the recovery comes back.
            unsafe { attack_jump(place) };
        }
        exception::recover_at(0);
        exception::count(Kind::PrefetchAbort) - before == places.len() as u32
    }

    /// Every MRC, MCR, MRRC and MCRR of CP14 and CP15. What is read is written back.
    fn encodings(level: Level) -> u32 {
        let before = undefined();
        let mut batch = Batch::new(level);
        for cp in [14, 15] {
            for opc1 in 0..8 {
                for register in 0..0x800_u32 {
                    let (crn, crm, opc2) = (register >> 7, register >> 3 & 15, register & 7);
                    let [read, write] = [true, false].map(|read| move_one(read, cp, opc1, crn, crm, opc2));
                    batch.read_and_write(read, write);
                }
            }
            for opc1 in 0..16 {
                for crm in 0..16 {
                    let [read, write] = [true, false].map(|read| move_two(read, cp, opc1, crm));
                    batch.read_and_write(read, write);
                }
            }
        }
        batch.run();
        undefined() - before
    }

    /// Coprocessors that nobody has. Each must be undefined.
    fn coprocessors(level: Level) -> bool {
        let before = undefined();
        let (mut batch, mut count) = (Batch::new(level), 0);
        for cp in (0..10).chain([12, 13]) {
            let [cdp, ldc, stc] = others(cp);
            for instruction in [
                move_one(true, cp, 0, 0, 0, 0),
                move_one(false, cp, 7, 15, 15, 7),
                move_two(true, cp, 0, 0),
                move_two(false, cp, 15, 15),
                cdp,
                ldc,
                stc,
            ] {
                batch.add(&[instruction]);
                count += 1;
            }
        }
        batch.run();
        let seen = undefined() - before;
        if seen != count {
            println!("wrong: {seen} undefined of {count}");
        }
        seen == count
    }

    fn far_away() -> bool {
        tables::enable_long();
        let here = tables::FAR + 0x8000;
        let code = read32(0x4000_8000);
        let mut right = true;
        // Beyond 4 GiB, the last address of 40 bits, and bits that the format reserves.
        for ipa in [0x1_4000_0000_u64, 0x80_4000_0000, 0xff_ffe0_0000, 0xff_4000_0000] {
            tables::map_far(ipa);
            let before = aborts();
            let value = read32(here);
            write32(here, 0xdead_beef);
            let count = aborts() - before;
            if count != 2 || value == code && count == 0 {
                println!("wrong: at {ipa:#x}: {count} aborts, {value:#x}");
                right = false;
            }
        }
        // What a truncated address would hit: the serial port's data register.
        tables::map_far(0x1_0900_0000);
        write32(tables::FAR + 0x10_0000, u32::from(b'!'));
        for bit in 40..48 {
            tables::map_far(0x4000_0000 | 1 << bit);
            read32(here);
        }
        right && read32(0x4000_8000) == code
    }

    fn instructions() -> bool {
        let before = exception::count(Kind::PrefetchAbort);
        // SAFETY: the handlers go on behind each; a branch to the next instruction; hints.
        unsafe {
            core::arch::asm!("bkpt #0", "bkpt #0xffff", "wfe", "sev", "yield", "dbg #15", "clrex");
            attack_bxj();
        }
        for call in [0, 1, 0x8400_0000, 0x8400_0003, 0x8400_0005, 0xc400_0003, 0xffff_ffff] {
            smc([call, 7, 7, 7]);
            hvc([call, 7, 7, 7]);
        }
        exception::count(Kind::PrefetchAbort) - before == 2
    }

    fn set_way() -> bool {
        for set in 0..512_u32 {
            guest_kit::cpu::dccisw::write((set % 4) << 30 | (set / 4) << 6);
        }
        true
    }

    fn many_bad_accesses() -> bool {
        let before = aborts();
        for number in 0..BAD_ACCESSES {
            read32(0x1000_0000 + (number % 0x8000) * 4);
            if number % 10_000 == 0 {
                // A sign of life: a guest that does nothing but abort counts as crashed.
                read32(uart::BASE + 0x18);
            }
        }
        aborts() - before == BAD_ACCESSES
    }

    /// Every register of the distributor and of its neighbours, written with what looks bad and put back to sleep.
    fn distributor() -> bool {
        let before = aborts();
        for offset in (0..0x1000).step_by(4) {
            for value in [u32::MAX, 0] {
                // Not the software interrupts that would be sent for ever.
                if offset != 0xf00 {
                    write32(gic::DISTRIBUTOR + offset, value);
                    read32(gic::DISTRIBUTOR + offset);
                }
            }
        }
        for value in [0x0300_0000, 0x03ff_ffff, 0x00ff_0000, 0xffff_ffff, 0x0200_000f] {
            write32(gic::DISTRIBUTOR + 0xf00, value);
        }
        aborts() == before
    }

    /// The virtual CPU interface, which is the hardware's own.
    fn interface() -> bool {
        gic::enable();
        for iar in [0, 27, 33, 1022, 1023, u32::MAX] {
            gic::end(iar);
            write32(gic::INTERFACE + 0x1000, iar);
        }
        for _ in 0..40 {
            let iar = gic::acknowledge();
            gic::end(iar);
        }
        for offset in (0..0x100).step_by(4).filter(|offset| *offset != 0xc && *offset != 0x20) {
            let value = read32(gic::INTERFACE + offset);
            write32(gic::INTERFACE + offset, value);
        }
        true
    }

    fn flood() {
        for line in 0..FLOOD_LINES {
            println!("{line:05} flood flood flood flood flood flood flood flood flood flood flood");
        }
    }

    fn say(name: &str, right: bool) {
        println!("{}: {}", name, if right { "ok" } else { "FAILED" });
    }

    fn encodings_of_supervisor() -> bool {
        println!("encodings: {} undefined", encodings(Level::Supervisor));
        true
    }

    fn encodings_of_user() -> bool {
        println!("encodings in user mode: {} undefined", encodings(Level::User));
        true
    }

    fn coprocessors_of_supervisor() -> bool {
        coprocessors(Level::Supervisor)
    }

    fn coprocessors_of_user() -> bool {
        coprocessors(Level::User)
    }

    type Attack = (&'static str, fn() -> bool);

    const ATTACKS: &[Attack] = &[
        ("unmapped", unmapped),
        ("jumps", jumps),
        ("coprocessors", coprocessors_of_supervisor),
        ("coprocessors in user mode", coprocessors_of_user),
        ("instructions", instructions),
        ("set/way", set_way),
        ("distributor", distributor),
        ("interface", interface),
        ("encodings", encodings_of_supervisor),
        ("encodings in user mode", encodings_of_user),
        ("many bad accesses", many_bad_accesses),
        ("far away", far_away),
    ];

    pub fn main(tree: u32) {
        println!("hostile guest begins");
        match tree::number(tree, b"then=") {
            Some(1) => one_address(),
            Some(2) => flood(),
            _ => {}
        }
        // Its line is high from now on: no WFI among the encodings sleeps for ever.
        timer::at(0);
        let mask = tree::number(tree, b"mask=").unwrap_or(u32::MAX);
        for (number, (name, attack)) in (0..).zip(ATTACKS) {
            if mask >> number & 1 != 0 {
                say(name, attack());
            }
        }
        timer::stop();
        println!("survived");
    }

    /// A handler that faults again and again: such a guest counts as crashed.
    fn one_address() {
        println!("at one address for ever");
        loop {
            read32(0x1000_0000);
        }
    }
}
