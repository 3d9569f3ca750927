//! The composer: a manifest becomes a bootable image, in pure steps.
//!
//! [`parse`] reads the text, [`resolve`] finds what its names mean, [`check`] holds it against the rules,
//! [`layout`] gives every object its place, number and owner, [`emit`] writes the records that root executes,
//! [`pack`] the image, [`replay`] boots it on the desk, [`report`] says what people and machines may want to know of it. Only [`materials`] and this
//! file touch the world. [`desk`] composes for a test that has the programs itself.

mod amounts;
mod assemble;
mod at_hand;
mod check;
mod claims;
mod defaults;
pub mod desk;
mod elf;
mod emit;
mod guest;
mod interfaces;
mod layout;
mod manifest;
mod materials;
mod pack;
mod parse;
mod problem;
mod replay;
mod report;
mod resolve;
#[cfg(test)]
mod tests;
mod time;

pub use at_hand::Kept;
pub use claims::{Subject, compiled_of, subject};
pub use interfaces::declared;
pub use materials::Inputs;
pub use parse::check_name;
pub use problem::render;
pub use resolve::ProgramName;
pub use time::CoreTime;

use crate::workspace::{self, Package};
use miette::Report;
use problem::{Problem, Source};
use resolve::{Resolved, Surroundings};
use std::path::{Path, PathBuf};

/// A manifest without fault.
#[derive(Clone, Debug)]
pub struct Checked {
    source: Source,
    system: Resolved,
    /// What it compiles to, with programs of no size.
    compiled: Vec<u8>,
}

impl Checked {
    /// Name of its board.
    pub fn board(&self) -> &str {
        &self.system.board.name
    }

    /// What is compared of it with another.
    pub fn subject(&self) -> Result<Subject, String> {
        let claims = self.system.claims.iter().map(|claim| claim.whole.clone()).collect();
        subject(&self.system.board, &self.compiled, claims)
    }

    /// The time of each core that it uses.
    pub fn cores(&self) -> Vec<CoreTime> {
        time::account(&self.system)
    }

    /// One line about it.
    pub fn summary(&self) -> String {
        let count = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
        format!(
            "`{}` for {}: {}, {}, {}",
            self.system.name,
            self.board(),
            count(self.system.vms.len(), "VM"),
            count(self.system.components.len(), "component"),
            count(self.system.channels.len(), "channel")
        )
    }
}

/// A system on disk, ready to boot.
#[derive(Clone, Debug)]
pub struct Built {
    /// The image as an executable: QEMU's `-kernel` takes it.
    pub elf: PathBuf,
    /// The image as bytes, to be loaded at `load_address` and entered there.
    pub bin: PathBuf,
    /// See `bin`.
    pub load_address: u32,
    /// The image as a zImage: what boots a Linux takes it.
    pub zimage: PathBuf,
    /// The report for machines.
    pub report_json: PathBuf,
    /// The report for people.
    pub report_html: PathBuf,
    /// Name of the board.
    pub board: String,
    /// How many of its cores it uses.
    pub cores: u32,
    /// Name of the build.
    pub build: u64,
    /// Who speaks on the wire, by id; the kernel first.
    pub speakers: Vec<Speaker>,
}

/// Someone on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Speaker {
    /// Id.
    pub id: u8,
    /// Name in the manifest.
    pub name: String,
    /// The program whose log frames it sends.
    pub elf: PathBuf,
    /// Whether it has a console channel of that id.
    pub console: bool,
    /// Whether it is a VM.
    pub vm: bool,
}

/// Checks a manifest and the files that it names. All that is wrong is told at once.
pub fn check(path: &Path, board: Option<&str>) -> Result<Checked, Vec<Report>> {
    check_with(path, board, &Kept::NOTHING)
}

/// The same, with what was fetched before.
pub fn check_with(path: &Path, board: Option<&str>, kept: &Kept<'_>) -> Result<Checked, Vec<Report>> {
    let name = path.display().to_string();
    let text = read(path).map_err(|problem| Source::new(&name, String::new()).reports(vec![problem]))?;
    // Without the list cargo itself will tell of a wrong name, and of what is wrong with the list.
    let packages = workspace::packages().ok();
    let folder = path.parent().unwrap_or(Path::new(""));
    let stem = path.file_stem().map_or("system".to_owned(), |stem| stem.to_string_lossy().into_owned());
    check_text(Source::new(name, text), folder, packages.as_deref(), &stem, board, kept)
}

