//! A system as a zImage: it boots where a Linux zImage does, wherever in RAM it was loaded, and whoever else arrives with it.

use bulkhead_tests::golden;
use bulkhead_tests::harness::{Ended, Run, build_on, turn};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const BOARDS: [&str; 2] = ["qemu-virt", "vexpress-a15"];
const MIB: u32 = 1 << 20;

/// A system, built for a board, of which `run` boots the zImage.
struct Built {
    folder: PathBuf,
    /// Where its first byte goes, and its payload.
    kernel: u32,
    payload: u32,
    /// Bytes of the file.
    bytes: u32,
    /// Where its last word stands that is not zero.
    last: u32,
}

impl Built {
    /// `test` has a folder of its own: others build meanwhile.
    fn new(test: &str, name: &str, board: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("zimage").join(test).join(board);
        build_on(name, Some(board), &folder);
        let image = fs::read_to_string(folder.join("image.json")).expect("it was built");
        let image = image.replace("system.elf", "system.zimage");
        assert!(image.contains("system.zimage"), "{image}");
        fs::write(folder.join("zimage.json"), image).expect("the folder can be written");
        let file = fs::read(folder.join("system.zimage")).expect("it was built");
        let word = |at: u32| u32::from_le_bytes(file[at as usize..at as usize + 4].try_into().expect("four bytes"));
        assert_eq!(
            (word(0x24), word(0x28), word(0x2c)),
            (0x016f_2818, 0, file.len() as u32),
            "what boot loaders look at"
        );
        let (table, pieces) = (word(0x40), word(0x44));
        let destination = |n: u32| word(table + 16 * n + 4);
        // The kernel's own pieces lie in its first 2 MiB; the first behind them is the payload's.
        let payload = (0..pieces).map(destination).find(|at| at - destination(0) >= 2 * MIB).expect("a payload");
        let last = (0..file.len() as u32).step_by(4).rfind(|&at| word(at) != 0).expect("it is not empty");
        Self { kernel: destination(0), payload, bytes: file.len() as u32, last, folder }
    }

    fn run(&self) -> Run {
        Run::manifest(self.folder.join("zimage.json"), 60)
    }

    /// Runs it loaded at an address and entered there by all of so many cores, without any boot loader's help.
    fn loaded_at(&self, address: u32, cores: u32) -> Run {
        // The tool's words, but for how many cores there are and how the image comes into the machine.
        let mut script = "#!/bin/sh\nwhile [ \"$1\" != -smp ]; do set -- \"$@\" \"$1\"; shift; done; shift 2\n\
                          while [ \"$1\" != -kernel ]; do set -- \"$@\" \"$1\"; shift; done; file=$2; shift 2\n"
            .to_owned();
        script += &format!(
            "exec qemu-system-arm \"$@\" -smp {cores} -device loader,file=$file,addr={address:#x},force-raw=on"
        );
        script +=
            &(0..cores).map(|core| format!(" -device loader,addr={address:#x},cpu-num={core}")).collect::<String>();
        self.run().variable("BULKHEAD_QEMU", &self.script(&format!("at-{address:x}-{cores}"), &script))
    }

    /// What QEMU's monitor says, asked again and again for some seconds, while so many cores all start at the zImage.
    fn monitor(&self, address: u32, cores: u32, command: &str) -> String {
        let _turn = turn();
        let mut qemu = Command::new("qemu-system-arm");
        qemu.args("-M vexpress-a15,secure=off,virtualization=on -cpu cortex-a15 -m 1024".split(' '));
        qemu.args("-display none -nic none -serial null -monitor stdio -S".split(' '))
            .args(["-smp", &cores.to_string()]);
        let image = self.folder.join("system.zimage");
        qemu.args(["-device", &format!("loader,file={},addr={address:#x},force-raw=on", image.display())]);
        for core in 0..cores {
            qemu.args(["-device", &format!("loader,addr={address:#x},cpu-num={core}")]);
        }
        let qemu = qemu.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = qemu.spawn().expect("QEMU starts");
        let mut monitor = child.stdin.take().expect("it was piped");
        // Its threads are there before the machine starts: the cores shall arrive together.
        for command in [&["cont"][..], &[command; 8], &["quit"]].concat() {
            std::thread::sleep(Duration::from_millis(500));
            writeln!(monitor, "{command}").expect("QEMU listens");
        }
        String::from_utf8_lossy(&child.wait_with_output().expect("QEMU ends").stdout).into_owned()
    }

