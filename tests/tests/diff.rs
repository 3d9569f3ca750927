//! `cargo bulkhead diff` of manifests and of built images.

use bulkhead_tests::harness::{build, root, tool};
use std::path::Path;
use std::process::Command;

fn diff(old: &Path, new: &Path, more: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(tool()).arg("diff").args([old, new]).args(more).current_dir(root()).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_manifest_and_what_was_built_of_it_are_the_same() {
    let folder = std::env::temp_dir().join(format!("bulkhead-built-{}", std::process::id()));
    build("pair", &folder);
    let manifest = root().join("tests/systems/pair.toml");
    let same = (Some(0), "no change of authority\n".to_owned());
    assert_eq!(diff(&manifest, &folder, &["--fail-on-grant"]), same);
    assert_eq!(diff(&folder.join("image.json"), &manifest, &["--fail-on-grant"]), same);
    let _ = std::fs::remove_dir_all(&folder);
}

#[test]
fn a_grant_can_fail_a_pull_request() {
    let [pair, late] = ["pair", "late"].map(|name| root().join(format!("tests/systems/{name}.toml")));
    let (code, told) = diff(&pair, &late, &["--fail-on-grant"]);
    assert!(code == Some(1) && told.contains("  + `client` sends to `server` (`work`)"), "{told}");
    let (code, told) = diff(&pair, &late, &["--json"]);
    let json: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert!(code == Some(0) && json["grants"] == true && json["taken"].as_array().unwrap().len() > 3, "{told}");
}