/// A manifest's text.
fn read(path: &Path) -> Result<String, Problem> {
    let name = path.display();
    let manifest = "name a manifest, such as tests/systems/pair.toml";
    if !path.exists() {
        return Err(Problem::new(format!("{name}: there is no such file")).help(manifest));
    }
    // A device or a pipe may never end.
    if let Ok(found) = path.metadata()
        && !found.is_file()
    {
        let kind = if found.is_dir() { "a folder" } else { "a device or the like" };
        return Err(Problem::new(format!("{name}: this is {kind}, not a plain file")).help(manifest));
    }
    let bytes = std::fs::read(path).map_err(|error| Problem::new(format!("{name}: {error}")).help(manifest))?;
    if elf::is_elf(&bytes) {
        let help = "a manifest is wanted; to run an image, run the image.json beside it";
        return Err(Problem::new(format!("{name}: this is a program, not a manifest")).help(help));
    }
    let help = format!("{manifest}; to run an image, run the image.json beside it");
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => return Err(Problem::new(format!("{name}: this is not text")).help(help)),
    };
    // No TOML begins like that: its parser would complain of every line.
    let other = match text.trim_start().as_bytes().first() {
        Some(b'{') => "JSON",
        Some(b'<') => "HTML",
        _ => return Ok(text),
    };
    Err(Problem::new(format!("{name}: this is {other}, not a manifest")).help(help))
}

fn check_text(
    source: Source,
    folder: &Path,
    packages: Option<&[Package]>,
    stem: &str,
    board: Option<&str>,
    kept: &Kept<'_>,
) -> Result<Checked, Vec<Report>> {
    let (source, system) = hold(source, folder, packages, stem, board)?;
    let at_hand = at_hand::look(&system, kept).map_err(|problems| source.reports(problems))?;
    let least = assemble::try_least(&system, &at_hand).map_err(|problem| vec![problem]);
    match least.and_then(|compiled| claims::judge(&system, &compiled).map(|_| compiled)) {
        Ok(compiled) => Ok(Checked { source, system, compiled }),
        Err(problems) => Err(source.reports(problems)),
    }
}

/// Holds a manifest against the rules, without booting anything.
fn hold(
    source: Source,
    folder: &Path,
    packages: Option<&[Package]>,
    stem: &str,
    board: Option<&str>,
) -> Result<(Source, Resolved), Vec<Report>> {
    let (mut manifest, mut problems) = parse::parse(source.text());
    let incomplete = !problems.is_empty();
    if incomplete {
        // What they are about may be what could not be read.
        manifest.claims.clear();
    }
    let (system, unresolved) =
        resolve::resolve(manifest, &Surroundings { text: source.text(), folder, packages }, stem, board);
    let unresolvable = !unresolved.is_empty();
    problems.extend(unresolved);
    // A rule that looks at half a system would tell of things that are not so: names are resolved in any
    // case, but the rest waits until they are right.
    match system {
        Some(system) if !incomplete && !unresolvable => {
            problems.extend(check::check(&system));
            if problems.is_empty() {
                return Ok((source, system));
            }
        }
        _ => {}
    }
    Err(source.reports(problems))
}

/// Composes a manifest and writes the image and its reports to the folder `output`.
pub fn build(path: &Path, board: Option<&str>, output: &Path, inputs: &mut Inputs<'_>) -> Result<Built, Vec<Report>> {
    let Checked { source, system, .. } = check(path, board)?;
    let materials = materials::gather(&system, inputs).map_err(|problems| source.reports(problems))?;
    let composed = assemble::assemble(&system, &materials).map_err(|problems| source.reports(problems))?;
    let json = report::json(&system, &composed);
    let html = report::html(&json);
    let text = serde_json::to_string_pretty(&json).unwrap_or_default();
    let file = |name: &str, bytes: &[u8]| {
        let path = output.join(name);
        write(&path, bytes).map_err(|error| {
            let failure = workspace::unwritable(&path, error);
            source.reports(vec![Problem::new(failure.what).help(failure.mend.unwrap_or_default())])
        })?;
        Ok::<_, Vec<Report>>(path)
    };
    let program = |speaker: &layout::plan::Speaker| match (speaker.program, speaker.id) {
        (Some(program), _) => materials.programs[program].path.clone(),
        (None, protocol::wire::KERNEL_ID) => materials.kernel.path.clone(),
        (None, _) => materials.root.path.clone(),
    };
    let speakers = composed.plan.speakers.iter().map(|speaker| Speaker {
        id: speaker.id,
        name: speaker.name.clone(),
        elf: program(speaker),
        console: speaker.console,
        vm: speaker.vm,
    });
    Ok(Built {
        elf: file("system.elf", &composed.elf)?,
        bin: file("system.bin", &composed.bin)?,
        load_address: composed.kernel.base,
        zimage: file("system.zimage", &composed.zimage)?,
        report_json: file("report.json", text.as_bytes())?,
        report_html: file("report.html", html.as_bytes())?,
        board: system.board.name.clone(),
        cores: composed.plan.cores(),
        build: composed.build,
        speakers: speakers.collect(),
    })
}

/// Writes a file whose content has changed.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if std::fs::metadata(path).is_ok_and(|old| old.len() == bytes.len() as u64)
        && std::fs::read(path).is_ok_and(|old| old == bytes)
    {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, bytes)
}
