//! The kernel seen from outside, through QEMU's monitor: which cores run it, how it sleeps, and what it has made of its own
//! memory. And what comes of a stack of its own that runs over.

use boards::Board;
use bulkhead_tests::harness::{Run, build_on, turn};
use bulkhead_tests::monitor::Monitor;
use bulkhead_tools::qemu::{Options, Qemu};
use object::{Object, ObjectSection, ObjectSymbol};
use std::fs;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ChildStdin;
use std::time::{Duration, Instant};

const BOARDS: [&str; 2] = ["qemu-virt", "vexpress-a15"];
const LIMIT: Duration = Duration::from_secs(60);
const PAGE: u64 = 4096;
const CORES: usize = 4;

/// A system that was built for a board, and its kernel.
struct Built {
    folder: PathBuf,
    board: Board,
    kernel: Vec<u8>,
}

impl Built {
    /// `test` has a folder of its own: others build meanwhile.
    fn new(test: &str, system: &str, board: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("outside").join(test).join(board);
        build_on(system, Some(board), &folder);
        let kernel = fs::read(folder.join("programs/0-kernel.elf")).expect("programs are kept");
        Self { folder, board: boards::find(board).expect("the board is there"), kernel }
    }

    /// The address and the size of what the linker or the compiler calls by that name, or by one that holds it.
    #[track_caller]
    fn symbol(&self, name: &str) -> (u64, u64) {
        let file = object::File::parse(&*self.kernel).expect("the kernel is an ELF");
        let named = |symbol: &object::Symbol<'_, '_>| {
            symbol.name().is_ok_and(|of| of == name || (name.starts_with(char::is_numeric) && of.contains(name)))
        };
        let mut found = file.symbols().filter(named);
        let symbol = found.next().unwrap_or_else(|| panic!("the kernel has no {name}"));
        assert!(found.next().is_none(), "the kernel has two {name}");
        (symbol.address(), symbol.size())
    }

    fn span(&self, from: &str, to: &str) -> Range<u64> {
        self.symbol(from).0..self.symbol(to).0
    }

    /// The kernel's stacks.
    fn stacks(&self) -> [Range<u64>; 3] {
        ["", "epitaph_", "boot_"].map(|name| self.span(&format!("__{name}stack_bottom"), &format!("__{name}stack_top")))
    }

    /// The page below a stack.
    fn guard(stack: &Range<u64>) -> Range<u64> {
        stack.start - PAGE..stack.start
    }
}

/// A system that runs, to which nobody listens.
struct Machine {
    /// It ends when this is dropped.
    _qemu: (Qemu, ChildStdin),
    _turn: fs::File,
}

impl Machine {
    /// Starts it, with its monitor.
    fn start(built: &Built) -> (Self, Monitor) {
        let turn = turn();
        let socket = built.folder.join("monitor");
        let options = Options { extra: Monitor::words(&socket), ..Options::default() };
        let elf = built.folder.join("system.elf");
        let (qemu, input, mut output) = Qemu::start(&built.board, &elf, &options).expect("QEMU starts");
        // Somebody must take what is said. It ends with QEMU.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        let monitor = Monitor::connect(&socket, Instant::now() + LIMIT).expect("QEMU is there");
        (Self { _qemu: (qemu, input), _turn: turn }, monitor)
    }
}

/// Where each core is, each time that all were looked at while the system ran on that many.
fn places(built: &Built) -> Vec<Vec<u64>> {
    let socket = built.folder.join("monitor");
    let script = built.folder.join("qemu");
    let words = Monitor::words(&socket).join(" ");
    fs::write(&script, format!("#!/bin/sh\nexec qemu-system-arm \"$@\" -smp {CORES} {words}\n")).expect("a file");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("it is this test's file");
    let watch = std::thread::spawn(move || {
        let mut seen = Vec::new();
        let Some(mut monitor) = Monitor::connect(&socket, Instant::now() + 10 * LIMIT) else { return seen };
        while let Some(registers) = monitor.ask("info registers -a") {
            let places =
                registers.split("R15=").skip(1).filter_map(|rest| u64::from_str_radix(rest.get(..8)?, 16).ok());
            seen.push(places.collect());
            std::thread::sleep(Duration::from_millis(30));
        }
        seen
    });
    let run = Run::manifest(built.folder.join("image.json"), 60).until("saw ring 2");
    let ended = run.variable("BULKHEAD_QEMU", &script.display().to_string()).go().ended_with(0);
    ended.never_tells("ERROR").tells("[alarm] INFO ring 2");
    watch.join().expect("the watcher does not panic")
}

