//! What only the desk itself can do wrong: broken invariants, strands that don't come back, a kernel that panics.

use crate::System;
use abi::boot::root_slot;
use kernel_core::cap::Cap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const SYSTEM: &str = "[system]\nversion = 1\n[component.a]\ncrate = \"a\"\nbudget = \"1ms\"\n";

fn failure(system: &mut System) -> String {
    let error = catch_unwind(AssertUnwindSafe(|| system.run())).expect_err("it does not fail");
    error.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[test]
fn a_kernel_that_breaks_an_invariant_fails_the_test_at_the_next_entry() {
    let mut system = System::text(SYSTEM).program("a", |_| ()).seed(7).start();
    let entries = system.kernel_entries();
    {
        // A capability vanishes without being deleted, and what was derived from it is left.
        let world = &mut system.shared.lock().world;
        let slot = world.slot(root_slot::CNODE);
        world.kernel.arena.get_mut(slot).cap = Cap::Null;
    }
    let told = failure(&mut system);
    assert!(told.starts_with("the kernel broke an invariant: "), "{told}");
    assert!(told.contains("seed 7, ") && told.contains("[root] INFO system is up"), "{told}");
    assert_eq!(system.kernel_entries(), entries + 1);
}

#[test]
fn a_kernel_that_panics_fails_the_test() {
    let mut system = System::text(SYSTEM).program("a", |_| ()).start();
    let shared = system.shared.clone();
    shared.decide(&mut shared.lock(), |_| panic!("on purpose"));
    assert!(failure(&mut system).starts_with("the kernel panicked: on purpose\nno seed, "));
}

#[test]
fn who_turns_in_a_circle_without_the_kernel_is_given_up() {
    let enough = Arc::new(AtomicBool::new(false));
    let seen = enough.clone();
    let circle = move |_| {
        while !seen.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
    };
    let mut system = System::text(SYSTEM).program("a", circle).start();
    let told = failure(&mut system);
    enough.store(true, Ordering::Relaxed);
    assert!(told.starts_with("`a` has run for ") && told.contains(" s without a system call"), "{told}");
}

#[test]
fn root_that_can_not_build_the_system_is_told_with_its_reason() {
    // Root's own program is another: it says what it would say, and dies.
    let setup = System::text(SYSTEM).program("a", |_| ()).program("root", |_| {
        runtime::log::error!("record 7 (object): no memory for it (0)");
        runtime::entry::die(7, 0)
    });
    let told = setup.try_start().err().expect("it does not start");
    assert!(told.starts_with("root could not build the system") && told.contains("record 7 (object)"), "{told}");
}
