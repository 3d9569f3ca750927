//! A checked system and its materials become an image: the pure part of building.

use super::elf::{self, Program};
use super::emit;
use super::guest::{Kernel, Loaded, Request, cmdline, load};
use super::layout::plan::Plan;
use super::layout::{Programs, lay_out, ram};
use super::manifest::{ConsoleKind, ProgramSource};
use super::materials::{GuestFiles, Materials};
use super::pack::{self, Arrangement, KernelPlace};
use super::problem::Problem;
use super::resolve::{ProgramName, Resolved, ResolvedVm};
use abi::boot::{ROOT_LINK_ADDRESS, ROOT_STACK_BYTES, ROOT_STACK_TOP};
use abi::object::PAGE_BITS;
use std::ops::Range;

/// A composed system.
#[derive(Clone, Debug)]
pub struct Composed {
    /// The image as an executable.
    pub elf: Vec<u8>,
    /// The image as bytes from the kernel's first address on.
    pub bin: Vec<u8>,
    /// The compiled system.
    pub system: Vec<u8>,
    /// Name of the build.
    pub build: u64,
    /// What stands where in the payload.
    pub arrangement: Arrangement,
    /// What was laid out.
    pub plan: Plan,
    /// Where the kernel and the payload are.
    pub kernel: KernelPlace,
    /// Where each group's memory is, if nothing else takes memory first; in the order of their numbers.
    pub places: Vec<ram::Place>,
}

/// Assembles an image.
pub fn assemble(system: &Resolved, materials: &Materials) -> Result<Composed, Vec<Problem>> {
    let mut problems = Vec::new();
    let kernel = read(&materials.kernel.bytes, "the kernel", &mut problems);
    let root = root(&materials.root.bytes, &mut problems);
    let programs: Vec<Program> =
        materials.programs.iter().filter_map(|file| program(system, &file.name, &file.bytes, &mut problems)).collect();
    let guests: Vec<Loaded> =
        system.vms.iter().zip(&materials.guests).filter_map(|(vm, files)| guest(vm, files, &mut problems)).collect();
    let (Some(kernel), Some(root), []) = (kernel, root, &problems[..]) else { return Err(problems) };
    put_together(system, materials, &kernel, &root, &programs, &guests).map_err(|problem| vec![problem])
}

fn put_together(
    system: &Resolved,
    materials: &Materials,
    kernel: &Program,
    root: &Program,
    programs: &[Program],
    guests: &[Loaded],
) -> Result<Composed, Problem> {
    let number = |name: &ProgramName| materials.programs.iter().position(|file| file.name == *name).unwrap_or(0);
    let named = Programs {
        all: programs,
        console: number(&ProgramName::Console),
        log: number(&ProgramName::Log),
        vmm: number(&ProgramName::VmmServer),
        components: system.components.iter().map(|component| number(&component.program)).collect(),
    };
    let plan = lay_out(system, &named, guests).map_err(Problem::new)?;
    let place = pack::kernel_place(kernel, system.board.kernel_address).map_err(Problem::new)?;

    // Where guests' files are depends on how long the compiled system is, which holds that in numbers of
    // varying length: so it is written twice, first with the longest numbers.
    let longest = pack::arrange(root, programs, 0, &plan.regions).map_err(Problem::new)?;
    let longest = Arrangement {
        pieces: longest.pieces.iter().map(|offsets| vec![u32::MAX >> 1; offsets.len()]).collect(),
        regions: vec![u32::from(u16::MAX); plan.regions.len()],
        ..longest
    };
    let system_max = emit::emit(&plan, &longest).len() as u32;
    let arrangement = pack::arrange(root, programs, system_max, &plan.regions).map_err(Problem::new)?;
    let compiled = emit::emit(&plan, &arrangement);

    let payload_end = u64::from(place.payload) + u64::from(arrangement.bytes);
    let taken = [u64::from(place.base)..u64::from(place.end), u64::from(place.payload)..payload_end];
    let places = fits(system, &plan, root, &taken)?;
    let header =
        pack::header(root, &plan, system.on_fault, compiled.len() as u32, &arrangement).map_err(Problem::new)?;
    let payload = pack::payload(&header, root, programs, &compiled, &plan.regions, &arrangement);
    Ok(Composed {
        elf: pack::image_elf(kernel, place, &payload, &arrangement),
        bin: pack::image_bin(kernel, place, &payload),
        system: compiled,
        build: pack::build_id(&payload),
        arrangement,
        plan,
        kernel: place,
        places,
    })
}

