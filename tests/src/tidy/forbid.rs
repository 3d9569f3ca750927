//! Every crate forbids unsafe code, unless one of its files is a vault.

use super::{File, list, rust};

/// Crates that could forbid unsafe code and do not, and crates that say they do and hold a vault.
pub fn roots(files: &[File], vaults: &str) -> Vec<String> {
    let vaults = list::read(vaults);
    let mut findings = Vec::new();
    for manifest in files.iter().filter(|file| file.path.ends_with("/Cargo.toml")) {
        let folder = manifest.path.trim_end_matches("Cargo.toml");
        let root = ["src/lib.rs", "src/main.rs"]
            .iter()
            .find_map(|root| files.iter().find(|file| file.path == format!("{folder}{root}")));
        let Some(root) = root else { continue };
        let forbids = rust::code(&root.text).contains("#![forbid(unsafe_code)]");
        let sources = format!("{folder}src/");
        let vault = vaults.iter().find(|(path, _)| path.starts_with(&sources));
        // Below a listed folder a crate may forbid or not.
        if vaults.iter().any(|(path, _)| list::covers(path, &root.path) && path.ends_with('/')) {
            continue;
        }
        match (forbids, vault) {
            (false, None) => {
                findings.push(format!("{}: write #![forbid(unsafe_code)]; the crate has no vault", root.path))
            }
            (true, Some((path, _))) => {
                findings.push(format!("{}: forbids unsafe code, and {path} is a vault", root.path))
            }
            _ => {}
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_that_does_not_forbid_is_found() {
        let tree = |text: &str| [File::new("a/Cargo.toml", ""), File::new("a/src/lib.rs", text)];
        assert_eq!(roots(&tree("mod b;"), "").len(), 1);
        assert_eq!(roots(&tree("// #![forbid(unsafe_code)]"), "").len(), 1);
        assert_eq!(roots(&tree("#![forbid(unsafe_code)]"), "").len(), 0);
        assert_eq!(roots(&tree("mod b;"), "a/src/b.rs why").len(), 0);
        assert_eq!(roots(&tree("#![forbid(unsafe_code)]"), "a/src/b.rs why").len(), 1);
        assert_eq!(roots(&tree("mod b;"), "a/ why").len(), 0);
    }
}
