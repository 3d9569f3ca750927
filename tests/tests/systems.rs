//! Small systems in QEMU, on both boards: components that talk, bare guests, and guests that mean harm.

use abi::vcpu::{BANKED_REGISTERS, CP32_REGISTERS, CP64_REGISTERS, TABLE};
use bulkhead_tests::golden;
use bulkhead_tests::harness::{Ended, Run};
use bulkhead_tools::qemu::PROGRAM_VARIABLE;
use hostile::calls;
use hostile::encodings::{self, ALLOWED};
use hostile::single::{Outcome, SINGLES};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const BOARDS: [&str; 2] = ["qemu-virt", "vexpress-a15"];
/// The most log lines that a hostile guest may cause.
const LOG_LINES_MAX: usize = 100;

#[test]
fn two_components_talk() {
    for board in BOARDS {
        let ended = Run::system("pair", 60).board(board).until("ping is done").go().ended_with(0);
        // Pong is heard in the answers: its own line may come after the end.
        golden::check("pair", &ended, &["ping", "root"]);
        ended.tells(&format!("bulkhead on {board}, build "));
    }
}

#[test]
fn a_server_whose_callers_time_runs_out_goes_on_with_the_next_and_root_says_so() {
    let ended = Run::system("late", 60).until("late is done").go().ended_with(0);
    ended.tells("200 us of work: done, true").tells("35000 us of work: done, true");
    ended.tells("server used up its caller's time, 2 times by now").never_tells("died").never_tells("crashed");
}

#[test]
fn a_driver_and_a_component_with_times_of_its_own_do_as_on_the_desk() {
    for board in BOARDS {
        let ended = Run::system("clock", 60).board(board).until("saw ring 2").go().ended_with(0);
        ended.tells("[alarm] INFO ring 2").tells("[meter] INFO saw ring 1").never_tells("ERROR");
    }
}

fn bare(name: &str) {
    for board in BOARDS {
        let run = Run::system(name, 90).board(board).prompt(r"\? $").input("hello there\n");
        let ended = run.go().ended_with(0);
        ended.never_tells("wrong:").never_tells("FAILED").says("bare", "all done");
        golden::check(name, &ended, &["bare", "root"]);
    }
}

#[test]
fn a_bare_guest_in_arm_code() {
    bare("bare-arm");
}

#[test]
fn a_bare_guest_in_thumb_code() {
    bare("bare-thumb");
}

#[test]
fn a_guest_starts_its_processors_and_they_interrupt_each_other_leave_and_come_back() {
    for board in BOARDS {
        let ended = Run::system("bare-smp", 90).board(board).go().ended_with(0);
        ended.never_tells("wrong:").never_tells("FAILED").says("bare", "3 processors");
        ended.says("bare", "the last: 0 1, may it leave: -3").says("bare", "all done").tells("last VM is off");
        golden::check("bare-smp", &ended, &["bare", "root"]);
    }
}

#[test]
fn a_guest_that_asks_for_a_reset_starts_again_but_not_for_ever() {
    let ended = Run::system("bare-reset", 60).go().ended_with(1);
    assert!(ended.err.contains("asks to be reset again and again"), "{}", ended.story());
    let starts = ended.said("bare").iter().filter(|line| **line == "bare guest in ARM").count();
    assert!((2..=8).contains(&starts), "{starts} starts\n{}", ended.story());
    ended.tells("asks to be reset again and again");
}

fn survived(ended: &Ended, source: &str) {
    ended.says(source, "survived").never_tells("FAILED").never_tells("wrong:");
    let log = ended.out.lines().filter(|line| line.contains(".rs:")).count();
    assert!(log < LOG_LINES_MAX, "{log} lines of log\n{}", ended.story());
}

/// Registers that a victim fills in which QEMU's processor keeps nothing.
const EMPTY: [&str; 4] = ["Adfsr", "Aifsr", "Amair0", "Amair1"];
/// Registers of the table that a victim holds in another way: SP and LR of its own mode, and its timer's.
const USED: usize = 4;

fn undisturbed(ended: &Ended, source: &str, seed: u32, ticks: u32) {
    let filled = TABLE.len() - USED;
    let held = filled - EMPTY.len();
    ended.says(source, &format!("{} registers in the table, {filled} filled, {held} hold something", TABLE.len()));
    let empty: Vec<&str> =
        ended.said(source).into_iter().filter_map(|line| line.strip_suffix(" holds nothing")).collect();
    assert_eq!(empty, EMPTY, "{}", ended.story());
    ended.never_tells("LEAK").says(source, &format!("tick {ticks}")).says(source, &format!("victim {seed}: 0 leaks"));
}

#[test]
fn a_hostile_guest_harms_itself_alone() {
    for board in BOARDS {
        let ended = Run::system("victims", 120).board(board).go().ended_with(0);
        undisturbed(&ended, "left", 1, 60);
        undisturbed(&ended, "right", 2, 60);
        survived(&ended, "hostile");
        ended.tells("last VM is off");
    }
}

