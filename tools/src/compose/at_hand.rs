//! What of a system can be read before anything is built or fetched, so that what is wrong with it is told at once.

use super::assemble;
use super::elf::Program;
use super::guest::Loaded;
use super::interfaces;
use super::materials::{self, ProgramFile};
use super::problem::{At, Problem};
use super::resolve::{FileSource, ProgramName, Resolved, ResolvedVm};
use crate::failure::{Failure, Result as Obtained};
use std::path::PathBuf;
use std::sync::Arc;

/// What was kept; `None`: nothing was.
pub type Found<T> = Option<Obtained<T>>;

/// What the tool fetched or made for earlier builds. It fetches and builds nothing. An error: it was damaged since.
pub struct Kept<'a> {
    /// A guest's kernel by a name such as `debian:armmp-lpae`.
    pub kernel: &'a dyn Fn(&str) -> Found<PathBuf>,
    /// The initial file system with a shell, for a kernel of that name; `None`: for one of the user's own.
    pub shell: &'a dyn Fn(Option<&str>) -> Found<Vec<u8>>,
}

impl Kept<'static> {
    /// Nothing was kept: only files that the manifest names are read.
    pub const NOTHING: Self = Self { kernel: &|_| None, shell: &|_| None };
}

/// What could be read, and is right.
#[derive(Clone, Debug, Default)]
pub struct AtHand {
    /// Programs that are built already.
    pub programs: Vec<(ProgramName, Program)>,
    /// Guests in the order of the VMs; `None` where something must be built or fetched first.
    pub guests: Vec<Option<Loaded>>,
}

/// Reads what can be read.
pub fn look(system: &Resolved, kept: &Kept<'_>) -> Result<AtHand, Vec<Problem>> {
    let mut problems = Vec::new();
    let files = elves(system, &mut problems);
    interfaces::join(system, &files, &mut problems);
    let programs = files.iter().filter_map(|file| {
        let program = assemble::program(system, &file.name, &file.bytes, &mut problems)?;
        Some((file.name.clone(), program))
    });
    let programs = programs.collect();
    let guests = system.vms.iter().map(|vm| guest(vm, kept, &mut problems)).collect();
    if problems.is_empty() { Ok(AtHand { programs, guests }) } else { Err(problems) }
}

/// The programs that the manifest gives as ELFs, each once.
fn elves(system: &Resolved, problems: &mut Vec<Problem>) -> Vec<ProgramFile> {
    let mut files: Vec<ProgramFile> = Vec::new();
    for component in &system.components {
        let ProgramName::Elf(path) = &component.program else { continue };
        if files.iter().any(|file| file.name == component.program) {
            continue;
        }
        match materials::read(path) {
            Ok(bytes) => files.push(ProgramFile { name: component.program.clone(), path: path.clone(), bytes }),
            Err(error) => {
                let at = component.component.program.at();
                problems.push(Problem::at(&at.span, error, "can't be read").help(materials::NAME_ANOTHER));
            }
        }
    }
    files
}

/// A guest, as far as its files are there. A kernel without an initial file system that is only made later is held against less than it
/// needs, and so is the other way round: what does not fit then will never fit.
fn guest(vm: &ResolvedVm, kept: &Kept<'_>, problems: &mut Vec<Problem>) -> Option<Loaded> {
    let before = problems.len();
    let file = |path: &PathBuf, at: &At<String>, problems: &mut Vec<Problem>| {
        let problem =
            |error| problems.push(Problem::at(&at.span, error, "can't be read").help(materials::NAME_ANOTHER));
        materials::read(path).map(Arc::new).map_err(problem).ok()
    };
    let kernel = match &vm.kernel {
        FileSource::Path(path) => file(path, &vm.vm.kernel, problems),
        FileSource::Known(name) => (kept.kernel)(name).and_then(|kept| {
            let bytes = kept.and_then(|path| materials::read(&path).map_err(Failure::new));
            bytes.map(Arc::new).map_err(|failure| problems.push(materials::problem(&vm.vm.kernel, failure))).ok()
        }),
        FileSource::Shell => None,
    };
    let initrd = match (&vm.initrd, &vm.vm.initrd) {
        (Some(FileSource::Path(path)), Some(at)) => file(path, at, problems),
        // A damaged kernel's shell has the same problem.
        (Some(FileSource::Shell), Some(at)) if problems.len() == before => {
            (kept.shell)(vm.kernel.fetched()).and_then(|bytes| {
                bytes.map(Arc::new).map_err(|failure| problems.push(materials::problem(at, failure))).ok()
            })
        }
        _ => None,
    };
    if problems.len() > before {
        return None;
    }
    let Some(kernel) = kernel else {
        assemble::initrd_alone(vm, initrd.as_ref(), problems);
        return None;
    };
    let whole = initrd.is_some() == vm.initrd.is_some();
    let files = materials::GuestFiles { kernel, initrd };
    assemble::guest(vm, &files, problems).filter(|_| whole)
}
