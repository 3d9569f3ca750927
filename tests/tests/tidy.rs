//! The rules of the house, held against the real tree. What each rule is stands in `src/tidy`.

use bulkhead_tests::tidy::{
    File, apart, calls, docs, figures, forbid, house, layers, length, places, registers, sloc, tree, vaults, wiring,
    words,
};
use bulkhead_tools::compose;
use std::path::{Path, PathBuf};
use std::process::Command;

const UNSAFE: &str = include_str!("../src/tidy/lists/unsafe.txt");
const LONG: &str = include_str!("../src/tidy/lists/long.txt");
const ROOMS: &str = include_str!("../src/tidy/lists/rooms.txt");

/// The tree, which is looked at for nothing if it is not all there.
fn files() -> Vec<File> {
    let files = tree::files(&tree::root());
    assert!(files.len() > 200 && files.iter().any(|file| file.path == "kernel/core/src/lib.rs"), "where is the tree?");
    files
}

fn book(name: &str) -> String {
    let path = tree::root().join("tools/docs").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[track_caller]
fn none(findings: Vec<String>) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn dependencies_point_the_right_way() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(tree::root())
        .output()
        .unwrap();
    let metadata = serde_json::from_slice(&output.stdout).unwrap();
    let (crates, arrows) = layers::read(&metadata).unwrap();
    assert!(crates.len() >= 15 && arrows.len() > 50, "{crates:?}");
    none(layers::violations(&crates, &arrows));
}

#[test]
fn the_checker_of_claims_shares_nothing_with_the_composer() {
    let files = files();
    assert!(files.iter().filter(|file| file.path.starts_with("tools/src/claims/")).count() > 8, "where is it?");
    none(apart::uses(&files));
}

#[test]
fn unsafe_code_stands_in_the_vaults_alone() {
    none(vaults::files(&files(), UNSAFE));
}

#[test]
fn every_unsafe_block_is_argued() {
    none(vaults::arguments(&files()));
}

#[test]
fn every_crate_without_a_vault_forbids_unsafe_code() {
    none(forbid::roots(&files(), UNSAFE));
}

#[test]
fn no_file_is_longer_than_a_room() {
    none(length::lengths(&files(), LONG));
}

#[test]
fn roots_of_crates_only_wire() {
    none(wiring::logic(&files(), ROOMS));
}

#[test]
fn the_top_level_is_fixed() {
    none(house::top_level(&tree::top_level(&tree::root())));
}

#[test]
fn no_forbidden_word_is_committed() {
    none(words::forbidden(&files()));
}

#[test]
fn the_kernel_is_small() {
    let parts = sloc::kernel(&files());
    let all: usize = parts.iter().map(|(_, lines)| lines).sum();
    for (folder, lines) in &parts {
        println!("{folder}: {lines} lines of code");
    }
    println!("the kernel: {all} lines of code, {} at most", sloc::KERNEL_LINES_MAX);
    assert!(parts.iter().all(|(_, lines)| *lines > 0));
    assert!(all <= sloc::KERNEL_LINES_MAX, "{all} lines");
}

#[test]
fn links_of_the_books_lead_somewhere() {
    let root = tree::root();
    none(docs::dead_links(&files(), &|path| root.join(path).exists()));
}

#[test]
fn transcripts_in_the_books_name_the_lines_that_say_so() {
    let (findings, count) = places::stale(&files());
    assert!(count >= 12, "{count} lines with places");
    none(findings);
}

#[test]
fn promises_name_tests_that_exist() {
    let text = book("promises.md");
    assert!(text.contains(".rs`"), "no promise names a test");
    none(docs::broken_promises(&text, &files()));
}

/// Ways in which hypervisors of this kind were broken, as far as they are known to us.
const WAYS: usize = 30;

#[test]
fn every_way_in_which_others_were_broken_is_tried_or_not_claimed() {
    none(docs::unanswered_ways(&book("promises.md"), WAYS));
}

/// A folder of its own for a manifest's files, so that what it names is there, and is what the manifest says.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let driver = compose::desk::program(protocol::layout::LINK, vec![0; 4]);
    for (file, bytes) in [("files/kernel.bin", vec![0; 4]), ("files/driver.elf", driver)] {
        let path = folder.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    folder
}

