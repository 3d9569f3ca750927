//! Files of Debian's own for guests: unmodified kernels and a busybox. Fetched once, kept under the target folder.

use crate::apt_root::{AptRoot, Package};
use crate::failure::{Failure, Result};
use crate::guest_record::{self, Record};
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

/// Modules of a kernel's that a guest of ours needs: drivers for the documented machine. What a kernel has built in, or
/// does not know, is not among its modules.
const MODULES: [&str; 6] = ["virtio", "virtio_ring", "virtio_mmio", "virtio_console", "pvpanic", "pvpanic-mmio"];
/// What a kernel and a busybox are called where they are kept.
const KERNEL: &str = "vmlinuz";
const BUSYBOX: &str = "busybox";
/// Where they are kept, beside the kernel that they belong to.
const MODULES_FOLDER: &str = "modules";

/// The zImage of Debian's kernel of that flavour (`armmp-lpae`; `debian:armmp-lpae` is understood as well).
/// [`modules`] finds what belongs to it.
pub fn kernel(flavour: &str) -> Result<PathBuf> {
    let flavour = flavour.strip_prefix(PREFIX).unwrap_or(flavour);
    if !FLAVOURS.contains(&flavour) {
        let known: Vec<String> = FLAVOURS.iter().map(|known| format!("`{PREFIX}{known}`")).collect();
        return Err(Failure::new(format!("there is no kernel `{PREFIX}{flavour}`"))
            .mend(format!("use {}, or the path of a file", known.join(" or "))));
    }
    cached(&home().join(flavour), KERNEL, Some(MODULES_FOLDER), |apt| {
        let meta = apt.package(&format!("linux-image-{flavour}"))?;
        apt.package(&real_kernel(&meta)?)
    })
}

/// The kernel of that name, if it was fetched before; the error if it was damaged since.
pub fn kept(name: &str) -> Option<Result<PathBuf>> {
    found(&home().join(name.strip_prefix(PREFIX)?), KERNEL, Some(MODULES_FOLDER))
}

/// The busybox, if it was fetched before; the error if it was damaged since.
pub fn kept_busybox() -> Option<Result<PathBuf>> {
    found(&home().join(BUSYBOX), BUSYBOX, None)
}

/// The file `file` in `folder`, if it was fetched before, with the folder of what belongs to it.
fn found(folder: &Path, file: &str, beside: Option<&str>) -> Option<Result<PathBuf>> {
    let path = folder.join(file);
    let beside = beside.map(|beside| folder.join(beside));
    complete(&path, beside.as_deref()).then(|| guest_record::intact(folder, file).map(|()| path))
}

/// Whether a file is there, and the folder of what belongs to it.
fn complete(path: &Path, beside: Option<&Path>) -> bool {
    path.is_file() && beside.is_none_or(Path::is_dir)
}

/// A busybox that needs no library.
pub fn busybox() -> Result<PathBuf> {
    cached(&home().join(BUSYBOX), BUSYBOX, None, |apt| apt.package("busybox-static"))
}

/// The modules that came with a kernel that [`kernel`] returned, sorted by name.
pub fn modules(kernel: &Path) -> Result<Vec<PathBuf>> {
    let folder = kernel.with_file_name(MODULES_FOLDER);
    let entries = std::fs::read_dir(&folder).map_err(|error| Failure::path(&folder, error))?;
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| is_module(path)).collect();
    found.sort();
    Ok(found)
}

fn is_module(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "ko")
}

/// What is known of a file that [`kernel`] or [`busybox`] returned: package, version and SHA-256.
pub fn origin(file: &Path) -> Result<Package> {
    Ok(Record::read(file.parent().unwrap_or(Path::new("")))?.package)
}

/// The meta package depends on the versioned one.
fn real_kernel(meta: &Package) -> Result<String> {
    let mut names = meta.depends.split([',', '|']).filter_map(|one| one.split_whitespace().next());
    let versioned = |name: &&str| {
        name.strip_prefix("linux-image-").is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
    };
    names
        .find(versioned)
        .map(str::to_owned)
        .ok_or_else(|| Failure::new(format!("{} names no kernel among its dependencies: {}", meta.name, meta.depends)))
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

/// The wanted modules of an unpacked kernel package.
fn find_modules(unpacked: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = ["lib/modules", "usr/lib/modules"].map(|folder| unpacked.join(folder)).into();
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            } else if is_module(&path) && MODULES.contains(&&*stem) {
                found.push(path);
            }
        }
    }
    found
}

