//! What `cargo bulkhead new component` makes, used as it says: outside of the clone, tested on the host, run in QEMU, and beside a
//! package of the same name.

use bulkhead_tests::harness::{Run, root, tool, turn};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("bulkhead-component-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[track_caller]
fn output(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let [out, err] = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(status.success(), "{command:?}\n{out}\n{err}");
    out
}

fn make(name: &str, folder: &Path) {
    output(Command::new(tool()).args(["new", "component", name]).current_dir(folder));
}

#[test]
fn a_new_component_passes_its_test_and_runs() {
    let folder = Folder::new("tally");
    make("tally", &folder.0);
    let component = folder.0.join("tally");

    // Its dependencies are the clone's, so nothing is fetched. What was built is kept for the next time.
    let mut test = Command::new(env!("CARGO"));
    test.args(["test", "--offline"]).current_dir(&component);
    test.env("CARGO_TARGET_DIR", root().join("target/new-component"));
    let told = output(&mut test);
    assert!(told.contains("2 passed") && told.contains("the_numbers_from_1_to_10_are_55"), "{told}");

    let manifest = component.join("tally.toml");
    let ended = Run::manifest(manifest, 60).until("tally says 55").go().ended_with(0);
    ended.never_tells("ERROR");
}

/// Both programs are called the same, and lie in one folder of cargo's.
#[test]
fn a_package_of_the_clones_and_a_folder_of_the_same_name_are_two_programs() {
    let folder = Folder::new("gong");
    make("gong", &folder.0);
    let component = folder.0.join("gong");
    for (file, old, new) in [("Cargo.toml", "\"gong\"", "\"pong\""), ("src/main.rs", "gong::", "pong::")] {
        let path = component.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(old));
        std::fs::write(path, text.replace(old, new)).unwrap();
    }
    let manifest = component.join("gong.toml");
    let more = "[component.ping]\ncrate = \"ping\"\n[component.pong]\ncrate = \"pong\"\npriority = 130\n\
        [channel.pong]\nfrom = \"ping\"\nto = \"pong\"\n";
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, format!("{text}{more}")).unwrap();
    let ended = Run::manifest(manifest, 60).until("ping is done").go().ended_with(0);
    ended.tells("ping 9: answered").tells("gong says 55").never_tells("ERROR");
}

#[test]
fn the_command_is_there_in_a_folder_outside_of_the_clone() {
    let folder = Folder::new("bell");
    make("bell", &folder.0);
    let _turn = turn();
    let mut check = Command::new(env!("CARGO"));
    let told = output(check.args(["bulkhead", "check", "bell.toml"]).current_dir(folder.0.join("bell")));
    assert!(told.contains("`bell` for qemu-virt: 0 VMs, 2 components, 1 channel: no problem"), "{told}");
}
