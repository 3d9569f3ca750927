//! Alarm with meter beside it, on the desk. Copy this file to test a system of your own.

use desk::System;

const SYSTEM: &str = "../../systems/clock.toml";

fn start() -> System {
    System::read(SYSTEM).program("alarm", alarm::run).program("meter", meter::run).start()
}

#[test]
fn the_clock_rings_each_second_and_meter_sees_it() {
    let mut system = start();
    system.run();
    assert!(system.log("alarm").is_empty());
    system.advance_us(3_500_000);
    assert_eq!(system.log("alarm"), ["INFO ring 1", "INFO ring 2", "INFO ring 3"]);
    let seen = ["INFO saw ring 1", "INFO 100 rounds", "INFO saw ring 2", "INFO saw ring 3"];
    assert_eq!(system.log("meter"), seen);
}

#[test]
fn an_interrupt_for_which_the_clock_is_not_to_blame_counts_as_a_ring_and_nothing_breaks() {
    let mut system = start();
    system.run();
    system.interrupt("rtc");
    system.run();
    assert_eq!(system.log("alarm"), ["INFO ring 1"]);
    // Meter sees it in its next round.
    assert!(system.log("meter").is_empty());
    system.advance_us(meter::ROUND_US);
    assert_eq!(system.log("meter"), ["INFO saw ring 1"]);
}

#[test]
fn what_the_driver_writes_stands_in_the_registers() {
    let mut system = System::read(SYSTEM)
        .program("alarm", alarm::run)
        .program("meter", meter::run)
        .device("rtc", desk::Registers::default())
        .start();
    system.set_register("rtc", 0x00, 41);
    system.run();
    let written = [0x04, 0x10, 0x1c].map(|offset| system.register("rtc", offset));
    assert_eq!(written, [42, 1, 1], "match, mask, clear");
}

#[test]
fn without_the_device_it_says_so() {
    let text = std::fs::read_to_string(SYSTEM).unwrap().replace("devices = \"rtc\"\n", "");
    let mut system = System::text(&text).program("alarm", alarm::run).program("meter", meter::run).start();
    system.run();
    assert_eq!(system.log("alarm"), ["ERROR alarm: it has no device `rtc`"]);
}
