//! What `check` says of files, with nothing built and nothing fetched.

use super::fake::{Folder, component, declaring, zimage};
use crate::compose::parse::units;
use crate::compose::problem::{Source, render};
use crate::compose::{Kept, check, check_text};
use crate::failure::Failure;
use crate::image::Image;
use std::path::Path;

/// What is said of a system with those tables; `None`: nothing.
fn told(folder: &Folder, tables: &str, kept: &Kept<'_>) -> Option<String> {
    let text = format!("[system]\nversion = 1\n{tables}");
    let checked = check_text(Source::new("test.toml", text), &folder.0, None, "test", None, kept);
    checked.err().map(|reports| render(&reports, false).split_whitespace().collect::<Vec<_>>().join(" "))
}

fn says(folder: &Folder, tables: &str, words: &[&str]) {
    let told = told(folder, tables, &Kept::NOTHING).unwrap_or_default();
    assert!(words.iter().chain(&["help: "]).all(|word| told.contains(word)), "{tables}\n{told}");
}

#[test]
fn files_that_the_manifest_names_are_read() {
    let folder = Folder::new();
    folder.write("zImage", &zimage(5_000_000, 19_000_000));
    folder.write("initrd", &[7; 3 << 20]);
    folder.write("large", &vec![7; 40 << 20]);
    folder.write("text", b"no kernel, no program");
    folder.write("driver", &component(0x1000));
    let vm = |keys: &str| format!("[vm.a]\nram = \"64MiB\"\n{keys}\n");
    assert_eq!(told(&folder, &vm("kernel = \"zImage\"\ninitrd = \"initrd\""), &Kept::NOTHING), None);
    says(
        &folder,
        &vm("kernel = \"text\""),
        &["`text` can't be booted: it is neither a zImage nor an ELF", "test.toml:5"],
    );
    says(&folder, &vm("kernel = \"zImage\"\ninitrd = \"large\""), &["its initrd needs 40MiB", "ram = \"80MiB\""]);
    // A file that is there, and can't be read.
    says(&folder, &vm("kernel = \"/proc/self/mem\""), &["/proc/self/mem: ", "can't be read", "test.toml:5"]);
    says(&folder, &vm("kernel = \"zImage\"\ninitrd = \"/proc/self/mem\""), &["/proc/self/mem: ", "test.toml:6"]);

    let component = |elf: &str| format!("[component.c]\nelf = \"{elf}\"\n");
    assert_eq!(told(&folder, &component("driver"), &Kept::NOTHING), None);
    says(&folder, &component("text"), &["`text` can't be a component: it is not an ELF", "test.toml:4"]);
    says(&folder, &component("/proc/self/mem"), &["can't be read", "test.toml:4"]);
    folder.write("damaged", &declaring(&super::fake::component(0x1000), &[1, 0]));
    says(&folder, &component("damaged"), &["what `damaged` declares of its channels can't be read"]);
}

#[test]
fn a_program_that_is_there_counts_with_its_size() {
    let folder = Folder::new();
    folder.write("small", &component(0x1000));
    folder.write("huge", &component(40 << 20));
    let tables =
        |elf: &str| format!("[vm.a]\nkernel = \"crate:x\"\nram = \"1000MiB\"\n[component.c]\nelf = \"{elf}\"\n");
    assert_eq!(told(&folder, &tables("small"), &Kept::NOTHING), None);
    says(&folder, &tables("huge"), &["no room for `", "of its memory finds no place"]);
}