fn fits(system: &Resolved, plan: &Plan, root: &Program, taken: &[Range<u64>; 2]) -> Result<Vec<ram::Place>, Problem> {
    let board = &system.board;
    let (start, end) = (taken[0].start, taken[1].end);
    if !board.ram.iter().any(|ram| ram.base <= start && end <= ram.base + ram.bytes) {
        let message = format!("the image ends at {end:#x}, beyond the RAM of `{}`", board.name);
        return Err(Problem::new(message).help("give guests smaller files"));
    }
    let root_bytes: u64 = root.pieces.iter().map(|piece| u64::from(piece.pages()) << PAGE_BITS).sum();
    let root_bytes = ram::root_bytes(plan.root_cnode_bits, root_bytes + u64::from(ROOT_STACK_BYTES));
    ram::place(plan, &ram::free(board, taken, root_bytes)).map_err(|(message, help)| {
        let largest = system.vms.iter().map(|vm| &vm.vm.ram).max_by_key(|ram| ram.value);
        match largest {
            Some(ram) => Problem::at(&ram.span, message, "the most memory is here").help(help),
            None => Problem::new(message).help(help),
        }
    })
}

fn read(bytes: &[u8], what: &str, problems: &mut Vec<Problem>) -> Option<Program> {
    elf::read(bytes).map_err(|error| problems.push(Problem::new(format!("{what}: {error}")))).ok()
}

fn root(bytes: &[u8], problems: &mut Vec<Problem>) -> Option<Program> {
    let program = read(bytes, "root", problems)?;
    let high = ROOT_STACK_TOP - ROOT_STACK_BYTES - (1 << PAGE_BITS);
    elf::as_component(program, ROOT_LINK_ADDRESS, high)
        .map_err(|error| problems.push(Problem::new(format!("root: {error}"))))
        .ok()
}

fn program(system: &Resolved, name: &ProgramName, bytes: &[u8], problems: &mut Vec<Problem>) -> Option<Program> {
    let written = system.components.iter().find(|component| component.program == *name);
    let program = elf::read(bytes)
        .and_then(|program| elf::as_component(program, protocol::layout::LINK, protocol::layout::STACKS));
    let problem = |error: String| match written.map(|component| &component.component.program) {
        Some(ProgramSource::Crate(at) | ProgramSource::Elf(at)) => Problem::at(
            &at.span,
            format!("`{}` can't be a component: {error}", at.value),
            "this program",
        )
        .help("components are ELFs for 32-bit Arm, linked by the runtime's script: see `cargo bulkhead new component`"),
        None => Problem::new(format!("{name:?}: {error}")),
    };
    program.map_err(|error| problems.push(problem(error))).ok()
}

fn guest(vm: &ResolvedVm, files: &GuestFiles, problems: &mut Vec<Problem>) -> Option<Loaded> {
    let vm = &vm.vm;
    let raw = vm.load.as_ref().zip(vm.entry.as_ref());
    let raw = raw.map(|(load, entry)| (load.value as u32, entry.value as u32));
    let kernel = Kernel::identify(&files.kernel, raw)
        .map_err(|error| {
            let message = format!("`{}` can't be booted: {}", vm.kernel.value, error.what);
            problems.push(Problem::at(&vm.kernel.span, message, "this file").help(error.help));
        })
        .ok()?;
    let cmdline = cmdline(&kernel, vm.console, vm.cmdline.as_ref().map(|cmdline| cmdline.value.as_str()));
    let request = Request {
        kernel: &kernel,
        kernel_bytes: &files.kernel,
        initrd: files.initrd.as_ref(),
        ram_bytes: vm.ram.value,
        thumb: vm.thumb,
        cmdline: &cmdline,
        virtio_console: vm.console == ConsoleKind::Virtio,
    };
    load(&request)
        .map_err(|(message, help)| problems.push(Problem::at(&vm.ram.span, message, "too small").help(help)))
        .ok()
}
