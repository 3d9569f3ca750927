//! Meter alone on the desk: a component that time drives.

use desk::System;

const ALONE: &str = "
    [system]
    version = 1

    [component.meter]
    crate = \"meter\"
    budget = \"1ms\"
    period = \"5ms\"
";

#[test]
fn it_works_at_its_times() {
    let mut system = System::text(ALONE).program("meter", meter::run).start();
    system.run();
    // The first round is at the start, so the hundredth is after 99 more. It looks at the clock every 5 ms.
    system.advance_us(99 * meter::ROUND_US - 1_000);
    assert!(system.log("meter").is_empty());
    system.advance_us(6_000);
    assert_eq!(system.log("meter"), ["INFO 100 rounds"]);
    system.advance_us(100 * meter::ROUND_US);
    assert_eq!(system.log("meter"), ["INFO 100 rounds", "INFO 200 rounds"]);
}

#[test]
fn neither_chance_nor_time_makes_it_drift() {
    for seed in 0..10 {
        let mut system = System::text(ALONE).program("meter", meter::run).seed(seed).start();
        system.advance_us(99 * meter::ROUND_US - 1_000);
        assert!(system.log("meter").is_empty(), "seed {seed}");
        // It did not begin at once, either.
        system.advance_us(10_000);
        assert_eq!(system.log("meter"), ["INFO 100 rounds"], "seed {seed}");
    }
}
