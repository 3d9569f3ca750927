//! Composing for a test on the desk: programs are stand-ins of a few bytes, and nothing is built, fetched or written.
//!
//! All else is as in an image: the same checks, the same records for root in a payload that the kernel boots.

use super::elf::{self, Piece};
use super::materials::{self, Materials, ProgramFile};
use super::pack::KernelPlace;
use super::problem::{Problem, Source};
use super::replay::{Image, boot};
use super::resolve::ProgramName;
use super::{assemble, hold, render};
use abi::rights::MapFlags;
use abi::zimage::{HEADER_OFFSET, MAGIC, ZimageHeader};
use boards::Board;
use kernel_core::sim::World;
use miette::Report;
use std::path::{Path, PathBuf};

/// A composed system without code.
#[derive(Clone, Debug)]
pub struct Desk {
    /// What the kernel boots: header, root's stand-in, the compiled system, the other stand-ins. What the header says beyond
    /// that is zero.
    pub payload: Vec<u8>,
    /// Its board.
    pub board: Board,
    kernel: KernelPlace,
    /// Who speaks on the wire: its id, name, and whether it has a console channel.
    pub speakers: Vec<(u8, String, bool)>,
}

impl Desk {
    /// A machine with the board's RAM whose kernel has just booted it: root runs next. The error says why it does not boot.
    pub fn boot(&self) -> Result<World, String> {
        let image = Image { board: &self.board, kernel: self.kernel, payload: &self.payload };
        boot(&image).map_err(|problem| render(&Source::new("the desk", String::new()).reports(vec![problem]), false))
    }
}

/// Bytes of the kernel's stand-in.
const KERNEL_BYTES: u32 = 64 << 10;

/// Composes a manifest's text; `name` is what messages call it, and `folder` what its paths are relative to. `stand_in` gives the
/// code of a program, which is entered at its first byte; the error says why there is none.
pub fn compose(
    name: &str,
    text: &str,
    folder: &Path,
    stand_in: &mut dyn FnMut(&ProgramName) -> Result<Vec<u8>, String>,
) -> Result<Desk, Vec<Report>> {
    let stem = Path::new(name).file_stem().map_or("system".to_owned(), |stem| stem.to_string_lossy().into_owned());
    let (source, mut system) = hold(Source::new(name, text.to_owned()), folder, None, &stem, None)?;
    if let Some(vm) = system.vms.first() {
        let name = &vm.vm.name;
        let problem = Problem::at(&name.span, format!("`{}` is a VM, and the desk has none", name.value), "a guest")
            .help("a guest needs a processor: test its VMM's devices as plain values, and the VM in QEMU");
        return Err(source.reports(vec![problem]));
    }
    // Its kernel is on one core, and so is everybody.
    system.components.iter_mut().for_each(|it| it.component.time.core = None);
    let kernel_address = system.board.kernel_address as u32;
    let mut problems = Vec::new();
    let mut file = |name: ProgramName| {
        let code = match name {
            ProgramName::Kernel | ProgramName::KernelSmp => Ok(vec![0; KERNEL_BYTES as usize]),
            ProgramName::ZimageHead => Ok(zimage_head()),
            _ => stand_in(&name),
        };
        let address = match name {
            ProgramName::Kernel | ProgramName::KernelSmp => kernel_address,
            ProgramName::ZimageHead => 0,
            _ => protocol::layout::LINK,
        };
        let bytes = code.map(|code| program(address, code)).unwrap_or_else(|error| {
            problems.push(Problem::new(error));
            Vec::new()
        });
        ProgramFile { name, path: PathBuf::new(), bytes }
    };
    let mut programs: Vec<ProgramFile> = [ProgramName::Kernel, ProgramName::ZimageHead, ProgramName::Root]
        .into_iter()
        .chain(materials::components(&system))
        .map(&mut file)
        .collect();
    if !problems.is_empty() {
        return Err(source.reports(problems));
    }
    let root = programs.remove(2);
    let zimage_head = programs.remove(1);
    let kernel = programs.remove(0);
    let materials = Materials { kernel, zimage_head, root, programs, guests: Vec::new() };
    let composed = assemble::assemble(&system, &materials).map_err(|problems| source.reports(problems))?;
    let payload = &composed.bin[(composed.kernel.payload - composed.kernel.base) as usize..];
    let end = payload.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    Ok(Desk {
        payload: payload[..end].to_vec(),
        board: system.board,
        kernel: composed.kernel,
        speakers: composed.plan.speakers.into_iter().map(|who| (who.id, who.name, who.console)).collect(),
    })
}

/// A head for a zImage that nobody boots: no code, and the magic.
fn zimage_head() -> Vec<u8> {
    let mut head = vec![0; HEADER_OFFSET as usize + size_of::<ZimageHeader>() + 4];
    head[HEADER_OFFSET as usize..][..4].copy_from_slice(&MAGIC.to_le_bytes());
    head
}

/// An ELF of nothing but that code, linked to that address and entered at its first byte.
pub fn program(address: u32, code: Vec<u8>) -> Vec<u8> {
    let (memory_bytes, flags) = (code.len() as u32, MapFlags::READ | MapFlags::EXECUTE);
    elf::write(address, &[Piece { address, physical: address, bytes: code, memory_bytes, flags }])
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIR: &str =
        "[system]\nversion = 1\n[component.a]\ncrate = \"x\"\n[component.b]\ncrate = \"x\"\nconsole = false\n";

    #[test]
    fn stand_ins_are_in_the_payload_each_once() {
        let mut asked = Vec::new();
        let mut stand_in = |name: &ProgramName| {
            asked.push(name.clone());
            Ok(format!("code of {name:?}").into_bytes())
        };
        let desk = compose("pair.toml", PAIR, Path::new(""), &mut stand_in).unwrap();
        let package = ProgramName::Package("x".to_owned());
        assert_eq!(asked, [ProgramName::Root, ProgramName::Console, ProgramName::Log, package]);
        for name in &asked {
            let code = format!("code of {name:?}");
            assert_eq!(desk.payload.windows(code.len()).filter(|bytes| *bytes == code.as_bytes()).count(), 1);
        }
        assert_eq!(desk.payload[..4], abi::boot::PAYLOAD_MAGIC.to_le_bytes());
        assert_eq!(desk.boot().map(|world| world.kernel.running() == Some(world.root)), Ok(true));
        assert!(desk.speakers.contains(&(5, "b".to_owned(), false)), "{:?}", desk.speakers);
    }

    #[test]
    fn a_guest_and_a_program_that_nobody_has_are_told() {
        let told = |text: &str| {
            let mut none = |name: &ProgramName| match name {
                ProgramName::Package(_) => Err("nobody gave it".to_owned()),
                _ => Ok(vec![1]),
            };
            render(&compose("it.toml", text, Path::new(""), &mut none).unwrap_err(), false)
        };
        assert!(told(PAIR).contains("nobody gave it"));
        let vm = "[system]\nversion = 1\n[vm.linux]\nkernel = \"debian:armmp\"\nram = \"64MiB\"\n";
        let message = told(vm);
        assert!(
            message.contains("`linux` is a VM, and the desk has none") && message.contains("it.toml:3"),
            "{message}"
        );
    }
}
