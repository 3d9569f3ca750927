//! Budgets on the machine itself, counted in instructions: who spins takes what it was given, and no more.

use bulkhead_tests::harness::root;
use bulkhead_tools::{bench_run, composer};
use regex::Regex;
use std::time::Duration;

/// What `tests/systems/budgets.toml` gives away in the 400 ms that are measured, in microseconds.
const GIVEN_US: u64 = 80_000 + 40_000 + 20_000;
/// What a full budget of each of them takes at once, if they all begin together.
const AT_ONCE_US: u64 = 2_000 + 1_000 + 1_000;
/// What a switch to a vCPU and back costs at most, which is nobody's: some 3,000 instructions.
const SWITCH_US: u64 = 3;
/// So many budgets begin in that time, and each may be cut into so many pieces by the others.
const PIECES: u64 = (40 + 40 + 20) * 3;

#[test]
fn who_spins_and_storms_takes_its_budget_and_no_more() {
    let image = composer::build(&root().join("tests/systems/budgets.toml"), None, None).expect("it composes");
    let until = Regex::new(r"taken \d+ us, longest \d+ us").expect("it is one");
    let limit = Duration::from_secs(300);
    let said = bench_run::system(&image, None, Some(until.clone()), limit)
        .unwrap_or_else(|failure| panic!("{}", failure.what));
    let line = until.find(&said).unwrap_or_else(|| panic!("no measurement in\n{said}")).as_str();
    let numbers: Vec<u64> = line.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect();
    let [taken, longest] = numbers[..] else { panic!("{line}") };
    // They do take it, but for the end that a window cuts off.
    assert!(taken + AT_ONCE_US >= GIVEN_US, "{line}");
    assert!(taken <= GIVEN_US + AT_ONCE_US + PIECES * SWITCH_US, "{line}");
    assert!((1_900..=AT_ONCE_US + 12 * SWITCH_US).contains(&longest), "{line}");
}
