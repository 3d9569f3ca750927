//! Building what runs on a board: one child cargo for the kernel and all components of a system.

use crate::failure::{Failure, Result};
use crate::process::{self, Stream};
use crate::progress::Progress;
use crate::toolchain::{self, Toolchain};
use crate::workspace;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(1800);
/// Tells the kernel's build script the board.
pub const BOARD_VARIABLE: &str = "BULKHEAD_BOARD";
/// What every system needs.
pub const KERNEL: &str = "kernel-image";
/// What its zImage begins with.
pub const ZIMAGE_HEAD: &str = "kernel-zimage";

/// The packages of a system with a VM that are there when it runs.
pub const SYSTEM_PACKAGES: [&str; 5] = [KERNEL, "root", "console", "log", "vmm-server"];

/// The programs that were built, by package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Built {
    elves: BTreeMap<String, PathBuf>,
}

impl Built {
    /// The program of a package.
    pub fn elf(&self, package: &str) -> Result<&PathBuf> {
        self.elves.get(package).ok_or_else(|| {
            Failure::new(format!("the package `{package}` has no program of its own"))
                .mend("give it a src/main.rs, or name another package")
        })
    }
}

/// A line of cargo's on standard output, as far as it matters here.
#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
    package_id: Option<String>,
}

/// The package's name in cargo's id: behind `#`, unless the folder has that name, too.
fn package(id: &str) -> Option<&str> {
    let (url, rest) = id.rsplit_once('#')?;
    match rest.split_once('@') {
        Some((name, _)) => Some(name),
        None => url.rsplit('/').next(),
    }
}

/// Which kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// For one core.
    OneCore,
    /// For several.
    Smp,
}

/// The kernel's and the packages' programs for a board. Each board has a target folder of its own, so that
/// switching between boards rebuilds nothing. A package has one binary, of any name.
pub fn build(board: &str, packages: &[&str]) -> Result<Built> {
    build_for(board, packages, Kernel::OneCore)
}

/// The same, with a kernel of that kind if it is among the packages. It is put aside: cargo gives both kinds one name.
pub fn build_for(board: &str, packages: &[&str], kernel: Kernel) -> Result<Built> {
    let toolchain = toolchain::find()?;
    let mut cargo = command(&toolchain, board);
    cargo.args(packages.iter().flat_map(|package| ["--package".to_owned(), workspace::specification(package)]));
    if !packages.contains(&KERNEL) {
        return run(cargo, &format!("building for {board}"));
    }
    let aside = target(board).join("kernels");
    let _lock = workspace::lock(&aside)?;
    let name = match kernel {
        Kernel::OneCore => "one-core.elf",
        Kernel::Smp => {
            cargo.args(["--features", "kernel-image/smp"]);
            "smp.elf"
        }
    };
    let mut built = run(cargo, &format!("building for {board}"))?;
    let bytes = std::fs::read(built.elf(KERNEL)?).map_err(|error| Failure::path(&aside, error))?;
    let kept = aside.join(name);
    if !std::fs::read(&kept).is_ok_and(|old| old == bytes) {
        workspace::write(&kept, &bytes)?;
    }
    built.elves.insert(KERNEL.to_owned(), kept);
    Ok(built)
}

/// The program of a package that lies in a folder, wherever that is. It is put aside, since another package may have the same name.
pub fn build_folder(board: &str, folder: &Path) -> Result<PathBuf> {
    // The child works in the workspace's folder.
    let folder = folder.canonicalize().map_err(|error| Failure::path(folder, error))?;
    let manifest = folder.join("Cargo.toml");
    if !manifest.is_file() {
        return Err(Failure::new(format!("{}: there is no package here", folder.display()))
            .mend("name a folder with a Cargo.toml"));
    }
    let toolchain = toolchain::find()?;
    let mut cargo = command(&toolchain, board);
    cargo.arg("--manifest-path").arg(&manifest);
    let root = workspace_of(&manifest)?;
    if root != workspace::root().canonicalize().unwrap_or_default() {
        // Packages that have the same place in two workspaces are the same to cargo, but for the wrapper.
        cargo.env("RUSTC_WORKSPACE_WRAPPER", wrapper(&target(board).join("wrappers").join(named_after(&root)))?);
    }
    let built = run(cargo, &format!("building {} for {board}", folder.display()))?;
    let elf = built.elves.into_values().next().ok_or_else(|| {
        Failure::new(format!("{}: the package has no program of its own", folder.display()))
            .mend("give it a src/main.rs")
    })?;
    let aside = target(board).join("folders").join(named_after(&folder)).with_added_extension("elf");
    let bytes = std::fs::read(&elf).map_err(|error| Failure::path(&elf, error))?;
    workspace::write(&aside, &bytes)?;
    Ok(aside)
}

