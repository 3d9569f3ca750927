//! The gate of the kernel, in all orders that the memory model allows.

use kernel_core::gate::{Gate, Word};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;

struct Shared(AtomicU32);

impl Word for Shared {
    #[allow(clippy::declare_interior_mutable_const, reason = "it is never used: loom makes no constants")]
    const ZERO: Self = panic!("loom makes no constants");
    fn acquire(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }
    fn release(&self, value: u32) {
        self.0.store(value, Ordering::Release);
    }
    fn take(&self) -> u32 {
        self.0.fetch_add(1, Ordering::AcqRel)
    }
}

/// What the gate keeps: loom finds out whoever gets at it at the same time as another.
struct Kernel {
    gate: Gate<Shared, 2>,
    inside: UnsafeCell<u32>,
    /// What is in the hardware of core 1, which core 1 touches outside, and core 0 after an errand.
    hardware: UnsafeCell<u32>,
}

fn kernel() -> Arc<Kernel> {
    Arc::new(Kernel {
        gate: Gate::of(|| Shared(AtomicU32::new(0))),
        inside: UnsafeCell::new(0),
        hardware: UnsafeCell::new(0),
    })
}

/// How much loom tries: a core may be interrupted by the other this often.
fn model(what: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(what);
}

#[test]
fn one_core_at_a_time_is_inside() {
    model(|| {
        let kernel = kernel();
        let other = kernel.clone();
        let enter = |kernel: &Kernel, core| {
            kernel.gate.enter(core, |_| panic!("there is no errand"), thread::yield_now);
            // SAFETY: nobody else is inside: loom says so if that is not so.
            kernel.inside.with_mut(|inside| unsafe { *inside += 1 });
            kernel.gate.leave();
        };
        let thread = thread::spawn(move || enter(&other, 1));
        enter(&kernel, 0);
        thread.join().expect("it ends");
        enter(&kernel, 0);
        // SAFETY: as above.
        kernel.inside.with(|inside| assert_eq!(unsafe { *inside }, 3));
    });
}

/// A core that is inside takes something out of the hardware of another, wherever that one is: outside, on its way in, or waiting.
#[test]
fn an_errand_is_done_while_its_sender_waits_and_never_by_two_at_once() {
    model(|| {
        let kernel = kernel();
        let other = kernel.clone();
        let kicked = Arc::new(AtomicU32::new(0));
        let told = kicked.clone();
        let thread = thread::spawn(move || {
            // SAFETY: its own, until it comes to the gate.
            other.hardware.with_mut(|hardware| unsafe { *hardware = 7 });
            while told.load(Ordering::Acquire) == 0 {
                thread::yield_now();
            }
            let mut done = 0;
            let errand = |note| {
                assert_eq!(note, (3, 0x4000_0000));
                done += 1;
                // SAFETY: the sender waits.
                other.hardware.with_mut(|hardware| unsafe { *hardware += 1 });
                other.inside.with_mut(|inside| unsafe { *inside += 1 });
            };
            other.gate.enter(1, errand, thread::yield_now);
            // SAFETY: inside.
            other.inside.with_mut(|inside| unsafe { *inside += 1 });
            other.gate.leave();
            assert_eq!(done, 1);
        });
        kernel.gate.enter(0, |_| panic!("nobody sends one here"), thread::yield_now);
        kernel.gate.send(1, (3, 0x4000_0000), || kicked.store(1, Ordering::Release), thread::yield_now);
        // SAFETY: the other core has done it, and waits.
        kernel.hardware.with(|hardware| assert_eq!(unsafe { *hardware }, 8));
        kernel.inside.with_mut(|inside| unsafe { *inside += 1 });
        kernel.gate.leave();
        thread.join().expect("it ends");
        // SAFETY: alone.
        kernel.inside.with(|inside| assert_eq!(unsafe { *inside }, 3));
    });
}
