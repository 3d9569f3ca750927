//! What a guest holds in its interrupt controller's CPU interface: the priority mask (GICH_VMCR), and that an interrupt is
//! active (GICH_APR), which the running priority shows.

use guest_kit::cpu::{read32, write32};
use guest_kit::{gic, println};

/// A software interrupt that is less urgent than the timer's.
const INTID: u32 = 3;
const PRIORITY: u8 = 0xd0;
/// GICC_RPR while none is active.
const IDLE: u32 = 0xff;

const PMR: u32 = gic::INTERFACE + 0x4;
const RPR: u32 = gic::INTERFACE + 0x14;

/// What is there at this tick.
pub struct Interrupts {
    mask: u32,
    /// What was acknowledged, and is to be ended.
    active: Option<u32>,
}

impl Interrupts {
    /// Sets a mask, and at every third tick of this guest makes an interrupt active.
    pub fn fill(seed: u32, tick: u32) -> Self {
        gic::enable_intid(INTID, PRIORITY);
        // What lets both interrupts in, with 5 bits of priority.
        let mask = 0xe0 + (seed * 3 + tick) % 4 * 8;
        write32(PMR, mask);
        let active = ((seed + tick) % 3 == 0).then(|| {
            gic::interrupt_self(INTID);
            gic::acknowledge()
        });
        Self { mask, active }
    }

    /// Tells of what is not as it was; how many.
    pub fn check(&self, tick: u32) -> u32 {
        let mut leaks = 0;
        let running = self.active.map_or(IDLE, |_| PRIORITY.into());
        for (name, got, wanted) in [("PMR", read32(PMR), self.mask), ("RPR", read32(RPR), running)] {
            if got != wanted {
                println!("LEAK: {name} is {got:#x} instead of {wanted:#x} at tick {tick}");
                leaks += 1;
            }
        }
        leaks
    }

    /// Ends what is active.
    pub fn end(self, tick: u32) -> u32 {
        let Some(iar) = self.active else { return 0 };
        gic::end(iar);
        let wrong = iar & 0x3ff != INTID;
        if wrong {
            println!("LEAK: interrupt {iar:#x} was acknowledged at tick {tick}");
        }
        wrong.into()
    }
}