/// The workspace of a package.
fn workspace_of(manifest: &Path) -> Result<PathBuf> {
    let mut cargo = toolchain::cargo("locate-project");
    cargo.args(["--workspace", "--message-format", "plain", "--manifest-path"]).arg(manifest);
    let printed = process::output(&mut cargo, LIMIT)?;
    let root = Path::new(printed.trim()).parent().unwrap_or(manifest);
    root.canonicalize().map_err(|error| Failure::path(root, error))
}

/// A compiler's wrapper that does nothing.
fn wrapper(path: &Path) -> Result<&Path> {
    const SCRIPT: &str = "#!/bin/sh\nexec \"$@\"\n";
    if !std::fs::read(path).is_ok_and(|old| old == SCRIPT.as_bytes()) {
        workspace::write(path, SCRIPT.as_bytes())?;
    }
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(path, executable).map_err(|error| Failure::path(path, error))?;
    Ok(path)
}

/// A file's name for a folder: its own, for people, and a hash of its path.
fn named_after(folder: &Path) -> String {
    let mut hasher = DefaultHasher::new();
    folder.hash(&mut hasher);
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    format!("{name}-{:016x}", hasher.finish())
}

/// Where cargo builds for a board.
fn target(board: &str) -> PathBuf {
    workspace::target().join("arm").join(board)
}

fn command(toolchain: &Toolchain, board: &str) -> Command {
    let mut cargo = toolchain.cargo("build");
    cargo.args(["--release", "--bins", "--message-format", "json-render-diagnostics"]);
    cargo.arg("--target-dir").arg(target(board));
    cargo.env(BOARD_VARIABLE, board).env("CARGO_TERM_COLOR", "never");
    // Unset, every log line but errors would vanish at compile time.
    if std::env::var_os("DEFMT_LOG").is_none() {
        cargo.env("DEFMT_LOG", "info");
    }
    cargo
}

fn run(mut cargo: Command, what: &str) -> Result<Built> {
    let progress = Progress::start(what);
    let (mut built, mut told) = (Built::default(), String::new());
    let status = process::each_line(&mut cargo, LIMIT, &mut |stream, line| match stream {
        Stream::Err => {
            if is_progress(&line) {
                progress.say(&line);
            }
            told.push_str(&line);
            told.push('\n');
        }
        Stream::Out => {
            let message: Option<Message> = serde_json::from_str(&line).ok();
            if let Some(Message { executable: Some(path), package_id: Some(id) }) = message
                && let Some(name) = package(&id)
            {
                built.elves.insert(name.to_owned(), path);
            }
        }
    })?;
    drop(progress);
    if status.success() {
        return Ok(built);
    }
    let complaints = complaints(&told);
    let mend = match complaints.contains("failed to download") || complaints.contains("failed to get") {
        true => "the first build fetches crates: see to the network, or to cargo's configuration, and try again",
        false => "see to what the compiler says above",
    };
    Err(Failure::new(format!("{what} failed\n{complaints}")).mend(mend))
}

/// What cargo said without its progress.
fn complaints(told: &str) -> String {
    told.lines().filter(|line| !is_progress(line)).collect::<Vec<_>>().join("\n")
}

/// Whether a line of cargo's says only how far it is.
fn is_progress(line: &str) -> bool {
    let words = ["Compiling ", "Finished ", "Downloaded ", "Downloading ", "Updating ", "Blocking ", "Locking "];
    words.iter().any(|word| line.trim_start().starts_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_without_a_program_is_told() {
        let failure = Built::default().elf("ghost").unwrap_err();
        assert!(failure.what.contains("`ghost`") && failure.mend.is_some());
    }

    #[test]
    fn only_complaints_are_kept() {
        assert_eq!(complaints("   Compiling a v1\nerror: no\n  --> here\n   Finished x"), "error: no\n  --> here");
    }

    #[test]
    fn two_folders_of_one_name_do_not_share_a_program() {
        assert_ne!(named_after(Path::new("/a/ping")), named_after(Path::new("/b/ping")));
        assert!(named_after(Path::new("/a/ping")).starts_with("ping-"));
    }

    #[test]
    fn programs_are_found_in_what_cargo_prints() {
        let line = r#"{"reason":"compiler-artifact","package_id":"path+file:///w/kernel/image#kernel-image@0.1.0",
            "target":{"kind":["bin"],"name":"kernel"},"executable":"/x/kernel"}"#;
        let message: Message = serde_json::from_str(line).unwrap();
        assert_eq!(package(&message.package_id.unwrap()), Some("kernel-image"));
        assert_eq!(message.executable.unwrap(), PathBuf::from("/x/kernel"));
        assert_eq!(package("path+file:///w/components/root#0.1.0"), Some("root"));
    }
}
