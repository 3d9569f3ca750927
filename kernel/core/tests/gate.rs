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

/// What the gate keeps: loom finds out whoever touches it before it has seen what another has done to it.
struct Kernel<W> {
    gate: Gate<W, 2>,
    inside: UnsafeCell<()>,
    /// What is in the hardware of core 1, which core 1 touches outside, and core 0 after an errand.
    hardware: UnsafeCell<()>,
}

fn kernel<W: Word>(word: fn(Shared) -> W) -> Arc<Kernel<W>> {
    Arc::new(Kernel {
        gate: Gate::of(|| word(Shared(AtomicU32::new(0)))),
        inside: UnsafeCell::new(()),
        hardware: UnsafeCell::new(()),
    })
}

/// The same with stores that release nothing: what is found with the right ones is not luck.
struct Careless(Shared);

impl Word for Careless {
    #[allow(clippy::declare_interior_mutable_const, reason = "it is never used: loom makes no constants")]
    const ZERO: Self = panic!("loom makes no constants");
    fn acquire(&self) -> u32 {
        self.0.acquire()
    }
    fn release(&self, value: u32) {
        self.0.0.store(value, Ordering::Relaxed);
    }
    fn take(&self) -> u32 {
        self.0.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// How much loom tries: a core may be interrupted by the other this often.
fn model(what: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(what);
}

fn two_come_and_go<W: Word + Send + Sync + 'static>(word: fn(Shared) -> W) {
    let kernel = kernel(word);
    let other = kernel.clone();
    let enter = |kernel: &Kernel<W>, core| {
        kernel.gate.enter(core, |_| panic!("there is no errand"), thread::yield_now);
        kernel.inside.with_mut(|_| ());
        kernel.gate.leave();
    };
    let thread = thread::spawn(move || enter(&other, 1));
    enter(&kernel, 0);
    thread.join().expect("it ends");
    enter(&kernel, 0);
}

#[test]
fn one_core_at_a_time_is_inside() {
    model(|| two_come_and_go(|word| word));
}

#[test]
#[should_panic(expected = "Causality violation")]
fn a_gate_that_releases_nothing_is_found_out() {
    model(|| two_come_and_go(Careless));
}

/// A core that is inside takes something out of the hardware of another, wherever that one is: outside, on its way in, or waiting.
#[test]
fn an_errand_is_done_while_its_sender_waits_and_never_by_two_at_once() {
    model(|| {
        let kernel = kernel(|word| word);
        let other = kernel.clone();
        let kicked = Arc::new(AtomicU32::new(0));
        let told = kicked.clone();
        let thread = thread::spawn(move || {
            other.hardware.with_mut(|_| ());
            while told.load(Ordering::Acquire) == 0 {
                thread::yield_now();
            }
            let mut done = 0;
            let errand = |note| {
                assert_eq!(note, (3, 0x4000_0000));
                done += 1;
                other.hardware.with_mut(|_| ());
                other.inside.with_mut(|_| ());
            };
            other.gate.enter(1, errand, thread::yield_now);
            other.inside.with_mut(|_| ());
            other.gate.leave();
            assert_eq!(done, 1);
        });
        kernel.gate.enter(0, |_| panic!("nobody sends one here"), thread::yield_now);
        kernel.gate.send(1, (3, 0x4000_0000), || kicked.store(1, Ordering::Release), thread::yield_now);
        kernel.hardware.with(|_| ());
        kernel.inside.with_mut(|_| ());
        kernel.gate.leave();
        thread.join().expect("it ends");
        kernel.inside.with(|_| ());
    });
}
