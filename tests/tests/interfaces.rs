//! What programs declare of their channels, in real ELFs: it is not loaded, it is what their source says, and a protocol that was changed
//! at one end only is refused.

use bulkhead_tests::harness::{root, tool, turn};
use bulkhead_tools::compose::declared;
use bulkhead_tools::cross;
use object::Endianness;
use object::elf::{FileHeader32, SHF_ALLOC};
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};
use protocol::Request;
use protocol::interface::{SECTION, Side};
use std::path::PathBuf;
use std::process::{Command, Output};

fn program(package: &str) -> Vec<u8> {
    let built = cross::build("qemu-virt", &[package]).unwrap_or_else(|failure| panic!("{failure}"));
    std::fs::read(built.elf(package).unwrap()).unwrap()
}

#[test]
fn what_programs_declare_is_what_their_source_says_and_is_not_loaded() {
    let _turn = turn();
    for (package, side) in [("pong", Side::Serves), ("ping", Side::Calls)] {
        let elf = program(package);
        let told: Vec<_> = declared(&elf)
            .unwrap()
            .into_iter()
            .map(|it| (it.side, it.channel, it.request, it.label, it.hash))
            .collect();
        let expected =
            [("Ping", pong::Ping::LABEL, pong::Ping::SCHEMA_HASH), ("Sum", pong::Sum::LABEL, pong::Sum::SCHEMA_HASH)];
        let mut expected =
            expected.map(|(request, label, hash)| (side, "pong".to_owned(), request.to_owned(), label, hash)).to_vec();
        let mut told_in_order = told.clone();
        expected.sort_by_key(|it| it.3);
        told_in_order.sort_by_key(|it| it.3);
        assert_eq!(told_in_order, expected, "{package}");

        let header = FileHeader32::<Endianness>::parse(&*elf).unwrap();
        let endian = header.endian().unwrap();
        let sections = header.sections(endian, &*elf).unwrap();
        let (_, section) = sections.section_by_name(endian, SECTION.as_bytes()).unwrap();
        assert_eq!(section.sh_flags(endian).0 & SHF_ALLOC.0, 0, "{package}: it is loaded");
        for part in header.program_headers(endian, &*elf).unwrap() {
            let (from, bytes) = part.file_range(endian);
            let at = u64::from(section.sh_offset(endian));
            assert!(!(from..from + bytes).contains(&at), "{package}: a segment holds it");
        }
    }
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_protocol_that_was_changed_at_one_end_only_is_refused() {
    let folder = Folder(std::env::temp_dir().join(format!("bulkhead-interfaces-{}", std::process::id())));
    let _ = std::fs::remove_dir_all(&folder.0);
    std::fs::create_dir_all(&folder.0).unwrap();
    for path in ["old", "new"] {
        let mut make = Command::new(tool());
        make.args(["new", "component", "tally", "--path", path]).current_dir(&folder.0);
        assert!(make.output().unwrap().status.success());
    }
    let source = folder.0.join("new/src/lib.rs");
    let text = std::fs::read_to_string(&source).unwrap();
    let changed = text.replace("pub struct Total(pub u32);", "pub struct Total(pub u32, pub u8);");
    let changed =
        changed.replace("Total(self.total)", "Total(self.total, 0)").replace("Total(total) =", "Total(total, _) =");
    assert_ne!(text, changed);
    std::fs::write(source, changed).unwrap();
    let manifest = folder.0.join("mixed.toml");
    let text = "[system]\nversion = 1\n[component.server]\ncrate = \"./new\"\n[component.asker]\ncrate = \"./old\"\n\
        [channel.tally]\nfrom = \"asker\"\nto = \"server\"\n";
    let build = || {
        let _turn = turn();
        let mut build = Command::new(tool());
        build.arg("build").arg(&manifest).arg("-o").arg(folder.0.join("out")).current_dir(root());
        let Output { status, stderr, .. } = build.output().unwrap();
        (status.code(), String::from_utf8_lossy(&stderr).into_owned())
    };
    std::fs::write(&manifest, text).unwrap();
    let (code, told) = build();
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("`asker` and `server` don't mean the same by `Add` on the channel `tally`"), "{told}");
    std::fs::write(&manifest, text.replace("./old", "./new")).unwrap();
    let (code, told) = build();
    assert_eq!(code, Some(0), "{told}");
    let report = std::fs::read_to_string(folder.0.join("out/report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let expected = serde_json::json!([{
        "channel": "tally", "client": "asker", "server": "server", "requests": ["Add"], "unchecked": null
    }]);
    assert_eq!(report["interfaces"], expected);
}
