//! One broken manifest for each message. `BULKHEAD_UPDATE=1 cargo test -p bulkhead-tools` writes the expected
//! texts anew; look at the difference before you believe it.

use super::fake::with_inputs;
use crate::compose::assemble::assemble;
use crate::compose::problem::{Source, render};
use crate::compose::{check_text, materials};
use miette::Report;
use std::path::Path;

fn compose(path: &Path) -> Result<(), Vec<Report>> {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let text = std::fs::read_to_string(path).unwrap();
    let checked = check_text(Source::new(name, text), path.parent().unwrap(), "broken", None)?;
    let source = checked.source.clone();
    let materials = with_inputs(|inputs| materials::gather(&checked.system, inputs));
    let materials = materials.map_err(|problems| source.reports(problems))?;
    assemble(&checked.system, &materials).map_err(|problems| source.reports(problems))?;
    Ok(())
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
            let has_help = report.help().is_some() || report.to_string().starts_with("this is not TOML");
            assert!(has_help, "{}: nothing would mend it: {report}", path.display());
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
