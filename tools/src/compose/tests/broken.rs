//! One broken manifest for each message. `BULKHEAD_UPDATE=1 cargo test -p bulkhead-tools` writes the expected
//! texts anew; look at the difference before you believe it.

use super::fake::{checked, with_inputs};
use crate::compose::assemble::assemble;
use crate::compose::problem::{Source, render};
use crate::compose::{Inputs, Kept, check_text, materials};
use crate::failure::Failure;
use crate::workspace::Package;
use miette::Report;
use std::path::Path;

/// The packages of the workspace, as far as broken manifests know.
const PROGRAMS: [&str; 9] =
    ["some", "b", "writable-code", "guest-program", "serves", "calls", "calls-old", "calls-more", "damaged"];
/// One of them that is a library.
const LIBRARY: &str = "books";

fn compose(path: &Path) -> Result<(), Vec<Report>> {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let text = std::fs::read_to_string(path).unwrap();
    let package = |name: &str| Package { name: name.to_owned(), program: name != LIBRARY };
    let packages: Vec<Package> = PROGRAMS.iter().chain([&LIBRARY]).map(|name| package(name)).collect();
    let checked =
        check_text(Source::new(name, text), path.parent().unwrap(), Some(&packages), "broken", None, &Kept::NOTHING)?;
    let source = checked.source.clone();
    let materials = with_inputs(|inputs| materials::gather(&checked.system, inputs));
    let materials = materials.map_err(|problems| source.reports(problems))?;
    assemble(&checked.system, &materials).map_err(|problems| source.reports(problems))?;
    Ok(())
}

#[test]
fn a_kernel_that_cannot_be_had_is_one_problem_with_one_remedy() {
    let text = "[system]\nversion = 1\n[vm.a]\nkernel = \"debian:armmp\"\ninitrd = \"shell\"\nram = \"64MiB\"\n";
    let checked = checked(text).unwrap();
    let problems = with_inputs(|inputs| {
        let mut fetch = |_: &str| Err(Failure::new("no network").mend("plug it in"));
        let mut shell = |_: Option<&str>| Err(Failure::new("no kernel for it"));
        let programs = &mut *inputs.programs;
        materials::gather(&checked.system, &mut Inputs { programs, fetch: &mut fetch, shell: &mut shell })
    });
    let text = render(&checked.source.reports(problems.unwrap_err()), false);
    assert!(text.contains("test.toml:4:10") && text.contains("no network"), "{text}");
    assert!(text.matches("help:").count() == 1 && text.contains("help: plug it in"), "{text}");
}

#[test]
fn every_broken_manifest_is_told_what_is_wrong_and_what_mends_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/manifests");
    let update = std::env::var_os("BULKHEAD_UPDATE").is_some();
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    let mut failures = Vec::new();
    for path in paths {
        let expected_path = path.with_extension("txt");
        let Err(reports) = compose(&path) else {
            failures.push(format!("{} is not broken", path.display()));
            continue;
        };
        for report in &reports {
            assert!(report.help().is_some(), "{}: nothing would mend it: {report}", path.display());
        }
        let text = render(&reports, false);
        if update {
            std::fs::write(&expected_path, &text).unwrap();
        }
        let expected = std::fs::read_to_string(&expected_path).unwrap_or_default();
        if text != expected {
            failures.push(format!("{}:\n{text}\nbut it should be:\n{expected}", path.display()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