#[test]
fn every_manifest_and_board_in_the_books_is_right() {
    let files = files();
    none(docs::unmarked(&files));
    let (mut manifests, mut boards) = (0, 0);
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        for block in docs::blocks(&file.text) {
            let place = format!("{}:{}", file.path, block.line);
            let path = folder("books").join(format!("block-{}-{}.toml", file.path.replace('/', "-"), block.line));
            match block.info.as_str() {
                "toml manifest" => {
                    std::fs::write(&path, &block.text).unwrap();
                    if let Err(reports) = compose::check(&path, None) {
                        panic!("{place}\n{}", compose::render(&reports, false));
                    }
                    manifests += 1;
                }
                "toml board" => {
                    std::fs::write(&path, &block.text).unwrap();
                    if let Err(error) = boards::load(&path) {
                        panic!("{place}\n{error}");
                    }
                    boards += 1;
                }
                _ => {}
            }
        }
    }
    assert!(manifests >= 5 && boards >= 1, "{manifests} manifests, {boards} boards");
}

#[test]
fn the_manifests_book_names_every_key() {
    let files = files();
    let parser = files.iter().filter(|file| file.path.starts_with("tools/src/compose/parse/"));
    let keys: Vec<String> = parser.flat_map(|file| docs::keys(&file.text)).collect();
    assert!(keys.len() > 30, "{keys:?}");
    none(docs::unnamed(&book("manifest.md"), keys.iter().map(String::as_str)));
}

#[test]
fn the_manifests_book_has_the_guests_machine() {
    let files = files();
    let bus = files.iter().find(|file| file.path == "vmm-server/devices/src/bus.rs").unwrap();
    let bases: Vec<String> = bus
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("pub const ")?.split_once("_BASE: u64 = "))
        .map(|(_, address)| address.trim_end_matches(';').replace('_', ""))
        .collect();
    assert!(bases.len() >= 6, "{bases:?}");
    let book = book("manifest.md");
    none(docs::unnamed(&book, bases.iter().map(String::as_str)));
    let rows = |base: &String| book.lines().filter(|line| line.starts_with(&format!("| `{base}`"))).count();
    none(bases.iter().filter(|base| rows(base) > 1).map(|base| format!("{base} has two rows")).collect());
}

#[test]
fn the_boards_book_names_every_key() {
    let files = files();
    let board = files.iter().find(|file| file.path == "boards/src/board.rs").unwrap();
    let fields = board.text.lines().filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(": "));
    let keys: Vec<String> = fields.map(|(name, _)| name.replace('_', "-")).collect();
    assert!(keys.len() > 20, "{keys:?}");
    none(docs::unnamed(&book("boards.md"), keys.iter().map(String::as_str)));
}

#[test]
fn the_kernels_book_names_every_call_method_and_error() {
    use abi::Syscall;
    use abi::method::DESCRIPTIONS;
    let text = book("kernel.md");
    let mut names: Vec<String> = Vec::new();
    let calls = Syscall::ALL.iter().map(|call| call.description());
    let methods = DESCRIPTIONS.iter().copied().flatten().map(|method| format!("{} {:#x}", method.name, method.number));
    names.extend(methods.chain(calls.map(|call| format!("{} {}", call.name, call.number))));
    names.extend(abi::Error::ALL.iter().map(|error| format!("{error:?} {}", *error as u32)));
    names.extend(
        (0..=u16::MAX).filter_map(abi::exit::ExitKind::from_label).map(|kind| format!("{kind:?} {}", kind as u16)),
    );
    names.extend(
        (0..=u16::MAX).filter_map(abi::fault::FaultKind::from_label).map(|kind| format!("{kind:?} {:#x}", kind as u16)),
    );
    names.extend(
        (0..=32).filter_map(abi::ObjectType::from_number).map(|object| format!("{object:?} {}", object as u32)),
    );
    assert!(names.len() > 100);
    none(docs::unnamed(&text, names.iter().map(String::as_str)));
}

#[test]
fn the_kernels_book_describes_every_call_and_method_as_the_code_does() {
    let text = book("kernel.md");
    none(calls::missing(&text));
    let made = calls::made(&text).unwrap();
    if std::env::var_os("BULKHEAD_UPDATE").is_some() {
        std::fs::write(tree::root().join("tools/docs/kernel.md"), &made).unwrap();
    }
    assert!(
        book("kernel.md") == made,
        "tools/docs/kernel.md is not what the code says: run this test with BULKHEAD_UPDATE=1"
    );
}

#[test]
fn the_published_figures_are_those_that_are_committed() {
    let committed = std::fs::read_to_string(tree::root().join("tools/bench.toml")).unwrap();
    none(figures::differences(&book("bench.md"), &committed));
}

#[test]
fn the_published_registers_are_those_of_the_code() {
    let text = registers::book();
    if std::env::var_os("BULKHEAD_UPDATE").is_some() {
        std::fs::write(tree::root().join("tools/docs/registers.md"), &text).unwrap();
    }
    assert!(
        book("registers.md") == text,
        "tools/docs/registers.md is not what the code says: run this test with BULKHEAD_UPDATE=1"
    );
}