#[test]
fn what_was_fetched_is_read_and_of_what_was_not_only_what_is_sure_is_said() {
    let folder = Folder::new();
    folder.write("large", &vec![7; 40 << 20]);
    let vm = |keys: &str| format!("[vm.a]\nkernel = \"debian:armmp\"\n{keys}\n");
    // Nothing was fetched: what the kernel needs is not known, but the initial file system alone is too much.
    assert_eq!(told(&folder, &vm("ram = \"4MiB\""), &Kept::NOTHING), None);
    let without = told(&folder, &vm("ram = \"32MiB\"\ninitrd = \"large\""), &Kept::NOTHING).unwrap();
    assert!(without.contains("its initrd needs 40MiB, its device tree needs 2MiB"), "{without}");
    assert!(without.contains("ram = \"42MiB\"") && !without.contains("kernel needs"), "{without}");
    // The kernel was fetched, and what its shell needs was not.
    let zimage = folder.write("vmlinuz", &zimage(5_000_000, 19_000_000));
    let kernel = |name: &str| (name == "debian:armmp").then(|| Ok(zimage.clone()));
    let half = Kept { kernel: &kernel, shell: &|_| None };
    let shell = "ram = \"32MiB\"\ninitrd = \"shell\"";
    let told_half = told(&folder, &vm(shell), &half).unwrap();
    assert!(told_half.contains("its kernel needs") && !told_half.contains("initrd needs"), "{told_half}");
    assert_eq!(told(&folder, &vm("ram = \"64MiB\"\ninitrd = \"shell\""), &half), None);
    // Both were.
    let shell = |name: Option<&str>| (name == Some("debian:armmp")).then(|| Ok(vec![7; 40 << 20]));
    let both = Kept { kernel: &kernel, shell: &shell };
    let told_both = told(&folder, &vm("ram = \"64MiB\"\ninitrd = \"shell\""), &both).unwrap();
    assert!(told_both.contains("its initrd needs 40MiB"), "{told_both}");
    // What was kept and was damaged since is told at the key that needs it, once.
    let damage = || Failure::new("it is damaged").mend("remove the folder F");
    let (kernel_damaged, shell_damaged) = (|_: &str| Some(Err(damage())), |_: Option<&str>| Some(Err(damage())));
    let kernel_kept = Kept { kernel: &kernel_damaged, shell: &shell_damaged };
    let shell_kept = Kept { kernel: &kernel, shell: &shell_damaged };
    for (kept, place) in [(kernel_kept, "test.toml:4:10"), (shell_kept, "test.toml:6:10")] {
        let text = told(&folder, &vm("ram = \"64MiB\"\ninitrd = \"shell\""), &kept).unwrap();
        assert!(text.contains(place) && text.matches("it is damaged").count() == 1, "{text}");
        assert!(text.contains("help: remove the folder F"), "{text}");
    }
}

#[test]
fn how_much_ram_the_board_has_for_a_vm_is_told_and_is_so() {
    let folder = Folder::new();
    let vms = |ram: &str| {
        let vm = |name: &str, ram: &str| format!("[vm.{name}]\nkernel = \"crate:x\"\nram = \"{ram}\"\n");
        told(&folder, &(vm("a", "300MiB") + &vm("b", ram)), &Kept::NOTHING)
    };
    let text = vms("800MiB").unwrap();
    let most = text
        .split("`b` can have at most this beside the others: ram = \"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    let most = units::size(most.unwrap_or_else(|| panic!("{text}"))).unwrap();
    assert_eq!(vms(&units::show_size(most)), None);
    assert!(vms(&units::show_size(most + (2 << 20))).is_some(), "{text}");
}

#[test]
fn a_manifest_that_is_no_plain_file_is_told_and_not_waited_for() {
    let folder = Folder::new();
    let pipe = folder.0.join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    for path in [pipe.as_path(), Path::new("/dev/zero"), folder.0.as_path()] {
        let text = render(&check(path, None).err().unwrap(), false);
        let kind = if path.is_dir() { "this is a folder" } else { "this is a device or the like" };
        assert!(text.contains(kind) && text.contains("not a plain file") && text.contains("help: "), "{text}");
    }
    for path in [&pipe, Path::new("/dev/zero")] {
        let failure = Image::read(path).unwrap_err();
        assert!(failure.what.contains("not a plain file") && failure.mend.is_some(), "{failure}");
    }
}
