//! Files of Debian's own for guests: unmodified kernels and a busybox. Fetched once, kept under the target folder.

use crate::apt_root::{AptRoot, Package};
use crate::failure::{Failure, Result};
use crate::workspace;
use std::path::{Path, PathBuf};

const ARCHITECTURE: &str = "armhf";

/// Prefix of the names that manifests use.
pub const PREFIX: &str = "debian:";
/// The kernels that manifests can name, as `debian:FLAVOUR`.
pub const FLAVOURS: [&str; 2] = ["armmp-lpae", "armmp"];

fn home() -> PathBuf {
    workspace::own().join("guests")
}

/// The zImage of Debian's kernel of that flavour (`armmp-lpae`; `debian:armmp-lpae` is understood as well).
pub fn kernel(flavour: &str) -> Result<PathBuf> {
    let flavour = flavour.strip_prefix(PREFIX).unwrap_or(flavour);
    if !FLAVOURS.contains(&flavour) {
        let known: Vec<String> = FLAVOURS.iter().map(|known| format!("`{PREFIX}{known}`")).collect();
        return Err(Failure::new(format!("there is no kernel `{PREFIX}{flavour}`"))
            .mend(format!("use {}, or the path of a file", known.join(" or "))));
    }
    cached(&home().join(flavour), "vmlinuz", |apt| {
        let meta = apt.package(&format!("linux-image-{flavour}"))?;
        apt.package(&real_kernel(&meta)?)
    })
}

/// A busybox that needs no library.
pub fn busybox() -> Result<PathBuf> {
    cached(&home().join("busybox"), "busybox", |apt| apt.package("busybox-static"))
}

/// What is known of a file that [`kernel`] or [`busybox`] returned: package, version and SHA-256.
pub fn origin(file: &Path) -> Result<Package> {
    let path = file.with_file_name("package.toml");
    let text = std::fs::read_to_string(&path).map_err(|error| Failure::path(&path, error))?;
    #[derive(serde::Deserialize)]
    struct Kept {
        name: String,
        version: String,
        sha256: String,
    }
    let kept: Kept = toml::from_str(&text).map_err(|error| Failure::path(&path, error))?;
    Ok(Package { name: kept.name, version: kept.version, sha256: kept.sha256, depends: String::new() })
}

/// The meta package depends on the versioned one.
fn real_kernel(meta: &Package) -> Result<String> {
    let mut names = meta.depends.split([',', '|']).filter_map(|one| one.split_whitespace().next());
    let versioned = |name: &&str| {
        name.strip_prefix("linux-image-").is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
    };
    names.find(versioned).map(str::to_owned).ok_or_else(|| {
        Failure::new(format!("{} names no kernel among its dependencies: {}", meta.name, meta.depends))
    })
}

/// Where packages keep such a file.
fn find(unpacked: &Path, file: &str) -> Option<PathBuf> {
    for folder in ["boot", "bin", "usr/bin"] {
        let entries = std::fs::read_dir(unpacked.join(folder)).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.sort();
        let named = |path: &&PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name == file || name.starts_with(&format!("{file}-"))
        };
        if let Some(path) = paths.iter().find(named) {
            return Some(path.clone());
        }
    }
    None
}

fn cached(folder: &Path, file: &str, choose: impl Fn(&AptRoot) -> Result<Package>) -> Result<PathBuf> {
    let path = folder.join(file);
    if path.is_file() {
        return Ok(path);
    }
    let _lock = workspace::lock(&workspace::own())?;
    if path.is_file() {
        return Ok(path);
    }
    let apt = AptRoot::open(&workspace::own().join("apt"), ARCHITECTURE)?;
    let unpacked = workspace::own().join("unpacked");
    let _ = std::fs::remove_dir_all(&unpacked);
    let attempt = || -> Result<Package> {
        let package = choose(&apt)?;
        apt.unpack(&package, &unpacked)?;
        Ok(package)
    };
    // Lists that have grown old name packages that are gone: once more with new ones.
    let package = attempt().or_else(|_| {
        apt.update()?;
        attempt()
    })?;
    let found = find(&unpacked, file)
        .ok_or_else(|| Failure::new(format!("{} {} holds no {file}", package.name, package.version)))?;
    let bytes = std::fs::read(&found).map_err(|error| Failure::path(&found, error))?;
    let kept = toml::to_string(&package).map_err(|error| Failure::new(error.to_string()))?;
    workspace::write(&folder.join("package.toml"), kept.as_bytes())?;
    workspace::write(&path, &bytes)?;
    let _ = std::fs::remove_dir_all(&unpacked);
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(depends: &str) -> Package {
        Package { name: "m".into(), version: "1".into(), sha256: String::new(), depends: depends.into() }
    }

    #[test]
    fn the_real_kernel_is_found_in_the_meta_package() {
        let name = real_kernel(&meta("initramfs-tools, linux-image-6.1.0-1-armmp-lpae (= 6.1.1-1)")).unwrap();
        assert_eq!(name, "linux-image-6.1.0-1-armmp-lpae");
        assert!(real_kernel(&meta("linux-image-dbg")).is_err());
    }

    #[test]
    fn an_unknown_kernel_is_told_with_those_there_are() {
        let failure = kernel("debian:marvell").unwrap_err();
        assert!(failure.what.contains("debian:marvell"), "{failure}");
        assert!(failure.mend.unwrap().contains("`debian:armmp-lpae`"));
    }
}
