//! Unmodified Debian kernels to a shell, in QEMU.

use bulkhead_tests::harness::Run;

const BOARDS: [&str; 2] = ["qemu-virt", "vexpress-a15"];

#[test]
fn a_shell_answers_reboots_and_powers_off() {
    let run = Run::system("linux", 180).input("uname -a\nreboot\nuname -m; echo second $((20 + 2))\npoweroff\n");
    let ended = run.go().ended_with(0);
    ended.tells("armv7l GNU/Linux").tells("second 22");
    let boots = ended.said("linux").iter().filter(|line| line.contains("Booting Linux on physical CPU")).count();
    assert_eq!(boots, 2, "{}", ended.story());
    ended.tells("last VM is off");
}

#[test]
fn the_other_board_has_a_shell_too() {
    let ended = Run::system("linux", 150).board(BOARDS[1]).input("uname -a\npoweroff\n").go().ended_with(0);
    ended.tells("armv7l GNU/Linux").tells("last VM is off");
}

#[test]
fn two_linux_kernels_share_a_core() {
    // Input reaches the first VM; the second shows that it is there by its prompt.
    for board in BOARDS {
        let run = Run::system("two", 240).board(board).input("uname -r\n").until(r"^\[right\] .*# $");
        let ended = run.go().ended_with(0);
        assert!(!ended.said("left").is_empty() && !ended.said("right").is_empty(), "{}", ended.story());
        ended.never_tells("Kernel panic").never_tells("Internal error");
    }
}

#[test]
fn a_guest_that_panics_is_told_with_its_registers_and_comes_back() {
    let typed = "echo c > /proc/sysrq-trigger\necho back $((40 + 2))\npoweroff\n";
    let ended = Run::system("linux", 150).input(typed).go().ended_with(0);
    ended.tells("guest crashed on vCPU 0").tells("Supervisor mode").tells("its last exits");
    ended.tells("linux crashed: restarted, 1 times by now").tells("back 42").tells("last VM is off");
}

#[test]
fn a_guest_that_panics_takes_the_system_down_if_its_manifest_says_so() {
    let ended = Run::system("linux-panic", 120).input("echo c > /proc/sysrq-trigger\n").go().ended_with(1);
    ended.tells("guest crashed on vCPU 0").tells("system crashed");
}

#[test]
fn the_pl011_console_has_a_shell_too() {
    let ended = Run::system("linux-pl011", 120).input("echo sum $((20 + 3))\npoweroff\n").go().ended_with(0);
    ended.tells("sum 23").tells("last VM is off");
}
