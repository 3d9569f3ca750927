//! A private apt root: packages of a foreign architecture are fetched with it, so that the user's machine gets none.
//!
//! It has state and cache of its own and copies of the system's configured sources; keys and proxies are the system's.

use crate::failure::{Failure, Result};
use crate::{process, progress, workspace};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const UPDATE_LIMIT: Duration = Duration::from_secs(300);
const QUERY_LIMIT: Duration = Duration::from_secs(60);
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(900);

/// A private apt root for one architecture.
#[derive(Debug)]
pub struct AptRoot {
    folder: PathBuf,
    architecture: &'static str,
    /// Where apt's programs are, if not on the PATH.
    programs: PathBuf,
}

/// A package as the lists describe it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the package, which apt has checked.
    pub sha256: String,
    /// What it depends on, as the lists have it.
    #[serde(skip)]
    pub depends: String,
}

impl Package {
    /// The first of what `apt-cache show` printed.
    fn parse(shown: &str) -> Option<Self> {
        let first = shown.split("\n\n").next()?;
        let field = |name: &str| {
            first
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map(|value| value.trim().to_owned())
        };
        Some(Self {
            name: field("Package")?,
            version: field("Version")?,
            sha256: field("SHA256")?,
            depends: field("Depends").unwrap_or_default(),
        })
    }
}

/// Whether a file of apt sources is about Debian, and what it says without limits to other architectures.
fn usable(text: &str) -> Option<String> {
    let about_debian = text.lines().any(|line| !line.trim_start().starts_with('#') && line.contains("debian"));
    if !about_debian {
        return None;
    }
    let options = regex::Regex::new(r"\barch=\S*?(\s|\])").ok()?;
    let lines = text.lines().filter(|line| !line.starts_with("Architectures:"));
    Some(lines.map(|line| options.replace(line, "$1").into_owned() + "\n").collect())
}

/// What was to be fetched did not come.
fn unreachable(failure: Failure) -> Failure {
    failure.mend(
        "see whether this machine reaches its mirror of Debian (the network, apt's proxy), then try again; or give the guest's \
         kernel and initrd as paths in the manifest",
    )
}

impl AptRoot {
    /// Opens the root in that folder, making it and fetching its lists if it is new.
    pub fn open(folder: &Path, architecture: &'static str) -> Result<Self> {
        if !process::on_path("apt-get") {
            return Err(Failure::new("guests of Debian's own are fetched with apt-get, which this system lacks")
                .mend("give the guest's kernel as a path in the manifest"));
        }
        let root = Self { folder: folder.to_owned(), architecture, programs: PathBuf::new() };
        let fetched = folder.join("fetched");
        if fetched.is_file() {
            return Ok(root);
        }
        root.copy_sources(Path::new("/etc/apt"))?;
        root.update()?;
        workspace::write(&fetched, b"")?;
        Ok(root)
    }

    fn copy_sources(&self, system: &Path) -> Result<()> {
        for folder in ["state/lists/partial", "cache/archives/partial", "sources"] {
            workspace::make_folder(&self.folder.join(folder))?;
        }
        workspace::write(&self.folder.join("state/status"), b"")?;
        workspace::write(&self.folder.join("sources.list"), b"")?;
        let parts = std::fs::read_dir(system.join("sources.list.d")).into_iter().flatten().flatten();
        let mut files: Vec<PathBuf> = parts.map(|entry| entry.path()).collect();
        files.push(system.join("sources.list"));
        let mut copied = 0;
        for file in files {
            let known = file.extension().is_some_and(|extension| extension == "list" || extension == "sources");
            let Some(text) = std::fs::read_to_string(&file).ok().filter(|_| known).and_then(|text| usable(&text))
            else {
                continue;
            };
            let name = file.file_name().unwrap_or_default();
            workspace::write(&self.folder.join("sources").join(name), text.as_bytes())?;
            copied += 1;
        }
        if copied == 0 {
            return Err(Failure::new("no source of Debian packages is configured on this system")
                .mend("give the guest's kernel as a path in the manifest"));
        }
        Ok(())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        let path = |part: &str| self.folder.join(part).display().to_string();
        let options = [
            format!("Dir::State={}", path("state")),
            format!("Dir::State::status={}", path("state/status")),
            format!("Dir::Cache={}", path("cache")),
            format!("Dir::Etc::sourcelist={}", path("sources.list")),
            format!("Dir::Etc::sourceparts={}", path("sources")),
            format!("APT::Architecture={}", self.architecture),
            format!("APT::Architectures={}", self.architecture),
            format!("APT::Architectures::={}", self.architecture),
            "APT::Sandbox::User=root".to_owned(),
            "Acquire::Languages=none".to_owned(),
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
            "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false".to_owned(),
            "Acquire::Retries=3".to_owned(),
            "Acquire::http::Timeout=30".to_owned(),
        ];
        command.args(options.iter().flat_map(|option| ["-o", option.as_str()]));
        command.env("LC_ALL", "C");
        command
    }

