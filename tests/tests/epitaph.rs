//! Last words. Of the kernel: an image whose kernel is damaged on purpose leaves an epitaph, which the tool decodes against
//! that very image. Of components and VMM servers: root tells their registers and stack, and the tool who called whom.

use bulkhead_tests::golden::normalise;
use bulkhead_tests::harness::{Ended, Run, build, root};
use object::{Object, ObjectSection, ObjectSymbol};
use std::path::{Path, PathBuf};

/// ERET (ARM DDI 0406C B9.3.3), and an instruction that is undefined for ever (A8.8.247).
const ERET: [u8; 4] = 0xe160_006e_u32.to_le_bytes();
const UDF: [u8; 4] = 0xe7f0_00f0_u32.to_le_bytes();

fn damaged(name: &str, system: &str, damage: impl FnOnce(&Path, &mut Vec<u8>)) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    build(system, &folder);
    let path = folder.join("system.elf");
    let mut image = std::fs::read(&path).expect("the image was built");
    damage(&folder, &mut image);
    std::fs::write(&path, image).expect("the image can be written");
    folder.join("image.json")
}

#[test]
fn a_fault_of_the_kernel_leaves_an_epitaph_that_is_decoded() {
    // The first of the two ERETs: the one to a component. The kernel falls over it when it starts root.
    let image = damaged("damaged", "pair", |_, image| {
        let at = image.windows(4).position(|word| word == ERET).expect("the kernel has an ERET");
        image[at..at + 4].copy_from_slice(&UDF);
    });
    let ended = Run::manifest(image, 30).go().ended_with(1);
    ended.tells("!bulkhead epitaph");
    // What, where, and by name.
    ended.tells("undefined");
    ended.tells("eret_component");
}

/// The line of a source that holds that text, as the tool names places.
fn place(file: &str, text: &str) -> String {
    let source = std::fs::read_to_string(root().join(file)).expect("the source is there");
    let line = source.lines().position(|line| line.contains(text)).expect("the source has that line");
    format!("({file}:{})", line + 1)
}

/// What root said of one that died, without what changes, from the line that names it to the one that says what was done.
fn told(ended: &Ended, name: &str) -> Vec<String> {
    let lines = ended.said("root").into_iter().map(normalise);
    let mut lines = lines.skip_while(|line| !line.starts_with(&format!("ERROR {name} died"))).peekable();
    let mut told: Vec<String> = lines.next().into_iter().collect();
    while let Some(line) = lines.next_if(|line| line.starts_with("ERROR   ")) {
        told.push(line);
    }
    told.extend(lines.next());
    told
}

const REGISTERS: [&str; 4] = [
    "ERROR   pc # lr # sp # cpsr #",
    "ERROR   r0 # r1 # r2 # r3 #",
    "ERROR   r4 # r5 # r6 # r7 #",
    "ERROR   r8 # r9 # r10 # r11 # r12 #",
];
const STACK: &str = "ERROR   stack #: ";
const ROWS_MAX: usize = 20;

/// Exactly what is said: what it did, all registers, so many rows of its stack, and what was done.
#[track_caller]
fn dies(ended: &Ended, name: &str, cause: &str, rows: std::ops::RangeInclusive<usize>) {
    let told = told(ended, name);
    let story = ended.story();
    assert!(told.len() >= 6, "{name} was not told of in full: {told:#?}\n{story}");
    let (registers, rest) = told[1..].split_at(REGISTERS.len());
    let (last, stack) = rest.split_last().expect("there are six lines and more");
    assert_eq!(told[0], format!("ERROR {name} died: {cause}, address #, hsr #"), "{story}");
    assert_eq!(registers, REGISTERS, "{story}");
    assert!(
        stack.iter().all(|row| row.starts_with(STACK)) && rows.contains(&stack.len()),
        "{name}: {told:#?}\n{story}"
    );
    assert_eq!(*last, format!("INFO {name} crashed: stopped"), "{story}");
}

/// What the tool said of it: function and place of the pc, and then of each caller, inlined functions left out.
fn backtrace<'a>(ended: &'a Ended, name: &str) -> Vec<&'a str> {
    let lines = ended.said(name).into_iter().filter_map(|line| line.strip_prefix("  "));
    lines
        .filter_map(|line| line.strip_prefix("pc ").or(line.strip_prefix("from "))?.split_once("  "))
        .map(|(_, at)| at)
        .collect()
}

const MORTAL: &str = "tests/components/mortal/src/lib.rs";
const NOT_AN_INSTRUCTION: &str = "undefined instruction (or panic)";

