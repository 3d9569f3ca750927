//! Names to things: the board, programs, files, and who talks to whom.

use super::claims;
use super::defaults;
use super::manifest::{ChannelKind, Component, Manifest, OnFault, ProgramSource, Vm};
use super::materials::NAME_ANOTHER;
use super::problem::{At, Problem, did_you_mean, nearest};
use crate::guest_files;
use crate::workspace::{self, Package};
use boards::{Board, Device};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// A system whose every name means something.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// Name of the system.
    pub name: String,
    /// Its board.
    pub board: Board,
    /// What the kernel does after a fault of its own.
    pub on_fault: OnFault,
    /// VMs.
    pub vms: Vec<ResolvedVm>,
    /// Components of the manifest; `console` and `log` are not among them.
    pub components: Vec<ResolvedComponent>,
    /// Channels.
    pub channels: Vec<ResolvedChannel>,
    /// Claims.
    pub claims: Vec<claims::Claim>,
}

impl Resolved {
    /// How many cores there must be: the first, and up to the last that somebody runs on.
    pub fn cores(&self) -> u32 {
        let times = self.vms.iter().map(|vm| &vm.vm.time).chain(self.components.iter().map(|it| &it.component.time));
        times.map(|time| u32::from(defaults::core(time)) + 1).max().unwrap_or(1)
    }

    /// The VM with the most RAM.
    pub fn largest_vm(&self) -> Option<usize> {
        (0..self.vms.len()).max_by_key(|&n| self.vms[n].vm.ram.value)
    }
}

/// A VM.
#[derive(Clone, Debug)]
pub struct ResolvedVm {
    /// As written.
    pub vm: Vm,
    /// Its kernel.
    pub kernel: FileSource,
    /// Its initial file system.
    pub initrd: Option<FileSource>,
}

/// Where a file for a guest comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileSource {
    /// A file.
    Path(PathBuf),
    /// Something that the tool fetches, such as `debian:armmp-lpae`.
    Known(String),
    /// The tool's own initial file system, with a shell.
    Shell,
}

impl FileSource {
    /// The name by which it is fetched, if it is.
    pub fn fetched(&self) -> Option<&str> {
        match self {
            Self::Known(name) if !name.starts_with(PACKAGE_PREFIX) => Some(name),
            _ => None,
        }
    }
}

/// A component.
#[derive(Clone, Debug)]
pub struct ResolvedComponent {
    /// As written.
    pub component: Component,
    /// Where its program comes from.
    pub program: ProgramName,
    /// Its devices.
    pub devices: Vec<At<Device>>,
    /// Who handles its faults, by the place in [`Resolved::components`]; `None`: root.
    pub fault_handler: Option<At<usize>>,
}

/// A program that can be asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProgramName {
    /// The kernel, for the system's board.
    Kernel,
    /// The same for several cores.
    KernelSmp,
    /// What a zImage begins with.
    ZimageHead,
    /// `root`.
    Root,
    /// `console`.
    Console,
    /// `log`.
    Log,
    /// The VMM.
    VmmServer,
    /// A package of the workspace.
    Package(String),
    /// A folder that holds a package.
    Folder(PathBuf),
    /// An ELF.
    Elf(PathBuf),
}

/// A channel between components, which are named by their place in [`Resolved::components`].
#[derive(Clone, Debug)]
pub struct ResolvedChannel {
    /// Its name.
    pub name: At<String>,
    /// What it is.
    pub kind: ChannelKind,
    /// Clients, signallers or writers.
    pub from: Vec<At<usize>>,
    /// Server, signalled, or readers.
    pub to: Vec<At<usize>>,
}

/// Packages that are in systems by themselves, and can be neither components nor guests.
const PARTS_OF_SYSTEMS: [&str; 6] = ["kernel-image", "kernel-zimage", "root", "console", "log", "vmm-server"];

/// Prefix of a guest's program that is a package of this workspace.
const PACKAGE_PREFIX: &str = "crate:";

/// Where a manifest stands.
pub struct Surroundings<'a> {
    /// Its text.
    pub text: &'a str,
    /// What its paths are relative to.
    pub folder: &'a Path,
    /// The packages of the workspace; `None`: any name may be one.
    pub packages: Option<&'a [Package]>,
}

