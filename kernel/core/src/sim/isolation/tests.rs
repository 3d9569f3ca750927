//! What one compartment may and may not find out of another.

use super::*;
use crate::cap::Slot;
use crate::objects::CNode;

/// Whether one has time.
fn long() -> bool {
    std::env::var_os("BULKHEAD_LONG").is_some()
}

/// How many traces.
fn traces() -> u64 {
    if long() { 4000 } else { 100 }
}

#[test]
fn a_compartment_finds_nothing_out_of_another() {
    let mut readings = 0;
    for (watched, guest) in [(0, false), (0, true), (1, false), (1, true)] {
        let mut isolation = Isolation::new(watched, guest);
        for seed in 0..traces() {
            match isolation.run(seed, 300) {
                Ok(count) => readings += count,
                Err((other, violation)) => {
                    let run = Beside { watched, guest, seed, steps: 300, without: Sabotage::None, other };
                    let (run, violation) = run.shrink(violation, 300);
                    panic!("{violation}\n{run}");
                }
            }
        }
    }
    assert!(u64::from(readings) > 20 * traces(), "too little was read: {readings}");
}

/// Whether something is found out before long.
fn leaks(isolation: &mut Isolation) -> bool {
    (0..2000).any(|seed| isolation.run(seed, 300).is_err())
}

#[test]
fn a_channel_is_found_out() {
    // A notification, and memory, of the watched one's: in slots that are free in the other.
    for slot in [4, 6] {
        let mut isolation = Isolation::new(0, false);
        let (from, to) = (isolation.watched.powers.cnode, isolation.other.powers.cnode);
        let arena = &isolation.stage.world.kernel.arena;
        let place = |cnode, n| arena.nth(arena.part::<CNode, Slot>(cnode, 0), n);
        let (from, to) = (place(from, slot), place(to, 20));
        isolation.stage.world.kernel.copy_cap(from, to, abi::Rights::all(), 0).expect("a free slot");
        isolation.first = isolation.stage.save();
        assert!(leaks(&mut isolation), "slot {slot}");
    }
}

#[test]
fn a_register_that_is_not_switched_is_found_out() {
    let every = if long() { 1 } else { 3 };
    for register in abi::vcpu::TABLE.iter().map(|row| &row.register).step_by(every) {
        if [GuestRegister::CntvCtl, GuestRegister::CntvCval].contains(register) {
            // It has no clock here; the interrupts' witness watches the timer.
            continue;
        }
        let mut isolation = Isolation::new(1, true);
        isolation.stage.world.kernel.platform.leak = Some(*register);
        isolation.first = isolation.stage.save();
        assert!(leaks(&mut isolation), "{register:?}");
    }
}

#[test]
fn a_compartment_gets_its_time_whatever_another_does() {
    for watched in 0..2 {
        let mut isolation = Isolation::new(watched, false);
        for seed in 0..traces() / 8 {
            let (ran, due) = isolation.time(seed, 20).unwrap_or_else(|violation| panic!("seed {seed}: {violation}"));
            assert!(ran >= due, "seed {seed}: {ran} ticks of {due}");
        }
    }
}