#[test]
fn a_component_that_dies_leaves_its_registers_and_a_backtrace_and_a_bad_stack_pointer_harms_nobody() {
    for board in ["qemu-virt", "vexpress-a15"] {
        let run = Run::system("last-words", 60).board(board).until("again crashed again and again");
        let ended = run.go().ended_with(0);

        let overflow = "went over the end of its stack";
        dies(&ended, "overflows", overflow, ROWS_MAX..=ROWS_MAX);
        let callers = backtrace(&ended, "overflows").join("\n");
        let itself = format!("mortal::dig {}, 16 times", place(MORTAL, "// dig calls itself"));
        assert!(callers.ends_with(&itself), "{itself:?}\n{}", ended.story());

        dies(&ended, "panics", NOT_AN_INSTRUCTION, 5..=ROWS_MAX);
        let wanted = [("at", "// the index is too large"), ("inner", "// inner panics"), ("outer", "// outer calls")];
        let wanted = wanted.map(|(function, line)| format!("mortal::{function} {}", place(MORTAL, line)));
        let callers = backtrace(&ended, "panics");
        assert!(callers.windows(3).any(|three| three == wanted), "{wanted:?} {callers:?}\n{}", ended.story());
        assert!(callers.last().is_some_and(|last| last.starts_with("_start (")), "{callers:?}");
        let panic = format!(
            "ERROR panic at {}: index out of bounds: the len is 3 but the index is 7",
            place(MORTAL, "// the index is too large").trim_matches(['(', ')'])
        );
        assert!(ended.said("panics").iter().any(|line| line.starts_with(&panic)), "{panic}\n{}", ended.story());

        // Stack pointers: 0, nothing, a device, the end of the stack, the end of the world; code, which it may see; and odd.
        for (number, rows) in
            [(0, 0..=0), (1, 0..=0), (2, 0..=0), (3, 0..=0), (4, 0..=0), (5, 4..=ROWS_MAX), (6, 1..=1)]
        {
            let name = format!("stack-{number}");
            dies(&ended, &name, NOT_AN_INSTRUCTION, rows);
            assert!(backtrace(&ended, &name)[0].starts_with("hostile::instructions::die_on ("), "{}", ended.story());
        }

        // In a loop: twice in full, then two lines each, but for what a slow host lets pass of the time in between. How often
        // exactly, root's own tests say.
        let again: Vec<&str> = ended.said("root").into_iter().skip_while(|line| !line.contains("again died")).collect();
        let count = |text: &str| again.iter().filter(|line| line.contains(text)).count();
        let (full, short) = (count("cpsr"), count("too many died at once"));
        assert_eq!((count("again died"), full + short), (6, 6), "{}", ended.story());
        assert!((2..6).contains(&full), "{full} in full\n{}", ended.story());
        let lines_max = full * (6 + ROWS_MAX) + short * 3 + 1;
        assert!(again.len() <= lines_max, "{} lines\n{}", again.len(), ended.story());
    }
}

#[test]
fn the_last_words_of_who_takes_the_machine_down_are_heard_beside_a_guest_that_storms() {
    for board in ["qemu-virt", "vexpress-a15"] {
        let ended = Run::system("crash-in-storm", 60).board(board).go().ended_with(1);
        // It storms until the end.
        ended.says("storms", "attack 2").tells("attacker 2 goes on").never_tells("storms switched itself off");
        let told = told(&ended, "beside");
        let first = format!("ERROR beside died: {NOT_AN_INSTRUCTION}, address #, hsr #");
        assert_eq!(told.first(), Some(&first), "{}", ended.story());
        assert_eq!(told.get(1..1 + REGISTERS.len()), Some(&REGISTERS.map(String::from)[..]), "{}", ended.story());
        let panic = "index out of bounds: the len is 3 but the index is 7";
        assert!(ended.said("beside").iter().any(|line| line.contains(panic)), "{}", ended.story());
        assert!(!backtrace(&ended, "beside").is_empty(), "{}", ended.story());
        ended.tells("[root] ERROR beside crashed").tells("[root] ERROR system crashed");
    }
}

/// The bytes of a program's function.
fn function<'a>(program: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let file = object::File::parse(program).ok()?;
    let symbol = file.symbols().find(|symbol| symbol.name() == Ok(name))?;
    let section = file.section_by_index(symbol.section_index()?).ok()?;
    section.data_range(symbol.address(), symbol.size()).ok()?
}

#[test]
fn a_vmm_server_that_dies_is_told_of_by_its_own_program_and_its_vm_starts_again() {
    // Its main function begins with what is no instruction.
    let image = damaged("damaged-vmm", "bare-reset", |folder, image| {
        let program = folder.join("programs");
        let program = std::fs::read_dir(program).expect("programs are kept").flatten().map(|entry| entry.path());
        let program = program.into_iter().find(|path| path.to_string_lossy().ends_with("bare.elf")).expect("the VM's");
        let program = std::fs::read(program).expect("it is kept");
        let code = function(&program, "__bulkhead_main").expect("it has a main function");
        let at = image.windows(code.len()).position(|bytes| bytes == code).expect("its code is in the image");
        image[at..at + 4].copy_from_slice(&UDF);
    });
    let ended = Run::manifest(image, 60).go().ended_with(1);
    let told = told(&ended, "bare");
    assert_eq!(told[0], format!("ERROR bare died: {NOT_AN_INSTRUCTION}, address #, hsr #"), "{}", ended.story());
    assert_eq!(told[1..5], REGISTERS, "{}", ended.story());
    let callers = backtrace(&ended, "bare");
    assert!(callers[1].starts_with("_start (components/runtime/src/entry.rs:"), "{callers:?}\n{}", ended.story());
    ended.tells("bare crashed: restarted, 1 times by now").tells("bare crashed again and again: stopped");
}
