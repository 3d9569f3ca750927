//! `cargo bulkhead new component`: a component with its protocol, its host test, and a system that runs it.

mod name;

use crate::failure::{Failure, Result};
use crate::workspace;
use std::path::{Path, PathBuf};

/// Files of a new component, with what becomes of them.
const FILES: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("template/Cargo.toml.in")),
    ("build.rs", include_str!("template/build.rs.in")),
    ("src/lib.rs", include_str!("template/lib.rs.in")),
    ("src/main.rs", include_str!("template/main.rs.in")),
    ("@NAME@.toml", include_str!("template/manifest.toml.in")),
    (".gitignore", include_str!("template/gitignore.in")),
];
/// Outside of the clone `cargo bulkhead` must be told where it is.
const OUTSIDE: &[(&str, &str)] = &[(".cargo/config.toml", include_str!("template/config.toml.in"))];
/// The versions that the clone has are the ones that were tested.
const LOCK: &str = "Cargo.lock";

/// Makes a component, by default in a folder of its name here, tells what to do next, and returns the exit code.
pub fn run(name: &str, path: Option<&Path>) -> Result<u8> {
    let folder = make(name, path.unwrap_or(Path::new(name)), &workspace::root())?;
    let shown = folder.display();
    println!(
        "{shown}: a component with its protocol, a host test, and a system that runs it\n  \
         cd {shown} && cargo test                  # on this machine\n  \
         cargo bulkhead run {shown}/{name}.toml    # on QEMU"
    );
    Ok(0)
}

/// Makes a component that stands on a clone. The folder, as it was given.
fn make(name: &str, folder: &Path, clone: &Path) -> Result<PathBuf> {
    name::check(name, &workspace::packages()?)?;
    if folder.symlink_metadata().is_ok() {
        return Err(Failure::new(format!("{}: this exists already", folder.display()))
            .mend("choose another name, or another folder with --path FOLDER"));
    }
    std::fs::create_dir_all(folder).map_err(|error| Failure::path(folder, error))?;
    let real = |path: &Path| path.canonicalize().map_err(|error| Failure::path(path, error));
    let (inside, clone) = (real(folder)?, real(clone)?);
    let written = way(&inside, &clone);
    let fill = |text: &str| {
        let client = if name == CLIENT { "asker" } else { CLIENT };
        let crate_name = name.replace('-', "_");
        let values = [("@NAME@", name), ("@CRATE@", &crate_name), ("@CLIENT@", client), ("@CLONE@", &written)];
        values.iter().fold(text.to_owned(), |text, (mark, value)| text.replace(mark, value))
    };
    let outside = if inside.starts_with(&clone) { &[][..] } else { OUTSIDE };
    for (file, text) in FILES.iter().chain(outside) {
        workspace::write(&folder.join(fill(file)), fill(text).as_bytes())?;
    }
    let lock = clone.join(LOCK);
    let bytes = std::fs::read(&lock).map_err(|error| Failure::path(&lock, error))?;
    workspace::write(&folder.join(LOCK), &bytes)?;
    Ok(folder.to_owned())
}

/// What the client of the example is called.
const CLIENT: &str = "caller";

/// How files of a folder name the clone, in a string of TOML or Rust: from where they are if they lie in it, so that both can be moved
/// together; else from the root.
fn way(folder: &Path, clone: &Path) -> String {
    let path = match folder.strip_prefix(clone) {
        Ok(below) => below.components().map(|_| "..").collect::<Vec<_>>().join("/"),
        Err(_) => clone.to_string_lossy().into_owned(),
    };
    path.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("bulkhead-new-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn text(folder: &Path, file: &str) -> String {
        std::fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    #[test]
    fn a_component_is_made_and_its_manifest_is_without_fault() {
        let outside = Folder::new("made");
        let folder = outside.0.join("deeper/front-door");
        assert_eq!(make("front-door", &folder, &workspace::root()).unwrap(), folder);
        for (file, _) in FILES {
            let text = text(&folder, &file.replace("@NAME@", "front-door"));
            assert!(!text.contains('@'), "{file}: {text}");
        }
        assert!(text(&folder, "src/main.rs").contains("front_door::Server"));
        let clone = workspace::root().canonicalize().unwrap();
        assert!(text(&folder, "build.rs").contains(&format!("\"{}/components/runtime/", clone.display())));
        assert!(text(&folder, ".cargo/config.toml").contains("--manifest-path"));
        let checked = crate::compose::check(&folder.join("front-door.toml"), None);
        assert!(checked.is_ok(), "{}", crate::compose::render(&checked.unwrap_err(), false));
    }

    #[test]
    fn a_component_within_the_clone_names_it_by_the_way_there() {
        let clone = Folder::new("clone");
        std::fs::write(clone.0.join(LOCK), "# versions").unwrap();
        let folder = clone.0.join("parts/caller");
        make("caller", &folder, &clone.0).unwrap();
        assert!(text(&folder, "Cargo.toml").contains("path = \"../../components/runtime\""));
        assert!(!folder.join(".cargo").exists());
        assert_eq!(text(&folder, LOCK), "# versions");
        assert!(text(&folder, "caller.toml").contains("from = \"asker\""));
        assert_eq!(way(Path::new("/a\"b/c"), Path::new("/a\"b")), "..");
        assert_eq!(way(Path::new("/c"), Path::new("/a\"b")), "/a\\\"b");
    }

    #[test]
    fn what_exists_is_left_alone() {
        let outside = Folder::new("exists");
        let failure = make("front-door", &outside.0, &workspace::root()).unwrap_err();
        assert!(failure.what.ends_with(": this exists already"), "{failure}");
        assert_eq!(failure.mend.as_deref(), Some("choose another name, or another folder with --path FOLDER"));
        assert_eq!(std::fs::read_dir(&outside.0).unwrap().count(), 0);
    }
}
