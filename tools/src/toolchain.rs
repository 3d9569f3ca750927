//! Which compiler builds for `armv7a-none-eabi`, and how the child cargo is told.
//!
//! 1. The default compiler, if the target's library is installed with it: plain stable.
//! 2. A compiler that has its library's source: the library is built with it, which needs an unstable flag.
//! 3. Such a compiler is installed, or the line that does is told.

use crate::failure::{Failure, Result};
use crate::packages::{self, Need};
use crate::process;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The target of everything that runs on a board.
pub const TARGET: &str = "armv7a-none-eabi";
/// The compiler flags of all such crates.
pub const FLAGS: &str = "-Ctarget-cpu=cortex-a15";
const PACKAGED_RUSTC: &str = "/usr/bin/rustc";
const LIMIT: Duration = Duration::from_secs(30);

/// How to build for the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// The compiler, if it is not the default one.
    pub rustc: Option<PathBuf>,
    /// Whether the library is built from source.
    pub build_std: bool,
    /// The linker, if the compiler does not bring its own.
    pub linker: Option<PathBuf>,
}

impl Toolchain {
    /// The child cargo's command, with everything said that it must know; the caller adds what to build.
    pub fn cargo(&self, subcommand: &str) -> Command {
        let mut cargo = cargo(subcommand);
        cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS").env_remove("CARGO_BUILD_TARGET");
        cargo.env("CARGO_TARGET_ARMV7A_NONE_EABI_RUSTFLAGS", FLAGS);
        if let Some(linker) = &self.linker {
            cargo.env("CARGO_TARGET_ARMV7A_NONE_EABI_LINKER", linker);
        }
        if let Some(rustc) = &self.rustc {
            cargo.env("RUSTC", rustc);
        }
        cargo.args(["--target", TARGET]);
        if self.build_std {
            cargo.env("RUSTC_BOOTSTRAP", "1");
            cargo.args(["-Zbuild-std=core,compiler_builtins", "-Zbuild-std-features=compiler-builtins-mem"]);
        }
        cargo
    }
}

/// A cargo for the host, in the workspace's folder.
pub fn cargo(subcommand: &str) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.arg(subcommand).current_dir(crate::workspace::root());
    cargo
}

fn sysroot(rustc: &Path) -> Option<PathBuf> {
    let mut command = Command::new(rustc);
    command.args(["--print", "sysroot"]).current_dir(crate::workspace::root());
    let printed = process::output(&mut command, LIMIT).ok()?;
    Some(PathBuf::from(printed.trim())).filter(|path| !path.as_os_str().is_empty())
}

fn default_rustc() -> PathBuf {
    std::env::var_os("RUSTC").map_or_else(|| "rustc".into(), PathBuf::from)
}

fn has_target(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib").join(TARGET).join("lib").is_dir()
}

fn has_source(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib/src/rust/library/core/Cargo.toml").is_file()
}

/// `rust-lld` beside any of these compilers, whatever the host's name; else a linker of LLVM's.
fn find_linker(sysroots: &[PathBuf], llvm_home: &Path) -> Option<PathBuf> {
    let entries = |folder: &Path| {
        let mut paths: Vec<PathBuf> =
            std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        paths.sort();
        paths
    };
    let beside = sysroots.iter().flat_map(|sysroot| entries(&sysroot.join("lib/rustlib")));
    let mut candidates: Vec<PathBuf> = beside.map(|host| host.join("bin/rust-lld")).collect();
    let packaged = entries(llvm_home).into_iter().rev();
    candidates.extend(packaged.filter(|path| file_name(path).starts_with("llvm")).map(|llvm| llvm.join("bin/ld.lld")));
    candidates.into_iter().find(|path| path.is_file())
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn decide(default: Option<PathBuf>, packaged: Option<PathBuf>, llvm_home: &Path) -> Result<Option<Toolchain>> {
    if default.as_deref().is_some_and(has_target) {
        return Ok(Some(Toolchain { rustc: None, build_std: false, linker: None }));
    }
    let rustc = if default.as_deref().is_some_and(has_source) {
        None
    } else if packaged.as_deref().is_some_and(has_source) {
        Some(PathBuf::from(PACKAGED_RUSTC))
    } else {
        return Ok(None);
    };
    let sysroots: Vec<PathBuf> = default.into_iter().chain(packaged).collect();
    let linker = find_linker(&sysroots, llvm_home).ok_or_else(|| {
        Failure::new("there is no linker for Arm: no rust-lld beside the compiler, and no ld.lld of LLVM's")
            .mend("type `sudo apt-get install lld-14`, or `rustup target add armv7a-none-eabi`")
    })?;
    Ok(Some(Toolchain { rustc, build_std: true, linker: Some(linker) }))
}

/// Finds a toolchain for the target, or installs one.
pub fn find() -> Result<Toolchain> {
    let look = || decide(sysroot(&default_rustc()), sysroot(Path::new(PACKAGED_RUSTC)), Path::new("/usr/lib"));
    if let Some(toolchain) = look()? {
        return Ok(toolchain);
    }
    let lacking = |failure: Failure| {
        let line = Need::RustWithSource.line();
        failure.mend(format!("type `rustup target add {TARGET}`, or `{line}`"))
    };
    packages::install(Need::RustWithSource, || look().is_ok_and(|found| found.is_some())).map_err(lacking)?;
    look()?.ok_or_else(|| lacking(Failure::new(format!("still no Rust compiler here can build for {TARGET}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("bulkhead-toolchain-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn file(self, path: &str) -> Self {
            let path = self.0.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
            self
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    const SOURCE: &str = "lib/rustlib/src/rust/library/core/Cargo.toml";

    #[test]
    fn an_installed_target_wins() {
        let default = Folder::new("installed").file("lib/rustlib/armv7a-none-eabi/lib/x").file(SOURCE);
        let found = decide(Some(default.0.clone()), None, Path::new("/nowhere")).unwrap().unwrap();
        assert_eq!(found, Toolchain { rustc: None, build_std: false, linker: None });
        let words = process::shown(&found.cargo("build"));
        assert!(words.contains("--target armv7a-none-eabi") && !words.contains("-Z"), "{words}");
    }

    #[test]
    fn a_packaged_compiler_with_source_borrows_the_default_ones_linker() {
        let default = Folder::new("default").file("lib/rustlib/x86_64-unknown-linux-gnu/bin/rust-lld");
        let packaged = Folder::new("packaged").file(SOURCE);
        let found = decide(Some(default.0.clone()), Some(packaged.0.clone()), Path::new("/nowhere")).unwrap().unwrap();
        assert_eq!(found.rustc.as_deref(), Some(Path::new(PACKAGED_RUSTC)));
        assert!(found.build_std && found.linker.unwrap().starts_with(&default.0));
    }

    #[test]
    fn the_newest_packaged_linker_serves_too_and_none_is_told() {
        let default = Folder::new("source").file(SOURCE);
        let llvm = Folder::new("llvm").file("llvm-14/bin/ld.lld").file("llvm-16/bin/ld.lld");
        let found = decide(Some(default.0.clone()), None, &llvm.0).unwrap().unwrap();
        assert!(found.linker.unwrap().ends_with("llvm-16/bin/ld.lld"));
        let failure = decide(Some(default.0.clone()), None, Path::new("/nowhere")).unwrap_err();
        assert!(failure.what.contains("linker") && failure.mend.is_some());
    }

    #[test]
    fn nothing_usable_is_nothing() {
        let bare = Folder::new("bare");
        assert_eq!(decide(Some(bare.0.clone()), None, Path::new("/nowhere")), Ok(None));
    }
}
