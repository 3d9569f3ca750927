//! What a test leaves behind: nothing. One test alone in its program, so that threads can be counted.

use desk::System;
use runtime::svc;
use std::sync::Arc;

const SYSTEM: &str = "[system]\nversion = 1\n[component.a]\ncrate = \"a\"\non-crash = \"restart\"\n";

/// Threads of this process.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

fn no_thread_is_left() {
    let kept = Arc::new(());
    let before = threads();
    for _ in 0..3 {
        let held = kept.clone();
        let holder = move |_| {
            let _held = held.clone();
            loop {
                svc::yield_now();
            }
        };
        let mut system = System::text(SYSTEM).program("a", holder).start();
        system.advance_us(30_000);
        // Root, the console, the log and this one.
        assert_eq!((threads() - before, Arc::strong_count(&kept)), (4, 3));
        // One that root has ended is gone at once.
        system.fault("a", desk::FaultKind::Data);
        system.advance_us(30_000);
        assert!(system.log("root").contains(&"INFO a crashed: restarted, 1 times by now".to_owned()));
        assert_eq!((threads() - before, Arc::strong_count(&kept)), (4, 3));
    }
    assert_eq!((threads() - before, Arc::strong_count(&kept)), (0, 1));
}

/// Its destructor calls the kernel while its thread is unwound, and gets errors.
struct Signals;

impl Drop for Signals {
    fn drop(&mut self) {
        let signalled = runtime::Notification(protocol::layout::slot::EVENTS).signal();
        runtime::log::info!("signalled: {=bool}", signalled.is_ok());
    }
}

fn destructors_run() {
    let program = |_| {
        let _signals = Signals;
        loop {
            svc::yield_now();
        }
    };
    let mut system = System::text(SYSTEM).program("a", program).start();
    system.run();
    system.fault("a", desk::FaultKind::Data);
    system.advance_us(30_000);
    assert!(system.log("a").is_empty() && system.is_alive("a"));
}

#[test]
fn no_thread_is_left_and_a_destructor_that_calls_the_kernel_hangs_nobody() {
    no_thread_is_left();
    destructors_run();
}
