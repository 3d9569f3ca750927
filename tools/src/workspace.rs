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

/// The names of the workspace's packages, sorted.
pub fn packages() -> Result<Vec<String>> {
    #[derive(Deserialize)]
    struct Manifest {
        workspace: Option<Workspace>,
        package: Option<Package>,
    }
    #[derive(Deserialize)]
    struct Workspace {
        members: Vec<String>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
    }
    let read = |folder: &Path| -> Result<Manifest> {
        let path = folder.join("Cargo.toml");
        let text = std::fs::read_to_string(&path).map_err(|error| Failure::path(&path, error))?;
        toml::from_str(&text).map_err(|error| Failure::path(&path, error))
    };
    let members = read(&root())?.workspace.map(|workspace| workspace.members).unwrap_or_default();
    let mut names = Vec::new();
    for member in members {
        names.extend(read(&root().join(member))?.package.map(|package| package.name));
    }
    names.sort();
    Ok(names)
}

/// Makes a folder and those above it.
pub fn make_folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(|error| Failure::path(path, error))
}

/// Writes a file through a neighbour, so that nobody ever sees half of it.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = path.with_file_name(name);
    std::fs::write(&new, bytes).map_err(|error| Failure::path(&new, error))?;
    std::fs::rename(&new, path).map_err(|error| Failure::path(path, error))
}

/// Holds a folder for one process at a time, until the file returned is dropped.
pub fn lock(folder: &Path) -> Result<std::fs::File> {
    make_folder(folder)?;
    let path = folder.join("lock");
    let file = std::fs::File::create(&path).map_err(|error| Failure::path(&path, error))?;
    file.lock().map_err(|error| Failure::path(&path, error))?;
    Ok(file)
}
