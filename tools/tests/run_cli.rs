//! `cargo bulkhead run` as its users meet it: exit codes, prefixed lines, input at the prompt, a terminal left as it
//! was. A script stands in for QEMU, so that every ending can be had at will.

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A system whose machine is a shell script. Console 1 is a component's, console 2 a guest's.
struct Fake {
    folder: PathBuf,
}

const DESCRIPTION: &str = r#"{ "elf": "x.elf", "board": "qemu-virt", "logs": [],
    "channels": [{ "id": 1, "name": "echo", "vm": false }, { "id": 2, "name": "linux", "vm": true }] }"#;

impl Fake {
    fn new(name: &str, script: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("bulkhead-run-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("image.json"), DESCRIPTION).unwrap();
        let program = folder.join("machine");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bulkhead"));
        command.env("BULKHEAD_QEMU", self.folder.join("machine"));
        command.arg("run").arg(self.folder.join("image.json")).args(words);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const POWER_OFF: &str = "echo qemu_system_shutdown_request reason=6 >&2";

#[test]
fn a_system_that_powers_off_ends_with_0_and_its_lines_have_their_source() {
    let fake = Fake::new("off", &format!("printf 'boot\\n\\0\\002hello\\r\\n\\0\\0\\001beside\\n\\0'; {POWER_OFF}"));
    let output = fake.run(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(out(&output), "[kernel] boot\n[linux] hello\n[echo] beside\n");
    assert!(err(&output).contains("powered off"));
}

#[test]
fn a_reset_is_told_apart_and_is_no_good_end() {
    let output = Fake::new("reset", "echo boot").run(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("has reset itself"), "{}", err(&output));
}

#[test]
fn an_end_without_the_line_that_was_waited_for_is_never_0() {
    for (name, script) in [("until-off", format!("echo boot; {POWER_OFF}")), ("until-reset", "echo boot".to_owned())] {
        let output = Fake::new(name, &script).run(&["--until", "never"]);
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert!(err(&output).contains("`never` never matched"), "{}", err(&output));
    }
}

#[test]
fn a_machine_that_was_killed_from_outside_has_a_code_and_a_message_of_its_own() {
    let politely = "echo boot; echo 'qemu-system-arm: terminating on signal 15 from pid 1 (kill)' >&2";
    for (name, script, told) in
        [("term", politely, "terminating on signal 15"), ("kill", "echo boot; kill -KILL $$", "SIGKILL")]
    {
        let output = Fake::new(name, script).run(&[]);
        let said = err(&output);
        assert_eq!(output.status.code(), Some(125), "{said}");
        assert!(said.contains("QEMU was killed") && said.contains(told) && !said.contains("reset"), "{said}");
    }
}

#[test]
fn an_end_without_a_word_is_a_failure_unless_it_is_a_power_off() {
    let output = Fake::new("mute", "true").run(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("QEMU ended before the system said anything"), "{}", err(&output));
    let output = Fake::new("mute-off", POWER_OFF).run(&[]);
    assert_eq!(output.status.code(), Some(0));
    assert!(err(&output).contains("never said a word"), "{}", err(&output));
}

#[test]
fn an_image_runs_on_its_own_board_alone() {
    let fake = Fake::new("board", POWER_OFF);
    assert_eq!(fake.run(&["--board", "qemu-virt"]).status.code(), Some(0));
    for other in ["vexpress-a15", "no-such-board"] {
        let output = fake.run(&["--board", other]);
        assert_eq!(output.status.code(), Some(2));
        assert!(err(&output).contains("`qemu-virt`") && err(&output).contains(other), "{}", err(&output));
    }
}

#[test]
fn until_ends_with_0_even_within_a_line() {
    let fake = Fake::new("until", "printf '\\0\\002~ # \\0'; exec sleep 60");
    let output = fake.run(&["--until", r"^\[linux\] ~ # $", "--timeout", "30"]);
    assert_eq!((output.status.code(), out(&output).as_str()), (Some(0), "[linux] ~ # \n"));
}

#[test]
fn the_timeout_is_124_and_takes_the_machine_with_it() {
    let fake = Fake::new("timeout", "echo $$ > \"$(dirname $0)/pid\"; exec sleep 60");
    let output = fake.run(&["--until", "never", "--timeout", "0.7"]);
    assert_eq!(output.status.code(), Some(124));
    assert!(err(&output).contains("`never`"), "{}", err(&output));
    assert_gone(&fake);
}

fn assert_gone(fake: &Fake) {
    let pid = fs::read_to_string(fake.folder.join("pid")).unwrap();
    assert!(!PathBuf::from("/proc").join(pid.trim()).exists(), "the machine runs on");
}

#[test]
fn a_crash_of_the_kernel_is_1_and_its_last_words_are_shown() {
    let words = "\\0\\002half\\0\\0\\n!bulkhead epitaph: kernel fault\\n!bulkhead epitaph: end\\n";
    let output = Fake::new("crash", &format!("printf '{words}'; exec sleep 60")).run(&["--timeout", "30"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(out(&output).contains("[kernel] !bulkhead epitaph: kernel fault"), "{}", out(&output));
    assert!(err(&output).contains("kernel is dead"));
}

#[test]
fn a_machine_that_cannot_run_is_told_with_its_own_words() {
    let output = Fake::new("dead", "echo no such cpu >&2; exit 1").run(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("no such cpu"), "{}", err(&output));
    let killed = Fake::new("killed", "kill -SEGV $$").run(&[]);
    assert_eq!(killed.status.code(), Some(125));
    let missing = Fake::new("missing", "true");
    let output = missing.command(&[]).env("BULKHEAD_QEMU", "/no/such/machine").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = err(&output);
    assert!(told.contains("BULKHEAD_QEMU names no program: /no/such/machine"), "{told}");
    assert!(told.contains("to mend it") && !told.contains("setpriv"), "{told}");
}

#[test]
fn input_goes_line_by_line_when_the_prompt_is_there() {
    // Each line arrives only after a prompt: what was read by then is told with it. The first has its channel before it.
    let script = "printf '\\0\\001# \\0'; printf '\\0\\002# \\0'; a=$(head -c 6 | tail -c 4 | tr '\\r' .)\n\
                  printf '\\0\\002got %s\\n# \\0' \"$a\"; b=$(head -c 4 | tr '\\r' .)\n\
                  printf '\\0\\002got %s\\n\\0' \"$b\"";
    let fake = Fake::new("input", &format!("{script}; {POWER_OFF}"));
    let mut child = fake.command(&["--timeout", "30"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"one\ntwo\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(out(&output), "[linux] # got one.\n[linux] # got two.\n[echo] # \n", "{}", err(&output));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn bad_words_are_2_and_told_before_anything_is_built() {
    let fake = Fake::new("bad", "exit 1");
    for words in [&["--until", "("][..], &["--timeout", "soon"], &["--no-such-thing"], &["--prompt", "["]] {
        let output = fake.run(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(!err(&output).is_empty() && out(&output).is_empty(), "{words:?}");
    }
    let elf = fake.folder.join("system.elf");
    fs::write(&elf, b"\x7fELF\xff").unwrap();
    for (path, mend) in [("no-such.toml", "name a manifest"), (elf.to_str().unwrap(), "run the image.json beside it")] {
        let told = ["run", "check", "build"].map(|verb| {
            let output = Command::new(env!("CARGO_BIN_EXE_bulkhead")).args([verb, path]).output().unwrap();
            assert_eq!(output.status.code(), Some(2));
            err(&output)
        });
        assert!(told[0].contains(path) && told[0].contains(mend), "{}", told[0]);
        assert!(told.iter().all(|one| *one == told[0]), "{told:?}");
    }
    for (name, text, kind) in [("report.json", "{ }", "JSON"), ("report.html", "<!DOCTYPE html>", "HTML")] {
        fs::write(fake.folder.join(name), text).unwrap();
        let check =
            Command::new(env!("CARGO_BIN_EXE_bulkhead")).arg("check").arg(fake.folder.join(name)).output().unwrap();
        let told = err(&check);
        assert!(told.contains(&format!("this is {kind}, not a manifest")) && told.contains("help:"), "{told}");
    }
    let run =
        Command::new(env!("CARGO_BIN_EXE_bulkhead")).arg("run").arg(fake.folder.join("report.json")).output().unwrap();
    let told = err(&run);
    assert_eq!(run.status.code(), Some(2));
    assert!(told.contains("does not describe an image") && told.contains("image.json"), "{told}");
    // What is wrong with a file needs no build.
    let manifest = fake.folder.join("garbage.toml");
    fs::write(&manifest, "[system]\nversion = 1\n[vm.a]\nkernel = \"image.json\"\nram = \"64MiB\"\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_bulkhead")).arg("check").arg(&manifest).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("neither a zImage nor an ELF"), "{}", err(&output));
    let manifest = fake.folder.join("bad.toml");
    fs::write(&manifest, "[system]\nversion = 1\nboard = \"qemu-virt\"\n[vm.linux]\nkernl = \"x\"\n").unwrap();
    let check = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bulkhead"));
        command.arg("check").arg(&manifest).args(words).output().unwrap()
    };
    let (people, machines) = (check(&[]), check(&["--json"]));
    assert_eq!((people.status.code(), machines.status.code()), (Some(2), Some(2)));
    assert!(err(&people).contains("kernl"), "{}", err(&people));
    let answer: serde_json::Value = serde_json::from_slice(&machines.stdout).unwrap();
    assert_eq!(answer["ok"], false);
    assert!(answer["errors"].as_array().unwrap().iter().any(|error| error["line"] == 5), "{answer}");
    let output = Command::new(env!("CARGO_BIN_EXE_bulkhead")).arg("--help").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(out(&output).contains("bench"));
}

#[test]
fn an_interrupt_ends_the_machine_too() {
    let fake = Fake::new("interrupt", "echo $$ > \"$(dirname $0)/pid\"; echo up; exec sleep 60");
    let mut child = fake.command(&[]).spawn().unwrap();
    let mut first = [0; 1];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    assert_eq!(ended(&mut child).code(), Some(130));
    assert_gone(&fake);
}

#[test]
fn output_that_cannot_be_written_is_told_and_a_reader_that_has_gone_is_no_interrupt() {
    let fake = Fake::new("unwritten", "while :; do echo boot; sleep 0.01; done");
    let mut full = fake.command(&["--timeout", "60"]);
    let output = full.stdout(File::options().write(true).open("/dev/full").unwrap()).output().unwrap();
    let said = err(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.matches("standard output can't be written").count() == 1 && said.contains("to mend it"), "{said}");

    let mut child = fake.command(&["--timeout", "60"]).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(ended(&mut child).code(), Some(141));
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "");

    // A line that the machine's end completes counts as well.
    let fake = Fake::new("unwritten-end", &format!("printf boot; {POWER_OFF}"));
    let output = fake.command(&[]).stdout(File::options().write(true).open("/dev/full").unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
}

#[test]
fn an_answer_that_cannot_be_written_is_told_as_well() {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/systems/pair.toml");
    let check = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bulkhead"));
        command.arg("check").arg(&manifest).args(["--json"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let output = check().stdout(File::options().write(true).open("/dev/full").unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
    assert!(err(&output).contains("standard output can't be written"), "{}", err(&output));
    let mut child = check().spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(ended(&mut child).code(), Some(141));
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
}

fn ended(child: &mut Child) -> std::process::ExitStatus {
    let deadline = Instant::now() + Duration::from_secs(30);
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    panic!("it does not end");
}

/// Reads from a terminal until that text has come.
fn wait_for(terminal: &mut File, text: &str) -> String {
    let mut seen = Vec::new();
    let mut bytes = [0; 1024];
    while !String::from_utf8_lossy(&seen).contains(text) {
        let count = terminal.read(&mut bytes).unwrap_or(0);
        assert!(count > 0, "the terminal closed before {text:?}: {}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&bytes[..count]);
    }
    String::from_utf8_lossy(&seen).into_owned()
}

#[test]
fn on_a_terminal_keys_reach_the_guest_and_the_terminal_is_left_as_it_was() {
    let script = "printf '\\0\\002~ # \\0'; a=$(head -c 4 | tail -c 2)\n\
                  printf '\\0\\002got %s\\r\\n\\0\\0\\001beside\\n\\0' \"$a\"; exec sleep 60";
    let fake = Fake::new("terminal", script);
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let slave = || File::options().read(true).write(true).open(&name).unwrap();
    let kept = slave();
    let before = tcgetattr(&kept).unwrap();
    let mut child = fake.command(&[]).stdin(slave()).stdout(slave()).spawn().unwrap();
    let mut terminal = File::from(master);
    let start = wait_for(&mut terminal, "~ # ");
    assert!(start.contains("Ctrl-A x") && start.contains("2:linux*"), "{start}");
    assert!(!tcgetattr(&kept).unwrap().local_modes.contains(LocalModes::ICANON), "it is not raw");
    terminal.write_all(b"ls").unwrap();
    let text = wait_for(&mut terminal, "[echo] beside");
    assert!(text.contains("got ls\r\n"), "{text}");
    terminal.write_all(b"\x01n").unwrap();
    wait_for(&mut terminal, "console of echo");
    terminal.write_all(b"\x01x").unwrap();
    assert_eq!(ended(&mut child).code(), Some(0));
    let after = tcgetattr(&kept).unwrap();
    assert_eq!((before.local_modes, before.output_modes), (after.local_modes, after.output_modes));
}

/// `build` of a small system, with a cargo that complains.
fn build_with(fake: &Fake, target: &str) -> Output {
    let cargo = fake.folder.join("cargo");
    fs::write(&cargo, "#!/bin/sh\necho '   Compiling ghost v1.0' >&2; echo 'error: no ghost' >&2; exit 101\n").unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
    let manifest = fake.folder.join("pair.toml");
    fs::write(&manifest, "[system]\nversion = 1\n[component.pong]\ncrate = \"pong\"\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bulkhead"));
    command.arg("build").arg(&manifest).env("CARGO", cargo).env("CARGO_TARGET_DIR", target).output().unwrap()
}

#[test]
fn each_step_of_a_build_is_told_where_there_is_no_terminal() {
    let fake = Fake::new("steps", "exit 1");
    let output = build_with(&fake, fake.folder.join("target").to_str().unwrap());
    let told = err(&output);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("bulkhead: building for qemu-virt\nbulkhead:   Compiling ghost v1.0\n"), "{told}");
    assert!(told.contains("error: no ghost"), "{told}");
    // The tool's own first build is cargo's to tell, which it does unless it is told to be quiet.
    let template = include_str!("../src/new_component/template/config.toml.in");
    for alias in [include_str!("../../.cargo/config.toml"), template] {
        assert!(alias.contains("bulkhead-tools") && !alias.contains("quiet"), "{alias}");
    }
}

#[test]
fn a_target_folder_that_cannot_be_written_is_told_with_the_way_to_name_another() {
    let output = build_with(&Fake::new("unwritable", "exit 1"), "/dev/null/target");
    let told = err(&output);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("can't be written") && told.contains("set CARGO_TARGET_DIR"), "{told}");
}