/// The file `file` in `folder`: fetched if it is not there, or if `modules`, the folder of what belongs to it, is not.
fn cached(
    folder: &Path,
    file: &str,
    modules: Option<&str>,
    choose: impl Fn(&AptRoot) -> Result<Package>,
) -> Result<PathBuf> {
    if let Some(kept) = found(folder, file, modules) {
        return kept;
    }
    let _lock = workspace::lock(&workspace::own())?;
    if let Some(kept) = found(folder, file, modules) {
        return kept;
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
    let unpacked_file = find(&unpacked, file)
        .ok_or_else(|| Failure::new(format!("{} {} holds no {file}", package.name, package.version)))?;
    // A kernel and its modules belong together: the old ones go first, the kernel comes last.
    let path = folder.join(file);
    let _ = std::fs::remove_file(&path);
    let mut record = Record::new(package);
    if let Some(modules) = modules {
        let _ = std::fs::remove_dir_all(folder.join(modules));
        workspace::make_folder(&folder.join(modules))?;
        for module in find_modules(&unpacked) {
            let name = module.file_name().unwrap_or_default().to_string_lossy();
            record.keep(folder, &format!("{modules}/{name}"), &read(&module)?)?;
        }
    }
    let bytes = read(&unpacked_file)?;
    record.note(file, &bytes);
    record.write(folder)?;
    workspace::write(&path, &bytes)?;
    let _ = std::fs::remove_dir_all(&unpacked);
    Ok(path)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| Failure::path(path, error))
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
    fn what_was_fetched_is_found_and_what_was_damaged_since_is_told() {
        let folder = std::env::temp_dir().join(format!("bulkhead-kept-{}", std::process::id()));
        assert!(found(&folder, KERNEL, Some(MODULES_FOLDER)).is_none());
        let mut record = Record::new(meta(""));
        record.keep(&folder, "modules/virtio_mmio.ko", b"m").unwrap();
        record.write(&folder).unwrap();
        assert!(found(&folder, KERNEL, Some(MODULES_FOLDER)).is_none(), "the kernel has not come yet");
        record.keep(&folder, KERNEL, b"kernel").unwrap();
        record.write(&folder).unwrap();
        assert_eq!(found(&folder, KERNEL, Some(MODULES_FOLDER)), Some(Ok(folder.join(KERNEL))));
        for (file, bytes) in [(KERNEL, "kern"), ("modules/virtio_mmio.ko", "")] {
            let whole = std::fs::read(folder.join(file)).unwrap();
            std::fs::write(folder.join(file), bytes).unwrap();
            let fetched = cached(&folder, KERNEL, Some(MODULES_FOLDER), |_| Err(Failure::new("nothing is fetched")));
            let failure = fetched.unwrap_err();
            assert!(failure.what.contains("damaged") && failure.what.contains(file), "{failure}");
            assert!(failure.mend.unwrap().contains("remove the folder"));
            std::fs::write(folder.join(file), whole).unwrap();
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn an_unknown_kernel_is_told_with_those_there_are() {
        let failure = kernel("debian:marvell").unwrap_err();
        assert!(failure.what.contains("debian:marvell"), "{failure}");
        assert!(failure.mend.unwrap().contains("`debian:armmp-lpae`"));
    }

    #[test]
    fn wanted_modules_are_found_wherever_the_package_has_them() {
        let folder = std::env::temp_dir().join(format!("bulkhead-modules-{}", std::process::id()));
        for (at, name) in [
            ("lib/modules/6.1/kernel/drivers/virtio", "virtio_mmio.ko"),
            ("usr/lib/modules/6.1/char", "virtio_console.ko"),
            ("lib/modules/6.1/kernel/fs", "ext4.ko"),
        ] {
            workspace::write(&folder.join(at).join(name), b"m").unwrap();
        }
        let mut names: Vec<_> = find_modules(&folder).iter().map(|path| path.file_name().unwrap().to_owned()).collect();
        names.sort();
        assert_eq!(names, ["virtio_console.ko", "virtio_mmio.ko"]);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
