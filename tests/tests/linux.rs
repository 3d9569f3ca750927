//! Unmodified Debian kernels to a shell, in QEMU.

use bulkhead_tests::harness::{Run, root};
use std::process::Command;
use std::time::Duration;

const BOARDS: [&str; 2] = ["qemu-virt", "vexpress-a15"];

#[test]
fn a_shell_answers_reboots_and_powers_off() {
    for board in BOARDS {
        let typed = "uname -a\nreboot\nuname -m; echo second $((20 + 2))\npoweroff\n";
        let ended = Run::system("linux", 180).board(board).input(typed).go().ended_with(0);
        ended.tells("armv7l GNU/Linux").tells("second 22");
        let boots = ended.said("linux").iter().filter(|line| line.contains("Booting Linux on physical CPU")).count();
        assert_eq!(boots, 2, "{}", ended.story());
        ended.tells("last VM is off");
    }
}

#[test]
fn the_kernel_with_short_descriptors_has_a_shell_and_reboots_too() {
    let typed = "uname -r\nreboot\necho second $((20 + 2))\npoweroff\n";
    let ended = Run::system("linux-short", 180).input(typed).go().ended_with(0);
    ended.tells("-armmp").never_tells("-armmp-lpae").tells("second 22").tells("last VM is off");
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
    for (board, system) in [(BOARDS[0], "linux"), (BOARDS[1], "linux-pl011")] {
        let ended = Run::system(system, 150).board(board).input(typed).go().ended_with(0);
        ended.tells("guest crashed on vCPU 0").tells("Supervisor mode").tells("its last exits");
        ended.tells("linux crashed: restarted, 1 times by now").tells("back 42").tells("last VM is off");
    }
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

#[test]
fn a_second_run_builds_nothing_and_is_at_the_boot_within_three_seconds() {
    let run = || Run::system("linux", 60).until("bulkhead on qemu-virt").go().ended_with(0).took;
    let programs = bulkhead_tools::workspace::target().join("arm/qemu-virt/armv7a-none-eabi/release");
    let linked = || {
        let of = |name| programs.join(name).metadata().and_then(|file| file.modified()).expect("the program is there");
        ["kernel", "root", "vmm-server"].map(of)
    };
    run();
    let first = linked();
    // Others use the machine, too: one of five is let alone.
    let fastest = (0..5).map(|_| run()).min().unwrap_or_default();
    assert!(fastest <= Duration::from_secs(3), "{fastest:?}");
    assert_eq!(linked(), first, "something was linked again");
}

#[test]
fn what_a_guest_is_made_of_is_fetched_unpacked_and_never_installed() {
    let guests = bulkhead_tools::workspace::own().join("guests");
    Run::system("linux", 60).until("bulkhead on qemu-virt").go().ended_with(0);
    let kept = guests.join("armmp-lpae").read_dir().map(Iterator::count).unwrap_or_default();
    assert!(kept > 0, "{} has nothing", guests.display());
    for package in ["linux-image-armmp-lpae:armhf", "busybox-static:armhf"] {
        let asked =
            Command::new("dpkg-query").args(["-W", "-f=${Status}", package]).output().expect("a Debian machine");
        let status = String::from_utf8_lossy(&asked.stdout);
        assert!(!status.contains("install ok installed"), "{package}: {status}");
    }
    let mut git = Command::new("git");
    git.args(["status", "--porcelain", "--", "*vmlinuz*", "*.deb", "*busybox*"]).current_dir(root());
    let listed = git.output().expect("git is there");
    assert!(listed.stdout.is_empty(), "{}", String::from_utf8_lossy(&listed.stdout));
}

#[test]
fn two_processors_come_go_and_come_back() {
    let typed = "cpus=/sys/devices/system/cpu\necho processors $(nproc)\necho 0 > $cpus/cpu1/online\n\
        echo then $(nproc), $(cat $cpus/online)\necho 1 > $cpus/cpu1/online\necho again $(nproc)\n\
        taskset -c 1 echo on $(taskset -c 1 cat /proc/self/stat | cut -d ' ' -f 39)\n\
        reboot\necho after $(nproc)\npoweroff\n";
    let ended = Run::system("linux-2", 180).input(typed).go().ended_with(0);
    ended.says("linux", "processors 2").says("linux", "then 1, 0").says("linux", "again 2").says("linux", "on 1");
    ended.says("linux", "after 2").tells("CPU1 killed").tells("last VM is off").never_tells("crashed");
}

#[test]
fn four_processors_go_and_reboot_together() {
    let typed = "cpus=/sys/devices/system/cpu\necho processors $(nproc)\nfor n in 1 2 3; do echo 0 > $cpus/cpu$n/online; done\n\
        echo then $(nproc)\nfor n in 3 1 2; do echo 1 > $cpus/cpu$n/online; done\necho again $(nproc)\n\
        for n in 0 1 2 3; do taskset -c $n sh -c 'while :; do :; done' & done\nreboot\necho after $(nproc)\npoweroff\n";
    let ended = Run::system("linux-4", 240).input(typed).go().ended_with(0);
    ended.says("linux", "processors 4").says("linux", "then 1").says("linux", "again 4").says("linux", "after 4");
    ended.tells("last VM is off").never_tells("crashed").never_tells("Internal error");
}

#[test]
fn a_guest_that_panics_on_any_processor_is_told_and_comes_back_with_all() {
    let typed = "taskset -c 1 sh -c 'echo c > /proc/sysrq-trigger'\necho back with $(nproc)\npoweroff\n";
    let ended = Run::system("linux-2", 180).input(typed).go().ended_with(0);
    ended.tells("guest crashed on vCPU 1").tells("vCPU 0 meanwhile:").tells("linux crashed: restarted, 1 times by now");
    ended.says("linux", "back with 2").tells("last VM is off");
}
