//! Meter alone on the desk: a component that time drives.

use desk::System;

const ALONE: &str = "
    [system]
    version = 1

    [component.meter]
    crate = \"meter\"
    budget = \"1ms\"
    period = \"20ms\"
";

#[test]
fn it_works_once_in_each_period() {
    let mut system = System::text(ALONE).program("meter", meter::run).start();
    system.run();
    // The first round is at the start, so the hundredth is after 99 periods.
    system.advance_us(99 * 20_000 - 1_000);
    assert!(system.log("meter").is_empty());
    system.advance_us(2_000);
    assert_eq!(system.log("meter"), ["INFO 100 rounds"]);
    system.advance_us(100 * 20_000);
    assert_eq!(system.log("meter"), ["INFO 100 rounds", "INFO 200 rounds"]);
}