    /// Fetches the lists anew.
    pub fn update(&self) -> Result<()> {
        let what = format!("fetching Debian's lists of packages for {} (once)", self.architecture);
        // By itself it takes an unreachable mirror for well.
        let mut update = self.command("apt-get");
        update.args(["-o", "APT::Update::Error-Mode=any", "update"]);
        let told = progress::run(&what, &mut update, UPDATE_LIMIT, process::each_line);
        let lists = std::fs::read_dir(self.folder.join("state/lists")).into_iter().flatten().flatten();
        let usable = lists.filter(|entry| entry.file_name().to_string_lossy().contains("_Packages")).count() > 0;
        match told {
            // A foreign source that failed does not matter if Debian's came.
            _ if usable => Ok(()),
            Ok(_) => Err(Failure::new(format!("the configured sources have no packages for {}", self.architecture))
                .mend("configure a mirror of Debian that has them, or give the guest's kernel as a path")),
            Err(failure) => Err(unreachable(failure)),
        }
    }

    /// A package's description.
    pub fn package(&self, name: &str) -> Result<Package> {
        let shown = process::output(self.command("apt-cache").args(["show", "--no-all-versions", name]), QUERY_LIMIT)
            .map_err(unreachable)?;
        Package::parse(&shown).ok_or_else(|| {
            Failure::new(format!("the configured sources have no package {name} for {}", self.architecture))
                .mend("give the guest's kernel as a path in the manifest")
        })
    }

    /// Downloads a package and unpacks it to a folder.
    pub fn unpack(&self, package: &Package, to: &Path) -> Result<()> {
        let downloads = self.folder.join("downloads");
        let _ = std::fs::remove_dir_all(&downloads);
        workspace::make_folder(&downloads)?;
        let mut download = self.command("apt-get");
        download.arg("download").arg(format!("{}={}", package.name, package.version)).current_dir(&downloads);
        let what = format!("fetching {} {} for {}", package.name, package.version, self.architecture);
        progress::run(&what, &mut download, DOWNLOAD_LIMIT, process::each_line).map_err(unreachable)?;
        let entries = std::fs::read_dir(&downloads).map_err(|error| Failure::path(&downloads, error))?;
        let file =
            entries.flatten().map(|entry| entry.path()).find(|path| path.extension().is_some_and(|e| e == "deb"));
        let file = file.ok_or_else(|| Failure::new(format!("apt-get downloaded no file for {}", package.name)))?;
        workspace::make_folder(to)?;
        process::output(Command::new("dpkg-deb").arg("-x").arg(&file).arg(to), DOWNLOAD_LIMIT)?;
        let _ = std::fs::remove_dir_all(&downloads);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_debian_sources_are_used_and_no_architecture_limits_them() {
        assert_eq!(usable("# debian\nURIs: http://example.org/other\n"), None);
        let text = "Types: deb\nURIs: http://example.org/debian\nArchitectures: amd64\n";
        assert_eq!(usable(text).unwrap(), "Types: deb\nURIs: http://example.org/debian\n");
        let list = "deb [arch=amd64 signed-by=/k.gpg] http://example.org/debian stable main\n";
        assert_eq!(usable(list).unwrap(), "deb [ signed-by=/k.gpg] http://example.org/debian stable main\n");
        assert_eq!(usable("deb [arch=amd64] x://h/debian s main\n").unwrap(), "deb [] x://h/debian s main\n");
    }

    #[test]
    fn a_package_is_read_from_what_apt_shows() {
        let shown = "Package: a\nVersion: 1\nDepends: b (= 2)\nDescription: x\n y\nSHA256: 00ff\n\nPackage: z\n";
        let package = Package::parse(shown).unwrap();
        assert_eq!((package.name.as_str(), package.depends.as_str()), ("a", "b (= 2)"));
        assert_eq!(Package::parse("Package: a\n"), None);
    }

    #[test]
    fn a_mirror_that_cannot_be_reached_is_told_with_what_apt_says_and_a_remedy() {
        use std::os::unix::fs::PermissionsExt;
        let folder = std::env::temp_dir().join(format!("bulkhead-apt-{}", std::process::id()));
        let apt = |script: &str| {
            let path = folder.join("apt-get");
            workspace::write(&path, format!("#!/bin/sh\n{script}\n").as_bytes()).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            AptRoot { folder: folder.clone(), architecture: "armhf", programs: folder.clone() }
        };
        let package = Package { name: "p".into(), version: "1".into(), sha256: String::new(), depends: String::new() };
        // As apt does it: an error only if it is asked for.
        let deaf =
            apt("echo 'E: Could not resolve host' >&2; case \"$*\" in *Error-Mode=any*|*download*) exit 100;; esac");
        for failure in [deaf.update().unwrap_err(), deaf.unpack(&package, &folder.join("to")).unwrap_err()] {
            assert!(failure.what.contains("Could not resolve host"), "{failure}");
            assert!(failure.mend.as_ref().is_some_and(|mend| mend.contains("the network")), "{failure}");
        }
        let empty = apt("exit 0");
        assert!(empty.update().unwrap_err().what.contains("have no packages for armhf"));
        assert!(empty.unpack(&package, &folder.join("to")).unwrap_err().what.contains("downloaded no file for p"));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
