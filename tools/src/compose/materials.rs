//! Everything from outside that goes into an image: programs, guests' kernels and initial file systems.

use super::problem::{At, Problem};
use super::resolve::{FileSource, ProgramName, Resolved};
use crate::failure::{Failure, Result as Obtained};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// ELFs by program, or why there are none.
pub type BuiltPrograms = Result<BTreeMap<ProgramName, PathBuf>, String>;

/// How the composer gets what it can't make.
pub struct Inputs<'a> {
    /// Builds programs for a board, all in one go; the paths of their ELFs. [`ProgramName::Elf`] is never asked for.
    pub programs: &'a mut dyn FnMut(&str, &[ProgramName]) -> BuiltPrograms,
    /// Fetches a guest's kernel by a name such as `debian:armmp-lpae`.
    pub fetch: &'a mut dyn FnMut(&str) -> Obtained<PathBuf>,
    /// Makes the initial file system with a shell, with what a kernel that was fetched by that name needs; `None`: with nothing more.
    pub shell: &'a mut dyn FnMut(Option<&str>) -> Obtained<PathBuf>,
}

/// A program's file.
#[derive(Clone, Debug)]
pub struct ProgramFile {
    /// Which program.
    pub name: ProgramName,
    /// Where its ELF lies.
    pub path: PathBuf,
    /// The ELF.
    pub bytes: Vec<u8>,
}

/// A guest's files.
#[derive(Clone, Debug)]
pub struct GuestFiles {
    /// Its kernel.
    pub kernel: Arc<Vec<u8>>,
    /// Its initial file system.
    pub initrd: Option<Arc<Vec<u8>>>,
}

/// All of it.
#[derive(Clone, Debug)]
pub struct Materials {
    /// The kernel.
    pub kernel: ProgramFile,
    /// The head of the zImage.
    pub zimage_head: ProgramFile,
    /// Root.
    pub root: ProgramFile,
    /// All other programs, each once.
    pub programs: Vec<ProgramFile>,
    /// Files of the guests, in the order of the VMs.
    pub guests: Vec<GuestFiles>,
}

/// Gets everything.
pub fn gather(system: &Resolved, inputs: &mut Inputs<'_>) -> Result<Materials, Vec<Problem>> {
    let mut problems = Vec::new();
    let needed = needed(system);
    let asked: Vec<_> = needed.iter().filter(|name| !matches!(name, ProgramName::Elf(_))).cloned().collect();
    let built = match (inputs.programs)(&system.board.name, &asked) {
        Ok(built) => built,
        Err(error) => {
            problems.push(Problem::new(error));
            BTreeMap::new()
        }
    };
    let mut programs = Vec::new();
    for name in needed {
        let path = match &name {
            ProgramName::Elf(path) => Some(path.clone()),
            other => built.get(other).cloned(),
        };
        match path.map(|path| (read(&path), path)) {
            Some((Ok(bytes), path)) => programs.push(ProgramFile { name, path, bytes }),
            Some((Err(error), _)) => problems.push(Problem::new(error)),
            None if problems.is_empty() => problems.push(Problem::new(format!("{name:?} was not built"))),
            None => {}
        }
    }
    let guests = guests(system, inputs, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let root = programs.remove(2);
    let zimage_head = programs.remove(1);
    let kernel = programs.remove(0);
    Ok(Materials { kernel, zimage_head, root, programs, guests })
}

/// Programs that the system needs: the kernel, the head of the zImage, root, then those of components.
fn needed(system: &Resolved) -> Vec<ProgramName> {
    let kernel = if system.cores() > 1 { ProgramName::KernelSmp } else { ProgramName::Kernel };
    let mut needed = vec![kernel, ProgramName::ZimageHead, ProgramName::Root];
    needed.extend(components(system));
    needed
}

/// Programs of components and VMMs, each once.
pub fn components(system: &Resolved) -> Vec<ProgramName> {
    let mut needed = vec![ProgramName::Console, ProgramName::Log];
    if !system.vms.is_empty() {
        needed.push(ProgramName::VmmServer);
    }
    for component in &system.components {
        if !needed.contains(&component.program) {
            needed.push(component.program.clone());
        }
    }
    needed
}

/// What mends a file that can't be had, if nothing better is known.
pub const NAME_ANOTHER: &str = "name another, or the path of a file that can be read";

/// What is told of a guest's file that can't be had.
pub fn problem(at: &At<String>, failure: Failure) -> Problem {
    let mend = failure.mend.unwrap_or_else(|| NAME_ANOTHER.to_owned());
    Problem::at(&at.span, failure.what, "can't be had").help(mend)
}

/// Reads a file; the error names it.
pub fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn guests(system: &Resolved, inputs: &mut Inputs<'_>, problems: &mut Vec<Problem>) -> Vec<GuestFiles> {
    let mut cache: BTreeMap<PathBuf, Arc<Vec<u8>>> = BTreeMap::new();
    let mut get = |source: &FileSource, at: &At<String>, kernel: &FileSource| -> Option<Arc<Vec<u8>>> {
        let path = match source {
            FileSource::Path(path) => Ok(path.clone()),
            FileSource::Known(name) => (inputs.fetch)(name),
            FileSource::Shell => (inputs.shell)(kernel.fetched()),
        };
        let bytes = path.and_then(|path| match cache.get(&path) {
            Some(bytes) => Ok(bytes.clone()),
            None => {
                let bytes = Arc::new(read(&path).map_err(Failure::new)?);
                cache.insert(path, bytes.clone());
                Ok(bytes)
            }
        });
        bytes.map_err(|error| problems.push(problem(at, error))).ok()
    };
    let mut guests = Vec::new();
    for vm in &system.vms {
        let kernel = get(&vm.kernel, &vm.vm.kernel, &vm.kernel);
        let initrd = match (&vm.initrd, &vm.vm.initrd) {
            // The shell needs what came with the kernel: without one, the kernel's problem is the only one.
            (Some(FileSource::Shell), _) if kernel.is_none() => None,
            (Some(source), Some(at)) => get(source, at, &vm.kernel),
            _ => None,
        };
        guests.extend(kernel.map(|kernel| GuestFiles { kernel, initrd }));
    }
    guests
}
