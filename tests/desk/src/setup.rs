//! What a system is made of, before it starts.

use crate::bus::Bus;
use crate::device::Device;
use crate::engine::{Engine, Program};
use crate::stand_in;
use crate::system::System;
use crate::uart::Uart;
use bulkhead_tools::compose::desk::{self, Desk};
use bulkhead_tools::compose::{ProgramName, render};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A system that has not started. Functions of the same names as the manifest's programs stand for them.
#[must_use = "call `start`"]
pub struct Setup {
    name: String,
    folder: PathBuf,
    manifest: Result<String, String>,
    programs: BTreeMap<String, Program>,
    devices: BTreeMap<String, Box<dyn Device>>,
    seed: Option<u64>,
}

impl Setup {
    pub(crate) fn read(path: &Path) -> Self {
        let manifest = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()));
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Self { name: path.display().to_string(), folder, ..Self::new(manifest) }
    }

    pub(crate) fn new(manifest: Result<String, String>) -> Self {
        let mut programs: BTreeMap<String, Program> = BTreeMap::new();
        programs.insert("root".to_owned(), Arc::new(|_| root::run(&mut Box::new(root::Root::new()))));
        programs.insert("console".to_owned(), Arc::new(console::run));
        programs.insert("log".to_owned(), Arc::new(log::run));
        let name = "the manifest".to_owned();
        Self { name, folder: PathBuf::new(), manifest, programs, devices: BTreeMap::new(), seed: None }
    }

    /// What the manifest calls `name`, in `crate` or `elf`, is this function of a thread's number. `root`, `console` and `log` are the
    /// real ones unless they are given. Several components may run one program; its `static`s are shared by all of them.
    pub fn program(mut self, name: &str, run: impl Fn(u32) + Send + Sync + 'static) -> Self {
        self.programs.insert(name.to_owned(), Arc::new(run));
        self
    }

    /// The board's device of that name is this. Without it, the `uart` is a PL011 on the test's wire, a PL031 is a clock, and any other
    /// device is [`Registers`](crate::Registers).
    pub fn device(mut self, name: &str, device: impl Device + 'static) -> Self {
        self.devices.insert(name.to_owned(), Box::new(device));
        self
    }

    /// Draws from this seed what a kernel leaves open. Without one, nothing is left to chance.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Composes the manifest, boots the kernel, and lets root build the system. No component has run yet.
    ///
    /// # Panics
    /// If something is wrong with the manifest or a program is missing: with what, and what mends it.
    #[track_caller]
    pub fn start(self) -> System {
        self.try_start().unwrap_or_else(|error| panic!("{error}"))
    }

    /// The same. The error is the message of the panic.
    pub fn try_start(self) -> Result<System, String> {
        let manifest = self.manifest?;
        let (names, programs): (Vec<String>, Vec<Program>) = self.programs.into_iter().unzip();
        let desk = composed(&self.name, &self.folder, &manifest, &names)?;
        let uart = Arc::new(Mutex::new(Uart::default()));
        let bus = Bus::new(&desk.board, Box::new(uart.clone()), self.devices)?;
        let ram = desk.board.ram.iter().map(|ram| ram.base..ram.base + ram.bytes).collect();
        let engine = Engine::new(desk.boot()?, ram, programs, bus, self.seed);
        System::started(engine, desk.speakers.clone(), uart, self.seed)
    }
}

/// Composes a manifest for programs of these names; once, however many seeds a test has.
fn composed(name: &str, folder: &Path, manifest: &str, programs: &[String]) -> Result<Arc<Desk>, String> {
    type Known = BTreeMap<(PathBuf, String, Vec<String>), Arc<Desk>>;
    static KNOWN: Mutex<Known> = Mutex::new(BTreeMap::new());
    let key = (folder.to_owned(), manifest.to_owned(), programs.to_vec());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(desk) = known.get(&key) {
        return Ok(desk.clone());
    }
    let mut code = |wanted: &ProgramName| {
        let called = called(wanted, folder);
        let found = programs.iter().position(|program| *program == called);
        found.map(stand_in::code).ok_or_else(|| {
            format!("the manifest has the program `{called}`, and the test has none: add .program(\"{called}\", ...)")
        })
    };
    let desk = desk::compose(name, manifest, folder, &mut code).map_err(|reports| render(&reports, false))?;
    let desk = Arc::new(desk);
    known.insert(key, desk.clone());
    Ok(desk)
}

/// What a test calls a program: what stands in the manifest.
fn called(program: &ProgramName, folder: &Path) -> String {
    match program {
        ProgramName::Kernel | ProgramName::KernelSmp => "kernel".to_owned(),
        ProgramName::ZimageHead => "zimage".to_owned(),
        ProgramName::Root => "root".to_owned(),
        ProgramName::Console => "console".to_owned(),
        ProgramName::Log => "log".to_owned(),
        ProgramName::VmmServer => "vmm-server".to_owned(),
        ProgramName::Package(name) => name.clone(),
        ProgramName::Folder(path) | ProgramName::Elf(path) => {
            path.strip_prefix(folder).unwrap_or(path).display().to_string()
        }
    }
}
