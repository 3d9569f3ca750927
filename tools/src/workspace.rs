//! Where things are: the workspace that this tool was built from, and its target folder.

use crate::failure::{Failure, Result};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// The workspace's folder.
pub fn root() -> PathBuf {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR"));
    tools.parent().unwrap_or(tools).to_owned()
}

/// The folder of everything that is built. The user's choice, if there is one, is respected.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => std::path::absolute(&folder).unwrap_or_else(|_| folder.into()),
        None => root().join("target"),
    }
}

/// The tool's own part of it.
pub fn own() -> PathBuf {
    target().join("bulkhead")
}

/// A package, as its Cargo.toml tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Whether it has a program; else it is a library only.
    pub program: bool,
}

/// The workspace's packages, sorted by name.
pub fn packages() -> Result<Vec<Package>> {
    let mut packages = Vec::new();
    for member in read(&root())?.workspace.map(|workspace| workspace.members).unwrap_or_default() {
        packages.extend(package(&root().join(member))?);
    }
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(packages)
}

/// The package in a folder; `None` if its Cargo.toml describes none.
pub fn package(folder: &Path) -> Result<Option<Package>> {
    let Manifest { package, bin, .. } = read(folder)?;
    Ok(package.map(|Named { name, autobins, .. }| {
        let found = autobins && (folder.join("src/main.rs").is_file() || folder.join("src/bin").is_dir());
        Package { name, program: found || !bin.is_empty() }
    }))
}

/// What cargo calls a package of the workspace. A name alone does not do: packages from outside, which only tests use, may have the
/// same one. What the workspace does not have is called by its name: cargo will say so.
pub fn specification(name: &str) -> String {
    version(name).ok().flatten().map_or_else(|| name.to_owned(), |version| format!("{name}@{version}"))
}

/// The version of a package of the workspace, which may be the workspace's.
fn version(name: &str) -> Result<Option<String>> {
    let Some(workspace) = read(&root())?.workspace else { return Ok(None) };
    for member in workspace.members {
        if let Some(package) = read(&root().join(member))?.package.filter(|package| package.name == name) {
            let shared = workspace.package.and_then(|shared| shared.version);
            return Ok(match package.version {
                Some(Version::Own(version)) => Some(version),
                Some(Version::Shared {}) => shared,
                None => None,
            });
        }
    }
    Ok(None)
}

#[derive(Deserialize)]
struct Manifest {
    workspace: Option<Workspace>,
    package: Option<Named>,
    #[serde(default)]
    bin: Vec<toml::Table>,
}

#[derive(Deserialize)]
struct Workspace {
    #[serde(default)]
    members: Vec<String>,
    package: Option<Inherited>,
}

/// What members may take over.
#[derive(Deserialize)]
struct Inherited {
    version: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Version {
    Own(String),
    Shared {},
}

#[derive(Deserialize)]
struct Named {
    name: String,
    version: Option<Version>,
    #[serde(default = "yes")]
    autobins: bool,
}

fn yes() -> bool {
    true
}

fn read(folder: &Path) -> Result<Manifest> {
    let path = folder.join("Cargo.toml");
    let text = std::fs::read_to_string(&path).map_err(|error| Failure::path(&path, error))?;
    toml::from_str(&text).map_err(|error| Failure::path(&path, error))
}

/// What is said of a place that can't be written to.
pub fn unwritable(path: &Path, error: impl std::fmt::Display) -> Failure {
    let mend = if path.starts_with(target()) {
        format!(
            "let it be writable, with space left, or set CARGO_TARGET_DIR to another folder than {}",
            target().display()
        )
    } else {
        "name a folder that can be written to, with space left".to_owned()
    };
    Failure::new(format!("{} can't be written: {error}", path.display())).mend(mend)
}

/// Makes a folder and those above it.
pub fn make_folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(|error| unwritable(path, error))
}

/// Writes a file through a neighbour, so that nobody ever sees half of it.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = path.with_file_name(name);
    std::fs::write(&new, bytes).map_err(|error| unwritable(&new, error))?;
    std::fs::rename(&new, path).map_err(|error| unwritable(path, error))
}

/// Holds a folder for one process at a time, until the file returned is dropped.
pub fn lock(folder: &Path) -> Result<std::fs::File> {
    make_folder(folder)?;
    let path = folder.join("lock");
    let file = std::fs::File::create(&path).map_err(|error| unwritable(&path, error))?;
    file.lock().map_err(|error| Failure::path(&path, error))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_with_and_without_a_program_are_told_apart() {
        let packages = packages().unwrap();
        assert!(packages.is_sorted_by_key(|package| package.name.clone()));
        let program = |name: &str| packages.iter().find(|package| package.name == name).map(|package| package.program);
        assert_eq!(["root", "kernel-image", "vmm-server"].map(program), [Some(true); 3]);
        assert_eq!(["runtime", "kernel-core", "vmm-devices"].map(program), [Some(false); 3]);
        assert_eq!(program("nothing-of-ours"), None);
        assert!(package(&root()).unwrap().is_none());
    }

    #[test]
    fn a_place_that_cannot_be_written_is_told_with_a_remedy() {
        // A file where a folder should be stops even root.
        let file = std::env::temp_dir().join(format!("bulkhead-unwritable-{}", std::process::id()));
        std::fs::write(&file, "").unwrap();
        let within = file.join("a/b");
        let failures = [make_folder(&within), write(&within, b""), lock(&within).map(drop)].map(Result::unwrap_err);
        for failure in &failures {
            assert!(failure.what.contains("can't be written: "), "{failure}");
            assert!(failure.mend.as_ref().is_some_and(|mend| mend.contains("can be written to")), "{failure}");
        }
        assert!(unwritable(&own().join("x"), "no").mend.unwrap().contains("CARGO_TARGET_DIR"));
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn the_books_name_the_rust_that_is_needed() {
        let needed = format!("Rust {} or newer", env!("CARGO_PKG_RUST_VERSION"));
        for book in ["README.md", "tools/docs/tutorial.md"] {
            let text = std::fs::read_to_string(root().join(book)).unwrap();
            assert!(text.contains(&needed), "{book} does not name `{needed}`");
        }
    }

    #[test]
    fn packages_are_called_with_their_versions_and_strangers_by_name() {
        assert_eq!(specification("console"), concat!("console@", env!("CARGO_PKG_VERSION")));
        assert_eq!(specification("no-such-package"), "no-such-package");
    }
}