/// Finds what the manifest's names mean.
pub fn resolve(
    manifest: Manifest,
    around: &Surroundings<'_>,
    default_name: &str,
    board_override: Option<&str>,
) -> (Option<Resolved>, Vec<Problem>) {
    let mut problems = Vec::new();
    let board = board(&manifest, board_override, &mut problems);
    let names = Names::new(&manifest, &mut problems);
    let channels = manifest.channels.iter().map(|channel| ResolvedChannel {
        name: channel.name.clone(),
        kind: channel.kind.clone(),
        from: channel.from.iter().filter_map(|end| names.component(end, Names::END, &mut problems)).collect(),
        to: channel.to.iter().filter_map(|end| names.component(end, Names::END, &mut problems)).collect(),
    });
    let channels = channels.collect();
    let scope = claims::Scope {
        vms: manifest.vms.iter().map(|vm| vm.name.value.as_str()).collect(),
        components: manifest.components.iter().map(|component| component.name.value.as_str()).collect(),
        channels: &manifest.channels,
        board: board.as_ref(),
    };
    let found = manifest.claims.iter().map(|claim| claims::resolve(claim, around.text, &scope, &mut problems));
    let claims = found.flatten().collect();
    let vms = manifest.vms.into_iter().map(|vm| ResolvedVm {
        kernel: kernel(&vm.kernel, around, &mut problems),
        initrd: vm.initrd.as_ref().map(|initrd| match initrd.value.as_str() {
            "shell" => FileSource::Shell,
            path => FileSource::Path(existing(path, initrd, around.folder, "initrd", &mut problems)),
        }),
        vm,
    });
    let vms = vms.collect();
    let components = manifest.components.into_iter().map(|component| ResolvedComponent {
        program: program(&component.program, around, &mut problems),
        devices: match &board {
            Some(board) => devices(&component, board, &mut problems),
            None => Vec::new(),
        },
        fault_handler: component
            .fault_handler
            .as_ref()
            .and_then(|at| names.component(at, Names::HANDLER, &mut problems)),
        component,
    });
    let components = components.collect();
    let name = manifest.name.map_or(default_name.to_owned(), |name| name.value);
    let resolved =
        board.map(|board| Resolved { name, board, on_fault: manifest.on_fault, vms, components, channels, claims });
    (resolved, problems)
}

fn board(manifest: &Manifest, board_override: Option<&str>, problems: &mut Vec<Problem>) -> Option<Board> {
    let known = boards::all();
    let help = |name: &str| did_you_mean(name, known.iter().map(String::as_str));
    let (name, span) = match (board_override, &manifest.board) {
        (Some(name), _) => (name, None),
        (None, Some(name)) => (name.value.as_str(), Some(&name.span)),
        (None, None) => ("qemu-virt", None),
    };
    if !known.iter().any(|board| board == name) {
        let message = format!("there is no board `{name}`");
        problems.push(match span {
            Some(span) => Problem::at(span, message, "unknown board").help(help(name)),
            None => Problem::new(message).help(help(name)),
        });
        return None;
    }
    boards::find(name).map_err(|error| problems.push(Problem::new(error.to_string()))).ok()
}

struct Names {
    vms: Vec<String>,
    components: Vec<String>,
}

impl Names {
    fn new(manifest: &Manifest, problems: &mut Vec<Problem>) -> Self {
        for component in &manifest.components {
            if let Some(vm) = manifest.vms.iter().find(|vm| vm.name.value == component.name.value) {
                let message = format!("`{}` is the name of a VM and of a component", vm.name.value);
                problems.push(
                    Problem::at(&component.name.span, message, "a component")
                        .also(&vm.name.span, "a VM")
                        .help("both speak on the console under their names: change one of them"),
                );
            }
        }
        Self {
            vms: manifest.vms.iter().map(|vm| vm.name.value.clone()).collect(),
            components: manifest.components.iter().map(|component| component.name.value.clone()).collect(),
        }
    }

    /// What is said of a VM where a component is wanted: at the end of a channel,
    const END: (&str, &str) = ("channels of VMs are not there yet", "a channel joins components");
    /// and as who handles faults.
    const HANDLER: (&str, &str) = ("a VMM handles its own guest alone", "name a component");

    fn component(&self, end: &At<String>, of_vm: (&str, &str), problems: &mut Vec<Problem>) -> Option<At<usize>> {
        let found = self.components.iter().position(|name| *name == end.value);
        if found.is_none() {
            problems.push(if self.vms.contains(&end.value) {
                let (why, help) = of_vm;
                Problem::at(&end.span, format!("`{}` is a VM, and {why}", end.value), "a VM").help(help)
            } else {
                Problem::at(&end.span, format!("there is no component `{}`", end.value), "unknown component")
                    .help(did_you_mean(&end.value, self.components.iter().map(String::as_str)))
            });
        }
        found.map(|found| At::new(found, end.span.clone()))
    }
}

fn kernel(kernel: &At<String>, around: &Surroundings<'_>, problems: &mut Vec<Problem>) -> FileSource {
    if let Some(flavour) = kernel.value.strip_prefix(guest_files::PREFIX) {
        if !guest_files::FLAVOURS.contains(&flavour) {
            // Without the prefix that all share: with it, every two names are near to each other.
            let quoted = |flavour: &str| format!("`{}{flavour}`", guest_files::PREFIX);
            let help = nearest(flavour, guest_files::FLAVOURS).map_or_else(
                || format!("there are {}", guest_files::FLAVOURS.map(quoted).join(", ")),
                |near| format!("did you mean {}?", quoted(near)),
            );
            let message = format!("there is no kernel `{}`", kernel.value);
            problems.push(Problem::at(&kernel.span, message, "unknown kernel").help(help));
        }
    } else if let Some(name) = kernel.value.strip_prefix(PACKAGE_PREFIX) {
        package(name, kernel, around, problems);
    } else {
        return FileSource::Path(existing(&kernel.value, kernel, around.folder, "kernel", problems));
    }
    FileSource::Known(kernel.value.clone())
}

