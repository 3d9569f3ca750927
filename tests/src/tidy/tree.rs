//! The files of the workspace.

use std::path::{Path, PathBuf};

/// A text file, with its path from the workspace's folder, `/` between names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path.
    pub path: String,
    /// What it holds.
    pub text: String,
}

impl File {
    /// A file of that path and text.
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }
    /// Whether it is Rust.
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// What is built or belongs to git, and is never looked at.
const SKIPPED: &[&str] = &["target", ".git", "tools/docs/book"];

/// The workspace's folder.
pub fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_owned()
}

/// All text files below a folder, sorted by path.
pub fn files(root: &Path) -> Vec<File> {
    let mut found = Vec::new();
    below(root, "", &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn below(folder: &Path, prefix: &str, found: &mut Vec<File>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        let Ok(kind) = entry.file_type() else { continue };
        if SKIPPED.contains(&path.as_str()) {
            continue;
        }
        if kind.is_dir() {
            below(&entry.path(), &path, found);
        } else if kind.is_file()
            && let Ok(text) = std::fs::read_to_string(entry.path())
        {
            found.push(File { path, text });
        }
    }
}

/// Names of all that stands at the top level, sorted; without what is built.
pub fn top_level(root: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !SKIPPED.contains(&name.as_str()))
        .collect();
    names.sort();
    names
}