    fn script(&self, name: &str, text: &str) -> String {
        let path = self.folder.join(name);
        fs::write(&path, text).expect("the folder can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is this test's file");
        path.display().to_string()
    }
}

fn talked(ended: Ended) {
    golden::check("pair", &ended.ended_with(0), &["ping", "root"]);
}

#[test]
fn a_zimage_boots_where_a_linux_does() {
    for board in BOARDS {
        talked(Built::new("boots", "pair", board).run().until("ping is done").go());
    }
}

#[test]
fn a_zimage_moves_to_its_place_from_wherever_it_was_loaded() {
    for (board, every) in [(BOARDS[0], true), (BOARDS[1], false)] {
        let built = Built::new("moves", "pair", board);
        let Built { kernel, payload, bytes, .. } = built;
        // On the other board one will do, that goes both ways.
        let places = [
            ("in front", kernel - MIB + 0x8000),
            ("up, over its own end", kernel - 0x1_0000),
            ("the head where the kernel goes", kernel),
            ("down, over its own beginning", kernel + 0x1_0004),
            ("the kernel down and the payload up, from between the two", payload - bytes / 2),
            ("all down, the payload over its own beginning", payload + 0x2_0000),
            ("behind all", payload + 64 * MIB),
        ];
        for (place, address) in places.into_iter().filter(|(place, _)| every || place.contains(" and ")) {
            println!("{board}: {place}: {address:#x}");
            talked(built.loaded_at(address, 1).until("ping is done").go());
        }
    }
}

#[test]
fn a_zimage_with_a_guests_files_moves_them_too() {
    let built = Built::new("moves-files", "hostile-guest", "qemu-virt");
    for address in [built.kernel, built.payload + 2 * MIB - 0x1000] {
        let ended = built.loaded_at(address, 1).until("hostile guest begins").go().ended_with(0);
        ended.says("hostile", "hostile guest begins");
    }
}

#[test]
fn cores_that_arrive_together_are_parked_but_one() {
    // This board's firmware does not hold the others back.
    let built = Built::new("together", "pair", "vexpress-a15");
    for address in [built.kernel - 0x1_0000, built.payload + 64 * MIB] {
        talked(built.loaded_at(address, 2).until("ping is done").go());
    }
}

#[test]
fn a_core_that_is_parked_is_in_the_kernel() {
    let built = Built::new("parked", "pair", "vexpress-a15");
    for address in [built.kernel - 0x1_0000, built.kernel] {
        let registers = built.monitor(address, 2, "info registers -a");
        // Where the second core was each time, and where it is now.
        let places: Vec<u32> = registers.split("CPU#1").skip(1).filter_map(|core| number(core, "R15=")).collect();
        let park = built.kernel..built.kernel + 0x100;
        assert!(places.last().is_some_and(|place| park.contains(place)), "loaded at {address:#x}: {places:x?}");
    }
}

#[test]
fn what_is_left_of_a_zimage_behind_the_payload_is_zeroed() {
    let built = Built::new("zeroed", "pair", "vexpress-a15");
    // Far enough behind the payload's start that nothing goes there, and in its last frame.
    let (address, last) = (built.payload + MIB, built.payload + MIB + built.last);
    let words = built.monitor(address, 1, &format!("xp /1wx {last:#x}"));
    let seen: Vec<u32> = words.split(&format!("{last:016x}:")).skip(1).filter_map(|rest| number(rest, "0x")).collect();
    assert_eq!(seen.last(), Some(&0), "{words}");
}

/// The eight digits behind a name.
fn number(text: &str, name: &str) -> Option<u32> {
    let (_, value) = text.split_once(name)?;
    u32::from_str_radix(value.get(..8)?, 16).ok()
}

#[test]
fn a_zimage_that_is_entered_in_another_mode_than_hyp_says_so() {
    let built = Built::new("other-mode", "pair", "qemu-virt");
    let script = "#!/bin/sh\nfor word; do shift; set -- \"$@\" \"$(echo \"$word\" | sed s/virtualization=on/virtualization=off/)\"; done\n\
                  exec qemu-system-arm \"$@\"\n";
    let run = built.run().variable("BULKHEAD_QEMU", &built.script("no-hyp", script));
    run.until("entered in another mode than Hyp").go().ended_with(0);
}