/// Notes a package that the workspace does not have, and one without a program.
fn package(name: &str, at: &At<String>, around: &Surroundings<'_>, problems: &mut Vec<Problem>) {
    if PARTS_OF_SYSTEMS.contains(&name) {
        return problems.push(part_of_systems(name, at));
    }
    let Some(packages) = around.packages else { return };
    match packages.iter().find(|known| known.name == name) {
        Some(known) if known.program => return,
        Some(known) => return problems.push(library(known, at)),
        None => {}
    }
    let programs = packages.iter().filter(|known| known.program).map(|known| known.name.as_str());
    let help = nearest(name, programs).map_or_else(
        || "name a package of the workspace: it must be among the `members` in its Cargo.toml".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    let message = format!("the workspace has no package `{name}`");
    problems.push(Problem::at(&at.span, message, "unknown package").help(help));
}

fn part_of_systems(name: &str, at: &At<String>) -> Problem {
    Problem::at(&at.span, format!("`{name}` is a part of the system itself"), "can't be given a place of its own")
        .help("every system has it that needs it: take this out, or name a package of your own")
}

fn library(package: &Package, at: &At<String>) -> Problem {
    Problem::at(&at.span, format!("the package `{}` has no program, it is only a library", package.name), "a library")
        .help("give it a src/main.rs, or name another package")
}

fn existing(path: &str, at: &At<String>, folder: &Path, what: &str, problems: &mut Vec<Problem>) -> PathBuf {
    let full = folder.join(path);
    let wrong = |message: String, label: &str, help: &str| Problem::at(&at.span, message, label).help(help);
    problems.extend(match full.metadata() {
        Ok(found) if found.is_file() => None,
        Ok(found) if found.is_dir() => {
            Some(wrong(format!("{what}: `{path}` is a folder"), "a folder", "name a file in it"))
        }
        Ok(_) => Some(wrong(format!("{what}: `{path}` is a device or the like"), "no plain file", "name a plain file")),
        Err(error) if error.kind() == ErrorKind::NotFound => Some(wrong(
            format!("{what}: there is no file `{path}`"),
            "no such file",
            "paths are relative to the manifest's folder",
        )),
        Err(error) => Some(wrong(format!("{what}: `{path}`: {error}"), "can't be looked at", NAME_ANOTHER)),
    });
    full
}

fn program(source: &ProgramSource, around: &Surroundings<'_>, problems: &mut Vec<Problem>) -> ProgramName {
    match source {
        ProgramSource::Elf(at) => ProgramName::Elf(existing(&at.value, at, around.folder, "elf", problems)),
        ProgramSource::Crate(at) if at.value.contains(['/', '.']) => {
            let path = around.folder.join(&at.value);
            let nothing = |message: String| {
                Problem::at(&at.span, message, "no package here")
                    .help("write the name of a package, or a folder relative to the manifest's")
            };
            if !path.join("Cargo.toml").is_file() {
                problems.push(nothing(format!("crate: `{}` holds no Cargo.toml", at.value)));
            } else {
                match workspace::package(&path) {
                    Ok(Some(package)) if is_ours(&path) && PARTS_OF_SYSTEMS.contains(&&*package.name) => {
                        problems.push(part_of_systems(&package.name, at));
                    }
                    Ok(Some(package)) if package.program => {}
                    Ok(Some(package)) => problems.push(library(&package, at)),
                    Ok(None) => problems.push(nothing(format!("crate: `{}` holds no package", at.value))),
                    Err(failure) => problems.push(nothing(failure.what)),
                }
            }
            ProgramName::Folder(path)
        }
        ProgramSource::Crate(at) => {
            package(&at.value, at, around, problems);
            ProgramName::Package(at.value.clone())
        }
    }
}

/// Whether a folder is one of the workspace's own. Others' packages may have the names of ours.
fn is_ours(folder: &Path) -> bool {
    let root = workspace::root().canonicalize();
    root.is_ok_and(|root| folder.canonicalize().is_ok_and(|folder| folder.starts_with(root)))
}

fn devices(component: &Component, board: &Board, problems: &mut Vec<Problem>) -> Vec<At<Device>> {
    let mut found = Vec::new();
    for name in &component.devices {
        match board.device.iter().find(|device| device.name == name.value) {
            Some(device) => found.push(At::new(device.clone(), name.span.clone())),
            None => problems.push(
                Problem::at(
                    &name.span,
                    format!("the board `{}` has no device `{}`", board.name, name.value),
                    "unknown device",
                )
                .help(did_you_mean(&name.value, board.device.iter().map(|device| device.name.as_str()))),
            ),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cross;

    #[test]
    fn every_part_of_a_system_is_known_as_one() {
        let parts = cross::SYSTEM_PACKAGES.iter().chain([&cross::ZIMAGE_HEAD]);
        assert!(parts.clone().all(|part| PARTS_OF_SYSTEMS.contains(part)) && parts.count() == PARTS_OF_SYSTEMS.len());
        assert!(is_ours(&workspace::root().join("components/root")) && !is_ours(Path::new("/")));
    }
}
