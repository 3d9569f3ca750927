//! How much a manifest may ask for: of time, and of memory.

use super::defaults::{self, BUDGET_US_MIN, GUEST_PART_MIN};
use super::manifest::Time;
use super::parse::units::show_size;
use super::problem::Problem;
use super::resolve::Resolved;
use abi::object::UNTYPED_BITS_MIN;
use boards::Board;

/// Budgets that do something, and fit into their periods.
pub fn times(system: &Resolved, problems: &mut Vec<Problem>) {
    for vm in &system.vms {
        time(&vm.vm.time, problems);
        part(&vm.vm.time, problems);
    }
    for component in &system.components {
        time(&component.component.time, problems);
    }
}

fn time(time: &Time, problems: &mut Vec<Problem>) {
    if let Some(budget) = time.budget_us.as_ref().filter(|budget| budget.value < BUDGET_US_MIN) {
        let message = format!("a budget of {} us is gone before anything is done", budget.value);
        problems.push(Problem::at(&budget.span, message, "too little").help(format!(
            "each turn begins and ends in the kernel, which takes some of it: write at least \"{BUDGET_US_MIN}us\""
        )));
    } else if let Some(period) = time.period_us.as_ref().filter(|period| period.value < BUDGET_US_MIN) {
        let message = format!("a period of {} us has no room for a budget", period.value);
        problems.push(
            Problem::at(&period.span, message, "too short").help(format!("write at least \"{BUDGET_US_MIN}us\"")),
        );
    }
    if let (Some(budget), Some(period)) = (&time.budget_us, &time.period_us)
        && budget.value > period.value
    {
        problems.push(
            Problem::at(&budget.span, "the budget is longer than its period", "the budget")
                .also(&period.span, "the period")
                .help("nobody can run 12 ms in every 10: make the budget at most the period"),
        );
    }
}

/// A guest that hardly runs never says a word, and nobody would know why.
fn part(time: &Time, problems: &mut Vec<Problem>) {
    let share = defaults::share(time, defaults::GUEST);
    let least = share.period_us.div_ceil(GUEST_PART_MIN);
    let Some(at) = time.budget_us.as_ref().or(time.period_us.as_ref()) else { return };
    if share.budget_us < BUDGET_US_MIN || share.budget_us >= least {
        return;
    }
    let message =
        format!("a guest that runs {} us in each {} us would take hours to boot", share.budget_us, share.period_us);
    problems.push(Problem::at(&at.span, message, "too little").help(format!(
        "a guest has one part in {GUEST_PART_MIN} at least: write budget = \"{least}us\" or more, or a shorter period"
    )));
}

/// Stacks that fit below each other.
pub fn stacks(system: &Resolved, problems: &mut Vec<Problem>) {
    for stack in system.components.iter().filter_map(|component| component.component.stack.as_ref()) {
        if !stack.value.is_multiple_of(4096) || stack.value == 0 || stack.value > defaults::STACK_BYTES_MAX {
            let message = format!("a stack can't be of {}", show_size(stack.value));
            problems.push(
                Problem::at(&stack.span, message, "not possible")
                    .help(format!("stacks come in pieces of 4KiB, up to {}", show_size(defaults::STACK_BYTES_MAX))),
            );
        }
    }
}

/// Memory of components' own that a board can have.
pub fn untypeds(system: &Resolved, problems: &mut Vec<Problem>) {
    const LEAST: u64 = 1 << UNTYPED_BITS_MIN;
    let most = untyped_bytes_max(&system.board);
    for untyped in system.components.iter().filter_map(|component| component.component.untyped.as_ref()) {
        if !untyped.value.is_power_of_two() || !(LEAST..=most).contains(&untyped.value) {
            let message = format!("an untyped can't be of {}", show_size(untyped.value));
            let most = show_size(most);
            problems.push(
                Problem::at(&untyped.span, message, "not possible")
                    .help(format!("it has a power of two of bytes, {} to {most} on this board", show_size(LEAST))),
            );
        }
    }
}

/// The largest untyped that the RAM of a board has room for beside the kernel. One of 2^n bytes begins at a multiple of that.
fn untyped_bytes_max(board: &Board) -> u64 {
    let fits = |bytes: u64| {
        board.ram.iter().any(|ram| {
            let end = ram.base + ram.bytes;
            let first = ram.base.next_multiple_of(bytes);
            (first..end)
                .step_by(bytes as usize)
                .any(|at| at + bytes <= end && !(at..at + bytes).contains(&board.kernel_address))
        })
    };
    let sizes = (UNTYPED_BITS_MIN..=defaults::UNTYPED_BYTES_MAX.ilog2()).rev().map(|bits| 1 << bits);
    sizes.into_iter().find(|bytes| fits(*bytes)).unwrap_or(1 << UNTYPED_BITS_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_untyped_is_what_a_board_has_beside_its_kernel() {
        let mut board = boards::find("qemu-virt").unwrap();
        assert_eq!(untyped_bytes_max(&board), 512 << 20);
        assert_eq!(untyped_bytes_max(&boards::find("vexpress-a15").unwrap()), 512 << 20);
        // As a board with twice the RAM has it, and one whose RAM begins at an odd place.
        board.ram[0].bytes = 2 << 30;
        assert_eq!(untyped_bytes_max(&board), 1 << 30);
        board.ram[0].bytes = 256 << 20;
        board.ram[0].base += 64 << 20;
        board.kernel_address = board.ram[0].base;
        assert_eq!(untyped_bytes_max(&board), 128 << 20);
    }
}
