//! The one place where the running half of the tool meets the composing half: what the composer can't make is built
//! and fetched here, and what it says is turned into an [`Image`] or a failure.

use crate::compose::{self, Built, Inputs, Kept, ProgramName};
use crate::cross::Kernel;
use crate::failure::{EXIT_BAD_INPUT, Failure, Result};
use crate::image::{Channel, DESCRIPTION, Image, LogSource};
use crate::{cross, guest_files, initramfs, output, workspace};
use miette::Report;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// What earlier builds have fetched.
const KEPT: Kept<'static> = Kept { kernel: &guest_files::kept, shell: &initramfs::kept };

fn failure(reports: &[Report]) -> Failure {
    let text = compose::render(reports, std::io::stderr().is_terminal());
    let count = reports.len();
    Failure::new(format!("{count} problem{}\n{}", if count == 1 { "" } else { "s" }, text.trim_end()))
}

/// A manifest without fault.
pub fn checked(manifest: &Path, board: Option<&str>) -> Result<compose::Checked> {
    compose::check_with(manifest, board, &KEPT).map_err(|reports| failure(&reports))
}

/// Composes and builds a system, by default into a folder of its own below the target folder.
pub fn build(manifest: &Path, board: Option<&str>, output: Option<&Path>) -> Result<Image> {
    let checked = checked(manifest, board)?;
    let name = manifest.file_stem().unwrap_or_default();
    let own = workspace::own().join("systems").join(name).join(checked.board());
    let folder = std::path::absolute(output.unwrap_or(&own)).map_err(|error| Failure::path(&own, error))?;
    let _lock = workspace::lock(&folder)?;
    // What a compiler says is not for the frame that a fault of the manifest gets.
    let mut compiler = None;
    let mut inputs = Inputs {
        programs: &mut |board, names| programs(board, names).map_err(|failure| compiler.insert(failure).what.clone()),
        fetch: &mut |name| guest_kernel(checked.board(), name),
        shell: &mut |kernel| initramfs::build(kernel),
    };
    let built = compose::build(manifest, board, &folder, &mut inputs);
    let built = built.map_err(|reports| compiler.unwrap_or_else(|| failure(&reports)))?;
    let mut image = image(&built);
    keep_programs(&mut image, &folder)?;
    image.write(&folder.join(DESCRIPTION))?;
    Ok(image)
}

/// A guest's kernel that is not a file: `crate:PACKAGE` is built, anything else is fetched.
fn guest_kernel(board: &str, name: &str) -> Result<PathBuf> {
    match name.strip_prefix("crate:") {
        Some(package) => Ok(cross::build(board, &[package])?.elf(package)?.clone()),
        None => guest_files::kernel(name),
    }
}

/// Puts the programs beside the image: the next build will overwrite them where they are, and log frames can only be
/// read with the very program that wrote them.
fn keep_programs(image: &mut Image, folder: &Path) -> Result<()> {
    for log in &mut image.logs {
        let kept = folder.join("programs").join(format!("{}-{}.elf", log.id, log.name));
        let bytes = std::fs::read(&log.elf).map_err(|error| Failure::path(&log.elf, error))?;
        if !std::fs::read(&kept).is_ok_and(|old| old == bytes) {
            workspace::write(&kept, &bytes)?;
        }
        log.elf = kept;
    }
    Ok(())
}

fn image(built: &Built) -> Image {
    let consoles = built.speakers.iter().filter(|speaker| speaker.console);
    let channel = |speaker: &compose::Speaker| Channel { id: speaker.id, name: speaker.name.clone(), vm: speaker.vm };
    let log =
        |speaker: &compose::Speaker| LogSource { id: speaker.id, name: speaker.name.clone(), elf: speaker.elf.clone() };
    Image {
        elf: built.elf.clone(),
        board: built.board.clone(),
        cores: built.cores,
        channels: consoles.map(channel).collect(),
        logs: built.speakers.iter().map(log).collect(),
    }
}

/// The package of a program of the workspace's.
fn package(name: &ProgramName) -> Option<&str> {
    match name {
        ProgramName::Kernel | ProgramName::KernelSmp => Some(cross::KERNEL),
        ProgramName::ZimageHead => Some(cross::ZIMAGE_HEAD),
        ProgramName::Root => Some("root"),
        ProgramName::Console => Some("console"),
        ProgramName::Log => Some("log"),
        ProgramName::VmmServer => Some("vmm-server"),
        ProgramName::Package(package) => Some(package),
        ProgramName::Folder(_) | ProgramName::Elf(_) => None,
    }
}

fn programs(board: &str, names: &[ProgramName]) -> Result<BTreeMap<ProgramName, PathBuf>> {
    // Folders first: a package of theirs may have the name of one of the workspace's, which is then built over it.
    let mut found = BTreeMap::new();
    for name in names {
        if let ProgramName::Folder(folder) = name {
            found.insert(name.clone(), cross::build_folder(board, folder)?);
        }
    }
    let packages: Vec<&str> = names.iter().filter_map(package).collect();
    let kernel = if names.contains(&ProgramName::KernelSmp) { Kernel::Smp } else { Kernel::OneCore };
    let built = cross::build_for(board, &packages, kernel)?;
    for name in names {
        let path = match name {
            ProgramName::Folder(_) => continue,
            ProgramName::Elf(path) => path.clone(),
            other => built.elf(package(other).unwrap_or_default())?.clone(),
        };
        found.insert(name.clone(), path);
    }
    Ok(found)
}

/// What `check --json` prints.
#[derive(Debug, Serialize)]
struct Answer {
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<String>,
    /// The time of each core that is used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cores: Vec<compose::CoreTime>,
    errors: Vec<Fault>,
}

#[derive(Debug, Serialize)]
struct Fault {
    message: String,
    file: String,
    /// Counted from 1; `None` for a fault of the whole system.
    line: Option<usize>,
    column: Option<usize>,
    help: Option<String>,
}

impl Fault {
    fn new(manifest: &Path, report: &Report) -> Self {
        let label = report.labels().and_then(|mut labels| labels.next());
        let place = label.zip(report.source_code()).and_then(|(label, source)| {
            let read = source.read_span(label.inner(), 0, 0).ok()?;
            Some((read.line() + 1, read.column() + 1))
        });
        Self {
            message: report.to_string(),
            file: manifest.display().to_string(),
            line: place.map(|(line, _)| line),
            column: place.map(|(_, column)| column),
            help: report.help().map(|help| help.to_string()),
        }
    }
}

/// Checks a manifest, builds nothing, and returns the exit code.
pub fn check(manifest: &Path, json: bool) -> Result<u8> {
    let checked = compose::check_with(manifest, None, &KEPT);
    if !json {
        let checked = checked.map_err(|reports| failure(&reports))?;
        let mut text = format!("{}: no problem\n", checked.summary());
        checked.cores().iter().for_each(|core| text += &format!("{}\n", core.line()));
        output::print(&text)?;
        return Ok(0);
    }
    let answer = match &checked {
        Ok(checked) => {
            Answer { ok: true, summary: Some(checked.summary()), cores: checked.cores(), errors: Vec::new() }
        }
        Err(reports) => {
            let errors = reports.iter().map(|report| Fault::new(manifest, report)).collect();
            Answer { ok: false, summary: None, cores: Vec::new(), errors }
        }
    };
    let text = serde_json::to_string_pretty(&answer).map_err(|error| Failure::new(error.to_string()))?;
    output::print(&(text + "\n"))?;
    Ok(if answer.ok { 0 } else { EXIT_BAD_INPUT })
}