#[test]
fn of_four_cores_three_are_parked_in_the_first_instructions() {
    for board in BOARDS {
        let built = Built::new("parked", "clock", board);
        let (start, _) = built.symbol("_start");
        let (park, _) = built.symbol("park");
        assert!(park - start < 256, "{park:#x} is far from {start:#x}");
        let seen = places(&built);
        assert!(seen.iter().all(|places| places.len() == CORES), "{seen:x?}");
        // One board's firmware holds them back until they are asked for, and nobody asks. On the other one they come with core 0.
        let parked = |place: &u64| (park..park + 12).contains(place) || (board == BOARDS[0] && *place == start);
        let begun = seen.iter().skip_while(|places| places[0] <= start).collect::<Vec<_>>();
        assert!(begun.len() > 9, "{board}: {seen:x?}");
        assert!(begun.iter().all(|places| places[1..].iter().all(parked)), "{board}: {seen:x?}");
    }
}

/// WFI (ARM DDI 0406C A8.8.425), as the kernel has it.
const WFI: [u8; 4] = 0xe320_f003_u32.to_le_bytes();
/// GICH_HCR.En (ARM IHI 0048B 5.3.1).
const ENABLE: u32 = 1;

/// The eight digits behind a name.
fn number(text: &str, name: &str) -> Option<u32> {
    let (_, value) = text.split_once(name)?;
    u32::from_str_radix(value.get(..8)?, 16).ok()
}

#[test]
fn a_core_that_sleeps_has_its_virtual_interface_off() {
    for board in BOARDS {
        // Two guests that wait for their timers most of the time.
        let built = Built::new("sleeps", "victims", board);
        let file = object::File::parse(&*built.kernel).expect("the kernel is an ELF");
        let text = file.section_by_name(".text").expect("it has code");
        let code = text.data().expect("its code is there");
        let wfi =
            |at: u32| (at as u64).checked_sub(text.address()).is_some_and(|at| code[at as usize..].starts_with(&WFI));
        let (machine, mut monitor) = Machine::start(&built);
        let deadline = Instant::now() + LIMIT;
        let mut ask = |command: &str| monitor.ask(command).expect("QEMU is there");
        let (mut asleep, mut awake) = (0, 0);
        while asleep < 20 || awake < 5 {
            assert!(Instant::now() < deadline, "{board}: asleep {asleep} times, awake {awake} times");
            ask("stop");
            let registers = ask("info registers");
            let control = ask(&format!("xp /1wx {:#x}", built.board.gic.gich));
            ask("cont");
            let control = number(&control, ": 0x").unwrap_or_else(|| panic!("{control}"));
            let pc = number(&registers, "R15=").unwrap_or_else(|| panic!("{registers}"));
            // Its pc is that of the instruction behind.
            if registers.contains("hyp32") && wfi(pc - 4) {
                assert_eq!(control & ENABLE, 0, "{board}: the core sleeps, GICH_HCR is {control:#x}");
                asleep += 1;
            } else if !registers.contains("hyp32") && control & ENABLE != 0 {
                awake += 1;
            }
            std::thread::sleep(Duration::from_millis(7));
        }
        drop(machine);
    }
}

/// Attributes of the kernel's own map (ARM DDI 0406C B3.6.1): XN and AP[2].
const EXECUTE_NEVER: u64 = 1 << 54;
const READ_ONLY: u64 = 1 << 7;

