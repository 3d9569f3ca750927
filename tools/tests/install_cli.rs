//! What the tool does when the machine lacks QEMU: it installs it, or tells the line to type. Scripts stand in for the system's package
//! manager, in a PATH that holds nothing else.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A machine with nothing but these programs.
struct Bare {
    folder: PathBuf,
}

const DESCRIPTION: &str = r#"{ "elf": "x.elf", "board": "qemu-virt", "logs": [], "channels": [] }"#;
/// Asks for nothing and becomes root.
const SUDO: &str = "while [ \"$1\" != apt-get ]; do [ \"$1\" = true ] && exit 0; shift; done; exec \"$@\"";
/// A machine that switches itself off at once.
const QEMU: &str = "#!/bin/sh\necho up; echo qemu_system_shutdown_request >&2\n";

fn program(folder: &Path, name: &str, script: &str) {
    let path = folder.join("bin").join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

impl Bare {
    fn new(name: &str, apt_get: Option<&str>) -> Self {
        let folder = std::env::temp_dir().join(format!("bulkhead-install-{name}-{}", std::process::id()));
        fs::create_dir_all(folder.join("bin")).unwrap();
        fs::write(folder.join("image.json"), DESCRIPTION).unwrap();
        fs::write(folder.join("qemu"), QEMU).unwrap();
        if let Some(script) = apt_get {
            program(&folder, "apt-get", script);
            program(&folder, "sudo", SUDO);
        }
        Self { folder }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bulkhead"));
        command.arg("run").arg(self.folder.join("image.json")).env_remove("BULKHEAD_QEMU");
        command.env("PATH", self.folder.join("bin")).env("HERE", &self.folder);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[track_caller]
fn told(output: &Output, code: i32, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(words.iter().all(|word| said.contains(word)), "{words:?}\n{said}");
}

const LINE: &str = "type `sudo apt-get install --yes --no-install-recommends qemu-system-arm`";

#[test]
fn what_is_lacking_where_nothing_can_be_installed_is_told() {
    let output = Bare::new("nothing", None).command().output().unwrap();
    told(&output, 2, &["QEMU for Arm is not installed", "to mend it: install", "qemu-system-arm"]);
}

#[test]
fn what_cannot_be_installed_is_told_with_what_the_manager_says_and_the_line_to_type() {
    let bare = Bare::new("fails", Some("echo \"E: no network for $1\" >&2; exit 100"));
    let output = bare.command().output().unwrap();
    told(&output, 2, &["QEMU for Arm is not installed, and installing failed", "E: no network for install", LINE]);
}

#[test]
fn a_manager_that_says_it_went_well_and_brings_nothing_is_not_believed() {
    let output = Bare::new("empty", Some("exit 0")).command().output().unwrap();
    told(&output, 2, &["QEMU for Arm is not installed, even though `apt-get install", "ended well", LINE]);
}

/// Old lists: only after `update` the package comes, and what is being done is told line by line.
#[test]
fn what_is_lacking_is_installed_and_each_step_is_told() {
    let script = "case $1 in update) echo 'Get:1 lists'; : >\"$HERE/new\" ;;\n\
                  install) [ -e \"$HERE/new\" ] || exit 100; echo 'Unpacking qemu'; read -r first <\"$HERE/qemu\"\n\
                  while read -r line; do echo \"$line\"; done <\"$HERE/qemu\" >\"$HERE/bin/qemu-system-arm\"\n\
                  /bin/chmod +x \"$HERE/bin/qemu-system-arm\" ;; esac";
    let output = Bare::new("installs", Some(script)).command().output().unwrap();
    let steps = [
        "bulkhead: QEMU for Arm is not installed; installing with `apt-get install",
        "bulkhead: fetching the lists of packages with `apt-get update`",
        "bulkhead:   Get:1 lists",
        "bulkhead:   Unpacking qemu",
        "powered off",
    ];
    told(&output, 0, &steps);
}

#[test]
fn an_interrupt_waits_for_the_package_manager() {
    let script = ": >\"$HERE/began\"; /bin/sleep 1; : >\"$HERE/ended\"";
    let bare = Bare::new("interrupt", Some(script));
    let child = bare.command().spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !bare.folder.join("began").exists() {
        assert!(Instant::now() < deadline, "nothing is installed");
        std::thread::sleep(Duration::from_millis(5));
    }
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    assert!(bare.folder.join("ended").exists(), "it was stopped half-way");
    told(&output, 130, &["waiting for `", "to end", "interrupted, when `"]);
}

/// As when a terminal is closed: what is said reaches nobody.
#[test]
fn a_package_manager_is_not_stopped_half_way_when_nobody_listens() {
    let script = ": >\"$HERE/began\"; /bin/sleep 0.3; echo Unpacking; /bin/sleep 0.7; : >\"$HERE/ended\"";
    let bare = Bare::new("deaf", Some(script));
    let mut child = bare.command().spawn().unwrap();
    drop((child.stderr.take(), child.stdout.take()));
    child.wait().unwrap();
    assert!(bare.folder.join("began").exists() && bare.folder.join("ended").exists(), "it was stopped half-way");
}