#[test]
fn a_guest_that_aborts_for_ever_is_stopped_with_its_registers_and_a_flood_drowns_nobody() {
    let ended = Run::system("crash-beside", 90).go().ended_with(0);
    undisturbed(&ended, "victim", 3, 30);
    ended.says("flooding", "survived");
    ended.tells("crashing: guest crashed on vCPU 0").tells("cpsr 0x").tells("crashing crashed: stopped");
}

/// What root says of a component that dies, by what its name says that it does.
const CAUSES: [(&str, &str); 6] = [
    ("data", "touched memory that it does not have"),
    ("fetch", "ran into memory that is no code"),
    ("undefined", "undefined instruction"),
    ("breakpoint", "breakpoint"),
    ("alignment", "misaligned access"),
    ("unknown-call", "unknown system call"),
];
/// So often, at least, the guest looks at its registers while the component tries all encodings.
const LOOKS_MIN: usize = 10;

#[test]
fn a_hostile_component_gets_nowhere_and_those_beside_it_go_on() {
    let tried = |what: &str, tried: usize, allowed: usize, of_guests: usize| {
        let refused = tried - allowed;
        format!(
            "{what}: {tried} tried, {refused} refused ({of_guests} to registers of guests), {allowed} allowed, 0 wrong"
        )
    };
    let runs = SINGLES.iter().filter(|single| single.outcome == Outcome::Runs).count();
    // Each register of the table that a move can name, read and written.
    let of_guests = 2 * (CP32_REGISTERS + CP64_REGISTERS);
    for board in BOARDS {
        let run = Run::system("hostile-components", 120).board(board).until("keeper has waited");
        let ended = run.go().ended_with(0);
        ended.tells(&format!("{} checks of calls, 0 wrong", calls::count()));
        ended.tells(&tried("single instructions", SINGLES.len(), runs, 0));
        ended.tells(&tried("banked registers", 2 * BANKED_REGISTERS, 0, 0));
        ended.tells(&tried("coprocessor encodings", encodings::COUNT, ALLOWED.len(), of_guests));
        ended.tells("exclusive access: gone after a switch");
        for (fault, cause) in CAUSES {
            ended.tells(&format!("try-{fault} died: {cause}"));
        }
        golden::check("hostile-components", &ended, &["friend"]);
        // The guest looked at its registers again and again meanwhile, and once more afterwards.
        ended.never_tells("LEAK");
        let ticks = |text: &str| text.lines().filter(|line| line.starts_with("[victim] tick ")).count();
        let (during, after) = ended.out.split_once("keeper is done").unwrap_or_default();
        assert!(ticks(during) >= LOOKS_MIN && ticks(after) > 0, "{}", ended.story());
    }
}

#[test]
fn guests_that_storm_with_interrupts_do_not_stop_the_one_beside_them() {
    let ended = Run::system("storms", 60).until(r"^\[victim\] alive 39").go().ended_with(0);
    ended.tells("attack 1").tells("attack 2");
}

#[test]
fn components_and_a_guest_on_the_second_core_serve_those_on_the_first() {
    for board in BOARDS {
        let run = Run::system("cores", 120).board(board).prompt(r"\? $").input("hello there\n");
        let ended = run.go().ended_with(0);
        ended.never_tells("wrong:").never_tells("FAILED").never_tells("ERROR").says("bare", "all done");
        ended.tells("ping 9: answered").tells("ping is done").tells("pong serves").tells("last VM is off");
    }
}

#[test]
fn a_hostile_guest_on_one_core_harms_nobody_there_or_on_another() {
    for board in BOARDS {
        let ended = Run::system("neighbours", 120).board(board).go().ended_with(0);
        undisturbed(&ended, "left", 1, 60);
        undisturbed(&ended, "right", 2, 60);
        ended
            .says("hostile", "survived")
            .tells("crashing crashed: stopped")
            .never_tells("FAILED")
            .never_tells("wrong:");
    }
}

#[test]
fn who_spins_on_one_core_for_ever_is_not_felt_on_another() {
    for board in BOARDS {
        // Nobody is more urgent than the spinner: on one core nobody else would say a word.
        let ended = Run::system("apart", 60).board(board).until("ping is done").go().ended_with(0);
        ended.tells("ping 9: answered").never_tells("ERROR");
    }
}

#[test]
fn a_system_does_not_start_without_a_core_that_it_uses() {
    let script = Path::new(env!("CARGO_TARGET_TMPDIR")).join("one-core");
    std::fs::write(&script, "#!/bin/sh\nexec qemu-system-arm \"$@\" -smp 1\n").expect("a file");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("it is this test's file");
    for board in BOARDS {
        let run = Run::system("apart", 60).board(board).variable(PROGRAM_VARIABLE, &script.display().to_string());
        let ended = run.go().ended_with(1);
        ended.tells("cannot start: a core that the system uses does not come up (00000001)");
    }
}