/// What the hardware finds in the kernel's own map: where, how much, and the descriptor.
fn map(built: &Built) -> Vec<(Range<u64>, u64)> {
    let image = built.span("__image_start", "__image_end");
    let (root, _) = built.symbol("5start4ROOT");
    let dump = built.folder.join("memory");
    let (machine, mut monitor) = Machine::start(built);
    let deadline = Instant::now() + LIMIT;
    // A component runs: the kernel has left, so its map is whole.
    while !monitor.ask("info registers").expect("QEMU is there").contains("usr32") {
        assert!(Instant::now() < deadline, "no component runs");
    }
    let memory = monitor.memory(image.start, image.end - image.start, &dump);
    drop(machine);
    fs::remove_file(&dump).expect("the memory was saved");
    let table = |address: u64, entries: usize| -> Vec<u64> {
        let at = (address - image.start) as usize;
        memory[at..][..entries * 8].as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect()
    };
    let mut leaves = Vec::new();
    let mut work = vec![(root, 4, 0_u64, 1 << 30)];
    while let Some((address, entries, base, bytes)) = work.pop() {
        for (entry, at) in table(address, entries).into_iter().zip((base..).step_by(bytes as usize)) {
            match entry & 3 {
                1 => leaves.push((at..at + bytes, entry)),
                3 if bytes == PAGE => leaves.push((at..at + bytes, entry)),
                3 => work.push((entry & 0xff_ffff_f000, 512, at, bytes / 512)),
                _ => {}
            }
        }
    }
    leaves
}

#[test]
fn the_kernels_own_map_has_guards_and_nothing_that_is_writable_and_executable() {
    for board in BOARDS {
        let built = Built::new("map", "pair", board);
        let leaves = map(&built);
        let text = built.span("__image_start", "__text_end");
        let covered = |span: &Range<u64>| {
            let pieces = leaves.iter().filter(|(leaf, _)| leaf.start < span.end && span.start < leaf.end);
            pieces.map(|(_, entry)| entry & (EXECUTE_NEVER | READ_ONLY)).collect::<Vec<_>>()
        };
        for (leaf, entry) in &leaves {
            assert_eq!(entry & 0xff_ffff_f000, leaf.start, "{leaf:x?}: what is mapped is mapped to itself");
            let executable = entry & EXECUTE_NEVER == 0;
            assert_eq!(executable, text.contains(&leaf.start), "{leaf:x?} {entry:#x}");
            assert!(!executable || entry & READ_ONLY != 0, "{leaf:x?} {entry:#x}");
        }
        assert_eq!(covered(&text), vec![READ_ONLY; ((text.end - text.start) / PAGE) as usize]);
        for stack in built.stacks() {
            assert!(covered(&Built::guard(&stack)).is_empty(), "{stack:x?} has no guard");
            let pages = (stack.end - stack.start) / PAGE;
            assert_eq!(covered(&stack), vec![EXECUTE_NEVER; pages as usize], "{stack:x?}");
        }
    }
}

/// `STMDB sp!, {r0-r7}`, and a branch back to it: it pushes until something stops it.
const DIG: [u32; 2] = [0xe92d_00ff, 0xeaff_fffd];

#[test]
fn a_stack_of_the_kernels_that_runs_over_faults_at_its_guard() {
    let built = Built::new("overflow", "pair", BOARDS[0]);
    let [stack, _, boot] = built.stacks();
    let clean = fs::read(built.folder.join("system.elf")).expect("the image was built");
    // What every entry for most calls goes through, on the kernel's stack; and what boot leaves the kernel by, on its own.
    for (function, stack) in [("5entry7syscall", stack), ("4trap5leave", boot)] {
        let (address, size) = built.symbol(function);
        let file = object::File::parse(&*built.kernel).expect("the kernel is an ELF");
        let section = file.section_by_name(".text").expect("it has code");
        let code = section.data_range(address, size).expect("its code is there").expect("the function is code");
        let at = clean.windows(code.len()).position(|bytes| bytes == code).expect("its code is in the image");
        let mut image = clean.clone();
        image[at..at + 8].copy_from_slice(&DIG.map(u32::to_le_bytes).concat());
        fs::write(built.folder.join("system.elf"), image).expect("the image can be written");
        let ended = Run::manifest(built.folder.join("image.json"), 30).go().ended_with(1);
        ended.tells("kernel fault: data abort");
        let (_, told) = ended.out.split_once("hdfar ").unwrap_or_else(|| panic!("{}", ended.story()));
        let digits = told.trim_start_matches("0x").get(..8).and_then(|digits| u64::from_str_radix(digits, 16).ok());
        let guard = Built::guard(&stack);
        assert!(digits.is_some_and(|address| guard.contains(&address)), "{guard:x?}\n{}", ended.story());
    }
}
